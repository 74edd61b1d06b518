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


@pytest.mark.parametrize(
    ("model", "encoder", "decoder"),
    [
        ("segformer_mitb5", "mit_b5", "segformer"),
        ("dlv2red_r101v1c", "resnet101_v1c", "deeplabv2"),
        ("daformer_isa_mitb5", "mit_b5", "isa_fusion"),
        ("upernet_mitb5", "mit_b5", "upernet512"),
        ("daformer_sepaspp_mitb0", "mit_b0", "daformer"),
    ],
)
def test_every_parameter_of_further_models(schedule, model, encoder, decoder):
    with torch.device("meta"):
        ours = named_groups(build_segmentor(ModelConfig(encoder, decoder)))
    theirs = {}
    for rule, names in schedule["other_models"][model].items():  # "lr6.0e-05_wd0.01"
        theirs |= dict.fromkeys(names, tuple(map(float, rule.removeprefix("lr").split("_wd"))))
    if model == "segformer_mitb5":  # its head never uses them; frozen here, idle there
        idle = {f"decode_head.conv_seg.{part}" for part in ("weight", "bias")}
        assert theirs.keys() - ours.keys() == idle
        theirs = {name: rule for name, rule in theirs.items() if name not in idle}
    assert ours.keys() == theirs.keys()
    for name, rule in theirs.items():
        assert ours[name] == pytest.approx(rule), name


def test_weight_decays_of_the_three_rules(golden):
    theirs = golden("schedule.npz")
    groups = parameter_groups(build_segmentor(ModelConfig("tiny_mit")), OptimConfig())
    rules = ("backbone_decay", "backbone_no_decay", "head")
    assert [g["weight_decay"] for g in groups] == [theirs[f"wd/{rule}"] for rule in rules]


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
