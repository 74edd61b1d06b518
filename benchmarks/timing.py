"""Timing that survives a busy machine: what is compared takes turns, and the best turn counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Work = Callable[[], object]


@dataclass(frozen=True)
class Timed:
    """One row of the table."""

    group: str
    name: str
    value: float
    unit: str
    baseline: float | None = None  # what it is compared with, in the same unit

    @property
    def ratio(self) -> float | None:
        """Value over baseline: below 1 is faster (or smaller) where less is better."""
        return None if self.baseline is None else self.value / self.baseline


def best_ms(works: Mapping[str, Work], turns: int, warmup: int = 1) -> dict[str, float]:
    """Milliseconds of each work, the best of `turns`; they take turns, so load hits all alike."""
    for work in works.values():
        for _ in range(warmup):
            work()
    best = dict.fromkeys(works, float("inf"))
    clock = alone_clock()
    for _ in range(turns):
        for name, work in works.items():
            best[name] = min(best[name], once_ms(work, clock))
    return best


def once_ms(work: Work, clock: Callable[[], float] = time.perf_counter) -> float:
    synchronize()
    start = clock()
    work()
    synchronize()
    return 1000 * (clock() - start)


def alone_clock() -> Callable[[], float]:
    """For work of this process only. One CPU thread: its own time, which others cannot lengthen."""
    alone = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    return time.process_time if alone else time.perf_counter


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
