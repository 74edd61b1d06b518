"""HRDA's pieces against the authors' code (tests/golden_frontier), and what it refuses."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch

from daformer_lib.batch import Labelled
from daformer_lib.config import Experiment, HRDAConfig, ModelConfig
from daformer_lib.inference import label_images, make_view, open_run
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_official
from daformer_lib.models.multi_resolution import Region, detail_regions
from daformer_lib.ranks import Ranks
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.specs import THINGS
from daformer_lib.train import train
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.probe import noise_batch
from daformer_lib.train.step import build_learner, training_step, turn_of
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.methods.hrda import BothScales, cut, draw_region, draw_regions
from tests.helpers.frontier import GOLDEN
from tests.parity.replay import CLASSES, MODEL, det_state

pytestmark = pytest.mark.numeric

FACTS = json.loads((GOLDEN / "hrda.json").read_text(encoding="utf-8"))
GOLD = np.load(GOLDEN / "hrda.npz")


class Legacy:
    """numpy's old global generator, which the authors draw from, asked as ours is."""

    def __init__(self, seed):
        self.state, self.asked = np.random.RandomState(seed), 0

    def integers(self, low, high):
        self.asked += 1
        return self.state.randint(low, high)


@pytest.mark.parametrize("case", [c for c, about in FACTS["box"].items() if "min" in about])
def test_boxes(case):
    about = FACTS["box"][case]
    rng = Legacy(about["np_seed"])
    drawn = [draw_region(about["img"], about["crop"], about["divisible"], rng) for _ in range(300)]
    np.testing.assert_array_equal(drawn[:40], GOLD[f"box/{case}"])
    assert np.min(drawn, 0).tolist() == about["min"] and np.max(drawn, 0).tolist() == about["max"]
    assert len({region.top for region in drawn}) == about["distinct_y1"]


@pytest.mark.parametrize("case", [c for c, about in FACTS["box"].items() if "error" in about])
def test_a_margin_without_a_place_is_refused(case):
    """Below 7 pixels on either axis, as by the authors."""
    image, crop = FACTS["box"][case]["img"], int(case.split("_")[1])
    with pytest.raises(ValueError, match="high <= 0"):
        draw_region(image, (crop, crop), 8, np.random.default_rng(0))


def test_a_margin_of_seven_has_one_place():
    rng = np.random.default_rng(0)
    drawn = {draw_region((135, 135), (128, 128), 8, rng) for _ in range(20)}
    assert drawn == {(0, 128, 0, 128)}


def test_a_crop_that_is_the_whole_image_draws_nothing():
    rng = Legacy(0)
    for crop in ((256, 256), None):
        assert draw_region((256, 256), crop, 8, rng) == (0, 256, 0, 256)
    assert rng.asked == 0


def test_boxes_in_a_coarser_map_are_truncated():
    for case, expected in FACTS["scale_box"].items():
        box, divisor = case.split(")/")
        region = Region(*json.loads(f"[{box[1:]}]"))
        assert list(region.cells(float(divisor))) == expected


@pytest.mark.parametrize("case", FACTS["slide_boxes"])
def test_details_of_other_sizes(case):
    height, width = map(int, case.split("x"))
    found = detail_regions((height, width), (64, 64), overlap=True)
    assert [list(region) for region in found] == FACTS["slide_boxes"][case]


@pytest.mark.parametrize("case", FACTS["detail_slide_boxes"])
def test_details_of_the_published_sizes(case):
    size, crop, *alone = case.split("/")
    size, crop = tuple(map(int, size.split("x"))), (int(crop), int(crop))
    found = detail_regions(size, crop, overlap=not alone)
    assert [list(region) for region in found] == FACTS["detail_slide_boxes"][case]


@pytest.mark.parametrize("case", FACTS["test_slide_boxes"])
def test_windows_at_test(case):
    size = tuple(map(int, case.split("x")))
    found = detail_regions(size, (1024, 1024), overlap=True)  # windows move in the same way
    assert [list(region) for region in found] == FACTS["test_slide_boxes"][case]


def per_scale(anchor, features, source):
    """What the authors recorded of one scale."""
    mask = anchor.mask(source.label, features[-1].shape[-1])
    return {
        "shape": list(features[-1].shape),
        "masked": int(anchor.acted[0]),  # by the call of all scales
        "mask": mask.int().flatten().tolist(),
        "value": anchor(features, source).item(),
    }


def assert_per_scale(ours, theirs):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        value = 0 if one["masked"] == 0 else other["value"]  # theirs logs NaN
        assert one == {**other, "value": pytest.approx(value, rel=1e-5)}


@pytest.fixture(scope="module")
def distance(det):
    """distance(case) -> the value, the gradient's norm and each scale's own record."""

    def measured(case):
        about = FACTS["fd"][case]
        both, region = case != "half", Region(*about["box"])
        config = HRDAConfig(
            detail_crop=(region.bottom - region.top,) * 2, fd_scales="both" if both else "context"
        )
        student, imagenet = (build_segmentor(MODEL, config) for _ in range(2))
        load_official(student, det_state(student, det))
        load_official(imagenet, det_state(imagenet, det, "imnet_model."))
        anchor = ImageNetAnchor(imagenet.encoder, THINGS, 19, 0.75, config.scale)
        if both:
            anchor = BothScales(anchor, config)
            anchor.region = region
        image = torch.from_numpy(det.det_image("hrda.fd", (2, 3, 128, 128)))
        label = det.det_labels("hrda.fdl", (2, 1, 128, 128), CLASSES, 64, 16)[:, 0]
        if "no_thing" in case:
            label = np.zeros_like(label)
            label[:, :64, :64] = 13
        seen = student.train()(image, region)
        features = [*seen.features, *seen.detail_features] if both else seen.features
        source = Labelled.certain(image, torch.from_numpy(label))
        loss = 0.005 * anchor(features, source)
        loss.backward()
        norms = [p.grad.double().norm() for p in student.encoder.parameters()]
        scales = [(anchor.context if both else anchor, seen.features, source)]
        if both:
            scales.append((anchor.detail, seen.detail_features, cut(source, region)))
        return loss.item(), torch.stack(norms).norm().item(), [per_scale(*one) for one in scales]

    return measured


@pytest.mark.parametrize(
    "case",
    ["half", *(pytest.param(c, marks=pytest.mark.notebook) for c in ("all", "all_crop"))],
)
def test_feature_distance(distance, case):
    about = FACTS["fd"][case]
    loss, norm, scales = distance(case)
    assert loss == pytest.approx(about["loss"], rel=1e-5)
    assert norm == pytest.approx(about["grad_norm_backbone"], rel=3e-3)
    assert_per_scale(scales, about["per_scale"])


@pytest.mark.notebook
def test_a_scale_without_things_leaves_the_other_ones_gradient(distance):
    """Theirs logs NaN; ours the sum without the scale that has no cell."""
    about = FACTS["fd"]["all_crop_no_thing_in_crop"]
    loss, norm, scales = distance("all_crop_no_thing_in_crop")
    assert loss == pytest.approx(0.005 * about["per_scale"][0]["value"], rel=1e-5)
    assert norm == pytest.approx(about["grad_norm_backbone"], rel=3e-3)
    assert_per_scale(scales, about["per_scale"])


def learner_of(experiment):
    return build_learner(experiment, PlainEngine())


def small(smoke, row="hrda", **changes):
    data = {"data": {"crop": (64, 64)}, "hrda": {"detail_crop": (32, 32)}}
    mic = {"mic": {"block": 16}} if row == "mic_hrda" else {}
    return smoke(row).changed(**data, **mic).changed(**changes)


@pytest.mark.parametrize("row", ["hrda", "mic_hrda"])
def test_every_forward_pass_has_a_crop_of_its_own_that_can_be_drawn_again(smoke, row):
    experiment = small(smoke, row)
    learner, batch = learner_of(experiment), noise_batch(experiment)
    seen = []
    learner.observers.append(lambda batch, turn: seen.append(turn.seen["regions"]))
    for step in (0, 1):
        training_step(learner, experiment, step, batch, PlainEngine())
    assert [len(regions) for regions in seen] == [2 + (row == "mic_hrda")] * 2
    assert seen[0] != seen[1]
    turn = turn_of(learner, experiment, 1, batch, PlainEngine())
    assert draw_regions(turn, len(seen[1])) == seen[1]
    assert all(side % 8 == 0 and side <= 56 for region in seen[1] for side in region[::2])


@pytest.mark.parametrize("scales", ["context", "both"])
def test_a_batch_in_parts_has_the_whole_batchs_gradient(smoke, scales):
    """Without BatchNorm over the batch: with it the parts would be normalised apart."""
    gradients = []
    for parts in (1, 2):
        experiment = small(smoke, hrda={"fd_scales": scales}, model={"dropout": 0, "drop_path": 0})
        experiment = experiment.changed(train={"accumulate": parts})
        learner = learner_of(experiment)
        learner.student.eval()
        learner.method.teacher.model.eval()
        with torch.no_grad():  # where distances are 0 their gradient has no direction
            for i, weight in enumerate(learner.network.parameters()):
                noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(i))
                weight.add_(0.05 * weight.abs().mean() * noise)
        batch = noise_batch(experiment)
        label = torch.zeros_like(batch.source.label)
        label[:1] = 13  # one image of things alone: the parts have unequally many cells
        batch = batch._replace(source=batch.source._replace(label=label))
        learner.optimizer.step = lambda: None
        training_step(learner, experiment, 5, batch, PlainEngine())
        gradients.append([p.grad.clone() for p in learner.network.parameters()])
    for whole, parted in zip(*gradients, strict=True):
        assert (parted - whole).norm() <= 1e-3 * whole.norm() + 1e-6


def test_several_processes_draw_one_crop(smoke):
    experiment = small(smoke)
    learner, batch = learner_of(experiment), noise_batch(experiment)
    turn = turn_of(learner, experiment, 3, batch, PlainEngine())
    other = turn_of(learner, experiment, 3, batch, PlainEngine())
    other.ranks = Ranks(1, 2)
    assert draw_regions(turn, 2) == draw_regions(other, 2)


def test_daformer_without_it_is_untouched(smoke):
    """No scale, no crop, no further network, and the losses of before."""
    plain = learner_of(smoke("daformer"))
    names = [name for name, _ in plain.network.named_parameters()]
    assert not any(name.startswith(("decoder.head", "decoder.scale")) for name in names)
    assert plain.method.anchor.scale == 1
    assert isinstance(plain.method.anchor, ImageNetAnchor)


def test_larger_images_are_seen_through_windows_in_eval_mode():
    """The mean of half-overlapping windows, each with a context of its own (facts, 22)."""
    config = HRDAConfig(detail_crop=(32, 32), window=(64, 64))
    network = build_segmentor(ModelConfig("tiny_mit"), config).eval()
    whole = copy.deepcopy(network)
    whole.config = HRDAConfig(detail_crop=(32, 32), window=None)
    image = torch.randn(1, 3, 64, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, features = network(image)
        total, count = torch.zeros(1, 19, 64, 128), torch.zeros(64, 128)
        for left in (0, 32, 64):
            one = whole(image[..., left : left + 64])[0]
            one = torch.nn.functional.interpolate(one, (64, 64), mode="bilinear")
            total[..., left : left + 64] += one
            count[:, left : left + 64] += 1
        torch.testing.assert_close(logits, total / count)
        assert features == [] and len(network(image[..., :64])[1]) == 4
        assert len(network.train()(image)[1]) == 4  # the teacher labels whole crops


@pytest.mark.parametrize("size", [(33, 47), (70, 101), (32, 200)])
@torch.no_grad()
def test_images_of_any_size_are_labelled(size):
    network = build_segmentor(ModelConfig("tiny_mit"), HRDAConfig((64, 64), window=None)).eval()
    logits, _ = network(torch.zeros(2, 3, *size))
    assert logits.isfinite().all() and logits.shape[:2] == (2, 19)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"hrda": {"detail_crop": (256, 256)}}, "256x256 is larger than the crop 128x128; try 64x"),
        ({"hrda": {"detail_crop": (64, 128)}}, "must be smaller than the crop 128x128 on both"),
        (
            {"hrda": {"detail_crop": (60, 60)}},
            "60x60 must be a multiple of hrda.divisible 8; try 5",
        ),
        ({"hrda": {"divisible": 48}}, "hrda.detail_crop 64x64 must be a multiple of hrda.divis"),
        (
            {"hrda": {"divisible": 48, "detail_crop": (96, 96)}},
            "crop 128x128 must be a multiple of hrda.divisible 48; try 96x96",
        ),
        ({"hrda": {"scale": 0.3}}, "hrda.scale 0.3 makes no whole number of pixels"),
        ({"hrda": {"scale": 0.125}}, "for the encoder, not 16; take a larger data.crop"),
        ({"hrda": {"scale": 0.0}}, r"hrda.scale 0.0 must lie in \(0, 1\]"),
        ({"hrda": {"weight": 0.9, "context_weight": 0.2}}, "must be at most 1"),
        ({"hrda": {"fixed_attention": 2.0}}, r"hrda.fixed_attention 2.0 outside \[0, 1\]"),
        ({"hrda": {"fd_scales": "detail"}}, "hrda.fd_scales 'detail' must be one of"),
        ({"train": {"compile": "default"}}, "leave out train.compile"),
        ({"data": {"target_margins": (1, 1, 1, 1)}}, "leave out the same pixels twice"),
    ],
)
def test_settings_that_do_not_fit_are_named(smoke, change, told):
    with pytest.raises(ValueError, match=told):
        smoke("hrda").changed(**change)


def test_decoders_without_an_attention_of_their_kind_are_refused():
    with pytest.raises(ValueError, match=r"hrda works with decoders .*, not 'segformer'"):
        build_segmentor(ModelConfig("tiny_mit", "segformer"), HRDAConfig())


def test_it_is_switched_on_by_its_settings_and_survives_json(smoke):
    plain = smoke("daformer")
    on = with_settings(plain, ["hrda.detail_crop=64x64", "hrda.window=None"])
    assert on.methods == {"hrda": HRDAConfig((64, 64), window=None)}
    assert on.key == smoke("hrda").key != plain.key
    again = Experiment.from_dict(json.loads(json.dumps(on.to_dict())))
    assert again == on and again.key == on.key


@pytest.mark.notebook  # trains
@pytest.mark.parametrize("row", [pytest.param("hrda", marks=pytest.mark.slow), "mic_hrda"])
def test_it_trains_resumes_and_is_opened(smoke, tmp_path, row):
    """Stopped and gone on it ends with the same weights; its run opens, and labels any image."""
    experiment = smoke(row, train={"steps": 4, "log_every": 2, "eval_every": 4})
    whole = train(experiment, tmp_path / "whole")
    train(experiment, tmp_path / "parts", stop_after=2)
    parts = train(experiment, tmp_path / "parts")
    assert parts.is_complete and {"source", "detail", "mixed"} <= set(parts.metrics())
    for name, weights in whole.student_weights().items():
        assert torch.equal(weights, parts.student_weights()[name]), name
    model = open_run(parts, "teacher")
    assert model.hrda == experiment.methods["hrda"]
    view = make_view(model.spec)
    (seen,) = label_images(model.network, [np.zeros((70, 90, 3), np.uint8)], view)
    assert seen.label.shape == (70, 90)
    with pytest.raises(ValueError, match="holds another run"):
        train(smoke("daformer", train={"steps": 4}), tmp_path / "parts")
