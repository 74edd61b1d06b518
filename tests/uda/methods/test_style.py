"""Made-up styles: each piece by hand, and what a step does with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from daformer_lib.data.loaders import labelled_crops
from daformer_lib.ranks import ALONE
from daformer_lib.train import train
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.loop import survey
from daformer_lib.train.probe import noise_batch
from daformer_lib.train.step import build_learner, training_step, turn_of
from daformer_lib.uda.losses import source_losses, supervise
from daformer_lib.uda.methods.style import (
    Styles,
    behind_first_stage,
    consistency,
    draw_weights,
    farthest,
    first_style,
    restyled,
    style_of,
)

# Sums of a few hundred float32 values: 2^-24 for each addition, and an order of magnitude.
ROUNDING = 256 * 2**-24


def test_a_style_is_taken_off_and_another_put_on():
    feature = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]], [[2.0, 2.0], [4.0, 4.0]]]])
    assert style_of(feature)[0, 0].tolist() == [4.0, 3.0]
    deviation = (20 / 3) ** 0.5, (4 / 3) ** 0.5  # over n - 1
    torch.testing.assert_close(style_of(feature)[0, 1], torch.tensor(deviation))
    new = restyled(feature, torch.tensor([[[10.0, 0.0], [2.0, 1.0]]]))
    expected = (feature[0, 0] - 4) / deviation[0] * 2 + 10
    torch.testing.assert_close(new[0, 0], expected)
    torch.testing.assert_close(style_of(new)[0], torch.tensor([[10.0, 0.0], [2.0, 1.0]]))


def test_an_images_own_style_changes_nothing_and_a_flat_channel_gives_no_nan():
    feature = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(restyled(feature, style_of(feature)), feature, rtol=0, atol=1e-5)
    flat = restyled(torch.ones(1, 1, 2, 2), torch.tensor([[[3.0], [2.0]]]))
    assert (flat == 3).all()


def test_what_is_taken_off_has_no_gradient():
    """As if mean and deviation were constants: the gradient of a sum is that of one factor."""
    feature = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    feature.requires_grad_()
    restyled(feature, torch.tensor([[[0.0], [2.0]]])).sum().backward()
    factor = 2 / (feature.detach().std() + 1e-7)
    torch.testing.assert_close(feature.grad, factor.expand_as(feature))


def test_farthest_points_by_hand():
    points = torch.tensor([[0.0], [1.0], [2.0], [7.0], [10.0]])
    assert farthest(points, 4, first=1).tolist() == [1, 4, 3, 0]
    assert farthest(points, 1, first=2).tolist() == [2]


def test_consistency_is_the_jensen_shannon_divergence_per_pixel():
    logits = torch.randn(4, 5, 3, 2, generator=torch.Generator().manual_seed(2))
    one, other = (
        part.movedim(1, -1).reshape(-1, 5) for part in logits.softmax(1).chunk(2)
    )  # as the authors: pixels first, then a mean over them
    mean = ((one + other) / 2).clamp(1e-7, 1).log()
    theirs = sum(F.kl_div(mean, p, reduction="batchmean") for p in (one, other)) / 2
    torch.testing.assert_close(consistency(logits), theirs, rtol=ROUNDING, atol=ROUNDING)
    assert consistency(logits[:2].repeat(2, 1, 1, 1)).abs() < ROUNDING
    wide = torch.tensor([[200.0, -200.0], [0.0, 0.0]])[..., None, None].requires_grad_()
    consistency(wide).backward()
    assert wide.grad.isfinite().all()
    never = torch.tensor([[0.0, -torch.inf], [0.0, 0.0]])[..., None, None]
    by_hand = (0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25) + np.log(1 / 0.75)) / 2
    torch.testing.assert_close(consistency(never), torch.tensor(by_hand, dtype=torch.float32))
    certain = torch.tensor([[40.0, -40.0], [-40.0, 40.0]])[..., None, None]
    torch.testing.assert_close(consistency(certain), torch.tensor(2.0).log())


def learner_of(smoke, row="dg_style", **changes):
    experiment = smoke(row).changed(model={"drop_path": 0.0, "dropout": 0.0}, **changes)
    return experiment, build_learner(experiment, PlainEngine()), noise_batch(experiment)


def test_both_halves_learn_the_labels_and_keep_to_the_anchor(smoke):
    """By hand: the doubled batch's losses, from the encoder's later stages run on both halves."""
    experiment, learner, batch = learner_of(smoke)
    styles = learner.method.noted["styles"]
    styles.base.copy_(torch.rand(styles.base.shape, generator=torch.Generator().manual_seed(3)))
    turn = turn_of(learner, experiment, 0, batch, PlainEngine())
    (named,) = learner.method.losses(turn)
    (weights,) = turn.seen["styles"]

    def double(feature):
        return torch.cat([feature, restyled(feature, styles.mixed(weights))])

    network, source = learner.network, batch.source
    with behind_first_stage(network.encoder, double):
        logits, features = network(source.image)
    assert len(logits) == 2 * len(source.image)
    per_half = []
    for half in (0, 1):
        own = logits.chunk(2)[half], [f.chunk(2)[half] for f in features]
        scored = source_losses(
            network, learner.method.anchor, source, experiment.uda.fd_weight, None,
            lambda student, b, own=own: supervise(lambda image: own, b),
        )  # fmt: skip
        per_half.append(scored)
    for name in ("source", "fd"):
        mean = (per_half[0][name] + per_half[1][name]) / 2
        torch.testing.assert_close(named[name], mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(named["style"], 10 * consistency(logits), rtol=1e-4, atol=1e-5)
    assert network.encoder.after_first is None


def test_parts_of_a_batch_take_their_own_share_of_one_draw(smoke):
    seen = []
    for parts in (1, 2):
        experiment, learner, batch = learner_of(smoke, train={"accumulate": parts})
        turn = turn_of(learner, experiment, 4, batch, PlainEngine())
        assert len(list(learner.method.losses(turn))) == parts
        seen.append(turn.seen["styles"])
    assert len(seen[0]) == len(seen[1]) == 1
    np.testing.assert_array_equal(seen[0][0], seen[1][0])


def test_a_step_can_be_replayed_and_one_style_has_most_of_a_mixture(smoke):
    experiment, learner, batch = learner_of(smoke)
    turn = turn_of(learner, experiment, 7, batch, PlainEngine())
    drawn = np.concatenate([next(draw_weights(turn, 64)) for _ in range(2)])
    np.testing.assert_array_equal(*np.split(drawn, 2))
    np.testing.assert_allclose(drawn.sum(1), 1, rtol=1e-5)
    concentration = experiment.methods["style"].concentration
    many = np.random.default_rng(0).dirichlet([concentration] * 64, 999)
    assert 0.5 < np.median(many.max(1)) < 0.75  # one style has the most, and is rarely alone
    turn.replay["styles"] = [np.eye(24, dtype=np.float32)[:2]]
    list(learner.method.losses(turn))
    np.testing.assert_array_equal(turn.seen["styles"][0], np.eye(24)[:2])


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"encoder": "tiny_resnet", "decoder": "deeplabv2"}},
        {"hrda": {"detail_crop": (64, 64), "window": None}},
    ],
)
def test_it_works_on_a_resnet_and_on_hrda(smoke, changes):
    experiment = smoke("dg_style").changed(**changes)
    learner = build_learner(experiment, PlainEngine())
    turn = turn_of(learner, experiment, 0, noise_batch(experiment), PlainEngine())
    (named,) = learner.method.losses(turn)
    assert {"source", "fd", "style"} <= named.keys() and named["style"] > 0
    assert len(turn.seen["styles"]) == (2 if "hrda" in changes else 1)


def test_base_styles_are_of_source_crops_and_far_apart(smoke, smoke_data):
    experiment, learner, _ = learner_of(smoke, style={"images": 40})
    survey(learner, experiment, 1, True, ALONE)
    styles, encoder = learner.method.noted["styles"], learner.network.encoder
    assert (styles.base[:, 0] == 0).all()  # not yet: only every 120 steps
    learner.network.train()
    survey(learner, experiment, 120, False, ALONE)
    assert encoder.training
    images = list(labelled_crops(experiment, 40))
    assert len(images) == 40
    encoder.eval()
    with torch.no_grad():
        found = torch.cat([first_style(encoder, image[None]) for image in images]).flatten(1)
    chosen = styles.base.flatten(1)
    mode = "donot_use_mm_for_euclid_dist"  # the quick way is off by 0.002 here
    nearest = torch.cdist(chosen, found, compute_mode=mode).min(1).values
    assert len(chosen) == 24 and (nearest < 1e-4).all()
    apart = torch.pdist(chosen).min()
    assert apart >= torch.pdist(found).sort().values[:40].mean()


def test_a_survey_leaves_frozen_norms_frozen_and_spreads_what_it_takes(smoke):
    experiment = smoke("dg_style").changed(model={"frozen_norm": True}, style={"images": 100})
    learner = build_learner(experiment, PlainEngine())
    before = [module.training for module in learner.network.modules()]
    survey(learner, experiment, 0, True, ALONE)
    assert [module.training for module in learner.network.modules()] == before
    last_of_few = list(labelled_crops(experiment, 100))[-1]  # of 128: not the first hundred
    last = list(labelled_crops(experiment, None))[-10:]
    assert any(torch.equal(last_of_few, one) for one in last)


@pytest.mark.notebook  # trains twice
def test_base_styles_are_in_the_checkpoint(smoke, tmp_path):
    experiment = smoke("dg_style").changed(style={"every": 8, "images": 30}, train={"steps": 12})
    whole = train(experiment, tmp_path / "whole")
    train(experiment, tmp_path / "parts", stop_after=10)
    parts = train(experiment, tmp_path / "parts")
    ours, theirs = whole.student_weights(), parts.student_weights()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    assert (whole.metrics()["style"] > 0).all()


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        ("daformer", {"style": {}}, "style is for training without the target, and mode 'uda'"),
        ("dg_style", {"mic": {"where": "source"}}, "style goes with hrda alone, not with mic"),
        ("dg_style", {"style": {"concentration": 0.0}}, "style.concentration 0.0 must be positive"),
        ("dg_style", {"style": {"base_styles": 9, "images": 8}}, "base_styles 9 cannot be chosen"),
        ("dg_style", {"train": {"compile": "default"}}, "train.compile with style"),
    ],
)
def test_what_does_not_fit_is_named(smoke, row, change, message):
    with pytest.raises(ValueError, match=message):
        smoke(row).changed(**change)


def test_an_encoder_without_stages_is_refused(smoke):
    experiment = smoke("dg_style").changed(model={"encoder": "tiny_vit", "pretrained": None})
    with pytest.raises(ValueError, match="style needs an encoder with stages, which tiny_vit"):
        build_learner(experiment, PlainEngine())


def test_too_few_images_are_named():
    encoder = torch.nn.Identity()
    encoder.first_stage = lambda image: image
    images = torch.randn(4, 3, 8, 8)
    with pytest.raises(ValueError, match="9 base styles cannot be chosen from 4 source images"):
        Styles(9, 3).choose(encoder, images, np.random.default_rng(0))


def test_a_plain_step_is_as_it_was(smoke):
    """Without styles nothing of a source-only step is drawn or doubled."""
    experiment, learner, batch = learner_of(smoke, "dg")
    losses = training_step(learner, experiment, 0, batch, PlainEngine())
    assert losses.keys() == {"source", "fd"} and not learner.method.noted
