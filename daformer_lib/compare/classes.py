"""The per-class table of a source, and which source wins a class by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from daformer_lib.compare.tally import Tally, sure_from
from daformer_lib.means import known_mean


@dataclass(frozen=True)
class ClassTable:
    """(K,) float64 in [0, 1] each; NaN where it has no meaning (no truth, class absent, ...)."""

    iou: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    coverage: np.ndarray  # share of the pixels predicted as the class that reach the threshold
    sure_precision: np.ndarray  # precision of those alone
    predicted: np.ndarray  # share of all pixels that are predicted as the class

    def miou(self, classes: Sequence[int] | None = None) -> float:
        """Mean IoU, absent classes left out; NaN without truth."""
        return float(known_mean(self.iou if classes is None else self.iou[list(classes)]))


def class_table(tally: Tally, threshold: float = 0.968) -> ClassTable:
    """IoU, precision, recall, and coverage over the threshold.

    A pixel with truth for which nothing is predicted counts as missed. Without truth the first
    three are NaN; without confidence, coverage is.
    """
    table = tally.table  # (K, K + 1)
    hit = np.diag(table).astype(np.float64)
    true, said = table.sum(1), table[:, :-1].sum(0)
    predicted = tally.counts[:, :-1].sum((0, 2))  # pixels without truth too
    sure = tally.counts[:, :-1, sure_from(threshold) :].sum(-1)  # (K + 1, K)
    nothing = np.full(tally.num_classes, np.nan)
    if not tally.has_truth:
        true = said = np.zeros(tally.num_classes)
    return ClassTable(
        iou=_share(hit, true + said - hit),
        precision=_share(hit, said),
        recall=_share(hit, true),
        coverage=_share(sure.sum(0), predicted) if tally.has_confidence else nothing,
        sure_precision=(
            _share(np.diag(sure[:-1]), sure[:-1].sum(0)) if tally.has_confidence else nothing
        ),
        predicted=predicted / max(tally.pixels, 1),
    )


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    nan = np.full(np.shape(part), np.nan)
    return np.divide(part, whole, out=nan, where=np.asarray(whole) > 0, dtype=np.float64)


@dataclass(frozen=True)
class Win:
    """Who is best at a class."""

    class_id: int
    winner: str
    second: str
    iou: float  # of the winner
    lead: float  # over the second, in IoU [0, 1]; 0 is a tie


def wins(tables: Mapping[str, ClassTable]) -> list[Win]:
    """One per class for which two sources have an IoU, the largest lead first."""
    found = []
    for i in range(len(next(iter(tables.values())).iou)):
        known = {name: t.iou[i] for name, t in tables.items() if np.isfinite(t.iou[i])}
        order = sorted(known, key=lambda name: -known[name])  # the first given wins a tie
        if len(order) > 1:
            lead = float(known[order[0]] - known[order[1]])
            found.append(Win(i, order[0], order[1], float(known[order[0]]), lead))
    return sorted(found, key=lambda win: -win.lead)
