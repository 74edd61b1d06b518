"""The method's pieces against the outputs of the authors' code (tests/golden/README.md)."""

import numpy as np
import pytest
import torch

from daformer_lib.batch import Labelled
from daformer_lib.config import OptimConfig
from daformer_lib.specs import THINGS
from daformer_lib.train.optim import learning_rate
from daformer_lib.uda import augment
from daformer_lib.uda import classmix as mixing
from daformer_lib.uda.feature_distance import (
    ImageNetAnchor,
    downscale_label,
    masked_distance,
)
from daformer_lib.uda.losses import cross_entropy
from daformer_lib.uda.teacher import Teacher, confidence_weight, ema_alpha

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def uda(golden):
    return golden("uda.npz")


@pytest.fixture(scope="module")
def facts(golden):
    return golden("uda.json")


def tensor(array):
    return torch.from_numpy(np.asarray(array))


@pytest.mark.parametrize("decay", [0.99, 0.999])
def test_ema_alpha(uda, decay):
    ours = [ema_alpha(int(i), decay) for i in uda["ema/iters"]]
    np.testing.assert_allclose(ours, uda[f"ema/alpha_{decay}"], rtol=0, atol=1e-15)


@pytest.mark.parametrize("label", ["label", "label32"])
@pytest.mark.parametrize("scale", [8, 16, 32])
@pytest.mark.parametrize("ratio", [0.75, 0.5])
def test_label_downscaling(uda, label, scale, ratio):
    prefix = "ds/" if label == "label" else "ds/label32_"
    ours = downscale_label(tensor(uda[f"ds/{label}"])[:, 0].long(), scale, ratio, 19)
    np.testing.assert_array_equal(ours, uda[f"{prefix}scale{scale}_ratio{ratio}"][:, 0])


@pytest.mark.parametrize("case", ["masked", "nomask", "equal"])
def test_feature_distance_and_gradient(uda, case):
    features = tensor(uda["fd/f1"]).requires_grad_()
    reference = features.detach().clone() if case == "equal" else tensor(uda["fd/f2"])
    mask = tensor(uda["fd/mask"])[:, 0] if case == "masked" else torch.ones(2, 4, 4, dtype=bool)
    loss = masked_distance(features, reference, mask)
    loss.backward()
    np.testing.assert_allclose(loss.item(), uda[f"fd/{case}_loss"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(features.grad, uda[f"fd/{case}_grad"], rtol=1e-5, atol=1e-8)


def test_feature_distance_of_an_empty_mask_is_zero_not_nan(uda):
    features = tensor(uda["fd/f1"]).requires_grad_()
    loss = masked_distance(features, tensor(uda["fd/f2"]), torch.zeros(2, 4, 4, dtype=bool))
    loss.backward()
    assert loss.item() == 0 and np.isnan(uda["fd/empty_loss"])
    np.testing.assert_array_equal(features.grad, uda["fd/empty_grad"])


def test_whole_feature_distance_term(uda):
    label = tensor(uda["fd/calc_label"])[:, 0].long()
    features = tensor(uda["fd/f1"]).requires_grad_()
    mask = torch.isin(downscale_label(label, 8, 0.75, 19), torch.tensor(THINGS))
    np.testing.assert_array_equal(mask, uda["fd/calc_mask"][:, 0])
    loss = 0.005 * masked_distance(features, tensor(uda["fd/f2"]), mask)
    loss.backward()
    np.testing.assert_allclose(loss.item(), uda["fd/calc_loss"], rtol=1e-6)
    np.testing.assert_allclose(features.grad, uda["fd/calc_grad"], rtol=1e-5, atol=1e-8)


def test_distance_of_all_classes_counts_every_cell_labelled_or_not(uda):
    reference = torch.nn.Module()
    reference.forward = lambda image: [tensor(uda["fd/f2"])]
    anchor = ImageNetAnchor(reference, None, 19, 0.75)
    unknown = torch.full((2, 32, 32), 255)
    source = Labelled.certain(torch.zeros(2, 3, 32, 32), unknown)
    loss = anchor([tensor(uda["fd/f1"])], source)
    np.testing.assert_allclose(loss, uda["fd/nomask_loss"], rtol=1e-6)


def test_half_of_the_batchs_classes_are_drawn(facts):
    for n, expected in facts["mix"]["n_chosen_by_n_unique"].items():
        label = torch.arange(int(n)).view(1, 1, -1)
        (chosen,) = mixing.draw_classes(label, np.random.default_rng(0))
        assert len(chosen) == len(set(chosen)) == expected


def test_mixing(uda, facts, det):
    label = tensor(uda["ds/label"])[:, 0].long()
    target_label = det.det_labels("uda.mix.tlbl", (2, 1, 64, 64), list(range(19)), block=8)
    weight = det.rng_for("uda.mix.w").random((2, 64, 64)).astype(np.float32)
    source = Labelled.certain(tensor(det.det_image("uda.mix.src", (2, 3, 64, 64))), label)
    target_image = tensor(det.det_image("uda.mix.trg", (2, 3, 64, 64)))
    pseudo = Labelled(target_image, tensor(target_label)[:, 0], tensor(weight))
    plan = mixing.MixPlan(tuple(map(tuple, facts["mix"]["chosen"])))
    mask = mixing.class_mask(label, plan.classes)
    np.testing.assert_array_equal(mask, uda["mix/masks"][:, 0])
    mixed = mixing.classmix(source, pseudo, plan)
    for i in range(2):
        np.testing.assert_array_equal(mixed.label[i], uda[f"mix/lbl_{i}"][0, 0])
        np.testing.assert_allclose(mixed.image[i].abs().sum(), uda[f"mix/img_{i}_abs_sum"], 1e-5)
        np.testing.assert_array_equal(mixed.image[i][:, ::8, ::8], uda[f"mix/img_{i}_slice8"][0])
        np.testing.assert_allclose(mixed.weight[i].sum(), uda[f"mix/w_{i}_sum"], 1e-5)
        np.testing.assert_array_equal(mixed.weight[i, ::4], uda[f"mix/w_{i}_slice4"][0, 0])


JITTER = {
    "brightness": augment.adjust_brightness,
    "contrast": augment.adjust_contrast,
    "saturation": augment.adjust_saturation,
    "hue": augment.adjust_hue,
}


@pytest.mark.parametrize(
    "case",
    ["brightness_0.8", "brightness_1.2", "contrast_0.8", "contrast_1.2", "saturation_0.8",
     "saturation_1.2", "hue_-0.2", "hue_0.15"],
)  # fmt: skip
def test_single_jitter_operation(uda, case):
    name, value = case.split("_")
    ours = JITTER[name](tensor(uda["jit/x01"])[0], float(value))
    np.testing.assert_allclose(ours, uda[f"jit/{case}"][0], atol=2e-5)


@pytest.mark.parametrize("sample", [0, 1, 2])
def test_color_jitter(uda, facts, sample):
    drawn = facts["jitter"]["params"][sample]
    values = [drawn[f"{k}_factor"][0] for k in ("brightness", "contrast", "saturation", "hue")]
    jitter = augment.Jitter(*values, order=tuple(drawn["order"]))
    ours = augment.color_jitter(tensor(uda["jit/input"]), [jitter])
    np.testing.assert_allclose(ours, uda[f"jit/full_{sample}"], atol=2e-4)


def test_jitter_is_drawn_from_the_authors_ranges(facts):
    rng = np.random.default_rng(0)
    drawn = [augment.draw_jitter(0.2, rng) for _ in range(4000)]
    for name, (low, high) in facts["jitter"]["empirical_ranges"].items():
        values = [getattr(j, name.removesuffix("_factor")) for j in drawn]
        assert abs(min(values) - low) < 5e-3 and abs(max(values) - high) < 5e-3, name
    assert {j.order for j in drawn} == {
        tuple(p) for p in __import__("itertools").permutations(range(4))
    }


def test_jitter_and_blur_happen_as_often_as_the_authors(uda):
    from daformer_lib.config import UDAConfig

    label = torch.zeros(1, 2, 2, dtype=torch.long)
    rng = np.random.default_rng(0)
    plans = [mixing.draw_plan(label, UDAConfig(), rng) for _ in range(3000)]
    assert abs(np.mean([p.jitter is not None for p in plans]) - 0.8) < 0.03
    assert abs(np.mean([p.blur is not None for p in plans]) - 0.5) < 0.03
    sigmas = [s for p in plans if p.blur for s in p.blur]
    assert 0.15 <= min(sigmas) < 0.16 and 1.14 < max(sigmas) <= 1.15


def test_without_classmix_nothing_is_pasted_and_all_else_is_drawn_as_before():
    from daformer_lib.config import UDAConfig

    label = torch.arange(4).reshape(1, 2, 2)
    source = Labelled.certain(torch.ones(1, 3, 2, 2), label)
    pseudo = Labelled(torch.zeros(1, 3, 2, 2), label + 7, torch.full((1, 2, 2), 0.25))
    for seed in range(20):
        with_, without = (
            mixing.draw_plan(label, UDAConfig(classmix=on), np.random.default_rng(seed))
            for on in (True, False)
        )
        assert without == with_._replace(classes=((),)) and len(with_.classes[0]) == 2
        mixed = mixing.classmix(source, pseudo, without._replace(jitter=None, blur=None))
        assert all(torch.equal(a, b) for a, b in zip(mixed, pseudo, strict=True))


@pytest.mark.parametrize("case", [0, 1, 2])
def test_blur(uda, facts, det, case):
    (_, (sigma, _)) = facts["blur"]["calls"][case]
    ours = augment.gaussian_blur(tensor(det.det_image("uda.blur", (1, 3, 64, 128))), sigma)
    np.testing.assert_allclose(ours[:, :, ::2, ::2], uda[f"blur/out_{case}_slice2"], atol=2e-6)


def test_blur_kernel_sizes(facts):
    for size, (rows, _) in facts["blur"]["kernel_by_size"].items():
        assert augment.blur_kernel_size(int(size)) == rows


def test_pseudo_labels_weights_and_mix(uda, facts, det):
    logits = 4 * det.rng_for("uda.pl.logits").standard_normal((2, 19, 64, 64)).astype(np.float32)
    logits = tensor(logits.repeat(8, 2).repeat(8, 3))
    network = torch.nn.Module()
    network.forward = lambda image: (logits, [])
    teacher, target = Teacher(network, 0.999), torch.ones(2, 3, 512, 512)
    pseudo, (_, confidence) = teacher.label(target, 0.968, 15, 120), teacher._label(target)
    label = det.det_labels(
        "uda.pl.lbl", (2, 1, 512, 512), [0, 2, 8, 10, 13, 255], block=64, small=16
    )
    source = Labelled.certain(torch.zeros(2, 3, 512, 512), tensor(label)[:, 0])
    plan = mixing.MixPlan(tuple(map(tuple, facts["pseudo"]["mix_classes"])))
    mixed = mixing.classmix(source, pseudo, plan)
    np.testing.assert_array_equal(pseudo.label[:, ::8, ::8], uda["pl/pseudo_label_slice8"])
    theirs = uda["pl/pseudo_prob_slice8"]
    np.testing.assert_allclose(confidence[:, ::8, ::8], theirs, rtol=1e-6)
    np.testing.assert_array_equal(mixed.label[:, ::4, ::4], uda["pl/mixed_label_slice4"][:, 0])
    np.testing.assert_array_equal(mixed.image[:, :1, ::8, ::8] != 0, uda["pl/mixed_img_slice8"])
    np.testing.assert_allclose(mixed.weight[:, ::4, ::4], uda["pl/weight_slice4"], rtol=1e-6)
    np.testing.assert_allclose(mixed.weight.double().sum(2), uda["pl/weight_row_sums"], rtol=1e-5)


@pytest.mark.parametrize("threshold", [0.9, 0.968, 0.99])
def test_confident_share(uda, det, threshold):
    logits = 4 * det.rng_for("uda.pl.logits").standard_normal((2, 19, 64, 64)).astype(np.float32)
    confidence = tensor(logits).softmax(1).amax(1)
    share = confidence_weight(confidence, threshold).unique().item()
    assert share == pytest.approx(float(uda[f"pl/fraction_{threshold}"]), rel=1e-6)


@pytest.mark.parametrize("case", ["unweighted", "weighted"])
def test_cross_entropy_and_gradient(uda, case):
    logits = tensor(uda["ce/logits"]).requires_grad_()
    label = tensor(uda["ce/label"]).long()
    weight = tensor(uda["ce/weight"]) if case == "weighted" else torch.ones(2, 16, 16)
    loss = cross_entropy(logits, Labelled(torch.zeros(2, 3, 16, 16), label, weight))
    loss.backward()
    np.testing.assert_allclose(loss.item(), uda[f"ce/{case}_loss"], rtol=1e-6)
    np.testing.assert_allclose(logits.grad, uda[f"ce/{case}_grad"], rtol=1e-5, atol=1e-9)


def test_cross_entropy_of_an_ignored_batch_is_zero(uda):
    label = torch.full((2, 16, 16), 255)
    batch = Labelled(torch.zeros(2, 3, 16, 16), label, torch.ones(2, 16, 16))
    assert cross_entropy(tensor(uda["ce/logits"]), batch).item() == uda["ce/all_ignored_loss"] == 0


@pytest.mark.parametrize("rule", ["backbone_decay", "backbone_no_decay", "head"])
def test_learning_rate_at_every_recorded_iteration(golden, rule):
    schedule = golden("schedule.npz")
    base = 6e-4 if rule == "head" else 6e-5
    ours = [learning_rate(base, int(i), 40_000, OptimConfig()) for i in schedule["iters"]]
    np.testing.assert_allclose(ours, schedule[f"lr/{rule}"], rtol=1e-12)


def test_no_warmup_schedule_rises(golden):
    schedule = golden("schedule.npz")
    config = OptimConfig(warmup_steps=0, min_lr=1e-4)
    ours = [learning_rate(6e-5, int(i), 40_000, config) for i in schedule["iters"]]
    np.testing.assert_allclose(ours, schedule["lr/poly10_min1e-4_base6e-5"], rtol=1e-12)
