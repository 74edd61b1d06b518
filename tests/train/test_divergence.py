"""Numbers that go wrong: the cause is found, and nothing that holds NaN is ever saved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from daformer_lib.batch import Labelled, TrainBatch, Unlabelled
from daformer_lib.runs import Run
from daformer_lib.train import train
from daformer_lib.train.divergence import broken_weights, likely_cause
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.step import Diverged
from daformer_lib.train.step import build_learner as build
from daformer_lib.train.step import training_step as step_of
from daformer_lib.uda.feature_distance import ImageNetAnchor

pytestmark = pytest.mark.numeric


K = 4


def batch() -> TrainBatch:
    """Two source images, two target images, all as they should be."""
    source = Labelled.certain(torch.zeros(2, 3, 4, 4), torch.full((2, 4, 4), K - 1))
    source.label[0, 0] = 255
    return TrainBatch(source, Unlabelled(torch.zeros(2, 3, 4, 4)), ("s0", "s1", "t0", "t1"))


def networks(**broken: float) -> dict[str, nn.Module]:
    models = {name: nn.Linear(2, 2) for name in ("student", "teacher")}
    for name, value in broken.items():
        models[name].weight.data[0, 0] = value
    return models


def cause(models=None, wrong=None, step=7, lr=6e-5) -> str:
    return likely_cause(models or networks(), wrong or batch(), K, step, lr)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("model", ["student", "teacher"])
def test_weights_that_are_no_numbers_are_blamed_first(model, value):
    told = cause(networks(**{model: value}))
    assert f"1 weight tensors of the {model} are not finite (first: weight)" in told
    assert "6.0e-05 now" in told and "lower optim.lr or lengthen optim.warmup_steps" in told
    assert broken_weights(networks(**{model: value})) == {model: ["weight"]}


def test_before_the_first_step_the_file_is_to_blame():
    told = cause(networks(student=float("nan")), step=0)
    assert "the file they came from is damaged; fetch it again" in told


def test_weights_that_exploded_but_are_still_finite():
    told = cause(networks(teacher=3e30))
    assert "the largest weight has grown to 3.0e+30 (teacher, weight)" in told


@pytest.mark.parametrize(("part", "file"), [("source", "s1"), ("target", "t1")])
def test_an_image_that_is_not_finite_is_named(part, file):
    wrong = batch()
    getattr(wrong, part).image[1, 0, 0, :2] = float("inf")
    told = cause(wrong=wrong)
    assert told == f"the image {file} holds 2 values that are not finite: fetch it again"


def test_a_label_out_of_range_is_named_with_its_values():
    wrong = batch()
    wrong.source.label[1, 0, :2] = torch.tensor([K, 200])
    assert cause(wrong=wrong) == (
        "the label of s1 holds [4, 200], allowed are 0..3 and 255: convert the labels again"
    )


def test_where_all_is_in_range_the_learning_rate_is_suspected():
    assert "so the learning rate is likely too high (2.0e+01 at this step)" in cause(lr=20.0)


def test_a_nan_in_a_batch_ends_the_run_with_part_file_and_cause(smoke, tmp_path, monkeypatch):
    """The third batch holds a broken source image; the checkpoint of step 2 stays."""
    from daformer_lib.train import loop as module

    real = module.batches

    def broken(experiment, start, stop, ranks):
        for step, one in enumerate(real(experiment, start, stop, ranks), start):
            if step == 2:
                one.source.image[1, :, 5, 5] = float("nan")
            yield one

    monkeypatch.setattr(module, "batches", broken)
    experiment = smoke(train={"steps": 4, "checkpoint_every": 2})
    with pytest.raises(Diverged, match=r"step 2: the source loss is nan, with ") as caught:
        train(experiment, tmp_path / "run")
    told = str(caught.value)
    assert "holds 3 values that are not finite" in told and "checkpoint is intact" in told
    checkpoint = Run(tmp_path / "run")._checkpoint()
    assert checkpoint["step"] == 2
    assert all(t.isfinite().all() for t in checkpoint["student"].values())


def test_weights_that_break_in_the_step_before_a_checkpoint_are_not_saved(
    smoke, tmp_path, monkeypatch
):
    """The losses of step 3 are fine; its gradient is not. Nothing says so but the weights."""
    from daformer_lib.train import loop as module

    real = module.training_step

    def step_with_a_broken_gradient(learner, experiment, step, one, engine):
        losses = real(learner, experiment, step, one, engine)
        if step == 3:
            next(learner.network.parameters()).data.fill_(float("nan"))
        return losses

    monkeypatch.setattr(module, "training_step", step_with_a_broken_gradient)
    changes = {"steps": 6, "checkpoint_every": 2, "snapshot_every": 0}
    experiment = smoke(train=changes)
    with pytest.raises(Diverged, match=r"after step 4: 1 weight tensors of the student .* saved"):
        train(experiment, tmp_path / "run")
    run = Run(tmp_path / "run")
    assert run._checkpoint()["step"] == 2 and not run.is_complete
    assert all(t.isfinite().all() for t in run.student_weights().values())


def test_without_a_thing_in_sight_the_feature_distance_is_0_with_zero_gradient(smoke):
    experiment = smoke()
    learner = build(experiment, PlainEngine())
    label = torch.zeros(1, 64, 64, dtype=torch.int64)  # road alone
    source = Labelled.certain(torch.randn(1, 3, 64, 64), label)
    features = learner.network.encoder(source.image)
    distance = learner.method.anchor(features, source)
    assert distance.item() == 0
    distance.backward()
    gradients = [p.grad for p in learner.network.encoder.parameters() if p.grad is not None]
    assert gradients and not any(g.any() for g in gradients)


def test_a_whole_step_without_things_is_finite(smoke):
    experiment = smoke()
    engine = PlainEngine()
    learner = build(experiment, engine)
    image, label = torch.randn(2, 3, 128, 128), torch.zeros(2, 128, 128, dtype=torch.int64)
    one = TrainBatch(Labelled.certain(image, label), Unlabelled(image), ("a", "b", "c", "d"))
    losses = step_of(learner, experiment, 0, one, engine)
    assert losses["fd"].item() == 0 and all(torch.isfinite(v) for v in losses.values())
    assert not broken_weights(learner.models)
    assert isinstance(learner.method.anchor, ImageNetAnchor)
    assert np.isfinite(float(losses["mixed"]))
