"""Features and logits against the authors' code, to float32 rounding (tests/golden/README.md).

In double precision ours is exact to 1e-12 on every processor: what is left are the golden files'
own roundings, for which 1e-5 of the standard deviation is what they promise. In single precision
the processor's roundings come on top, with a bound that the network's sums give (`forward_bound`).
"""

import numpy as np
import pytest
import torch

from daformer_lib.models.resize import resize_bilinear
from tests.helpers.rounding import assert_same_labels, forward_bound, near_ties

pytestmark = pytest.mark.numeric

PROMISED = 1e-5  # largest difference, in standard deviations of the authors' array
PRECISIONS = {"double": torch.float64, "single": torch.float32}


@pytest.fixture(params=["single", pytest.param("double", marks=pytest.mark.notebook)])
def precise(request):
    """precise(network) -> the same in one of the precisions, and the tolerance that it leaves."""

    def make(network):
        network = network.to(PRECISIONS[request.param])
        return network, PROMISED + forward_bound(network) * (request.param == "single")

    return make


def image_for(network, image):
    return image.to(next(network.parameters()).dtype)


ENCODER_CASES = [
    ("daformer_sepaspp_mitb0", "mit_b0", "a"),
    ("daformer_sepaspp_mitb0", "mit_b0", "b"),
    ("daformer_sepaspp_mitb1", "mit_b1", "a"),
    ("dlv2red_r50v1c", "r50v1c", "a"),
    ("dlv2red_s50", "s50", "a"),
]
MODEL_CASES = [
    ("daformer_sepaspp_mitb0", "a"),
    ("daformer_sepaspp_mitb0", "b"),
    ("daformer_aspp_mitb0", "a"),
    ("daformer_conv1_mitb0", "a"),
    ("daformer_isa_mitb0", "a"),
    ("daformer_sepaspp_bottleneck_mitb0", "a"),
    ("segformer_mitb0", "a"),
    ("segformer_mitb0", "b"),
    ("upernet_ch256_mitb0", "a"),
    ("dlv2red_r50v1c", "a"),
    ("dlv2_r50v1c", "a"),
    ("dlv3p_r50v1c", "a"),
    ("da_r50v1c", "a"),
    ("isa_r50v1c", "a"),
    ("isa_r50v1c", "b"),
    ("dlv2red_s50", "a"),
]


def assert_equal(ours, theirs, tolerance):
    ours = ours.detach().numpy()
    assert ours.shape == theirs.shape
    error = np.abs(ours - theirs).max() / theirs.std()
    assert error < tolerance, f"differs by {error:.1e} standard deviations"


def assert_stats(ours, stats, tolerance):
    """mean, std, sum of |x|, min, max; the sum grows with the number of elements."""
    x = ours.detach().double()
    found = torch.stack([x.mean(), x.std(correction=0), x.abs().sum(), x.min(), x.max()]).numpy()
    scale = np.array([stats[1], stats[1], stats[2], stats[1], stats[1]])
    assert (np.abs(found - stats) / scale).max() < tolerance


@pytest.mark.parametrize(("model", "backbone", "image"), ENCODER_CASES)
@torch.no_grad()
def test_features(det_segmentor, outputs, images, precise, model, backbone, image):
    encoder, tolerance = precise(det_segmentor(model).encoder)
    features = encoder(image_for(encoder, images[image]))
    for stage, feature in enumerate(features):
        key = f"feat/{backbone}/{image}/{stage}"
        step = int(outputs[f"{key}/chan_step"])
        assert feature.shape == tuple(outputs[f"{key}/shape"])
        assert_equal(feature[:, ::step], outputs[f"{key}/values"], tolerance)
        assert_stats(feature, outputs[f"{key}/stats"], tolerance)


@pytest.mark.parametrize(("model", "image"), MODEL_CASES)
@torch.no_grad()
def test_logits(det_segmentor, outputs, images, precise, model, image):
    network, tolerance = precise(det_segmentor(model))
    logits, _ = network(image_for(network, images[image]))
    key = f"logits/{model}/{image}"
    assert_equal(logits, outputs[f"{key}/low"], tolerance)
    assert_stats(logits, outputs[f"{key}/low_stats"], tolerance)
    full = resize_bilinear(logits, images[image].shape[-2:])
    assert full.shape == tuple(outputs[f"{key}/full_shape"])
    assert_stats(full, outputs[f"{key}/full_stats"], tolerance)
    assert_equal(full[:, :, full.shape[2] // 2], outputs[f"{key}/full_row"], tolerance)


def test_every_golden_output_has_a_case(outputs):
    logits = {tuple(name.split("/")[1:3]) for name in outputs.files if name.startswith("logits/")}
    features = {tuple(name.split("/")[1:3]) for name in outputs.files if name.startswith("feat/")}
    assert logits == set(MODEL_CASES)
    assert features == {case[1:] for case in ENCODER_CASES}


@torch.no_grad()
def test_probabilities_after_two_upsamplings(det_segmentor, outputs, images, precise):
    network, tolerance = precise(det_segmentor("daformer_sepaspp_mitb0"))
    logits, _ = network(image_for(network, images["a"]))
    full = resize_bilinear(resize_bilinear(logits, (64, 128)), (128, 256))
    probability = full.softmax(dim=1)
    key = "inference/daformer_sepaspp_mitb0/a"
    assert_equal(probability[:, :, 64], outputs[f"{key}/prob_row64"], tolerance)
    label, theirs = probability.argmax(1).numpy(), outputs[f"{key}/argmax_128x256"]
    assert_same_labels(label, theirs, near_ties(full, network))


def test_batch_statistics_in_train_mode(det_segmentor, outputs, images, precise):
    model, tolerance = precise(
        det_segmentor("daformer_sepaspp_mitb0", drop_path=0, dropout=0).train()
    )
    logits, _ = model(image_for(model, images["b"]))
    key = "train_mode/daformer_sepaspp_mitb0/b"
    assert_equal(logits, outputs[f"{key}/low"], tolerance)
    bn = model.decoder.fuse_layer.bottleneck.bn
    for name in ("running_mean", "running_var"):
        theirs = outputs[f"{key}/after/decode_head.fuse_layer.bottleneck.bn.{name}"]
        assert_equal(getattr(bn, name), theirs, tolerance)
