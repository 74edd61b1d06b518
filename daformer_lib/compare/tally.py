"""Pixels counted by truth, prediction and confidence: all that the tables are made from.

One (K + 1, K + 1, 256) array per source is enough for IoU, precision, recall and coverage at any
threshold, for the confidence weight and for calibration, so one pass over the images does for all,
and memory does not grow with their number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from daformer_lib.evaluate import Scores

LEVELS = 256  # of the confidence, probability x 255


def sure_from(threshold: float) -> int:
    """The lowest confidence level (0-255) that reaches the threshold; 256 if none does."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold} must lie in [0, 1], as probabilities do")
    return int(np.searchsorted(np.arange(LEVELS) / 255, threshold))


def count_predictions(
    truth: np.ndarray | None, label: np.ndarray, confidence: np.ndarray | None, num_classes: int
) -> np.ndarray:
    """(K + 1, K + 1, 256) int64: pixels of each truth, prediction and confidence.

    Index K stands for "no truth here" and "nothing predicted"; unknown confidence counts as 255.
    """
    kinds = num_classes + 1
    place = np.full(256, num_classes * LEVELS, np.int64)
    place[:num_classes] = np.arange(num_classes) * LEVELS
    where = place[label]  # (H, W)
    where += num_classes * kinds * LEVELS if truth is None else (place * kinds)[truth]
    where += LEVELS - 1 if confidence is None else confidence
    return np.bincount(where.ravel(), minlength=kinds * kinds * LEVELS).reshape(
        kinds, kinds, LEVELS
    )


@dataclass
class Tally:
    """Counts of one source over any number of images."""

    num_classes: int
    has_confidence: bool = True
    counts: np.ndarray = field(default=None)  # (K + 1, K + 1, 256) int64

    def __post_init__(self) -> None:
        if self.counts is None:
            kinds = self.num_classes + 1
            self.counts = np.zeros((kinds, kinds, LEVELS), np.int64)

    def add(self, counts: np.ndarray) -> None:
        self.counts += counts

    @property
    def pixels(self) -> int:
        return int(self.counts.sum())

    @property
    def has_truth(self) -> bool:
        return bool(self.counts[:-1].any())

    @property
    def table(self) -> np.ndarray:
        """(K, K + 1) int64 pixels with truth: rows = truth, columns = prediction, last = none."""
        return self.counts[:-1].sum(-1)

    @property
    def scores(self) -> Scores:
        """As `evaluate` gives them; where nothing is predicted, no pixel counts."""
        return Scores(self.table[:, :-1])

    @property
    def error(self) -> float:
        """Share of the pixels with truth that are wrong; NaN without truth."""
        table = self.table
        total = table.sum()
        return float(1 - np.trace(table) / total) if total else float("nan")

    def weight(self, threshold: float) -> float:
        """Share of all pixels that reach the threshold: the paper's Eq. 3, q_T."""
        self.require_confidence()
        return float(self.counts[..., sure_from(threshold) :].sum() / max(self.pixels, 1))

    def require_confidence(self) -> None:
        if not self.has_confidence:
            raise ValueError(
                "this source has no confidence: coverage, weight and calibration need it; for PNG "
                "label maps put <name>_confidence.png (probability x 255) beside them"
            )
