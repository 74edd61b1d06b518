"""MIC's pieces against the authors' code (tests/golden_frontier), and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from daformer_lib.batch import Labelled, Unlabelled
from daformer_lib.config import DataConfig, Experiment, MICConfig, UDAConfig
from daformer_lib.ranks import Ranks
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.uda.losses import cross_entropy
from daformer_lib.uda.method import Method, Turn
from daformer_lib.uda.methods.mic import (
    MaskPlan,
    add_mic,
    draw_keep,
    draw_mask_plan,
    enlarge,
    masked,
    masked_losses,
    unmasked,
)
from daformer_lib.uda.teacher import Teacher, confidence_weight, ema_alpha
from tests.helpers.frontier import GOLDEN, jitters

pytestmark = pytest.mark.numeric

FACTS = json.loads((GOLDEN / "mic_parts.json").read_text())
PARTS = np.load(GOLDEN / "mic_parts.npz")
CLASSES = [0, 2, 8, 10, 11, 13, 18, 5, 255]
COLOUR = 2e-4  # of jittered images, as in tests/uda/test_parity.py: hue is a ratio of differences
MODES = {  # the authors' names
    "separatetrg": {"where": "target", "augment": False},
    "separatetrgaug": {"where": "target"},
    "separatesrc": {"where": "source", "augment": False},
    "separatesrcaug": {"where": "source"},
    "separate": {"where": "both", "augment": False},
    "separateaug": {"where": "both"},
    "separatesrc_source_only": {"where": "source", "augment": False},  # there is no target
}


def tensor(array):
    return torch.from_numpy(np.asarray(array))


class Drawn:
    """A generator that hands out the authors' draws."""

    def __init__(self, values):
        self.values = values

    def random(self, size=None, dtype=None):
        return self.values


@pytest.mark.parametrize("case", FACTS["mask"])
def test_masks(case):
    about = FACTS["mask"][case]
    count, _, height, width = about["shape"]
    config = MICConfig(block=about["block"], ratio=about["ratio"])
    draws = PARTS[f"mask/{case}/u"][:, 0]
    assert list(draws.shape[1:]) == about["grid"]
    keep = draw_keep((count, height, width), config, Drawn(draws))
    np.testing.assert_array_equal(keep, PARTS[f"mask/{case}/low"][:, 0])
    whole = enlarge(keep, (height, width))
    assert whole.mean() == pytest.approx(about["kept"], abs=1e-6)
    if f"mask/{case}/full" in PARTS:
        np.testing.assert_array_equal(whole, PARTS[f"mask/{case}/full"][:, 0])
    else:
        np.testing.assert_array_equal(whole[:, 0], PARTS[f"mask/{case}/row0"])
        np.testing.assert_array_equal(whole[:, :, 0], PARTS[f"mask/{case}/col0"])


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.7])
def test_a_cell_at_the_ratio_itself_is_hidden(ratio):
    keep = draw_keep((2, 64, 64), MICConfig(32, ratio), Drawn(PARTS["mask/edge_u"][:, 0]))
    np.testing.assert_array_equal(keep, PARTS[f"mask/edge_r{ratio}"][:, 0])


def plan_of(case, drawn):
    jitter = jitters(drawn) if drawn else None
    blur = drawn["blur"]["sigma"] if drawn and drawn["blur"] else None
    return MaskPlan(PARTS[f"{case}/mask_low"][:, 0].astype(bool), jitter, blur)


@pytest.mark.parametrize("case", FACTS["aug"])
def test_colours_and_blur_come_before_the_mask(det, case):
    image = tensor(det.det_image("mic.parts.trg", (2, 3, 64, 64)))
    batch = Labelled.certain(image, torch.zeros(2, 64, 64, dtype=torch.int64))
    ours = masked(batch, plan_of(f"aug/{case}", FACTS["aug"][case])).image
    np.testing.assert_allclose(ours, PARTS[f"aug/{case}/masked"], atol=COLOUR)


@pytest.fixture(scope="module")
def turn(det):
    """The inputs of the authors' cases, and any student."""
    label = tensor(
        det.det_labels("mic.parts.lbl", (2, 1, 64, 64), [0, 2, 8, 10, 11, 13, 18, 5, 255])
    )
    pseudo = tensor(det.det_labels("mic.parts.pl", (2, 1, 64, 64), list(range(19)), block=16))
    weight = tensor(PARTS["in/pseudo_weight_rows"]).float()[None, :, None].expand(2, 64, 64)
    source, target = (
        tensor(det.det_image(f"mic.parts.{name}", (2, 3, 64, 64))) for name in ("src", "trg")
    )

    def make(**settings):
        experiment = Experiment(
            "mic", data=DataConfig(crop=(64, 64)), uda=UDAConfig(ignore_top=4, ignore_bottom=10),
            methods={"mic": MICConfig(block=16, **settings)},
        )  # fmt: skip
        made = Turn(None, Labelled.certain(source, label[:, 0]), Unlabelled(target), experiment, 0)
        made.seen["pseudo"] = Labelled(target, pseudo[:, 0], weight)
        return made

    return make


@pytest.mark.parametrize("mode", MODES)
def test_what_is_masked_and_what_is_asked(turn, mode):
    made = turn(**MODES[mode])
    if mode.endswith("source_only"):
        made.target, made.seen = None, {}
    batch = unmasked(made, made.experiment.methods["mic"], None)
    batch = masked(batch, plan_of(f"mode/{mode}", FACTS["mode"][mode]["aug"]))
    np.testing.assert_allclose(
        batch.image[:, :, ::2, ::2], PARTS[f"mode/{mode}/masked_slice2"], atol=COLOUR
    )
    np.testing.assert_array_equal(batch.label, PARTS[f"mode/{mode}/label"][:, 0])
    if FACTS["mode"][mode]["weight"] == "none":
        assert (batch.weight == 1).all()
    else:
        rows = PARTS[f"mode/{mode}/weight_rows"]
        np.testing.assert_allclose(batch.weight[:, :, 0], rows, rtol=1e-6)


@pytest.mark.parametrize("case", [c for c in FACTS["loss"] if not c.startswith("hrda")])
def test_the_loss_and_its_gradient(turn, case):
    mode, _, weight = case.partition("/lambda")
    made = turn(**MODES[mode], weight=float(weight))
    logits = tensor(PARTS["loss/logits"]).clone().requires_grad_()
    made.supervise = lambda student, batch: ({"main": cross_entropy(logits, batch)}, [])
    made.replay["mask"] = plan_of(f"mode/{mode}", None)
    (losses,) = masked_losses(made)
    assert losses["masked"].item() == pytest.approx(FACTS["loss"][case]["loss"], rel=1e-5)
    losses["masked"].backward()
    theirs = PARTS[f"loss/{case}/grad_slice2"]
    np.testing.assert_allclose(logits.grad[:, :, ::2, ::2], theirs, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_its_weight_is_of_the_main_term_alone(turn, weight):
    """HRDA's detail term, of 3.0, counts in full beside the fused one's 2.0."""
    terms = {"main": torch.tensor(2.0), "detail": torch.tensor(3.0)}
    made = turn(weight=weight)
    made.supervise = lambda student, batch: (dict(terms), [])
    (losses,) = masked_losses(made)
    assert losses["masked"].item() == FACTS["loss"][f"hrda_terms/lambda{weight:g}"]["loss"]


@pytest.mark.parametrize("case", FACTS["separate_teacher_exists"])
def test_any_setting_of_its_own_makes_a_second_teacher(case):
    """The first one's number, too; the authors' None is a threshold of 0."""
    given = dict(one.split("=") for one in case.split(","))
    memory, least = (
        None if value == "same" else 0.0 if value == "None" else float(value)
        for value in (given["alpha"], given["threshold"])
    )
    mic, uda = MICConfig(ema_decay=memory, threshold=least), UDAConfig()
    assert (memory in (None, uda.ema_decay)) and (least in (None, 0.0, uda.threshold))
    network = torch.nn.Linear(1, 1)
    method = Method((), Teacher(network, uda.ema_decay))
    add_mic(method, Experiment("mic", methods={"mic": mic}), network)
    exists = FACTS["separate_teacher_exists"][case]
    assert list(method.models) == ["mask_teacher"] * exists
    assert len(method.before) == exists and len(method.objectives) == 1
    if exists:
        second = method.before[0].__self__
        assert second.model is method.models["mask_teacher"] is not method.teacher.model
        assert second.ema_decay == uda.ema_decay


@pytest.mark.parametrize("case", FACTS["teacher"])
def test_a_second_teacher_has_a_memory_and_a_threshold_of_its_own(case):
    """The authors' None is a threshold of 0: every pixel counts."""
    about = FACTS["teacher"][case]
    confidence = tensor(PARTS["teacher/logits"]).softmax(1).amax(1)
    weight = confidence_weight(confidence, about["threshold"] or 0.0)
    assert weight.unique().item() == pytest.approx(about["weight"])
    average, found = 0.0, []
    for i in range(6):
        alpha = ema_alpha(i, about["alpha"])
        average = alpha * average + (1 - alpha) * (i + 1) ** 2
        found.append(average)
    np.testing.assert_allclose(found, about["ema_when_student_is_(i+1)^2"], rtol=1e-6)


class Sure(torch.nn.Module):
    """A network that is sure of one class in the first quarter of the batch's pixels."""

    def forward(self, image):
        first, *others = image.new_zeros(4, image[:, 0].numel())
        first[: len(first) // 4] = 9
        shape = len(image), 1, *image.shape[-2:]
        return torch.cat([one.view(shape) for one in (first, *others)], 1), []


@pytest.mark.parametrize("cut", ["rows_top4_bottom10", "valid_mask"])
def test_rows_and_regions_without_weight(cut):
    """A quarter of the pixels is confident; 0 where the teacher's label counts nothing."""
    theirs, teacher = PARTS[f"teacher/filter_{cut}"], Teacher(Sure(), 0.999)
    images, valid = torch.zeros(2, 3, 32, 32), None
    if cut == "valid_mask":
        valid = tensor(PARTS["teacher/valid_mask"])[:, 0].bool()
    rows = (4, 10) if valid is None else ()
    weight = teacher.label(images, 0.968, *rows, valid=valid).weight
    np.testing.assert_array_equal(weight[:, :, 0] if rows else weight, theirs)


def test_what_is_drawn_is_the_whole_batchs_whoever_draws_it():
    images, config, uda = torch.zeros(4, 3, 64, 96), MICConfig(block=32), UDAConfig()
    drawn = lambda part, ranks: draw_mask_plan(part, config, uda, np.random.default_rng(3), ranks)
    whole, second = drawn(images, Ranks()), drawn(images[2:], Ranks(1, 2))
    np.testing.assert_array_equal(second.keep, whole.keep[2:])
    assert second.jitter == whole.jitter[2:] and second.blur == whole.blur
    assert len({one.order for one in whole.jitter}) == 1


def test_colours_are_changed_as_often_as_the_authors():
    config, uda, images = MICConfig(block=32), UDAConfig(), torch.zeros(2, 3, 64, 64)
    plans = [draw_mask_plan(images, config, uda, np.random.default_rng(i)) for i in range(2000)]
    assert np.mean([p.jitter is not None for p in plans]) == pytest.approx(0.8, abs=0.03)
    assert np.mean([p.blur is not None for p in plans]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([p.keep.mean() for p in plans]) == pytest.approx(0.3, abs=0.02)
    plain = draw_mask_plan(images, MICConfig(augment=False), uda, np.random.default_rng(0))
    assert plain.jitter is plain.blur is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mic": {"block": 48}}, "mic.block 48 does not divide the crop 128x128; try 16"),
        ({"mic": {"ratio": 1.0}}, r"mic.ratio 1.0 must lie in \[0, 1\)"),
        ({"mic": {"where": "here"}}, "mic.where 'here' must be one of"),
        ({"mic": {"threshold": 2.0}}, r"mic.threshold 2.0 must lie in \[0, 1\]"),
        ({"mode": "source_only"}, "does not see; take mode 'uda', or mic.where=source"),
        ({"mic": {"where": "both"}, "data": {"batch_size": 3}}, "batch_size 3 must be even"),
    ],
)
def test_settings_that_do_not_fit_are_named(smoke, change, told):
    with pytest.raises(ValueError, match=told):
        smoke("mic").changed(**change)


def test_it_is_switched_on_by_any_of_its_settings(smoke):
    plain = smoke("daformer")
    assert with_settings(plain, ["mic.block=16"]).methods == {"mic": MICConfig(block=16)}
    assert with_settings(plain, ["mic.ratio=0.7"]).key == smoke("mic").key != plain.key
