"""What the course's report holds, and the rule by which its pictures are chosen.

`CourseReport` is plain data, so that a page can be made, and tested, without any training; what is
not there yet (the course was interrupted) is left out with a sentence that says so. The page itself
is made by `report_page.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daformer_lib.specs import DatasetSpec

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
    live_right: float | None = None  # percent of all labelled pixels that it has right


@dataclass(frozen=True)
class PanelRow:
    """One target image with its truth and every run's (pseudo-)label."""

    name: str
    image: Any  # (H, W, 3) uint8
    truth: Any  # (H, W) train id
    labels: Mapping[str, Any]  # run name -> (H, W) train id
    why: str = ""  # what the image stands for: its place in the order of `places`


@dataclass(frozen=True)
class StepTime:
    """One step of the course: data, a training run, a notebook."""

    name: str
    seconds: float
    status: str = "done"  # done | reused | failed | not reached
    link: str = ""  # a file beside the report


@dataclass(frozen=True)
class RunDetail:
    """How one run came about."""

    name: str
    folder: str  # beside the report
    command: str  # that trains it again
    settings: str  # config.json
    steps: Sequence[int] = ()  # of its evaluations
    miou: Sequence[float] = ()  # percent, at each of these steps; NaN where there is none


@dataclass(frozen=True)
class Way:
    """Where to go from here: something to open, or a command."""

    text: str
    link: str = ""  # a file beside the report
    command: str = ""


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
    more: Sequence[AblationRow] = ()  # other finished runs
    panels: Sequence[PanelRow] = ()
    class_iou: Mapping[str, Any] = field(default_factory=dict)  # run name -> (K,)
    rule: str = ""  # by which the images of the panels were chosen
    shipped: str = ""  # the title of the labels that are not of this run, if there are some
    runs: Sequence[RunDetail] = ()
    curve_split: str = ""  # of the scores over training
    ways: Sequence[Way] = ()
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


PLACES = (  # of the images in order of their gain: share of the way from the first to the last
    ("the best gain", 0.0),
    ("upper quarter", 0.25),
    ("typical: the median", 0.5),
    ("lower quarter", 0.75),
    ("the largest loss", 1.0),
)


def places(gains: Sequence[float]) -> dict[int, str]:
    """Which images are shown, and what each stands for: a rule in place of a choice.

    Args:
        gains: of each image, percent of its labelled pixels that one run has right beyond another;
            NaN where nothing is labelled. Equal ones keep their order.

    Returns:
        The reason by the image's position, in descending gain; of few images some places coincide.

    >>> places([0.0, 9.0, -2.0])
    {1: 'the best gain: +9.0 points', 0: 'typical: the median: +0.0 points', \
2: 'the largest loss: -2.0 points'}
    """
    known = [i for i, gain in enumerate(gains) if not np.isnan(gain)]
    order = sorted(known, key=lambda i: -gains[i])
    found: dict[int, list[str]] = {}
    for name, share in PLACES if order else ():
        at = order[round(share * (len(order) - 1))]
        lost = name == "the largest loss" and gains[at] >= 0
        found.setdefault(at, []).append("the smallest gain, no image lost" if lost else name)
    return {i: f"{', '.join(found[i])}: {gains[i]:+.1f} points" for i in order if i in found}


def right_share(label: Any, truth: Any, ignore: int) -> float:
    """Percent of the labelled pixels that are right; NaN where none is labelled."""
    known = np.asarray(truth) != ignore
    right = (np.asarray(label) == np.asarray(truth))[known]
    return 100 * float(right.mean()) if right.size else float("nan")


def picture_ious(label: Any, truth: Any, spec: DatasetSpec) -> dict[int, float]:
    """IoU in percent of each class that is in this picture's truth, by train id."""
    label, truth = np.asarray(label), np.asarray(truth)
    known, found = truth != spec.ignore, {}
    for i in sorted({int(i) for i in np.unique(truth[known])}):
        said, true = (label == i) & known, truth == i
        found[i] = 100 * float((said & true).sum() / (said | true).sum())
    return found
