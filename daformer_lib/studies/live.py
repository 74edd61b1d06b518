"""A study while it runs: a line for each row, a mark for each seed, and when it will end."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from daformer_lib.config import Experiment
from daformer_lib.progress import duration
from daformer_lib.runs.batch import Batch

DONE, WAITING, FAILED = "✓", "·", "✗"


class LiveTable:
    """Redraws itself in a terminal; `watch` is what `run_all` calls."""

    def __init__(
        self, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._live = Live(console=console, auto_refresh=False)
        self._clock, self._began = clock, clock()
        self._first: int | None = None  # steps left at the first look

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def watch(self, batch: Batch) -> None:
        left = batch.steps_left()
        self._first = left if self._first is None else self._first
        spent = self._clock() - self._began
        done = self._first - left
        ends = f"{duration(spent / done * left)} left" if done > 0 and left else ""
        self._live.update(study_table(batch, ends), refresh=True)


def study_table(batch: Batch, ends: str = "") -> Table:
    """Rows by name, seeds side by side: done, in percent, waiting or failed."""
    marks: dict[str, dict[int, str]] = {}

    def mark(experiment: Experiment, text: str) -> None:
        marks.setdefault(experiment.name, {})[experiment.train.seed] = text

    for place, experiment in batch.experiments.items():
        mark(experiment, FAILED if place in batch.failed else WAITING)
        if place in batch.finished:
            mark(experiment, DONE)
    for child in batch.running:
        share = 100 * child.steps_done() // child.experiment.train.steps
        mark(child.experiment, f"{share} %")
    seeds = sorted({seed for row in marks.values() for seed in row})
    table = Table(caption=ends or None, caption_justify="left")
    table.add_column("row")
    for seed in seeds:
        table.add_column(f"seed {seed}", justify="right")
    for row, states in marks.items():
        table.add_row(row, *(states.get(seed, "") for seed in seeds))
    return table
