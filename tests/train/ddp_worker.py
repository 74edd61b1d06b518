"""What two ranks do for tests/train/test_engine.py, started by torchrun with a folder.

The folder holds the experiments as JSON; rank 0 leaves what it found beside them.
"""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from daformer_lib.batch import Labelled, TrainBatch, Unlabelled
from daformer_lib.config import Experiment
from daformer_lib.ranks import ALONE
from daformer_lib.specs import THINGS
from daformer_lib.stopping import Stopped
from daformer_lib.train import train
from daformer_lib.train.engine import FabricEngine, default_fabric
from daformer_lib.train.step import build_learner, training_step

STEPS = 2


def uneven_batch(step, ranks=ALONE):
    """Two images that differ in what is batch-wide: things, classes, confidence."""
    rng = np.random.default_rng([7, step])
    blocks = rng.choice([0, 2, 10, *THINGS], (2, 4, 4))
    blocks[1] = rng.choice([1, 8, 9, 255], (4, 4))
    blocks[1, 2, 1:3] = 13
    label = torch.from_numpy(blocks.repeat(32, 1).repeat(32, 2))
    images = torch.from_numpy(rng.standard_normal((2, 2, 3, 128, 128), np.float32))
    images[1, 1] *= 3  # the teacher is sure of another share of it
    source = Labelled.certain(images[0], label)
    source = Labelled(*(t[list(ranks.own(range(2)))] for t in source))
    return TrainBatch(source, Unlabelled(images[1][list(ranks.own(range(2)))]), ("noise",))


def steps(experiment, engine, change=lambda network: None):
    """Losses and gradients of the first steps, and the networks after them.

    `change` is done to the student before the first.
    """
    learner = build_learner(experiment, engine)
    change(learner.network)
    for parameter in learner.method.anchor.encoder.parameters():
        parameter.mul_(1.1)  # else there is no distance before the first step
    losses, gradients = [], []
    for step in range(STEPS):
        batch = uneven_batch(step, engine.ranks)
        found = training_step(learner, experiment, step, batch, engine)
        losses.append({name: float(value) for name, value in found.items()})
        gradients.append({n: p.grad.clone() for n, p in learning(learner.network)})
    return learner, losses, gradients


def learning(network):
    return [(n, p) for n, p in network.named_parameters() if p.requires_grad]


def digest(network):
    data = b"".join(t.detach().numpy().tobytes() for t in network.state_dict().values())
    return hashlib.sha256(data).hexdigest()


def on_all_ranks(value):
    found = [None] * dist.get_world_size()
    dist.all_gather_object(found, value)
    return found


def gathered(ranks):
    """Rank 0 has three rows, rank 1 two: 0, 1, 2 and 10, 11."""
    return ranks.gather(torch.arange(3 - ranks.rank)[:, None] + 10 * ranks.rank).tolist()


def main(folder):
    torch.set_num_threads(1)
    read = lambda name: Experiment.from_dict(json.loads((folder / name).read_text()))
    plain, normed = read("plain.json"), read("normed.json")
    fabric = default_fabric(plain)
    fabric.launch()
    engine = FabricEngine(fabric)
    _, losses, gradients = steps(plain, engine)
    learner, *_ = steps(normed, engine)  # BatchNorm and dropout, which differ by rank
    found = {
        "losses": losses,
        "students": on_all_ranks(digest(learner.network)),
        "teachers": on_all_ranks(digest(learner.method.teacher.model)),
        "gathered": gathered(engine.ranks),
    }
    if fabric.global_rank == 0:
        torch.save(gradients, folder / "gradients.pt")
        (folder / "found.json").write_text(json.dumps(found))
    train(normed, folder / "whole", fabric=fabric)
    train(normed, folder / "parts", fabric=fabric, stop_after=2)
    train(normed, folder / "parts", fabric=fabric)
    train(plain, folder / "plain", fabric=fabric, stop_after=2)
    ended = on_all_ranks(asked_to_end(normed, folder / "asked", fabric))
    train(normed, folder / "asked", fabric=fabric)
    if fabric.global_rank == 0:
        (folder / "ended.json").write_text(json.dumps(ended))


def asked_to_end(experiment, folder, fabric):
    """What each rank says when rank 0 alone gets a signal after the second step."""

    def report(done, total, label):  # is called on rank 0
        if done == 2:
            signal.raise_signal(signal.SIGTERM)

    try:
        train(experiment, folder, fabric=fabric, report=report)
    except Stopped as stopped:
        return str(stopped)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
