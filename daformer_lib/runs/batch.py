"""Batches of runs: rows x seeds as separate processes, finished ones skipped.

Two processes of one thread each have nearly twice the throughput of one process with two threads.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from daformer_lib.config import Experiment
from daformer_lib.files import read_json, write_json
from daformer_lib.progress import Report, silent
from daformer_lib.runs.folder import Run, run_folder, write_config
from daformer_lib.stopping import Job, stop_all, usable_cores

JOBS = 2
RUN_MEMORY = 3 * 2**30  # bytes; a run of the course takes 1.3 GiB, and a learner's browser the rest
TRAIN_RUN = (sys.executable, "-m", "daformer_lib", "train-run", "--with-parent")
POLL = 0.5  # seconds between looks at the processes
CHILD_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "DAFORMER_QUIET": "1"}


class RunFailed(RuntimeError):
    """A training process ended badly; the message holds the end of its log."""


def require_jobs(jobs: int) -> None:
    """Raises ValueError where no run could ever start; ask before data are drawn."""
    if jobs < 1:
        raise ValueError(f"jobs {jobs} must be at least 1: that many runs train side by side")


def jobs_here() -> int:
    """Runs that the course trains side by side: one for every two cores and every 3 GiB of memory,
    at least two. Each has one thread, so no number depends on how many there are."""
    if not hasattr(os, "sysconf"):  # Windows
        return JOBS
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(JOBS, min(usable_cores() // 2, memory // RUN_MEMORY))


# Makes the job of a run, in its folder. Exit status 0 counts only where the work is there.
Starter = Callable[[Path, Experiment], Job]


@dataclass
class Child:
    """A run that was started, and where it writes."""

    folder: Path
    experiment: Experiment
    job: Job
    tries: int = 1

    def steps_done(self) -> int:
        path = self.folder / "progress.json"
        return read_json(path)["step"] if path.exists() else 0


@dataclass
class Batch:
    """Where a batch stands: each run of it is in one of the last four."""

    experiments: dict[Path, Experiment]  # by folder
    waiting: list[tuple[Path, Experiment]]
    running: list[Child]
    finished: list[Path]
    failed: dict[Path, str]  # with the reason

    def steps_left(self) -> int:
        """Of all runs that wait or run."""
        waiting = sum(e.train.steps for _, e in self.waiting)
        return waiting + sum(c.experiment.train.steps - c.steps_done() for c in self.running)

    def report(self, report: Report, begun_with: int) -> None:
        """Steps done of those that were still to do."""
        done = begun_with - self.steps_left()
        if self.running:  # a process still scores its run after its last step
            done = min(done, begun_with - 1)
        names = ", ".join(c.folder.name.rsplit("-", 1)[0] for c in self.running)
        report(max(done, 0), max(begun_with, 1), names)


def run_all(
    experiments: Sequence[Experiment],
    folder: str | Path,
    jobs: int = JOBS,
    report: Report = silent,
    begun: Callable[[Path, Experiment], None] | None = None,
    *,
    start: Starter | None = None,
    is_done: Callable[[Path], bool] | None = None,
    tries: int = 1,
    keep_going: bool = False,
    watch: Callable[[Batch], None] | None = None,
) -> list[Run]:
    """Train what is not finished, `jobs` at a time; returns the runs in the order asked for.

    Args:
        begun: asked to look at each run that an earlier call has begun (`run_data.note_data`); its
            own process would say it to its log only.
        start: makes the job of a run, in its folder, which has its config.json by then; by default
            a training process.
        is_done: whether a folder needs no job; by default, whether its run is complete.
        tries: how often a run that failed is started in all; it goes on from its checkpoint.
        keep_going: after a failure the other runs are trained before it is raised.
        watch: called at every look at the jobs.

    Raises:
        RunFailed: a process failed; the others were stopped and go on from their checkpoints.
    """
    require_jobs(jobs)
    start = start or start_training
    is_done = is_done or _has_result
    places = {run_folder(e, folder): e for e in experiments}
    for place, experiment in places.items():
        if begun is not None and (place / "config.json").exists():
            begun(place, experiment)
    finished = [place for place in places if is_done(place)]
    waiting = [(place, e) for place, e in places.items() if place not in finished]
    batch = Batch(places, waiting, [], finished, {})
    total = sum(e.train.steps for _, e in waiting)
    try:
        while batch.waiting or batch.running:
            while batch.waiting and len(batch.running) < jobs:
                batch.running.append(_begin(*batch.waiting.pop(0), start))
            time.sleep(POLL)
            for child in [c for c in batch.running if c.job.poll() is not None]:
                _end(child, batch, start, tries, is_done)
            if batch.failed and not keep_going:
                break
            batch.report(report, total)
            if watch is not None:
                watch(batch)
    finally:
        stop_all(child.job for child in batch.running)
    if batch.failed:
        raise RunFailed("\n".join(batch.failed.values()))
    return [Run(run_folder(e, folder)) for e in experiments]


def _has_result(folder: Path) -> bool:
    return (folder / "result.json").exists()


def _begin(folder: Path, experiment: Experiment, start: Starter) -> Child:
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, experiment)
    (folder / "progress.json").unlink(missing_ok=True)
    return Child(folder, experiment, start(folder, experiment))


def _end(
    child: Child, batch: Batch, start: Starter, tries: int, is_done: Callable[[Path], bool]
) -> None:
    """A job that has ended is done, begins again, or has failed."""
    batch.running.remove(child)
    problem = _problem(child, is_done)
    if problem is None:
        batch.finished.append(child.folder)
    elif child.tries < tries:
        again = _begin(child.folder, child.experiment, start)
        batch.running.append(replace(again, tries=child.tries + 1))
    else:
        batch.failed[child.folder] = problem


def start_training(folder: Path, experiment: Experiment) -> Job:
    """The default `Starter`: a process that ends with this one, its output in log.txt."""
    return start_process([*TRAIN_RUN, "--folder", str(folder)], folder)


def start_process(
    command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen:
    """A run's process, of one thread, quiet, which is told by a pipe when this one is gone."""
    with (folder / "log.txt").open("w") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # its end tells the child that this process is gone
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **CHILD_ENVIRONMENT, **(env or {})},
        )


def _problem(child: Child, is_done: Callable[[Path], bool]) -> str | None:
    """Why a job that has ended has not done its work."""
    status, name = child.job.poll(), child.folder.name
    if status == 0 and is_done(child.folder):
        return None
    if status == -signal.SIGKILL:
        return (
            f"{name} was killed, most often for lack of memory: start fewer at a time (--jobs 1); "
            "the same command goes on from its last checkpoint"
        )
    log = child.folder / "log.txt"
    tail = log.read_text(errors="replace").strip().splitlines()[-15:] if log.exists() else []
    return f"{name} failed (exit status {status}):\n" + "\n".join(tail)


def progress_file(folder: Path, every: float = 1.0) -> Callable[[int, int | None, str], None]:
    """A `Report` for a training process: its parent reads the step from progress.json."""
    last = 0.0

    def report(done: int, total: int | None, label: str) -> None:
        nonlocal last
        if time.monotonic() - last > every or done == total:
            last = time.monotonic()
            write_json(folder / "progress.json", {"step": done, "line": label})

    return report
