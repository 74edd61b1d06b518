"""Labelling images of any size: whole or by a sliding window, in batches, on either device."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from daformer_lib.config import ModelConfig
from daformer_lib.evaluate import predict
from daformer_lib.files import write_png
from daformer_lib.inference import (
    NetworkView,
    choose_device,
    label_file,
    label_images,
    make_view,
    open_model,
)
from daformer_lib.inference.exchange import TrainedModel, save_model
from daformer_lib.models import build_segmentor
from daformer_lib.specs import MINICITYSCAPES

pytestmark = pytest.mark.numeric


SPEC = replace(MINICITYSCAPES, size=(96, 64))
SIZES = ((90, 150), (64, 96), (200, 40))  # (height, width)
MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])


@pytest.fixture(scope="module")
def network():
    """A small network whose classes vary over the image: its classifier is made decisive."""
    torch.manual_seed(0)
    network = build_segmentor(ModelConfig("tiny_mit", "daformer")).eval()
    network.decoder.conv_seg.weight.data *= 100
    return network


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    coarse = (rng.integers(0, 256, (-(-h // 10), -(-w // 10), 3), np.uint8) for h, w in SIZES)
    blown_up = (c.repeat(10, 0).repeat(10, 1) for c in coarse)
    return [image[:h, :w] for image, (h, w) in zip(blown_up, SIZES)]


def normalised(image):
    return torch.from_numpy(((image - MEAN) / STD).astype(np.float32)).permute(2, 0, 1)[None]


def assert_agree(prediction, other):
    assert (prediction.label == other.label).mean() > 0.999
    np.testing.assert_allclose(prediction.confidence, other.confidence, atol=1e-4)


def test_whole_images_follow_the_authors_protocol(network, images, tmp_path):
    write_png(tmp_path / "a.png", images[0])
    _, label = label_file(network, tmp_path / "a.png", SPEC)
    prediction = next(label_images(network, images[:1], NetworkView(SPEC.size)))
    np.testing.assert_array_equal(label, prediction.label)
    small = normalised(cv2.resize(images[0], SPEC.size))
    wanted, confidence = predict(network, small, SIZES[0])
    assert len(np.unique(wanted)) > 2
    assert (prediction.label == wanted[0].numpy()).mean() > 0.999
    np.testing.assert_allclose(prediction.confidence, confidence[0].numpy(), atol=1e-4)


def test_every_image_comes_back_at_its_own_size(network, images):
    views = [NetworkView(SPEC.size, batch=2), NetworkView(SPEC.size, window=(64, 64), batch=3)]
    for view in views:
        for (label, confidence), size in zip(label_images(network, images, view), SIZES):
            assert label.shape == confidence.shape == size
            assert label.dtype == np.uint8 and confidence.dtype == np.float32
            assert confidence.min() >= 1 / 19 and confidence.max() <= 1


@pytest.mark.parametrize("window", [None, (64, 64)])
def test_a_batch_changes_nothing(network, images, window):
    one = list(label_images(network, images, NetworkView(SPEC.size, window)))
    three = list(label_images(network, images, NetworkView(SPEC.size, window, batch=3)))
    for a, b in zip(one, three, strict=True):
        assert_agree(a, b)


def test_a_window_as_large_as_the_image_is_the_image(network, images):
    exact = [images[1]]  # it has the spec's size already
    whole = next(label_images(network, exact, NetworkView(SPEC.size)))
    assert_agree(next(label_images(network, exact, NetworkView(SPEC.size, window=(64, 96)))), whole)


def test_sliding_by_hand(network, images):
    """90x150 at half size is 45x75: windows of 32x64 start at rows 0, 13 and columns 0, 11."""
    view = NetworkView(SPEC.size, window=(32, 64), stride=(16, 32), scale=0.5)
    prediction = next(label_images(network, images[:1], view))
    pixels = normalised(cv2.resize(images[0], (75, 45)))
    total, count = torch.zeros(1, 19, 45, 75), torch.zeros(45, 75)
    with torch.no_grad():
        for top in (0, 13):
            for left in (0, 11):
                rows, columns = slice(top, top + 32), slice(left, left + 64)
                logits = network(pixels[..., rows, columns])[0]
                total[..., rows, columns] += F.interpolate(logits, (32, 64), mode="bilinear")
                count[rows, columns] += 1
        logits = F.interpolate(total / count, (90, 150), mode="bilinear")
    confidence, label = logits.softmax(1).max(1)
    assert count.min() == 1 and count.max() == 4
    assert (prediction.label == label[0].numpy()).mean() > 0.999
    np.testing.assert_allclose(prediction.confidence, confidence[0], atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (5, 200), (31, 33)])
def test_the_smallest_images_are_handled(network, size):
    image = np.full((*size, 3), 200, dtype=np.uint8)
    for view in (NetworkView(SPEC.size), NetworkView(SPEC.size, window=(64, 96))):
        assert next(label_images(network, [image], view)).label.shape == size


def test_default_window_and_stride():
    assert make_view(SPEC).window is None
    view = make_view(SPEC, "slide")
    assert view.window == (64, 96) and view.steps == (42, 64)
    assert make_view(SPEC, "slide", stride=(10, 20)).steps == (10, 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": (64, 64)}, "belongs to --mode slide"),
        ({"stride": (64, 64)}, "belong to a sliding window"),
        ({"scale": 0.5}, "belong to a sliding window"),
        ({"mode": "slide", "scale": 0.0}, "scale 0.0 must be positive"),
        ({"mode": "slide", "window": (16, 64)}, "window 16x64 must be at least 32x32"),
        ({"mode": "slide", "stride": (65, 10)}, "stride 65x10 must lie between"),
        ({"batch": 0}, "batch 0 must be at least 1"),
    ],
)
def test_contradictions_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_view(SPEC, **options)


def test_open_model_takes_a_run_or_a_file(network, tmp_path):
    path = save_model(
        TrainedModel(network, ModelConfig("tiny_mit"), SPEC), tmp_path / "m.safetensors"
    )
    assert open_model(None, str(path)).spec == SPEC
    for run, model, message in (
        (None, "student", "--run FOLDER, or --model FILE"),
        ("runs/a", str(path), "of a run must be student or teacher"),
        (None, "hf:owner/name@main", "40-digit commit"),
    ):
        with pytest.raises(ValueError, match=message):
            open_model(run, model)


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="finds no CUDA device"):
            choose_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("window", [None, (64, 64)])
def test_cpu_and_gpu_agree(network, images, window):
    view = NetworkView(SPEC.size, window, batch=2)
    on_cpu = list(label_images(network, images, view))
    try:
        on_gpu = list(label_images(network.cuda(), images, view))
    finally:
        network.cpu()
    for a, b in zip(on_cpu, on_gpu, strict=True):
        assert (a.label == b.label).mean() > 0.99
        np.testing.assert_allclose(a.confidence, b.confidence, atol=1e-2)
