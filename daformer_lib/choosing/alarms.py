"""Whether the classes that a run calls vanished are those that its labelled score shows as lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daformer_lib.choosing.candidates import setting, title
from daformer_lib.runs import Run

LOST = 0.05  # IoU below, of a class that the truth shows


@dataclass(frozen=True)
class Alarms:
    """Of one run: classes by name."""

    run: str
    setting: str
    right: tuple[str, ...]  # named, and lost
    false: tuple[str, ...]  # named, and not lost
    missed: tuple[str, ...]  # lost, and not named
    others: tuple[str, ...]  # names of its other findings
    key: str = ""  # of its configuration


def alarms(run: Run) -> Alarms | None:
    """None of a run that has no findings to judge: not adapted, not watched, or without labels."""
    experiment = run.experiment
    split = experiment.train.final_splits[-1]
    if experiment.mode != "uda" or not run.health or f"teacher/{split}" not in run.last_scores():
        return None
    scores = run.final("teacher", split)  # whose labels were watched
    true = scores.confusion.sum(1) > 0
    lost = {run.classes[i] for i in np.flatnonzero(true & (np.nan_to_num(scores.iou) < LOST))}
    named = {name for f in run.findings if f["name"] == "class vanished" for name in f["classes"]}

    def listed(names: set[str]) -> tuple[str, ...]:
        return tuple(name for name in run.classes if name in names)

    return Alarms(
        title(run),
        setting(run),
        listed(named & lost),
        listed(named - lost),
        listed(lost - named),
        tuple(f["name"] for f in run.findings if f["name"] != "class vanished"),
        run.experiment.key,
    )


def alarms_page(found: Sequence[Alarms]) -> list[str]:
    """Lines of Markdown: the counts, then a row for each run."""
    right, false, missed = (
        sum(map(len, lists)) for lists in zip(*((a.right, a.false, a.missed) for a in found))
    )
    lines = [
        f"Over {len(found)} adapted runs *class vanished* named {right + false} classes; "
        f"{right} of them are lost by the labelled score (IoU of the teacher under "
        f"{100 * LOST:.0f}), {false} are not, and {missed} that are lost were not named.\n",
        "| setting | run | named and lost | named, not lost | lost, not named | other findings |",
        "|---|---|---|---|---|---|",
    ]
    for one in found:
        cells = [", ".join(c) or "–" for c in (one.right, one.false, one.missed, one.others)]
        lines.append(f"| {one.setting} | {one.run} | " + " | ".join(cells) + " |")
    return lines
