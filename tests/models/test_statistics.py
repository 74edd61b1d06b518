"""What BatchNorm normalises with: each image's own statistics, or those of many images."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from daformer_lib.config import ModelConfig, UDAConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.statistics import (
    batch_norms,
    batch_statistics,
    estimate_statistics,
    followed_statistics,
)
from daformer_lib.uda.teacher import Teacher, ema_alpha

pytestmark = pytest.mark.numeric


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_segmentor(ModelConfig("tiny_mit", drop_path=0, dropout=0)).eval()


@pytest.fixture
def images():
    return torch.randn(4, 3, 64, 64) * torch.tensor([0.5, 1.0, 2.0, 3.0]).view(4, 1, 1, 1)


def state(network):
    return copy.deepcopy(network.state_dict())


@torch.no_grad()
def test_an_images_own_statistics_are_those_of_training_mode(network, images):
    """And nothing is kept of them, whatever the mode the network is in."""
    before, plain = state(network), network(images[:1])[0]
    trained = copy.deepcopy(network).train()(images[:1])[0]
    with batch_statistics(network):
        network.eval()
        own = network(images[:1])[0]
        assert not any(module.training for module in network.modules())
    torch.testing.assert_close(own, trained)
    assert not torch.allclose(own, plain, atol=1e-2)
    assert torch.equal(network(images[:1])[0], plain)
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


@torch.no_grad()
def test_estimated_statistics_are_the_mean_over_the_images(network, images):
    first = batch_norms(network)[0]
    seen = []
    first.register_forward_pre_hook(lambda norm, given: seen.append(given[0].mean((0, 2, 3))))
    modes = [module.training for module in network.modules()]
    weights = [p.clone() for p in network.parameters()]
    estimate_statistics(network, images)
    torch.testing.assert_close(first.running_mean, torch.stack(seen).mean(0))
    assert [module.training for module in network.modules()] == modes
    assert all(norm.momentum == 0.1 for norm in batch_norms(network))
    assert all(torch.equal(a, b) for a, b in zip(weights, network.parameters(), strict=True))
    estimate_statistics(network, images.flip(0))  # forgets those before
    torch.testing.assert_close(first.running_mean, torch.stack(seen[4:]).mean(0))


@pytest.mark.parametrize("statistics", ["student", "average"])
def test_a_teacher_on_running_statistics_does_not_depend_on_the_batch(network, images, statistics):
    teacher = Teacher(network, 0.9, statistics)
    network.train()(images)  # the student's statistics move
    old = batch_norms(teacher.model)[0].running_mean.clone()
    teacher.update(network, step=3)
    kept = ema_alpha(3, 0.9) if statistics == "average" else 0.0
    new = batch_norms(network)[0].running_mean
    torch.testing.assert_close(
        batch_norms(teacher.model)[0].running_mean, kept * old + (1 - kept) * new
    )
    alone, together = teacher.label(images[:1], 0.5), teacher.label(images, 0.5)
    assert (alone.label[0] == together.label[0]).float().mean() > 0.999
    batch = Teacher(network, 0.9)
    alone, together = batch.label(images[:1], 0.5), batch.label(images, 0.5)
    assert (alone.label[0] == together.label[0]).float().mean() < 0.99


def test_a_teacher_on_target_statistics_knows_the_mean_of_its_own_images(network, images):
    """Nothing of the student's comes in, and scoring the teacher adds nothing."""
    teacher, first = Teacher(network, 0.9, "target"), []
    norm = batch_norms(teacher.model)[0]
    norm.register_forward_pre_hook(lambda _, given: first.append(given[0]))
    teacher.label(images[:2], 0.5)
    teacher.label(images[2:], 0.5)
    means = [given.mean((0, 2, 3)) for given in first]
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0))
    variances = [given.var((0, 2, 3)) for given in first]
    torch.testing.assert_close(norm.running_var, torch.stack(variances).mean(0))
    kept = state(teacher.model)
    network.train()(images * 3)
    teacher.update(network, step=3)
    teacher.model(images)
    after = teacher.model.state_dict()
    assert all(torch.equal(after[name], kept[name]) for name in after if "running" in name)


@torch.no_grad()
def test_followed_statistics_forget(network, images):
    norm = batch_norms(network)[0]
    with followed_statistics(network, batches=2):
        for _ in range(12):
            network(images[:1])
        old = norm.running_mean.clone()
        for _ in range(12):  # the first ones count for 1 / 2^12
            network(images[3:])
    seen = []
    norm.register_forward_pre_hook(lambda _, given: seen.append(given[0].mean((0, 2, 3))))
    network(images[3:])
    torch.testing.assert_close(norm.running_mean, seen[0], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(norm.running_mean, old, atol=1e-2)
    before = state(network)
    network(images)  # outside nothing is followed
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


@pytest.mark.parametrize("encoder", ["tiny_mit", "tiny_resnet"])
def test_frozen_statistics_stay_those_of_the_prior(encoder, images):
    """In training, in the teacher, in a copy; scale and shift are trained, the decoder's move."""
    config = ModelConfig(encoder, "deeplabv2", pretrained="strong", frozen_norm=True)
    network = build_segmentor(config)
    before = state(network)
    moving = len(batch_norms(network))
    network.eval().train()
    loss = network(images)[0].square().mean()
    loss.backward()
    teacher = Teacher(copy.deepcopy(network), 0.9)
    teacher.label(images, 0.5)
    for one in (network, teacher.model):
        after = one.state_dict()
        assert all(
            torch.equal(after[name], before[name])
            for name in after if name.startswith("encoder") and "running" in name
        )  # fmt: skip
        assert len(batch_norms(one)) == moving
    assert network.frozen and all(norm.weight.grad.abs().sum() > 0 for norm in network.frozen)
    thawed = build_segmentor(dataclasses.replace(config, frozen_norm=False)).train()
    thawed(images)
    moved = thawed.state_dict()
    assert not any(torch.equal(moved[name], before[name]) for name in moved if "_mean" in name)


def test_only_what_has_statistics_can_keep_them():
    with pytest.raises(ValueError, match=r"model\.pretrained is None: name a weight file"):
        ModelConfig("tiny_mit", frozen_norm=True)
    with pytest.raises(ValueError, match=r"mit_b0 has no BatchNorm that model\.frozen_norm"):
        build_segmentor(ModelConfig("mit_b0", pretrained="strong", frozen_norm=True))


def test_the_authors_way_is_the_default_and_keeps_the_key(smoke):
    plain = smoke("daformer")
    assert plain.changed(uda={"teacher_statistics": "batch"}).key == plain.key
    assert plain.changed(uda={"teacher_statistics": "student"}).key != plain.key
    with pytest.raises(ValueError, match="teacher_statistics 'own' must be batch, student, aver"):
        UDAConfig(teacher_statistics="own")
