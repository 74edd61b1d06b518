"""What adaptation gained over source-only, by data sets, length and statistics; what it lost.

From the scores of finished runs, all of one kind of network, as a file and a page that grow: the
runs need not be at hand any more. This is what the rules of short runs are held against.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from daformer_lib.files import read_json, write_atomic, write_json
from daformer_lib.means import MISSING, json_values, known_mean
from daformer_lib.runs.claims import MINIMUM, Effect, Pair, effect, miou
from daformer_lib.runs.results import RowResult

BASE = "source_only"
KNOWN = 0.2  # IoU above which source-only knows a class
KEPT = 0.5  # of its IoU: what adaptation has to leave of a known class


@dataclass(frozen=True)
class Score:
    """One run's student on the split that is scored last, of the mini domains test."""

    pair: str  # "minigta → minicityscapes"
    steps: int
    row: str
    statistics: str  # with which the teacher labels
    seed: int
    classes: tuple[str, ...]
    evaluated: tuple[int, ...]  # train ids in the mean; none: all
    iou: tuple[float, ...]  # NaN where a class is absent
    machine: str

    @property
    def mark(self) -> tuple:
        return self.pair, self.steps, self.row, self.statistics, self.seed


@dataclass(frozen=True)
class Gain:
    """One adapted row beside source-only on the same sets, for as many steps."""

    pair: str
    steps: int
    row: str
    statistics: str
    by: Effect
    lost: tuple[str, ...]  # known classes of which less than half is left, with both IoUs

    @property
    def holds(self) -> bool:
        """Better by more than twice the standard error, and no known class lost."""
        return self.by.verdict == "shown" and not self.lost


def score(entry: Mapping[str, Any]) -> Score:
    """Of a run as a file of results has it (`runs.results.entry_of`)."""
    config, machine = entry["config"], entry["machine"]
    iou = entry["iou"][f"student/{config['train']['final_splits'][-1]}"]
    return Score(
        f"{config['data']['source']} → {config['data']['target']}",
        entry["steps"],
        entry["row"],
        config["uda"].get("teacher_statistics", "batch"),
        entry["seed"],
        tuple(entry["classes"]),
        tuple(entry.get("evaluated", ())),
        tuple(float("nan") if value is None else float(value) for value in iou),
        f"{machine['processor']}, torch {machine['torch']}",
    )


def gains(scores: Iterable[Score]) -> list[Gain]:
    """Every adapted row with its base, shortest first; without a base it is left out."""
    groups: dict[tuple, list[Score]] = {}
    for one in scores:
        groups.setdefault(one.mark[:-1], []).append(one)
    results = {mark: _result(members) for mark, members in groups.items()}
    bases = {mark[:2]: result for mark, result in results.items() if mark[2] == BASE}
    found = []
    for (pair, steps, row, statistics), result in results.items():
        base = bases.get((pair, steps))
        if row == BASE or base is None:
            continue
        known = {BASE: base, row: result}
        lost = _lost(base, result)
        by = effect(Pair(BASE, row), miou, known)
        found.append(Gain(pair, steps, row, statistics, by, lost))
    return sorted(found, key=lambda one: (one.pair, one.row, one.statistics, one.steps))


def _result(members: Sequence[Score]) -> RowResult:
    members = sorted(members, key=lambda one: one.seed)
    seeds = tuple(one.seed for one in members)
    iou = np.array([one.iou for one in members])
    first = members[0]
    return RowResult(first.row, seeds, iou, first.classes, evaluated=first.evaluated)


def _lost(base: RowResult, adapted: RowResult) -> tuple[str, ...]:
    """By the means over the seeds that both have."""
    shared = sorted(set(base.seeds) & set(adapted.seeds))
    before, after = (
        known_mean(row.iou[[row.seeds.index(seed) for seed in shared]], axis=0)
        for row in (base, adapted)
    )
    return tuple(
        f"{name} ({100 * b:.0f} → {100 * a:.0f})"
        for name, b, a in zip(base.classes, before, after, strict=True)
        if b > KNOWN and a < KEPT * b
    )


def gains_page(scores: Sequence[Score], command: str) -> str:
    """The gains as Markdown."""
    lines = [
        "# What adaptation gains over source-only, and what it loses\n",
        f"By `{command}`, {len(scores)} runs (students, test split; "
        f"{'; '.join(sorted({one.machine for one in scores}))}). Differences are paired by seed. "
        f"*Lost*: classes of which source-only has an IoU above {100 * KNOWN:.0f}, and adaptation "
        "leaves less than half, means over seeds. *Holds*: better by more than twice the standard "
        f"error with {MINIMUM} seeds or more, and no class lost.\n",
        "| sets | row | teacher's statistics | steps | source-only | adapted "
        "| difference ± standard error | seeds | lost | holds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in gains(scores):
        by = one.by
        spread = f"{by.gain:+.1f} ± {by.error:.1f}" if by.seeds > 1 else f"{by.gain:+.1f}"
        lines.append(
            f"| {one.pair} | {one.row} | {one.statistics} | {one.steps} | {by.low:.1f} "
            f"| {by.high:.1f} | {spread} | {by.seeds} | {', '.join(one.lost) or MISSING} "
            f"| {'yes' if one.holds else 'no'} |"
        )
    return "\n".join(lines) + "\n"


def write_gains(scores: Iterable[Score], path: Path, command: str) -> tuple[Path, Path]:
    """Add scores to those that the file has, and write its page anew."""
    known = {one.mark: one for one in (*read_gains(path), *scores)}
    all_of_them = list(known.values())
    if not gains(all_of_them):
        raise ValueError(f"no run has a {BASE} run of the same sets and steps beside it")
    values = {"command": command, "scores": [json_values(asdict(s), 4) for s in all_of_them]}
    page = write_atomic(path.with_suffix(".md"), gains_page(all_of_them, command).encode())
    return write_json(path, values, indent=None), page


def read_gains(path: Path) -> list[Score]:
    """The scores in a file; none without it."""
    found = read_json(path)["scores"] if path.exists() else []
    return [
        Score(
            **one
            | {name: tuple(one[name]) for name in ("classes", "evaluated")}
            | {"iou": tuple(float("nan") if v is None else v for v in one["iou"])}
        )
        for one in found
    ]
