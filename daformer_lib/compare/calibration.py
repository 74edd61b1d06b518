"""Calibration: is what a network calls 90 % sure right nine times out of ten?

Expected calibration error (ECE) after Guo et al., arXiv:1706.04599: the mean gap between confidence
and accuracy, weighted by the pixels of each bin. Confidence has 256 levels here, so a bin's edge is
off by up to 1/510.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daformer_lib.compare.tally import LEVELS, Tally


@dataclass(frozen=True)
class Reliability:
    """Bins of confidence with how often they are right; NaN in empty bins."""

    edges: np.ndarray  # (B + 1,) from 0 to 1
    confidence: np.ndarray  # (B,) mean confidence of the bin's pixels
    accuracy: np.ndarray  # (B,) share of them that is right
    pixels: np.ndarray  # (B,) int64

    @property
    def ece(self) -> float:
        """Expected calibration error in [0, 1]; NaN without pixels."""
        if not self.pixels.sum():
            return float("nan")
        gap = np.nan_to_num(np.abs(self.confidence - self.accuracy))
        return float((gap * self.pixels).sum() / self.pixels.sum())

    @property
    def overconfident(self) -> bool:
        """More sure than right, on the whole."""
        gap = np.nan_to_num(self.confidence - self.accuracy)
        return float((gap * self.pixels).sum()) > 0


def reliability(tally: Tally, bins: int = 10, class_id: int | None = None) -> Reliability:
    """Over all pixels with truth and a prediction, or over those predicted as one class."""
    tally.require_confidence()
    if not tally.has_truth:
        raise ValueError("calibration compares with the truth, and there is none for these images")
    known = tally.counts[:-1, :-1]  # (K, K, 256)
    chosen = slice(None) if class_id is None else slice(class_id, class_id + 1)
    total = known[:, chosen].sum((0, 1))  # (256,)
    right = np.einsum("iic->ic", known)[chosen].sum(0)
    levels = np.arange(LEVELS) / 255
    place = np.minimum((levels * bins).astype(int), bins - 1)
    pixels = np.bincount(place, total, bins)
    divisor = np.where(pixels > 0, pixels, np.nan)
    return Reliability(
        np.linspace(0, 1, bins + 1),
        np.bincount(place, total * levels, bins) / divisor,
        np.bincount(place, right, bins) / divisor,
        pixels.astype(np.int64),
    )
