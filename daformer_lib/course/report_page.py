"""The course's result as one web page that needs nothing else: no server, no network, no script.

Layout in `report.html` and `report.css`; readable on a phone, on paper, on light and on dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment

from daformer_lib.course.report import (
    AblationRow,
    CourseReport,
    PanelRow,
    RunDetail,
    StepTime,
    headline,
    picture_ious,
    right_share,
)
from daformer_lib.files import write_atomic
from daformer_lib.means import known_mean
from daformer_lib.progress import duration
from daformer_lib.specs import DatasetSpec
from daformer_lib.viz import class_chips, colorize
from daformer_lib.viz.charts import in_percent
from daformer_lib.viz.draw import as_picture
from daformer_lib.viz.safe_colours import theme_css
from daformer_lib.viz.style import KIND_COLOURS, KIND_NAMES, run_colours, small_png, to_data_uri
from daformer_lib.viz.tables import format_score

HERE = Path(__file__).parent
WIDE, TALL = 420, 250  # of the curves' drawing; it is shown at up to 1.5 times that
LEFT, RIGHT, TOP, BOTTOM = 34, 18, 8, 34  # its margins
DASHES = ("", "6 3", "2 3", "9 3 2 3", "1 3", "12 4")  # so that colour is not all that tells them


def render(report: CourseReport) -> str:
    """The page as HTML. All texts are escaped."""
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (HERE / "report.html").read_text(encoding="utf-8")
    )
    runs = list(dict.fromkeys(run for row in report.panels for run in row.labels))
    return template.render(
        report=report,
        css=(HERE / "report.css").read_text(encoding="utf-8"),
        theme=theme_css(_marks(report)),
        headline=headline(report.rows),
        rows=_table(report.rows),
        more=_table(report.more),
        panels=[_panel(row, runs, report.spec) for row in report.panels],
        legend=_legend(report.panels, report.spec),
        classes=_classes(report),
        curves=_curves(report.runs),
        steps=_times(report.steps),
        total=duration(sum(step.seconds for step in report.steps)),
        kinds=KIND_NAMES,
    )


def write_report(report: CourseReport, path: str | Path) -> Path:
    """Write the page, whole or not at all."""
    # "replace": a file name may hold bytes that are no text in any encoding.
    return write_atomic(path, render(report).encode(errors="replace"))


def _marks(report: CourseReport) -> dict[str, str]:
    """Colours of the page beside the themes' own: kinds of numbers, and runs."""
    colours = run_colours([run.name for run in report.runs])
    kinds = {f"kind-{kind}": colour for kind, colour in KIND_COLOURS.items()}
    return kinds | {f"run-{i}": colour for i, colour in enumerate(colours)}


def _panel(row: PanelRow, runs: Sequence[str], spec: DatasetSpec) -> dict[str, Any]:
    """An image: its pictures as data addresses, and the IoU of the classes in it."""
    cells = [
        _cell("image", "", as_picture(row.image), f"{row.name}: the image"),
        _cell("truth", "", colorize(row.truth, spec), f"{row.name}: true labels"),
    ]
    ious = {}
    for run in runs:
        if run not in row.labels:
            cells.append(_cell(run, "not trained yet"))
            continue
        label = row.labels[run]
        note = f"{format_score(right_share(label, row.truth, spec.ignore))} % right"
        cells.append(
            _cell(run, note, colorize(label, spec), f"{row.name}: labels of {run}, {note}")
        )
        ious[run] = picture_ious(label, row.truth, spec)
    return {
        "name": row.name,
        "why": row.why,
        "cells": cells,
        "runs": list(ious),
        "classes": [
            {"name": spec.classes[i], "values": [f"{found[i]:.0f}" for found in ious.values()]}
            for i in next(iter(ious.values()), {})
        ],
    }


def _cell(title: str, note: str, picture: Any = None, alt: str = "") -> dict[str, str]:
    uri = "" if picture is None else to_data_uri(small_png(picture))
    return {"title": title, "note": note, "uri": uri, "alt": alt}


def _legend(panels: Sequence[PanelRow], spec: DatasetSpec) -> list[dict[str, str]]:
    labels = [label for row in panels for label in (row.truth, *row.labels.values())]
    return [
        {"name": chip.name, "colour": "#{:02x}{:02x}{:02x}".format(*chip.colour)}
        for chip in (class_chips(spec, labels) if labels else [])
    ]


def _table(rows: Sequence[AblationRow]) -> list[dict[str, str]]:
    return [
        {
            "name": row.name,
            "paper": format_score(row.paper),
            "paper_table": row.paper_table if row.paper is not None else "",
            "study": format_score(row.study),
            "live": format_score(row.live),
            "rare": format_score(row.live_rare),
            "right": format_score(row.live_right),
        }
        for row in rows
    ]


def _classes(report: CourseReport) -> dict[str, Any]:
    """Class by class: a row per class, a cell per run; the mean last."""
    spec = report.spec
    values = {name: in_percent(iou, spec) for name, iou in report.class_iou.items()}

    def line(name: str, numbers: Sequence[float], kind: str) -> dict[str, Any]:
        cells = [(format_score(n), 0 if np.isnan(n) else round(float(n))) for n in numbers]
        return {"name": name, "cells": cells, "kind": kind}

    means = [known_mean(iou[list(spec.mean_ids)]) for iou in values.values()]
    return {
        "runs": list(values),
        "rows": [
            *(
                line(name, [v[i] for v in values.values()], "rare" if i in spec.rare else "")
                for i, name in enumerate(spec.classes)
            ),
            line("mean", means, "mean"),
        ],
    }


def _curves(runs: Sequence[RunDetail]) -> dict[str, Any]:
    """Lines of mIoU over steps as points of a drawing WIDE x TALL, with its ticks."""
    known = [[(x, y) for x, y in zip(run.steps, run.miou) if not np.isnan(y)] for run in runs]
    points = [point for line in known for point in line]
    if not points:
        return {}
    last = max(x for x, _ in points)
    top = 10 * (int(max(y for _, y in points)) // 10 + 1)
    room = WIDE - LEFT - RIGHT, TALL - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return round(LEFT + x / last * room[0], 1), round(TOP + (1 - y / top) * room[1], 1)

    ends = [f"{line[-1][1]:.1f}" if line else "no score" for line in known]
    steps = sorted({x for x, _ in points})
    few = steps[:: max(1, -(-len(steps) // 6))]
    listed = [dict(line) for line in known]
    return {
        "lines": [
            {"name": run.name, "places": [place(*p) for p in line], "dash": dash, "end": end}
            for run, line, dash, end in zip(runs, known, DASHES * len(runs), ends)
        ],
        "across": [(place(x, 0)[0], x) for x in few],
        "up": [(place(0, y)[1], y) for y in range(0, top + 1, 10)],
        "rows": [
            (step, [format_score(line.get(step)) for line in listed]) for step in steps
        ],
        "alt": "mIoU over training. " + "; ".join(
            f"{run.name}: {end} at the end" for run, end in zip(runs, ends)
        ),
        "box": (WIDE, TALL, LEFT, RIGHT, TOP, BOTTOM),
    }  # fmt: skip


def _times(steps: Sequence[StepTime]) -> list[dict[str, Any]]:
    longest = max((step.seconds for step in steps), default=1) or 1
    return [
        {
            "name": step.name,
            "status": step.status,
            "link": step.link,
            "time": duration(step.seconds),
            "share": f"{100 * step.seconds / longest:.1f}",
        }
        for step in steps
    ]
