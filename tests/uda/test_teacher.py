"""In which mode the teacher labels, whatever has happened to it in between."""

from __future__ import annotations

import pytest
from timm.layers import DropPath
from torch.nn.modules.dropout import _DropoutNd

from daformer_lib.evaluate import in_eval_mode
from daformer_lib.models.statistics import batch_norms
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.probe import noise_batch
from daformer_lib.train.step import build_learner, training_step


def modes(network):
    """Whether the dropouts and DropPaths are on, and whether BatchNorm reads its batch."""
    dropping = [m for m in network.modules() if isinstance(m, (_DropoutNd, DropPath))]
    return [m.training for m in dropping], [m.training for m in batch_norms(network)]


@pytest.mark.parametrize("row", ["daformer", "vit_rcs"])
def test_nothing_of_the_teacher_drops_out_and_all_of_the_student(smoke, row):
    """After a step and an evaluation as well: both pass through the teacher."""
    experiment, engine = smoke(row, model={"pretrained": None}), PlainEngine()
    learner = build_learner(experiment, engine)
    with in_eval_mode(learner.method.teacher.model):
        pass
    training_step(learner, experiment, 0, noise_batch(experiment), engine)
    dropping, normalising = modes(learner.method.teacher.model)
    assert dropping and not any(dropping)
    assert normalising and all(normalising)
    assert all(map(all, modes(learner.network)))
