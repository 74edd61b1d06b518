"""Transforms against the authors' pipeline (golden/pipeline.*) and against hand-worked cases."""

from __future__ import annotations

import colorsys
import json

import numpy as np
import pytest
import torch

from daformer_lib.data import transforms as T
from daformer_lib.specs import get_spec
from tests.helpers.frontier import GOLDEN

pytestmark = pytest.mark.numeric


class AuthorsGenerator:
    """The global numpy generator that the golden crops were drawn from, in a Generator's shape."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)

    def integers(self, low: int, high: int) -> int:
        return self._state.randint(low, high)

    def random(self) -> float:
        return self._state.rand()


class Scripted:
    """A generator that returns what it is told, and counts."""

    def __init__(self, integers=(), uniforms=()) -> None:
        self._integers, self._uniforms = iter(integers), iter(uniforms)
        self.drawn, self.limits = 0, []

    def integers(self, low, high):
        self.drawn += 1
        self.limits.append((low, high))
        return next(self._integers)

    def uniform(self, low, high):
        self.limits.append((low, high))
        return next(self._uniforms)


@pytest.fixture(scope="module")
def pipeline(golden):
    return golden("pipeline.npz"), golden("pipeline.json")


def resized(pipeline):
    arrays, facts = pipeline
    image, label = arrays["img"][..., ::-1], arrays["seg"]  # BGR -> RGB
    own = (image.shape[1], image.shape[0])
    size = T.fit_size(own, tuple(facts["resize"]["scale"]), keep_ratio=True)
    return T.resize_image(np.ascontiguousarray(image), size), T.resize_label(label, size)


def test_resize_is_the_authors(pipeline):
    image, label = resized(pipeline)
    assert np.array_equal(image[..., ::-1], pipeline[0]["resize/img"])
    assert np.array_equal(label, pipeline[0]["resize/seg"])


FULL = json.loads((GOLDEN / "pipeline_hr.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", FULL["resize"])
def test_sizes_at_full_resolution_are_the_authors(case):
    name, domain, own = case.split("/")
    high = "_hr" if "HR" in name else ""
    pair = name.removeprefix("uda_").split("_to_")
    spec = get_spec(pair[domain == "target"].partition("_")[0].replace("HR", "") + high)
    height, width = map(int, own.split("x"))
    size = T.fit_size((width, height), spec.size, spec.keep_ratio)
    assert list(size[::-1]) == FULL["resize"][case]


@pytest.mark.parametrize("case", FULL["valid_mask"], ids=lambda c: f"{c['data']}-{c['np_seed']}")
def test_margins_are_the_authors(case):
    """Theirs are of the files, 2048x1024; ours of the images at training size."""
    full = case["data"] == "high resolution"
    size, margins = ((1024, 2048), (30, 240, 30, 30)) if full else ((512, 1024), (15, 120, 15, 15))
    y1, y2, x1, x2 = case["crop_y1_y2_x1_x2"]
    valid = T.inside_margins(size, margins, T.Box(y1, x1, y2 - y1, x2 - x1))
    valid = T.flip(valid) if case["flip"] else valid
    expected = np.zeros(case["shape"], bool)
    expected[slice(*case["valid_rows"]), slice(*case["valid_cols"])] = True
    np.testing.assert_array_equal(valid, expected)


def test_sizes_are_the_authors(pipeline):
    for case, expected in pipeline[1]["rescale_sizes_wh"].items():
        own, wanted = (tuple(map(int, part.strip("()").split(","))) for part in case.split(" in "))
        assert T.fit_size(own, wanted, keep_ratio=True) == tuple(expected), case
    assert T.fit_size((1914, 1052), (256, 128)) == (256, 128)  # stretched without keep_ratio


@pytest.mark.parametrize("number", [0, 1, 2])
def test_crops_and_flips_are_the_authors(pipeline, number):
    arrays, facts = pipeline
    drawn = facts["crops"][number]
    image, label = resized(pipeline)
    rng = AuthorsGenerator(drawn["np_random_seed"])
    box = T.random_crop(label, (48, 48), rng, cat_max_ratio=0.75)
    top, bottom, left, right = drawn["bboxes_y1_y2_x1_x2"][-1]
    assert box == (top, left, bottom - top, right - left)
    flipped = T.random_flip(rng)
    assert flipped == drawn["flip"]
    label = T.flip(box.cut(label)) if flipped else box.cut(label)
    assert np.array_equal(label, arrays[f"crop{number}/seg"])
    if number == 0:
        pixels = T.stack_images([box.cut(image)], (56, 56))[0].numpy()
        expected = arrays["crop0/img_pad"].transpose(2, 0, 1)
        np.testing.assert_allclose(pixels, expected, atol=1e-6, rtol=1e-6)
        padded = T.stack_labels([label], (56, 56))[0]
        assert np.array_equal(padded.numpy(), arrays["crop0/seg_pad"])
        assert (pixels[:, 48:] == 0).all(), "the padding is 0 after normalising"


def test_a_single_class_uses_eleven_boxes_and_takes_the_last(pipeline):
    tops = list(range(11))
    rng = Scripted(integers=[value for top in tops for value in (top, 0)])
    box = T.random_crop(np.zeros((64, 64), np.uint8), (32, 32), rng, cat_max_ratio=0.75)
    assert rng.drawn == 2 * pipeline[1]["crop_single_class_draws"] == 22
    assert box.top == 10


@pytest.mark.parametrize(
    ("pixels", "varied"),
    [
        ([0] * 75 + [1] * 25, False),  # exactly 0.75 is too much
        ([0] * 74 + [1] * 26, True),
        ([0] * 30 + [255] * 70, False),  # one class only; what is ignored does not count
        ([0] * 20 + [1] * 10 + [255] * 70, True),
        ([255] * 100, False),
    ],
)
def test_is_varied(pixels, varied):
    assert T.is_varied(np.array(pixels, np.uint8).reshape(10, 10), 0.75) == varied


def test_a_share_is_divided_as_the_authors_do():
    """0.55 x 100 would be rounded up, and 55 of 100 be below it."""
    label = np.array([0] * 55 + [1] * 45, np.uint8).reshape(10, 10)
    assert not T.is_varied(label, 0.55)


def test_without_a_ratio_one_box_is_drawn():
    rng = Scripted(integers=[3, 4])
    assert T.random_crop(np.zeros((64, 64), np.uint8), (32, 32), rng) == (3, 4, 32, 32)


def test_boxes_reach_every_place_and_small_images_stay_whole():
    rng = np.random.default_rng(0)
    boxes = {T.draw_box((34, 33), (32, 32), rng)[:2] for _ in range(200)}
    assert boxes == {(top, left) for top in range(3) for left in range(2)}
    small = np.arange(12, dtype=np.uint8).reshape(3, 4)
    box = T.draw_box((3, 4), (32, 32), rng)
    assert np.array_equal(box.cut(small), small)
    padded = T.stack_labels([box.cut(small)], (32, 32))[0]
    assert padded.shape == (32, 32) and (padded[3:] == 255).all() and (padded[:, 4:] == 255).all()


def test_normalised_values():
    image = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    pixels, label = T.to_tensors(image, image[..., 0])
    expected = (image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(pixels.numpy(), expected.transpose(2, 0, 1), atol=1e-6)
    assert pixels.dtype == torch.float32 and label.dtype == torch.int64


def test_flipped_views_give_the_same_tensors_as_copies():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    view, copy = T.flip(image), np.ascontiguousarray(T.flip(image))
    assert torch.equal(T.to_tensors(view, None)[0], T.to_tensors(copy, None)[0])


IMAGE = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def test_distortion_with_every_coin_at_zero_changes_nothing():
    assert T.photometric_distortion(IMAGE, Scripted(integers=[0] * 5)) is IMAGE


def test_brightness_shifts_and_cuts():
    out = T.photometric_distortion(IMAGE, Scripted([1, 0, 0, 0, 0], [-20.5]))
    assert np.array_equal(out, np.clip(IMAGE - 20.5, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("coins", [[0, 1, 1, 0, 0], [0, 0, 0, 0, 1]], ids=["first", "last"])
def test_contrast_comes_first_or_last(coins):
    out = T.photometric_distortion(IMAGE, Scripted(coins, [1.4]))
    expected = np.clip(IMAGE.astype(np.float32) * np.float32(1.4), 0, 255).astype(np.uint8)
    assert np.array_equal(out, expected)


def hsv(image):
    return np.array([[colorsys.rgb_to_hsv(*(p / 255)) for p in row] for row in image])


def test_saturation_scales_and_keeps_hue_and_value():
    out = hsv(T.photometric_distortion(IMAGE, Scripted([0, 0, 1, 0, 0], [0.5])))
    before = hsv(IMAGE)
    clear = before[..., 2] > 0.3  # dark pixels have coarse hues
    np.testing.assert_allclose(out[..., 1][clear], before[..., 1][clear] / 2, atol=0.03)
    np.testing.assert_allclose(out[..., 2], before[..., 2], atol=0.01)


def test_hue_turns_by_two_degrees_a_step():
    out = hsv(T.photometric_distortion(IMAGE, Scripted([0, 0, 0, 1, 15, 0])))
    before = hsv(IMAGE)
    clear = (before[..., 2] > 0.3) & (before[..., 1] > 0.3)
    turn = (out[..., 0] - before[..., 0])[clear] * 360 % 360
    np.testing.assert_allclose(turn, 30, atol=4)


COIN, FACTOR = (0, 2), (0.5, 1.5)


@pytest.mark.parametrize("contrast_first", [1, 0])
def test_parts_follow_one_another_and_each_draws_within_its_limits(contrast_first):
    parts = {
        "brightness": ([1, 0, 0, 0, 0], [20.5]), "contrast": ([0, 1, 1, 0, 0], [1.4]),
        "saturation": ([0, 0, 1, 0, 0], [0.6]), "hue": ([0, 0, 0, 1, 15, 0], []),
    }  # fmt: skip
    later = ["saturation", "hue"]
    order = ["brightness", *(["contrast", *later] if contrast_first else [*later, "contrast"])]
    expected = IMAGE
    for name in order:
        expected = T.photometric_distortion(expected, Scripted(*parts[name]))
    coins = [1, 1, 1, 1, 1, 15] if contrast_first else [1, 0, 1, 1, 15, 1]
    rng = Scripted(coins, [u for name in order for u in parts[name][1]])
    assert np.array_equal(T.photometric_distortion(IMAGE, rng), expected)
    limits = {"saturation": [COIN, FACTOR], "contrast": [COIN, FACTOR], "hue": [COIN, (-18, 18)]}
    drawn = [pair for name in order[1:] for pair in limits[name]]
    assert rng.limits == [COIN, (-32, 32), COIN, *drawn]


def test_red_stays_red_in_rgb():
    """A BGR/RGB mix-up would turn the hue of pure red the wrong way."""
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 255
    out = T.photometric_distortion(red, Scripted([0, 0, 0, 1, 15, 0]))  # +30 degrees: orange
    assert out[0, 0, 0] > 250 and 100 < out[0, 0, 1] < 150 and out[0, 0, 2] == 0


def test_distortion_repeats_with_its_seed_and_leaves_the_input():
    before = IMAGE.copy()
    first, again = (T.photometric_distortion(IMAGE, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, again) and np.array_equal(IMAGE, before)
    others = [T.photometric_distortion(IMAGE, np.random.default_rng(s)) for s in range(20)]
    assert sum(np.array_equal(first, other) for other in others) <= 2
