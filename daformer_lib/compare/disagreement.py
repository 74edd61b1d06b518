"""Where several predictions of one image differ; no truth is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def _require_several(labels: Sequence[np.ndarray]) -> None:
    if len(labels) < 2:
        raise ValueError("disagreement needs two predictions of an image or more; add a run")


def vote(labels: Sequence[np.ndarray]) -> np.ndarray:
    """(H, W) uint8: what most predictions say; of equal ones, that of the earlier source."""
    _require_several(labels)
    best, most = labels[0].copy(), np.zeros(labels[0].shape, np.uint8)
    for label in labels:
        votes = np.zeros(label.shape, np.uint8)
        for other in labels:
            votes += other == label
        better = votes > most
        best[better], most[better] = label[better], votes[better]
    return best


def disagreement_count(labels: Sequence[np.ndarray]) -> np.ndarray:
    """(H, W) uint8: how many predictions differ from the vote; 0 where all agree."""
    winner = vote(labels)
    differing = np.zeros(winner.shape, np.uint8)
    for label in labels:
        differing += label != winner
    return differing


def disagreement_map(labels: Sequence[np.ndarray]) -> np.ndarray:
    """(H, W) bool: pixels at which not all predictions agree."""
    _require_several(labels)
    return differ(labels)


def differ(labels: Sequence[np.ndarray]) -> np.ndarray:
    """As `disagreement_map`; a single prediction agrees with itself everywhere."""
    apart = np.zeros(labels[0].shape, bool)
    for label in labels[1:]:
        apart |= label != labels[0]
    return apart


def pairwise(labels: Sequence[np.ndarray]) -> np.ndarray:
    """(R, R) float64: share of the pixels at which two predictions differ."""
    shares = np.zeros((len(labels), len(labels)))
    for i, first in enumerate(labels):
        for j in range(i):
            shares[i, j] = shares[j, i] = np.count_nonzero(first != labels[j]) / first.size
    return shares
