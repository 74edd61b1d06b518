"""The course's result as one web page that needs nothing else: no server, no network, no script.

`CourseReport` is plain data, so that a page can be made, and tested, without any training; what is
not there yet (the course was interrupted) is left out with a sentence that says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment

from daformer_lib.course.report_page import PAGE
from daformer_lib.files import write_atomic
from daformer_lib.means import known_mean
from daformer_lib.progress import duration
from daformer_lib.specs import DatasetSpec
from daformer_lib.viz import class_bars, class_chips, colorize, figure_png, miou_note
from daformer_lib.viz.charts import in_percent
from daformer_lib.viz.draw import as_picture
from daformer_lib.viz.style import KIND_COLOURS, KIND_NAMES, small_png, to_data_uri
from daformer_lib.viz.tables import format_score

SOURCE_ONLY, FULL, ORACLE = "source-only", "DAFormer", "oracle"  # the rows of the headline


@dataclass(frozen=True)
class AblationRow:
    """One method, three kinds of numbers (mIoU in percent), each None if it is not at hand."""

    name: str
    live: float | None = None  # the learner's own run
    study: Sequence[float] | None = None  # the committed study, one per seed
    paper: float | None = None
    paper_table: str = ""  # "Table 5"
    live_rare: float | None = None  # mean IoU of the rare classes in the learner's run


@dataclass(frozen=True)
class PanelRow:
    """One target image with its truth and every run's (pseudo-)label."""

    name: str
    image: Any  # (H, W, 3) uint8
    truth: Any  # (H, W) train id
    labels: Mapping[str, Any]  # run name -> (H, W) train id


@dataclass(frozen=True)
class StepTime:
    """One step of the course: data, a training run, a notebook."""

    name: str
    seconds: float
    status: str = "done"  # done | reused | failed | not reached
    link: str = ""  # a file beside the report


@dataclass(frozen=True)
class CourseReport:
    """Everything that the page shows."""

    title: str
    spec: DatasetSpec
    profile: str
    seed: int
    split: str  # of the target data set that was scored
    created: str  # date and time, as text
    command: str
    machine: Mapping[str, str] = field(default_factory=dict)  # "CPU": "2 cores", ...
    rows: Sequence[AblationRow] = ()
    panels: Sequence[PanelRow] = ()
    class_iou: Mapping[str, Any] = field(default_factory=dict)  # run name -> (K,)
    steps: Sequence[StepTime] = ()
    notes: Sequence[str] = ()  # sentences for the reader: what did not show, what was reused


def headline(rows: Sequence[AblationRow]) -> str:
    """The live run in one sentence, also when it did not work."""
    live = {row.name: row.live for row in rows if row.live is not None}
    if SOURCE_ONLY not in live or FULL not in live:
        return "The runs that the headline compares are not finished yet."
    void = [name for name in (SOURCE_ONLY, FULL) if np.isnan(live[name])]
    if void:
        return f"No score of {' and '.join(void)}: there is no headline."
    start, end = live[SOURCE_ONLY], live[FULL]
    text = f"{SOURCE_ONLY} {start:.1f} → {FULL} {end:.1f} mIoU"
    if end <= start:
        return f"{text}: in this run adaptation did not help."
    if ORACLE in live and live[ORACLE] > start:
        closed = 100 * (end - start) / (live[ORACLE] - start)
        return f"{text}: {closed:.0f} % of the gap to the oracle ({live[ORACLE]:.1f}) is closed."
    return f"{text}, {end - start:+.1f} points."


def _panel(row: PanelRow, runs: Sequence[str], spec: DatasetSpec) -> dict[str, Any]:
    """A row of the panel table: pictures as data addresses, in column order."""
    cells = [("image", as_picture(row.image), ""), ("truth", colorize(row.truth, spec), "")]
    for run in runs:
        if run not in row.labels:
            cells.append((run, None, "not trained yet"))
            continue
        note = miou_note(row.labels[run], row.truth, spec)
        cells.append((run, colorize(row.labels[run], spec), note))
    return {
        "name": row.name,
        "cells": [
            {"title": title, "note": note, "uri": "" if p is None else to_data_uri(small_png(p))}
            for title, p, note in cells
        ],
    }


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
        }
        for row in rows
    ]


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


def _bars(report: CourseReport) -> str:
    """Per-class bars as a data address; empty without scores."""
    if not report.class_iou:
        return ""
    title = f"IoU per class on {report.spec.name} ({report.split})"
    return to_data_uri(
        figure_png(class_bars(report.class_iou, report.spec, title=title, bold=report.spec.rare))
    )


def render(report: CourseReport) -> str:
    """The page as HTML. All texts are escaped."""
    runs = list(dict.fromkeys(run for row in report.panels for run in row.labels))
    means = {
        name: format_score(known_mean(in_percent(iou, report.spec)[list(report.spec.mean_ids)]))
        for name, iou in report.class_iou.items()
    }
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(PAGE)
    return template.render(
        report=report,
        headline=headline(report.rows),
        rows=_table(report.rows),
        columns=["image", "truth", *runs],
        panels=[_panel(row, runs, report.spec) for row in report.panels],
        legend=_legend(report.panels, report.spec),
        bars=_bars(report),
        bar_text="; ".join(f"{name}: mean {mean}" for name, mean in means.items()),
        steps=_times(report.steps),
        total=duration(sum(step.seconds for step in report.steps)),
        kinds=KIND_NAMES,
        colours=KIND_COLOURS,
    )


def write_report(report: CourseReport, path: str | Path) -> Path:
    """Write the page, whole or not at all."""
    # "replace": a file name may hold bytes that are no text in any encoding.
    return write_atomic(path, render(report).encode(errors="replace"))
