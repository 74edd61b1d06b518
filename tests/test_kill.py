"""A training process killed at random moments goes on from its last checkpoint, to the same end.
Over 20 s, since every start of a process imports torch anew."""

import os
import random
import subprocess
import sys
import time

import pytest
import torch

from daformer_lib import recipes
from daformer_lib.files import write_json
from daformer_lib.prepare import prepare
from daformer_lib.runs import Run
from daformer_lib.studies import CHILD_ENVIRONMENT
from daformer_lib.train import train

pytestmark = pytest.mark.slow
KILLS = 6


@pytest.mark.timeout(600)
def test_killed_runs_end_in_the_same_weights(tmp_path):
    experiment = recipes.experiment("daformer", "smoke", data_root=str(tmp_path)).changed(
        train={"steps": 120, "checkpoint_every": 2, "eval_every": 60, "snapshot_every": 60}
    )
    prepare(experiment.data, "smoke")
    whole = train(experiment, tmp_path / "whole")
    folder = tmp_path / "killed"
    write_json(folder / "config.json", experiment.to_dict())
    rng = random.Random(0)
    killed = 0
    while not (folder / "result.json").exists():
        process = start(folder)
        if killed < KILLS:
            wait_for_checkpoint(folder, process)
            time.sleep(rng.uniform(0.0, 1.0))
            process.kill()
            killed += process.wait() == -9
        else:
            assert process.wait(300) == 0
    assert killed == KILLS
    resumed = Run(folder)
    for name, tensor in whole.student_weights().items():
        assert torch.equal(tensor, resumed.student_weights()[name]), name
    assert resumed.metrics()["step"].tolist() == whole.metrics()["step"].tolist()
    assert not list(folder.rglob("*.part"))


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "daformer_lib", "train-run", "--folder", str(folder)],
        env={**os.environ, **CHILD_ENVIRONMENT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for_checkpoint(folder, process, seconds=90):
    """Until this process has written a checkpoint of its own."""
    path = folder / "checkpoints" / "last.pt"
    before = path.stat().st_mtime_ns if path.exists() else 0
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if path.exists() and path.stat().st_mtime_ns != before:
            return
        time.sleep(0.05)
