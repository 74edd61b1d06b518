"""Which settings fit this device: a few training steps on noise for each, in a process of its own.

`python -m daformer_lib.train.probe` is such a process: an experiment comes in on standard input,
time and peak memory go out on standard output, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from daformer_lib.batch import Labelled, TrainBatch, Unlabelled
from daformer_lib.config import Experiment
from daformer_lib.machine import keep_memory, peak_mib
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.train.engine import FabricEngine, default_fabric
from daformer_lib.train.step import build_learner, training_step

TRIALS: Mapping[str, tuple[str, ...]] = {
    "plain": ("train.channels_last=false",),
    "channels_last": (),
    "bf16": ("train.precision=bf16-mixed",),
    "checkpointing": ("train.checkpointing=true",),
    "bf16 + checkpointing": ("train.precision=bf16-mixed", "train.checkpointing=true"),
}
LATE = 500  # a step at which the schedules are past their beginnings


@dataclass(frozen=True)
class Probed:
    """What one process found."""

    name: str
    settings: tuple[str, ...]
    milliseconds: float | None = None  # per step, the best; None where it failed
    mib: float | None = None  # peak, of the GPU where there is one, else of the whole process
    problem: str = ""

    def fits(self, gigabytes: float | None) -> bool:
        """Whether it ran, within that much memory."""
        return self.mib is not None and (gigabytes is None or self.mib * 2**20 <= gigabytes * 1e9)


def probe(
    experiment: Experiment, steps: int = 3, trials: Mapping[str, Sequence[str]] = TRIALS
) -> Iterator[Probed]:
    """Try each of the settings; weights are random, so that no file is needed."""
    for name, settings in trials.items():
        changed = with_settings(experiment, [*settings, "model.pretrained=None"])
        done = subprocess.run(
            [sys.executable, "-m", "daformer_lib.train.probe"],
            input=json.dumps({"experiment": changed.to_dict(), "steps": steps}),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["killed: out of memory?"])[-1]
            yield Probed(name, tuple(settings), problem=last)
        else:
            yield Probed(name, tuple(settings), **json.loads(done.stdout.splitlines()[-1]))


def measure(experiment: Experiment, steps: int) -> dict[str, float]:
    """Best time of `steps` steps after the first, and the process's peak memory."""
    fabric = default_fabric(experiment)
    keep_memory(fabric.device)
    engine = FabricEngine(fabric)
    learner, batch = build_learner(experiment, engine), noise_batch(experiment)
    times = []
    for step in range(LATE, LATE + 1 + steps):
        start = time.perf_counter()
        losses = training_step(learner, experiment, step, batch, engine)
        losses["source"].item()  # a GPU is done only when a value is there
        times.append(1000 * (time.perf_counter() - start))
    return {"milliseconds": min(times[1:]), "mib": peak_mib()}


def noise_batch(experiment: Experiment) -> TrainBatch:
    """Images of noise with labels in blocks of 16 pixels, half of them things."""
    rng = np.random.default_rng(0)
    height, width = experiment.data.crop
    shape = (experiment.data.batch_size, height // 16, width // 16)
    blocks = rng.integers(0, experiment.model.num_classes, shape)
    label = torch.from_numpy(blocks.repeat(16, 1).repeat(16, 2))
    image = torch.from_numpy(rng.standard_normal((len(label), 3, height, width), np.float32))
    target = Unlabelled(image.flip(-1)) if experiment.needs.target_images else None
    return TrainBatch(Labelled.certain(image, label), target, ("noise",))


def main() -> None:
    asked = json.load(sys.stdin)
    print(json.dumps(measure(Experiment.from_dict(asked["experiment"]), asked["steps"])))


if __name__ == "__main__":
    main()
