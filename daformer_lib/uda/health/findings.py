"""What is wrong with an adaptation, in named sentences with evidence and remedy.

Each rule reads what was recorded without target labels. A rule that fires may bring others with
it: `IMPLIES` says which, so that a test can ask for one condition and nothing unexplained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from daformer_lib.config import Experiment

# Shares are of pixels.
SEEN, GONE = 0.0005, 0.05  # a class of at least this share has less than this part of it left
SWALLOWED, GROWN = 0.10, 1.4  # a class has won so much, and so many times its first share
# Since the middle of the run, by when the shares of a sound one have settled; and so many times the
# source's share: a class that is learned late grows, too, but not beyond what there is of it. One
# that the middle hardly labels, by the source's share, is only being learned.
WON_LATE, GROWN_LATE, KNOWN_LATE = 0.02, 1.25, 0.25
UNSTEADY, MOVED = 0.75, 0.08  # labels under two statistics agree less, and a class's share moves
SURE, SHAKY = 0.95, 0.80  # confident share above, agreement under a flip or other colours below
# Nats of mutual information below which a network tells too little apart to be judged; of a set of
# few or very unequal classes, a third of the most that labels with the source's shares can carry.
LEARNED, LEARNED_OF_ALL = 0.5, 1 / 3
SETTLED = 2 / 3  # of the information that a run's labels ever carry: from there on they are learned
NOTHING = 0.01  # confident share below
ZERO = 1e-3  # a loss below
NO_CELL = 1e-4  # share of the feature cells below
FEW_IMAGES, OFTEN = 10, 20  # RCS drew from fewer images, each oftener
LONG = 1 / 8  # of the steps: the teacher's memory is longer
REPEATS = 0.98  # share of pixels of which teacher and student say the same, above
SHORTEST = 100  # steps; a run of fewer has no memory to speak of

IMPLIES: Mapping[str, tuple[str, ...]] = {
    "one class swallows others": ("class vanished", "one class keeps growing"),
    "labels depend on the batch": ("BatchNorm with two images",),
    "too sure too early": (
        "class vanished",
        "one class swallows others",
        "one class keeps growing",
    ),
    "loss of the mix at zero": ("too sure too early", "class vanished"),
    "nothing to learn from": ("class vanished",),
    "memory longer than the run allows": ("class vanished",),
    "memory shorter than the run needs": ("class vanished",),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    name: str
    evidence: str
    remedy: str
    classes: tuple[str, ...] = ()

    def line(self) -> str:
        return f"{self.name}: {self.evidence}; {self.remedy}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "evidence": self.evidence,
            "remedy": self.remedy,
            "classes": list(self.classes),
        }


@dataclass(frozen=True)
class Course:
    """What is known of a run without its target's labels."""

    experiment: Experiment
    classes: Sequence[str]
    looks: Sequence[Mapping[str, Any]]  # one an evaluation: `look` and `Tally.take`, with the step
    source_shares: np.ndarray  # (K,) of all the source's pixels
    losses: Mapping[str, np.ndarray] = field(default_factory=dict)  # columns of metrics.csv
    rcs_images: np.ndarray | None = None  # (K,) images from which RCS can draw a class
    largest_cover: Mapping[str, float] = field(default_factory=dict)  # thing -> of a feature cell

    @property
    def judged(self) -> bool:
        """Whether labels are learned from, by a network that tells classes apart."""
        shares = self.source_shares[self.source_shares > 0]
        most = float(-(shares * np.log(shares)).sum())
        learned = max(one["information"] for one in self.looks)
        return self.experiment.mode == "uda" and learned > min(LEARNED, LEARNED_OF_ALL * most)

    @property
    def settled(self) -> int:
        """The first look whose labels carry most of the information that the run's ever do."""
        carried = np.array([one["information"] for one in self.looks])
        return int(np.argmax(carried >= SETTLED * carried.max()))

    def shares(self, at: int) -> np.ndarray:
        """(K,) of the labels that the run learns from: the teacher's, else the student's."""
        one = self.looks[at]
        return np.asarray(one.get("teacher_shares", one["shares"]))


def find(course: Course) -> list[Finding]:
    """All that is wrong, in the order of the rules; nothing before the first look."""
    if not course.looks:
        return []
    return [finding for rule in RULES for finding in rule(course)]


def vanished(course: Course) -> Iterator[Finding]:
    """Classes that the source shows, or that were labelled, and that are labelled no more."""
    if not course.judged:
        return
    known = [course.shares(at) for at in range(len(course.looks))]
    now, peak = known[-1], np.max(known, axis=0)
    before = np.maximum(peak, course.source_shares)
    ids = np.flatnonzero((before >= SEEN) & (now < GONE * before))
    if not ids.size:
        return
    told = [
        f"{course.classes[i]} ({_percent(before[i])} of "
        f"{'its labels at most' if peak[i] >= course.source_shares[i] else 'the source'}, "
        f"{_percent(now[i])} now)"
        for i in ids
    ]
    yield Finding(
        "class vanished",
        "of the pixels that the target is labelled with: " + ", ".join(told),
        "if the target does show these, train with Rare Class Sampling (row rcs or daformer), or "
        "take the source-only network",
        tuple(course.classes[i] for i in ids),
    )


def swallows(course: Course) -> Iterator[Finding]:
    """A class that took many pixels from others: since the labels were learned, or beyond both what
    it had at the first look and what the source shows.

    Labels that are still being learned move too: where the target shows more of a class than the
    source, a healthy run finds it late.
    """
    if not course.judged or len(course.looks) < 2:
        return
    first, settled, now = course.shares(0), course.shares(course.settled), course.shares(-1)
    usual = np.maximum(first, course.source_shares)
    for i in np.flatnonzero(_swallowed(settled, now) | _swallowed(usual, now)):
        evidence, classes = _at_whose_cost(course, i, first, now)
        yield Finding(
            "one class swallows others",
            evidence,
            "look at the pseudo-labels (compare); a longer source-only start or a teacher that "
            "labels with other statistics (uda.teacher_statistics) may hold them apart",
            classes,
        )


def _swallowed(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    return (now - before >= SWALLOWED) & (now >= GROWN * before)


def keeps_growing(course: Course) -> Iterator[Finding]:
    """A class that still takes pixels from others in the second half of the run."""
    if not course.judged or len(course.looks) < 4:
        return
    half = (len(course.looks) - 1) // 2
    middle, now = course.shares(half), course.shares(-1)
    usual = np.maximum(middle, course.source_shares)
    learned = middle >= KNOWN_LATE * course.source_shares  # others are learned late: no collapse
    for i in np.flatnonzero(learned & (now - middle >= WON_LATE) & (now >= GROWN_LATE * usual)):
        evidence, classes = _at_whose_cost(course, i, middle, now)
        yield Finding(
            "one class keeps growing",
            f"since step {course.looks[half]['step']} {evidence}",
            "look at the pseudo-labels since then (compare); an earlier step may be better "
            "(choose --steps), a longer memory of the teacher (uda.ema_decay) steadier",
            classes,
        )


def _at_whose_cost(
    course: Course, i: int, before: np.ndarray, now: np.ndarray
) -> tuple[str, tuple[str, ...]]:
    """ "car grew from 6.8 % of the labels to 9.6 %, road (40.3 % to 37.1 %) shrank"; the classes.

    Named are the up to three classes that lost most, each over a hundredth of the pixels.
    """
    lost, names = before - now, course.classes
    losers = [j for j in np.argsort(-lost)[:3] if lost[j] > 0.01]
    told = ", ".join(f"{names[j]} ({_percent(before[j])} to {_percent(now[j])})" for j in losers)
    grew = f"{names[i]} grew from {_percent(before[i])} of the labels to {_percent(now[i])}"
    classes = (names[i], *(names[j] for j in losers))
    return f"{grew}, {told} shrank" if told else grew, classes


def unsteady(course: Course) -> Iterator[Finding]:
    """Labels that are others with the batch's statistics than with running ones."""
    last = course.looks[-1]
    if not course.judged or "batch" not in last:
        return
    if course.experiment.uda.teacher_statistics != "batch":
        return
    running, batch = np.asarray(last["shares"]), np.asarray(last["batch_shares"])
    worst = int(np.argmax(np.abs(running - batch)))
    if last["batch"] >= UNSTEADY or abs(running[worst] - batch[worst]) < MOVED:
        return
    name = course.classes[worst]
    yield Finding(
        "labels depend on the batch",
        f"{name} is {_percent(running[worst])} of the labels with running statistics, "
        f"{_percent(batch[worst])} with the batch's; {_percent(1 - last['batch'])} of all pixels "
        "change",
        "try uda.teacher_statistics=student",
        (name,),
    )
    if course.experiment.data.batch_size <= 2:
        yield Finding(
            "BatchNorm with two images",
            f"the teacher normalises with the statistics of {course.experiment.data.batch_size} "
            "crops",
            "raise data.batch_size, or try uda.teacher_statistics=student",
        )


def too_sure(course: Course) -> Iterator[Finding]:
    """Confident although a flip or other colours change the labels."""
    if course.experiment.mode != "uda":
        return
    for one in course.looks:
        steady = min(one["flip"], one["colour"])
        if one["confident"] > SURE and steady < SHAKY:
            yield Finding(
                "too sure too early",
                f"at step {one['step']} {_percent(one['confident'])} of the pixels are confident, "
                f"though {_percent(1 - steady)} of them change under a flip or other colours",
                "raise uda.threshold, or lengthen the teacher's memory (uda.ema_decay)",
            )
            return


def nothing(course: Course) -> Iterator[Finding]:
    """No confident pixel: the mix has no weight."""
    last = course.looks[-1]
    if course.experiment.mode == "uda" and last["confident"] < NOTHING:
        yield Finding(
            "nothing to learn from",
            f"{_percent(last['confident'])} of the target's pixels are confident, so the mix has "
            "next to no weight",
            f"lower uda.threshold (now {course.experiment.uda.threshold}), or train longer",
        )


def zero_mix(course: Course) -> Iterator[Finding]:
    """The student has nothing left to learn from the mix."""
    mixed = course.losses.get("mixed")
    if mixed is not None and mixed.size and mixed[-1] < ZERO:
        yield Finding(
            "loss of the mix at zero",
            f"it was {mixed[-1]:.1e} at the end"
            + (
                f", the source's {course.losses['source'][-1]:.1e}"
                if "source" in course.losses
                else ""
            ),
            "the pseudo-labels are likely one class, or the labels empty: look at them (compare)",
        )


def idle_distance(course: Course) -> Iterator[Finding]:
    """A feature distance that compared nothing."""
    seen = [one["fd_cells"] for one in course.looks if "fd_cells" in one]
    if not seen or max(seen) >= NO_CELL:
        return
    uda = course.experiment.uda
    largest = ", ".join(
        f"{name} {_percent(cover)}"
        for name, cover in sorted(course.largest_cover.items(), key=lambda pair: -pair[1])[:3]
    )
    yield Finding(
        "FD acted on no cell",
        f"no class covers {_percent(uda.fd_min_share)} of a feature cell often enough"
        + (f"; the largest covers found: {largest}" if largest else "")
        + f"; it compares cells of {uda.fd_on}",
        "lower uda.fd_min_share, or leave FD out (uda.fd_weight=0)",
        tuple(course.largest_cover),
    )


def few_images(course: Course) -> Iterator[Finding]:
    """RCS that shows the same few images again and again."""
    if course.rcs_images is None:
        return
    drawn = np.sum([one["rcs_drawn"] for one in course.looks if "rcs_drawn" in one], axis=0)
    images = np.maximum(course.rcs_images, 1)
    ids = np.flatnonzero((course.rcs_images < FEW_IMAGES) & (drawn / images > OFTEN))
    for i in ids:
        yield Finding(
            "RCS drew from few images only",
            f"{course.classes[i]} was drawn {int(drawn[i])} times from {course.rcs_images[i]} "
            f"image{'s' * int(course.rcs_images[i] != 1)}",
            "lower data.rcs_min_pixels, raise data.rcs_temperature, or add source images",
            (course.classes[i],),
        )


def memory(course: Course) -> Iterator[Finding]:
    """A teacher's memory that does not fit the run's length."""
    if course.experiment.mode != "uda":
        return
    decay, steps = course.experiment.uda.ema_decay, course.experiment.train.steps
    if steps < SHORTEST:  # too few for anything
        return
    length = 1 / (1 - decay)
    told = f"uda.ema_decay {decay} is a memory of {length:.0f} steps, the run has {steps}"
    if length > LONG * steps:
        fitting = 1 - 20 / steps
        yield Finding(
            "memory longer than the run allows",
            told,
            f"the teacher stays behind its student; try uda.ema_decay={fitting:.3g}",
        )
        return
    fitting = min(1000, steps / 20)  # the rule of runs/recipes/lengths.py
    agrees = course.looks[-1].get("student_agrees", 0.0)
    if course.judged and agrees > REPEATS and length < 0.9 * fitting:
        yield Finding(
            "memory shorter than the run needs",
            f"the teacher says what its student says of {_percent(agrees)} of the pixels; {told}",
            f"it has nothing to teach it; try uda.ema_decay={1 - 1 / fitting:.3g}",
        )


RULES: tuple[Callable[[Course], Iterator[Finding]], ...] = (
    vanished, swallows, keeps_growing, unsteady, too_sure, nothing, zero_mix, idle_distance,
    few_images, memory,
)  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
