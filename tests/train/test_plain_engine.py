"""PyTorch alone and Lightning Fabric: the same step, to the bit."""

import pytest
import torch

from daformer_lib.train.engine import FabricEngine, PlainEngine, default_fabric
from daformer_lib.train.probe import noise_batch
from daformer_lib.train.step import build_learner, training_step

pytestmark = pytest.mark.numeric


@pytest.mark.notebook  # not in make check: takes seconds
def test_both_engines_give_the_same_weights(smoke):
    experiment = smoke(train={"accumulate": 2})
    students = []
    for engine in (PlainEngine(), FabricEngine(default_fabric(experiment))):
        learner = build_learner(experiment, engine)
        for step in range(2):
            training_step(learner, experiment, step, noise_batch(experiment), engine)
        students.append(learner.network.state_dict())
    ours, theirs = students
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
