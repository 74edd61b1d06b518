"""Runs as jobs of a cluster (SLURM) through submitit: the same runs, on many machines.

A job trains one run into its folder, which all machines must see. `local` takes submitit's own
executor on this machine: the same way, without a cluster.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from daformer_lib.config import Experiment
from daformer_lib.runs.batch import CHILD_ENVIRONMENT, TRAIN_RUN, Starter
from daformer_lib.stopping import Job

Cluster = Literal["slurm", "local"]
POLL = 0.2  # seconds between looks, while one waits for a job's end
ENDED_BADLY = 1  # exit status of a job that submitit calls failed, cancelled or out of time


def cluster_starter(cluster: Cluster, minutes: int, options: Sequence[str] = ()) -> Starter:
    """A `Starter` (runs/batch.py) that submits.

    Args:
        minutes: the time limit of a job; a run that it ends goes on when it is started again.
        options: name=value of submitit's executor, such as slurm_partition=gpu, gpus_per_node=1.

    Raises:
        ValueError: an option that is no name=value, or that submitit does not know.
    """
    import submitit  # the extra "cluster"

    parameters = dict(_option(text) for text in options)
    with tempfile.TemporaryDirectory() as folder:  # asked once, before any run is submitted
        try:
            executor = submitit.AutoExecutor(folder, cluster=cluster)
            executor.update_parameters(timeout_min=minutes, **parameters)
        except (NameError, RuntimeError) as error:
            raise ValueError(f"submitit refuses to submit to {cluster!r}: {error}") from None

    def start(folder: Path, experiment: Experiment) -> Job:
        executor = submitit.AutoExecutor(folder / "job", cluster=cluster)
        executor.update_parameters(name=folder.name, timeout_min=minutes, **parameters)
        return ClusterJob(executor.submit(train_in_job, str(folder.resolve())))

    return start


def _option(text: str) -> tuple[str, int | str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise ValueError(f"cluster option {text!r} must be name=value, as slurm_partition=gpu")
    return name, int(value) if value.isdigit() else value


def train_in_job(folder: str) -> None:
    """What runs on the cluster: a training process of its own, its output in log.txt."""
    command = [part for part in TRAIN_RUN if part != "--with-parent"]
    with (Path(folder) / "log.txt").open("w") as log:
        subprocess.run(
            [*command, "--folder", folder],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **CHILD_ENVIRONMENT},
            check=True,
        )


class ClusterJob:
    """A submitted job that answers like a process (`stopping.Job`)."""

    def __init__(self, job: Any) -> None:
        self._job = job

    def poll(self) -> int | None:
        if not self._job.done():
            return None
        return ENDED_BADLY if self._job.exception() is not None else 0

    def terminate(self) -> None:
        self._job.cancel()

    kill = terminate

    def wait(self, timeout: float | None = None) -> int:
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self._job.job_id), timeout or 0)
            time.sleep(POLL)
        return status
