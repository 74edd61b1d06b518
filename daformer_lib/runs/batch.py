"""Batches of runs: rows x seeds as separate processes, finished ones skipped.

Two processes of one thread each have nearly twice the throughput of one process with two threads.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from daformer_lib.config import Experiment
from daformer_lib.files import read_json, write_json
from daformer_lib.progress import Report, silent
from daformer_lib.runs.folder import Run, is_finished, run_folder, write_config
from daformer_lib.stopping import stop_all

JOBS = 2
TRAIN_RUN = (sys.executable, "-m", "daformer_lib", "train-run", "--with-parent")
POLL = 0.5  # seconds between looks at the processes
CHILD_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "DAFORMER_QUIET": "1"}


class RunFailed(RuntimeError):
    """A training process ended badly; the message holds the end of its log."""


def require_jobs(jobs: int) -> None:
    """Raises ValueError where no run could ever start; ask before data are drawn."""
    if jobs < 1:
        raise ValueError(f"jobs {jobs} must be at least 1: that many runs train side by side")


@dataclass
class Child:
    """A training process and where it writes."""

    folder: Path
    steps: int
    process: subprocess.Popen

    def steps_done(self) -> int:
        path = self.folder / "progress.json"
        return read_json(path)["step"] if path.exists() else 0


def run_all(
    experiments: Sequence[Experiment],
    folder: str | Path,
    jobs: int = JOBS,
    report: Report = silent,
    begun: Callable[[Path, Experiment], None] | None = None,
) -> list[Run]:
    """Train what is not finished, `jobs` at a time; returns the runs in the order asked for.

    Args:
        begun: asked to look at each run that an earlier call has begun (`run_data.note_data`); its
            own process would say it to its log only.

    Raises:
        RunFailed: a process failed; the others were stopped and go on from their checkpoints.
    """
    require_jobs(jobs)
    folders = [run_folder(e, folder) for e in experiments]
    for place, experiment in zip(folders, experiments):
        if begun is not None and (place / "config.json").exists():
            begun(place, experiment)
    different = dict(zip(folders, experiments))
    waiting = [(place, e) for place, e in different.items() if not is_finished(e, folder)]
    total = sum(e.train.steps for _, e in waiting)
    running: list[Child] = []
    finished_steps = 0
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(*waiting.pop(0)))
            time.sleep(POLL)
            for child in [c for c in running if c.process.poll() is not None]:
                running.remove(child)
                _check(child)
                finished_steps += child.steps
            done = finished_steps + sum(c.steps_done() for c in running)
            if running:  # a process still scores its run after its last step
                done = min(done, total - 1)
            names = ", ".join(c.folder.name.rsplit("-", 1)[0] for c in running)
            report(done, max(total, 1), names)
    finally:
        stop_all(child.process for child in running)
    return [Run(place) for place in folders]


def _start(folder: Path, experiment: Experiment) -> Child:
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, experiment)
    (folder / "progress.json").unlink(missing_ok=True)
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [*TRAIN_RUN, "--folder", str(folder)],
            stdin=subprocess.PIPE,  # its end tells the child that this process is gone
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **CHILD_ENVIRONMENT},
        )
    return Child(folder, experiment.train.steps, process)


def _check(child: Child) -> None:
    if child.process.returncode or not (child.folder / "result.json").exists():
        if child.process.returncode == -signal.SIGKILL:
            raise RunFailed(
                f"{child.folder.name} was killed, most often for lack of memory: start fewer at a "
                "time (--jobs 1); the same command goes on from its last checkpoint"
            )
        tail = (child.folder / "log.txt").read_text().strip().splitlines()[-15:]
        raise RunFailed(
            f"{child.folder.name} failed (exit status {child.process.returncode}):\n"
            + "\n".join(tail)
        )


def progress_file(folder: Path, every: float = 1.0) -> Callable[[int, int | None, str], None]:
    """A `Report` for a training process: its parent reads the step from progress.json."""
    last = 0.0

    def report(done: int, total: int | None, label: str) -> None:
        nonlocal last
        if time.monotonic() - last > every or done == total:
            last = time.monotonic()
            write_json(folder / "progress.json", {"step": done, "line": label})

    return report


# --- tables ---------------------------------------------------------------------------------
