"""A study for people: its rows beside the paper's, as Markdown, CSV and a figure.

Everything is made from a file of results (`runs/results.py`), so that a page can be made again
anywhere. Rows within noise of what they are compared with are called tied, never ranked.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daformer_lib.files import write_atomic
from daformer_lib.means import MISSING, known_mean
from daformer_lib.progress import duration
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.claims import Effect, Pair, effect, miou
from daformer_lib.runs.results import (
    RowResult,
    absent_classes,
    class_curve,
    class_table,
    collect,
    mean_std,
    read_entries,
    read_results,
)
from daformer_lib.specs import SYNTHIA_13, SYNTHIA_16
from daformer_lib.studies.in_paper import BASES, paper_score, table_of
from daformer_lib.texts import markdown_cell
from daformer_lib.viz import figure_png, line_chart, three_numbers


@dataclass(frozen=True)
class Line:
    """A row of a study's table; percent."""

    result: RowResult
    base: str  # what it is compared with; "" = nothing
    change: Effect  # paired by seed
    relative: float  # in percent of the oracle of the same network; NaN without one
    paper: float | None

    @property
    def against(self) -> str:
        """ "+7.6 ± 0.4", with "tied" where the paired difference is within two standard errors."""
        if not self.base or not self.change.seeds:
            return MISSING
        text = f"{self.change.gain:+.1f}"
        if self.change.seeds > 1:
            text += f" ± {self.change.error:.1f}"
        tied = self.change.verdict == "tied"
        return f"{text} (tied)" if tied else text


def study_lines(results: Sequence[RowResult], table: str) -> list[Line]:
    """The rows with what each is compared with."""
    table = table_of(table)
    known = {result.row: result for result in results}
    lines, before = [], ""
    for result in results:
        base = BASES.get(table, before)
        base = base if base in known and base != result.row else ""
        change = effect(Pair(base, result.row), miou, known) if base else Effect()
        oracle = known.get(oracle_of(result.row))
        lines.append(
            Line(result, base, change, _relative(result, oracle), paper_score(table, result.row))
        )
        before = result.row
    return lines


def oracle_of(row: str) -> str:
    """The oracle with the same network: of `cnn_self_training` `cnn_oracle`, else `oracle`.

    "" for the decoders of Table 7, which have none.
    """
    if row.startswith("decoder_"):
        return ""
    networks = [name for name in recipes.NETWORKS if row.startswith(f"{name}_")]
    return "_".join([*sorted(networks, key=len)[-1:], "oracle"])  # not cnn of cnn_segformer


def _relative(result: RowResult, oracle: RowResult | None) -> float:
    if oracle is None or oracle.row == result.row:
        return float("nan")
    return float(100 * known_mean(result.miou) / known_mean(oracle.miou))


def chosen(results: Sequence[RowResult], rows: Sequence[str]) -> list[RowResult]:
    """Those of the rows that there are, in the order of `rows`."""
    known = {result.row: result for result in results}
    return [known[row] for row in rows if row in known]


def lines_table(lines: Sequence[Line]) -> str:
    """Markdown. The paper's column is of other data and networks: only directions compare."""
    text = [
        "| row | n | mIoU | against | change ± standard error | % of oracle | rare classes "
        "| paper |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        r = line.result
        relative = MISSING if np.isnan(line.relative) else f"{line.relative:.0f}"
        paper = MISSING if line.paper is None else f"{line.paper:.1f}"
        text.append(
            f"| {r.row} | {len(r.seeds)} | {mean_std(r.miou)} | {line.base or MISSING} "
            f"| {line.against} | {relative} | {mean_std(r.rare)} | {paper} |"
        )
    return "\n".join(text) + "\n"


def runs_table(runs: Sequence[Run], table: str, split: str) -> str:
    """The table of runs that are at hand, with what is to be said of their classes."""
    lines = lines_table(study_lines(collect(runs, split=split), table))
    return "\n".join([lines, *absent_classes(runs, split=split)])


UNEQUAL = (
    "Rows of this page have different seeds: a change is over those that both rows have, so it "
    "need not be the difference of the two means.\n"
)


def study_page(path: Path, table: str, rows: Sequence[str], split: str, command: str) -> str:
    """Everything about a table: rows, classes, machines, time."""
    results = chosen(read_results(path, f"student/{split}"), rows)
    if not results:
        raise ValueError(f"{path} has no run of these rows: {', '.join(rows)}; run the study first")
    entries = [entry for entry in read_entries(path) if entry["row"] in set(rows)]
    data = entries[0]["config"]["data"]
    missing = [row for row in rows if row not in {r.row for r in results}]
    number = table.removeprefix("table")
    title = f", after the paper's Table {number}" if number.isdigit() else ""
    return "\n".join(
        [
            f"# {data['source']} → {data['target']}, {split} split{title}\n",
            f"`{command}`\n",
            made_of(entries) + " mIoU in percent, student, last iteration; mean ± sample standard "
            "deviation over seeds. Changes are paired by seed; *tied*: within two standard errors "
            "of no change. The paper's numbers are of other data and networks.\n",
            lines_table(study_lines(results, table)),
            *([UNEQUAL] if len({r.seeds for r in results}) > 1 else []),
            *([f"Not run yet: {', '.join(missing)}.\n"] if missing else []),
            *_fewer_classes(results),
            "IoU by class, mean over seeds (rare classes in bold):\n",
            class_table(results),
            *(f"{note}\n" for note in _unseen(results)),
        ]
    )


def _fewer_classes(results: Sequence[RowResult]) -> list[str]:
    """Which classes the means are over, where they are not over all."""
    first = results[0]
    if len(first.evaluated) in (0, len(first.classes)):
        return []
    left = [name for i, name in enumerate(first.classes) if i not in first.evaluated]
    text = f"Means are over {len(first.evaluated)} classes, without {', '.join(left)}"
    if first.evaluated == SYNTHIA_16:
        means = (f"{r.row} {mean_std(r.mean_over(SYNTHIA_13))}" for r in results)
        text += f"; over the 13 that are usual, too, they are {', '.join(means)}"
    return [f"{text}.\n"]


def _unseen(results: Sequence[RowResult]) -> list[str]:
    """Classes without a score in every seed of a row."""
    found: dict[str, list[str]] = {}
    for result in results:
        for i in np.flatnonzero(np.isnan(result.iou).all(axis=0)):
            found.setdefault(markdown_cell(result.classes[i]), []).append(result.row)
    return [f"{name}: in no true or predicted pixel ({', '.join(r)})" for name, r in found.items()]


def made_of(entries: Sequence[Mapping[str, Any]]) -> str:
    """ "15 runs of 4000 steps, 1 h 20 min of training in all, on ...": a sentence a machine."""
    steps = " and ".join(str(n) for n in sorted({entry["steps"] for entry in entries}))
    spent = duration(sum(entry["seconds"] for entry in entries))
    machines: dict[str, int] = {}
    for entry in entries:
        known = [f"{k} {v}" for k, v in entry["machine"].items() if v is not None]
        machines[", ".join(known)] = machines.get(", ".join(known), 0) + 1
    where = "; ".join(
        f"{count} on {name}" if len(machines) > 1 else name for name, count in machines.items()
    )
    return f"{len(entries)} runs of {steps} steps, {spent} of training in all; {where}."


def study_csv(lines: Sequence[Line]) -> str:
    """One line a row and seed: for a spreadsheet or a plot of one's own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "seed", "miou", "rare", *lines[0].result.classes])
    for result in (line.result for line in lines):
        for k, seed in enumerate(result.seeds):
            iou = [_number(100 * value) for value in result.iou[k]]
            writer.writerow(
                [result.row, seed, _number(result.miou[k]), _number(result.rare[k]), *iou]
            )
    return text.getvalue()


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def write_pages(
    path: Path, table: str, rows: Sequence[str], split: str, command: str
) -> list[Path]:
    """Markdown, CSV and figure beside the results; returns the files.

    `results/mini_study.json` has `mini_study_table5.md`, and `mini_study.md` for `main`; a file
    named after its table, `results/settings.json`, has `settings.md`.
    """
    stem = path.stem if table in ("main", path.stem) else f"{path.stem}_{table}"
    page = study_page(path, table, rows, split, command)
    lines = study_lines(chosen(read_results(path, f"student/{split}"), rows), table)
    made = [
        write_atomic(path.with_name(f"{stem}.md"), page.encode()),
        write_atomic(path.with_name(f"{stem}.csv"), study_csv(lines).encode()),
        write_atomic(path.with_name(f"{stem}.png"), figure_png(study_figure(lines, table))),
    ]
    if table == "main":
        made += write_curves(path)
    return made


# Which classes to follow over training, with which rows: the paper's Fig. 4 and Fig. 5.
CURVES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "rare": (("source_only", "self_training", "rcs", "oracle"), ()),  # those of the spec
    "vehicles": (("self_training", "fd", "rcs", "daformer"), ("bus", "truck", "train")),
}


def write_curves(path: Path) -> list[Path]:
    """Figures of rare classes and of large vehicles over training, as far as rows are there."""
    results, made = read_results(path), []
    for name, (rows, classes) in CURVES.items():
        there = chosen(results, rows)
        if not there:
            continue
        first = there[0]  # all rows of a file have its classes
        scored = {first.classes[i]: i for i in first.mean_ids}
        named = [c for c in classes if c in scored]
        ids = [scored[c] for c in named] if classes else first.rare_ids
        if ids:
            series = {recipes.TITLES[of.row]: class_curve(path, of.row, ids) for of in there}
            what = ", ".join(named) or "rare classes"
            title = f"Mean IoU of {what}: mean and standard deviation over seeds"
            figure = line_chart(series, y_label="IoU (%)", title=title, dots=True)
            place = path.with_name(f"{path.stem}_{name}.png")
            made.append(write_atomic(place, figure_png(figure)))
    return made


def study_figure(lines: Sequence[Line], table: str) -> Any:
    """The paper's numbers and ours side by side, each seed a point."""
    titles = {
        line.result.row: recipes.TITLES.get(line.result.row, line.result.row) for line in lines
    }
    paper = {titles[line.result.row]: line.paper for line in lines if line.paper is not None}
    ours = {titles[line.result.row]: list(line.result.miou) for line in lines}
    number = table.removeprefix("table")
    label = f"Table {number}" if number.isdigit() else ""
    return three_numbers(paper or None, ours, paper_table=label)
