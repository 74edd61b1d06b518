"""What of the encoder learns: all of it, nothing, or additions to its attention (`model.tune`)."""

import pytest
import torch

from daformer_lib.config import Experiment, ModelConfig, UDAConfig
from daformer_lib.models.builder import build_segmentor
from daformer_lib.models.checkpoints import load_own
from daformer_lib.runs import recipes
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.optim import parameter_groups
from daformer_lib.train.probe import noise_batch
from daformer_lib.train.step import build_learner, training_step
from daformer_lib.train.trainable import require_trainable
from tests.helpers.rounding import EXTREMES, UNIT

CASES = {
    "full": {"encoder": "timm:test_vit", "tune": "full"},
    "lora": {"encoder": "timm:test_vit", "tune": "lora", "lora_rank": 2},
    "rein": {"encoder": "timm:test_vit", "tune": "rein", "lora_rank": 2, "rein_tokens": 5},
    "frozen": {"encoder": "timm:test_vit", "tune": "frozen"},
    "frozen MiT": {"encoder": "tiny_mit", "tune": "frozen"},
}


def experiment(model, **changes):
    uda = {"fd_weight": 0.0} if model["tune"] == "frozen" else {}
    base = recipes.experiment("daformer", "smoke").changed(
        data={"crop": (64, 64)},
        model={"pretrained": None, **model},
        uda=uda,
        optim={"warmup_steps": 0},
    )
    return base.changed(**changes)


def learns(name, case):
    if name.startswith("decoder.") or case == "full":
        return True
    return {"lora": "lora_", "rein": ".rein."}.get(case, "nothing") in name


@pytest.mark.notebook
@pytest.mark.parametrize("case", CASES)
def test_two_steps_change_what_learns_and_nothing_else(case):
    """Student and teacher, weights and BatchNorm's statistics; to the bit."""
    chosen, engine = experiment(CASES[case]), PlainEngine()
    learner = build_learner(chosen, engine)
    before = {n: t.clone() for n, t in learner.network.state_dict().items()}
    names = [n for n, p in learner.network.named_parameters() if p.requires_grad]
    assert names == [n for n, _ in learner.network.named_parameters() if learns(n, case)]
    assert sum(len(g["params"]) for g in learner.optimizer.param_groups) == len(names)
    for step in (0, 1, 2):
        training_step(learner, chosen, step, noise_batch(chosen), engine)
    assert [n for n, p in learner.network.named_parameters() if p.grad is not None] == names
    teacher = learner.method.teacher.model.state_dict()
    for name, tensor in learner.network.state_dict().items():
        stays = name.startswith("encoder.") and not learns(name, case)
        assert torch.equal(tensor, before[name]) == stays, name
        if stays or name in names:  # the teacher: it averages what learns, and counts for itself
            assert torch.equal(teacher[name], before[name]) == stays, name


@pytest.mark.notebook
def test_the_teacher_is_the_average_of_what_learns():
    """At step 1 of the memory's beginning: half of step 0's weights and half of step 1's."""
    chosen, engine = experiment(CASES["lora"]), PlainEngine()
    learner = build_learner(chosen, engine)
    seen = []
    for step in (0, 1):
        seen.append({n: p.detach().clone() for n, p in learner.network.named_parameters()})
        training_step(learner, chosen, step, noise_batch(chosen), engine)
    for name, ours in learner.method.teacher.model.named_parameters():
        torch.testing.assert_close(ours, seen[0][name] / 2 + seen[1][name] / 2)


def test_lora_is_in_the_weights_that_are_saved():
    learner = build_learner(experiment(CASES["lora"]), PlainEngine())
    state = learner.network.state_dict()
    assert sum("lora_b" in name for name in state) == 12
    again = build_segmentor(experiment(CASES["lora"]).model)
    load_own(again, state, "the student")
    assert all(torch.equal(state[name], tensor) for name, tensor in again.state_dict().items())
    with pytest.raises(ValueError, match="the student is of a network with adapter lora"):
        load_own(build_segmentor(experiment(CASES["full"]).model), state, "the student")


def test_the_feature_distance_of_lora_begins_at_zero():
    """The anchor is the encoder as it was pretrained; stochastic depth is all that differs."""
    model = {**CASES["lora"], "drop_path": 0.0}
    chosen = experiment(model, uda={"fd_on": "everywhere"})
    losses = training_step(build_learner(chosen, PlainEngine()), chosen, 0, noise_batch(chosen),
                           PlainEngine())  # fmt: skip
    # The student's features are halved by matrix products, the anchor's by PyTorch: four roundings
    # of normalised tokens, in each of 64 channels.
    assert losses["fd"] <= chosen.uda.fd_weight * 64**0.5 * 4 * UNIT * EXTREMES


def test_how_many_parameters_learn():
    counts = {case: require_trainable(experiment(CASES[case])) for case in CASES}
    for case, said in counts.items():
        network = build_segmentor(experiment(CASES[case]).model)
        assert said["all"] == sum(p.numel() for p in network.parameters())
    decoder = counts["frozen"]["trained"]
    # Each of 6 blocks: query, key and value 64 -> 192, projection 64 -> 64, both of rank 2.
    assert counts["lora"]["trained"] - decoder == 6 * 2 * (64 + 192 + 64 + 64)
    # 5 tokens of 2 for each block, two linear layers and a scale.
    assert counts["rein"]["trained"] - decoder == 6 * 2 * (5 + 64) + 2 * (64 * 64 + 64) + 1
    assert counts["full"]["trained"] == counts["full"]["all"] == counts["frozen"]["all"] > decoder


def test_layers_learn_slower_the_deeper_they_lie():
    network = build_segmentor(ModelConfig("timm:test_vit"))
    config = experiment(CASES["full"], optim={"lr": 1.0, "layer_decay": 0.5}).optim
    names = {id(p): n for n, p in network.named_parameters()}
    rates = {names[id(p)]: g for g in parameter_groups(network, config) for p in g["params"]}
    assert rates.keys() == set(names.values())
    expected = {
        "decoder.conv_seg.weight": config.head_factor,
        "encoder.body.norm.weight": 1.0,
        "encoder.body.blocks.5.attn.qkv.weight": 0.5,
        "encoder.body.blocks.0.attn.qkv.weight": 0.5**6,
        "encoder.body.pos_embed": 0.5**7,
    }
    assert {name: rates[name]["initial_lr"] for name in expected} == pytest.approx(expected)
    undecayed = {n for n, g in rates.items() if g["weight_decay"] == 0}
    assert {"encoder.body.pos_embed", "encoder.body.cls_token"} <= undecayed
    assert all("norm" in n or n.endswith(("pos_embed", "cls_token")) for n in undecayed)
    assert parameter_groups(network, config)[0]["lr"] == 0.5  # what the log shows: the last block's


def test_contradictions_are_named_before_anything_is_built():
    with pytest.raises(ValueError, match=r"frozen encoder from itself is 0; set uda\.fd_weight=0"):
        Experiment("x", model=ModelConfig(tune="frozen"), uda=UDAConfig(fd_weight=0.005))
    with pytest.raises(ValueError, match=r"tune 'adapters' must be one of"):
        ModelConfig(tune="adapters")
    with pytest.raises(ValueError, match=r"rein_tokens 1 must be at least 2"):
        ModelConfig(rein_tokens=1)
    with pytest.raises(ValueError, match=r"layer_decay 1\.5 must lie in"):
        experiment(CASES["full"], optim={"layer_decay": 1.5})
    with pytest.raises(ValueError, match=r"counts the layers of a ViT encoder, not of a MiT"):
        require_trainable(
            recipes.experiment("daformer", "smoke").changed(optim={"layer_decay": 0.9})
        )


def test_defaults_have_no_part_in_a_key():
    base = recipes.experiment("daformer", "demo")
    assert base.changed(model={"lora_rank": 2}).key == base.key
    assert base.changed(model={"rein_tokens": 2}).key == base.key
    lora = base.changed(model={"tune": "lora"})
    assert lora.changed(model={"rein_tokens": 2}).key == lora.key
    rein = lora.changed(model={"tune": "rein"})
    changed = (
        lora, lora.changed(model={"lora_rank": 2}), base.changed(optim={"layer_decay": 0.9}),
        base.changed(model={"blocks": (0, 1, 2, 3)}),
        rein, rein.changed(model={"lora_rank": 2}), rein.changed(model={"rein_tokens": 2}),
    )  # fmt: skip
    assert len({base.key, *(other.key for other in changed)}) == 8
    assert Experiment.from_dict({**changed[3].to_dict()}).model.blocks == (0, 1, 2, 3)
