"""What several runs add up to: means over seeds, paired differences, tables, files of results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from daformer_lib.evaluate import absence_notes
from daformer_lib.files import read_json, write_json
from daformer_lib.means import MISSING, json_number, known_mean, percent
from daformer_lib.runs.folder import Run
from daformer_lib.specs import data_names, get_spec
from daformer_lib.texts import markdown_cell

STUDY = "mini_study.json"  # in results/: the committed multi-seed study on the mini domains


@dataclass(frozen=True)
class RowResult:
    """One row of a study: the same experiment over several seeds."""

    row: str
    seeds: tuple[int, ...]
    iou: np.ndarray  # (seeds, K), NaN where a class is absent
    classes: tuple[str, ...]
    rare_ids: tuple[int, ...] = ()  # train ids that the data set's spec calls rare
    evaluated: tuple[int, ...] = ()  # train ids in the mean; all by default

    @property
    def mean_ids(self) -> tuple[int, ...]:
        """Train ids in the mean."""
        return self.evaluated or tuple(range(len(self.classes)))

    def mean_over(self, train_ids: Sequence[int]) -> np.ndarray:
        """(seeds,) percent; NaN where a seed has none of these classes."""
        return 100 * known_mean(self.iou[:, list(train_ids)], axis=1)

    @property
    def miou(self) -> np.ndarray:
        """(seeds,) percent, over the evaluated classes; NaN where a seed has no score."""
        return self.mean_over(self.mean_ids)

    @property
    def rare(self) -> np.ndarray:
        """(seeds,) percent: the mean of the rare classes; NaN where the data set names none."""
        return self.mean_over(self.rare_ids)


def collect(runs: Iterable[Run], model: str = "student", split: str = "test") -> list[RowResult]:
    """Group finished runs by name, in the order in which names first appear."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.name, []).append(run)
    results = []
    for name, members in groups.items():
        members.sort(key=lambda run: run.experiment.train.seed)
        iou = np.stack([run.final(model, split).iou for run in members])
        seeds = tuple(run.experiment.train.seed for run in members)
        spec = members[0].spec
        results.append(RowResult(name, seeds, iou, spec.classes, spec.rare, spec.mean_ids))
    return results


def mean_std(values: np.ndarray) -> str:
    """ "38.7 ± 0.4" (sample standard deviation); without a spread for one seed.

    Seeds without a score are left out, and that is said: "38.7 ± 0.4 (2 of 3 seeds)".
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return MISSING
    part = f" ({len(known)} of {len(values)} seeds)" if len(known) < len(values) else ""
    spread = f" ± {known.std(ddof=1):.1f}" if len(known) > 1 else ""
    return f"{known.mean():.1f}{spread}{part}"


def markdown_table(results: Sequence[RowResult]) -> str:
    """mIoU and rare-class mIoU, mean ± standard deviation over seeds."""
    lines = ["| row | seeds | mIoU | rare classes |", "|---|---|---|---|"]
    for r in results:
        seeds = ", ".join(map(str, r.seeds))
        lines.append(f"| {r.row} | {seeds} | {mean_std(r.miou)} | {mean_std(r.rare)} |")
    return "\n".join(lines) + "\n"


def class_table(results: Sequence[RowResult]) -> str:
    """IoU in percent of every class (a row each) under every row of the study; means over seeds."""
    head = " | ".join(["class", *(r.row for r in results)])
    lines = [f"| {head} |", "|---" * (1 + len(results)) + "|"]
    for i, name in enumerate(results[0].classes):
        name = markdown_cell(name)
        label = f"**{name}**" if i in results[0].rare_ids else name
        lines.append(f"| {label} | " + " | ".join(_mean_iou(r, i) for r in results) + " |")
    return "\n".join(lines) + "\n"


def _mean_iou(result: RowResult, train_id: int) -> str:
    """Mean over the seeds that know the class; a dash when none does."""
    return percent(known_mean(result.iou[:, train_id]))


def gain_table(results: Sequence[RowResult]) -> str:
    """What each row gains over the one before it, paired by seed, with its standard error."""
    lines = ["| from | to | gain in mIoU | standard error |", "|---|---|---|---|"]
    for low, high in pairwise(results):
        gain, error = paired_gain(low, high)
        found = MISSING if np.isnan(gain) else f"{gain:+.1f}"
        spread = MISSING if np.isnan(error) else f"{error:.1f}"
        lines.append(f"| {low.row} | {high.row} | {found} | {spread} |")
    return "\n".join(lines) + "\n"


def absent_classes(runs: Iterable[Run], model: str = "student", split: str = "test") -> list[str]:
    """Sentences that name the classes without true pixels, each with the runs that it is about."""
    said: dict[str, list[str]] = {}
    for run in runs:
        where = f"{run.name} seed {run.experiment.train.seed}"
        for note in absence_notes(run.final(model, split), run.classes, run.spec.mean_ids):
            said.setdefault(note, []).append(where)
    return [f"{note} ({', '.join(wheres)})" for note, wheres in said.items()]


def paired_gain(low: RowResult, high: RowResult) -> tuple[float, float]:
    """Mean gain in mIoU over seeds for which both rows have a score, and its standard error.

    The gain is NaN without such a seed, the error with only one.
    """
    return mean_gain(paired(low, high, lambda row: row.miou))


def paired(
    low: RowResult, high: RowResult, measure: Callable[[RowResult], np.ndarray]
) -> np.ndarray:
    """(2, n): the measure (seeds,) of both rows, for the seeds for which both have it."""
    shared = sorted(set(low.seeds) & set(high.seeds))
    places = ([row.seeds.index(seed) for seed in shared] for row in (low, high))
    values = np.stack([measure(row)[at] for row, at in zip((low, high), places, strict=True)])
    return values[:, ~np.isnan(values).any(axis=0)]


def mean_gain(values: np.ndarray) -> tuple[float, float]:
    """Of `paired` values: the mean difference and its standard error."""
    gains = values[1] - values[0]
    error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else float("nan")
    return float(known_mean(gains)), float(error)


def write_results(runs: Sequence[Run], path: Path, command: str) -> Path:
    """Commit-ready JSON: every run's scores with seed, configuration, versions and machine.

    As `add_entries`.
    """
    return add_entries([entry_of(run) for run in runs], path, command)


def add_entries(entries: Iterable[dict[str, Any]], path: Path, command: str) -> Path:
    """Add what `entry_of` gives to a file of results.

    What the file has of other rows and seeds stays, so that a study can grow, over days and
    machines; a run takes the place of an earlier one of its row and seed.

    Raises:
        ValueError: the file has runs on other versions of the data sets.
    """
    kept = {(entry["row"], entry["seed"]): entry for entry in read_entries(path)}
    for new in entries:
        if other := next((e for e in kept.values() if not _same_data(e, new)), None):
            raise ValueError(
                f"{path} has runs on {_data_of(other)}, this study is on {_data_of(new)}: name "
                "another file for --results, or move that one away"
            )
        kept[new["row"], new["seed"]] = new | {"command": command}
    write_json(path, {"runs": list(kept.values())}, indent=None)
    return path


def entry_of(run: Run) -> dict[str, Any]:
    """What a file of results keeps of a finished run."""
    config, data, spec = run.experiment.to_dict(), run.experiment.data, run.spec
    config["data"].pop("data_root")
    config["data"] |= {side: data_names(getattr(data, side)) for side in ("source", "target")}
    entry = {
        "row": run.name,
        "config": config,
        **run.result,
        "curves": {},
        "class_curves": {},
        "iou": {},
    }
    entry |= {"classes": spec.classes, "rare": spec.rare, "evaluated": spec.mean_ids}
    for evaluation in run.evaluations:
        where = f"{evaluation.model}/{evaluation.split}"
        curve = entry["curves"].setdefault(where, [])
        curve.append([evaluation.step, json_number(evaluation.scores.miou(), 4)])
        classes = entry["class_curves"].setdefault(where, [])
        iou = [json_number(value, 4) for value in evaluation.scores.iou]
        classes.append([evaluation.step, iou])
    # From the pixels, as everywhere: result.json of an old run has the mean over all classes.
    for where, scores in run.last_scores().items():
        entry["miou"][where] = json_number(scores.miou(), 6)
        entry["iou"][where] = [json_number(value, 4) for value in scores.iou]
    return entry | {"versions": run.experiment.versions}


def _data_of(entry: dict[str, Any]) -> str:
    data = entry["config"]["data"]
    drawn = [version for version in entry.get("versions", ["unknown"]) if version]
    names = f"{data['source']} → {data['target']}"
    return f"{names} (drawing {', '.join(drawn)})" if drawn else names


def _same_data(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return _data_of(one) == _data_of(other)


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The runs in a file of results; none without a file."""
    return read_json(path)["runs"] if path.exists() else []


def read_results(path: Path, where: str = "student/test") -> list[RowResult]:
    """The rows of a committed results file."""
    groups: dict[str, list[dict]] = {}
    for entry in read_json(path)["runs"]:
        groups.setdefault(entry["row"], []).append(entry)
    results = []
    for row, entries in groups.items():
        entries.sort(key=lambda e: e["seed"])
        values = [[np.nan if v is None else v for v in e["iou"][where]] for e in entries]
        seeds = tuple(e["seed"] for e in entries)
        iou = np.array(values, dtype=float)
        results.append(RowResult(row, seeds, iou, *_classes_of(entries[0])))
    return results


def class_curve(
    path: Path, row: str, train_ids: Sequence[int], where: str = "student/val"
) -> tuple[np.ndarray, np.ndarray]:
    """Steps (n,) and mean IoU of the classes (seeds, n) in percent, over training; NaN = none.

    KeyError for a row that the file does not have. Before the last step a run may have been scored
    on fewer images.
    """
    entries = [e for e in read_entries(path) if e["row"] == row]
    if not entries:
        raise KeyError(f"{path} has no row {row!r}")
    steps = np.array([step for step, _ in entries[0]["class_curves"][where]])
    curves = [[iou for _, iou in e["class_curves"][where]] for e in entries]
    values = np.array(curves, dtype=float)  # (seeds, n, K); null is NaN
    return steps, 100 * known_mean(values[..., list(train_ids)], axis=-1)


def _classes_of(entry: dict[str, Any]) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]:
    """Class names, rare and evaluated train ids.

    Files of before names were kept are of built-in data sets; those of before `evaluated` was
    kept have the mean over all classes.
    """
    if "classes" in entry:
        return tuple(entry["classes"]), tuple(entry["rare"]), tuple(entry.get("evaluated", ()))
    spec = get_spec(entry["config"]["data"]["target"])
    return spec.classes, spec.rare, spec.mean_ids
