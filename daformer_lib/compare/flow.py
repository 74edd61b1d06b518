"""Confusion flow: which class became which, from one source to another or from step to step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daformer_lib.compare.comparison import Comparison

State = tuple[str, int]  # a source's name and a step


def flow_counts(
    before: np.ndarray, after: np.ndarray, truth: np.ndarray | None, num_classes: int
) -> np.ndarray:
    """(K + 1, K + 1, K + 1) int64 pixels by truth, class before and class after.

    Index K stands for "no truth here" and "nothing predicted".
    """
    kinds = num_classes + 1
    place = np.full(256, num_classes, np.int64)
    place[:num_classes] = np.arange(num_classes)
    where = (place * kinds)[before] + place[after]
    where += num_classes * kinds**2 if truth is None else (place * kinds**2)[truth]
    return np.bincount(where.ravel(), minlength=kinds**3).reshape(kinds, kinds, kinds)


@dataclass(frozen=True)
class Move:
    """Pixels that changed their class; `num_classes` as an id means "nothing predicted"."""

    before: int
    after: int
    pixels: int
    gained: int  # of them wrong before and right after; 0 without truth
    lost: int  # right before and wrong after


@dataclass(frozen=True)
class Flow:
    """What became of every class between two states."""

    before: State
    after: State
    counts: np.ndarray  # (K + 1, K + 1, K + 1): truth, before, after

    @property
    def table(self) -> np.ndarray:
        """(K + 1, K + 1) int64 pixels: rows = class before, columns = class after."""
        return self.counts.sum(0)

    @property
    def changed(self) -> float:
        """Share of the pixels that changed their class."""
        return float(1 - np.trace(self.table) / max(self.table.sum(), 1))

    def moves(self, most: int | None = 12, classes: Sequence[int] | None = None) -> list[Move]:
        """The largest changes; `classes`: only those from or to one of these."""
        table = self.table
        found = [
            self._move(i, j)
            for i, j in np.argwhere(table).tolist()
            if i != j and (classes is None or i in classes or j in classes)
        ]
        return sorted(found, key=lambda move: -move.pixels)[:most]

    def of_truth(self, class_id: int) -> np.ndarray:
        """(K + 1, K + 1) pixels of one true class: what it was taken for before and after."""
        return self.counts[class_id]

    def _move(self, i: int, j: int) -> Move:
        last = len(self.counts) - 1
        gained = 0 if j == last else int(self.counts[j, i, j])
        lost = 0 if i == last else int(self.counts[i, i, j])
        return Move(i, j, int(self.table[i, j]), gained, lost)


def flow(comparison: Comparison, before: State, after: State) -> Flow:
    """Between two sources at a step, or between two steps of one source; image by image."""
    kinds = comparison.spec.num_classes + 1
    counts = np.zeros((kinds, kinds, kinds), np.int64)
    for stem in comparison.stems:
        first, second = (comparison.label(*state, stem) for state in (before, after))
        counts += flow_counts(first, second, comparison.truth(stem), kinds - 1)
    return Flow(before, after, counts)
