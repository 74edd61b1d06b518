"""Faster or smaller, same step: what each way may change, and what it may not."""

import pytest
import torch

from daformer_lib.config import ModelConfig, TrainConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.tuning import tune
from daformer_lib.runs import recipes
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.probe import noise_batch
from daformer_lib.train.step import build_learner, training_step

pytestmark = pytest.mark.numeric


PLAIN = {"channels_last": False, "fused": False}


def one_step(**train):
    """Losses, gradients and networks of a step with dropout and stochastic depth."""
    experiment = recipes.experiment("daformer", "smoke").changed(
        data={"crop": (64, 64)}, train=PLAIN | train
    )
    engine = PlainEngine()
    learner = build_learner(experiment, engine)
    losses = training_step(learner, experiment, 3, noise_batch(experiment), engine)
    return losses, {n: p.grad for n, p in learner.network.named_parameters()}, learner


@pytest.fixture(scope="module")
def plain():
    return one_step()


def test_a_vit_is_checkpointed_too():
    network = build_segmentor(ModelConfig("timm:test_vit"))
    tune(network, [], TrainConfig(checkpointing=True), torch.device("cpu"))
    assert network.encoder.body.grad_checkpointing


def test_checkpointing_has_the_same_gradients_to_the_bit(plain):
    losses, gradients, learner = one_step(checkpointing=True)
    assert all(stage.grad_checkpointing for stage in learner.network.encoder.stages)
    assert all(torch.equal(loss, plain[0][name]) for name, loss in losses.items())
    assert all(torch.equal(g, plain[1][name]) for name, g in gradients.items())
    buffers = dict(plain[2].network.named_buffers())
    assert all(torch.equal(b, buffers[name]) for name, b in learner.network.named_buffers())


def assert_close(one, other, rtol):
    for name, loss in one[0].items():
        torch.testing.assert_close(loss, other[0][name], rtol=rtol, atol=1e-6)
    norms = [torch.stack([g.norm() for g in grads.values()]).norm() for _, grads, _ in (one, other)]
    torch.testing.assert_close(*norms, rtol=100 * rtol, atol=0)


def test_channels_last_rounds_differently_and_nothing_else(plain):
    laid_out = one_step(channels_last=True)
    for model in laid_out[2].all_models.values():
        weight = model.get_parameter(next(n for n, p in model.named_parameters() if p.ndim == 4))
        assert weight.is_contiguous(memory_format=torch.channels_last)
    assert_close(laid_out, plain, 1e-5)


def test_a_fused_optimizer_moves_the_weights_the_same_way(plain):
    learner = one_step(fused=True)[2]
    assert learner.optimizer.defaults["fused"]
    for name, ours in learner.network.named_parameters():
        other = plain[2].network.get_parameter(name)
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_compiled_steps_agree_to_rounding(plain):
    assert_close(one_step(compile="default"), plain, 1e-4)


def test_only_a_mit_can_be_checkpointed():
    network = build_segmentor(ModelConfig(encoder="tiny_resnet", decoder="deeplabv2"))
    with pytest.raises(ValueError, match="not with DilatedResNet; leave out train"):
        tune(network, [], TrainConfig(checkpointing=True), torch.device("cpu"))


def test_the_key_does_not_know_how_fast_a_run_is():
    base = recipes.experiment("daformer", "demo")
    train = {"channels_last": False, "checkpointing": True, "compile": "default"}
    assert base.changed(train=train, data={"prepared": True}).key == base.key
    assert base.changed(train={"precision": "bf16-mixed"}).key != base.key
