"""CRA's augmentation and its first stage's order of images against the authors' (golden_cra)."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from daformer_lib.config import DataConfig, Experiment
from daformer_lib.data import transforms
from daformer_lib.data.loaders import UnlabelledStream
from daformer_lib.data.rare_class import class_balanced
from tests.helpers.rounding import UNIT

GOLD = np.load(Path(__file__).parents[1] / "golden_cra" / "parts.npz")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scale_crop_and_flip(seed):
    point, top, left, flip = GOLD[f"aug/{seed}/draws"]
    box = transforms.Box(int(top), int(left), 32, 64)
    kinds = {
        "image": transforms.rescale_image, "label": transforms.rescale_label,
        "entropy": transforms.rescale_map,
    }  # fmt: skip
    ours = {
        name: box.cut(scaled(GOLD[f"aug/{name}"], 0.5 + point)) for name, scaled in kinds.items()
    }
    if flip < 0.5:
        ours = {name: transforms.flip(array) for name, array in ours.items()}
    np.testing.assert_array_equal(ours["label"], GOLD[f"aug/{seed}/label"])
    np.testing.assert_allclose(ours["entropy"], GOLD[f"aug/{seed}/entropy"], rtol=4 * UNIT)
    image = transforms.stack_images([ours["image"]], (32, 64))[0, :, ::2, ::2]
    # Four roundings of numbers up to 255 / 57, in an order of ours.
    apart = 4 * UNIT * 255 / transforms.STD.min()
    np.testing.assert_allclose(image, GOLD[f"aug/{seed}/image_slice2"], rtol=0, atol=apart)


def test_class_balanced_drawing():
    ours = class_balanced(GOLD["sampling/present"], np.random.RandomState(5))
    np.testing.assert_array_equal(list(islice(ours, 6000)), GOLD["sampling/sequence"])


@pytest.mark.parametrize(("images", "a_round"), [(2, 2), (3, 2), (5, 4)])
def test_an_order_that_is_used_up_is_shuffled(images, a_round):
    """Of a new order the authors leave out the first image, but not where there are only two."""
    present = np.ones((images, 1), dtype=bool)
    drawn = list(islice(class_balanced(present, np.random.RandomState(0)), images + 20 * a_round))
    assert drawn[:images] == list(range(images))
    rounds = np.reshape(drawn[images:], (20, a_round))
    assert all(len(set(one)) == a_round for one in rounds)
    assert set(rounds.flat) == set(range(images))


def test_a_class_of_one_image_cannot_be_drawn():
    present = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0]], dtype=bool)
    with pytest.raises(ValueError, match=r"classes \[1, 2\] are in fewer than two images"):
        next(class_balanced(present, np.random.RandomState(0)))


class Images:
    """One image, which is exactly as high as the crop."""

    stems = ("one",)

    def load(self, index):
        ramp = np.arange(128 * 256 * 3).reshape(128, 256, 3) // 400
        return ramp.astype(np.uint8), None


def test_target_images_of_random_size_fill_the_crop():
    drawn = [
        UnlabelledStream(Images(), DataConfig(crop=(128, 128), target_scale=limits), 0).sample(i, 0)
        for limits in ((0.5, 1.5), None)
        for i in range(8)
    ]
    assert all(one.image.shape == (128, 128, 3) for one in drawn)
    assert any((a.image != b.image).any() for a, b in zip(drawn[:8], drawn[8:], strict=True))


def test_limits_are_checked_and_survive_json():
    with pytest.raises(ValueError, match=r"target_scale \(2.0, 1.0\) must be two positive"):
        DataConfig(target_scale=(2.0, 1.0))
    plain = Experiment("x", data=DataConfig())
    scaled = plain.changed(data={"target_scale": (0.5, 1.5)})
    values = scaled.to_dict()
    values["data"]["target_scale"] = list(values["data"]["target_scale"])
    assert Experiment.from_dict(values) == scaled and scaled.key != plain.key
