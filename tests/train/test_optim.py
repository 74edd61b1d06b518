"""Which parameter falls under which rule, against the authors' optimizer (golden schedule)."""

import pytest
import torch

from daformer_lib.config import ModelConfig, OptimConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints.official_names import official_names
from daformer_lib.train.optim import build_optimizer, parameter_groups, set_learning_rates

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def schedule(golden):
    return golden("schedule.json")


def named_groups(model):
    """Authors' parameter name -> (initial rate, weight decay)."""
    names = official_names(model)
    by_id = {id(p): names[n] for n, p in model.named_parameters()}
    return {
        by_id[id(p)]: (group["initial_lr"], group["weight_decay"])
        for group in parameter_groups(model, OptimConfig())
        for p in group["params"]
    }


def test_every_parameter_of_the_final_model(schedule):
    with torch.device("meta"):
        model = build_segmentor(ModelConfig("mit_b5", "daformer"))
    ours = named_groups(model)
    theirs = {
        name: (group["initial_lr"], group["weight_decay"])
        for group in schedule["groups"].values()
        for name in group["student_names"]
    }
    assert ours.keys() == theirs.keys()
    for name, (lr, decay) in theirs.items():
        assert ours[name] == (pytest.approx(lr), pytest.approx(decay)), name
    sizes = sorted(len(g["student_names"]) for g in schedule["groups"].values())
    assert sizes == [34, 322, 730]


def test_rates_are_set_before_each_step():
    model = build_segmentor(ModelConfig("tiny_mit", "daformer"))
    optimizer = build_optimizer(model, OptimConfig())
    set_learning_rates(optimizer, 0, 40_000, OptimConfig())
    rates = sorted({group["lr"] for group in optimizer.param_groups})
    assert rates == pytest.approx([6e-11, 6e-10])


def test_frozen_parameters_are_left_out():
    model = build_segmentor(ModelConfig("tiny_mit", "daformer"))
    model.encoder.requires_grad_(False)
    (group,) = parameter_groups(model, OptimConfig())
    assert len(group["params"]) == len(list(model.decoder.parameters()))
