"""Augmentation as pure functions; what is random takes a ``numpy.random.Generator``.

Follows mmseg's pipeline as DAFormer configures it (Hoyer et al., arXiv:2111.14887): resize, crop,
flip, colour distortion (source-only and oracle rows), normalise, pad. No scale jitter.
Departs from it in using RGB throughout; mmseg works on BGR and turns the channels at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from daformer_lib.batch import IMAGENET_MEAN, IMAGENET_STD
from daformer_lib.data.class_stats import count_pixels
from daformer_lib.specs import IGNORE

MEAN = 255 * np.array(IMAGENET_MEAN)  # 123.675, 116.28, 103.53
STD = 255 * np.array(IMAGENET_STD)
MAX_BOXES = 11  # a crop's box is drawn at most this often; the last one is not checked


class Box(NamedTuple):
    """A crop's place in the image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, array: np.ndarray) -> np.ndarray:
        """The part of an (H, W) or (H, W, C) array; a view, smaller where the array ends."""
        return array[self.top : self.top + self.height, self.left : self.left + self.width]


def fit_size(
    own: tuple[int, int], wanted: tuple[int, int], keep_ratio: bool = False
) -> tuple[int, int]:
    """(width, height) after resizing. ``keep_ratio`` fits into ``wanted`` without stretching.

    >>> fit_size((1914, 1052), (1280, 720), keep_ratio=True)
    (1280, 704)
    """
    if not keep_ratio:
        return wanted
    long, short = max(wanted), min(wanted)
    factor = min(long / max(own), short / min(own))
    return int(own[0] * factor + 0.5), int(own[1] * factor + 0.5)


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 -> (h, w, 3) uint8, bilinear; ``size`` is (width, height)."""
    return _resize(image, size, cv2.INTER_LINEAR)


def resize_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 -> (h, w) uint8, nearest: class ids cannot be mixed."""
    return _resize(label, size, cv2.INTER_NEAREST)


def _resize(array: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    if array.shape[1::-1] == tuple(size):
        return array
    return cv2.resize(array, size, interpolation=interpolation)


def rescale_image(image: np.ndarray, scale: float) -> np.ndarray:
    """(H, W, 3) uint8 -> the same, bicubic, as CRA's augmentation does; sides are rounded down."""
    return np.asarray(Image.fromarray(image).resize(_scaled(image, scale), Image.BICUBIC))


def rescale_label(label: np.ndarray, scale: float) -> np.ndarray:
    """(H, W) uint8, nearest, to the size of the rescaled image."""
    return np.asarray(Image.fromarray(label).resize(_scaled(label, scale), Image.NEAREST))


def rescale_map(values: np.ndarray, scale: float) -> np.ndarray:
    """(H, W) float32, such as an entropy, bilinear, to the size of the rescaled image."""
    return cv2.resize(values, _scaled(values, scale), interpolation=cv2.INTER_LINEAR)


def _scaled(array: np.ndarray, scale: float) -> tuple[int, int]:
    return int(scale * array.shape[1]), int(scale * array.shape[0])


def draw_scale(
    size: tuple[int, int],
    crop: tuple[int, int],
    limits: tuple[float, float],
    rng: np.random.Generator,
) -> float:
    """Uniform within the limits, but so large that the crop is filled; sizes: (height, width)."""
    needed = max(part / side for part, side in zip(crop, size, strict=True))
    return max(rng.uniform(*limits), np.nextafter(needed, np.inf))


def draw_box(size: tuple[int, int], crop: tuple[int, int], rng: np.random.Generator) -> Box:
    """A random place for a crop; both sizes are (height, width)."""
    top = int(rng.integers(0, max(size[0] - crop[0], 0) + 1))
    left = int(rng.integers(0, max(size[1] - crop[1], 0) + 1))
    return Box(top, left, *crop)


def inside_margins(
    size: tuple[int, int], margins: tuple[int, int, int, int], box: Box
) -> np.ndarray:
    """What of a crop lies inside the margins (top, bottom, left, right) of its image (height,
    width): (h, w) bool, smaller where the image ends."""
    whole = np.zeros(size, dtype=bool)
    top, bottom, left, right = margins
    whole[top : size[0] - bottom, left : size[1] - right] = True
    return box.cut(whole)


def is_varied(label: np.ndarray, cat_max_ratio: float, ignore: int = IGNORE) -> bool:
    """Whether at least two classes are in sight and none covers ``cat_max_ratio`` of the labels."""
    counts = count_pixels(label)
    counts[ignore] = 0
    return np.count_nonzero(counts) > 1 and counts.max() / counts.sum() < cat_max_ratio


def random_crop(
    label: np.ndarray,  # (H, W) uint8
    crop: tuple[int, int],  # (height, width)
    rng: np.random.Generator,
    cat_max_ratio: float | None = None,
) -> Box:
    """A crop's box, drawn again while one class fills it; the last of 11 is taken unchecked."""
    box = draw_box(label.shape, crop, rng)
    if cat_max_ratio is None or cat_max_ratio >= 1:
        return box
    for _ in range(MAX_BOXES - 1):
        if is_varied(box.cut(label), cat_max_ratio):
            break
        box = draw_box(label.shape, crop, rng)
    return box


def random_flip(rng: np.random.Generator, probability: float = 0.5) -> bool:
    return bool(rng.random() < probability)


def flip(array: np.ndarray) -> np.ndarray:
    """Left becomes right, (H, W, ...)."""
    return array[:, ::-1]


def normalise_into(image: np.ndarray, out: np.ndarray) -> None:
    """(h, w, 3) uint8 RGB -> ImageNet-normalised, into the corner of ``out`` (3, H, W) float32."""
    inside = out[:, : image.shape[0], : image.shape[1]]
    for channel, (mean, std) in enumerate(zip(MEAN, STD, strict=True)):
        np.subtract(image[..., channel], np.float32(mean), out=inside[channel])
        inside[channel] *= np.float32(1 / std)


def stack_images(images: Sequence[np.ndarray], crop: tuple[int, int]) -> Tensor:
    """B times (h, w, 3) uint8 RGB -> (B, 3, H, W) float32, ImageNet-normalised.

    Padding below and to the right is 0 *after* normalising, that is the mean colour.
    """
    out = np.zeros((len(images), 3, *crop), dtype=np.float32)  # written in place: no second copy
    for image, place in zip(images, out, strict=True):
        normalise_into(image, place)
    return torch.from_numpy(out)


def stack_labels(
    labels: Sequence[np.ndarray], crop: tuple[int, int], ignore: int = IGNORE
) -> Tensor:
    """B times (h, w) uint8 -> (B, H, W) int64, padded with ``ignore``."""
    out = np.full((len(labels), *crop), ignore, dtype=np.int64)
    for label, place in zip(labels, out, strict=True):
        place[: label.shape[0], : label.shape[1]] = label
    return torch.from_numpy(out)


def to_tensors(image: np.ndarray, label: np.ndarray | None) -> tuple[Tensor, Tensor | None]:
    """One (H, W, 3) uint8 image -> (3, H, W) float32 normalised; its label -> (H, W) int64."""
    size = image.shape[:2]
    ids = None if label is None else stack_labels([label], size)[0]
    return stack_images([image], size)[0], ids


def photometric_distortion(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """mmseg's colour distortion of an (H, W, 3) uint8 RGB image; each part with probability 1/2.

    Brightness +-32, contrast x0.5-1.5 (before or after the other two, by a coin), saturation
    x0.5-1.5 and hue +-18 of 180. Every part rounds down to uint8, as there.
    """
    if _coin(rng):
        image = _scale_and_shift(image, 1.0, rng.uniform(-32, 32))
    contrast_first = _coin(rng)
    if contrast_first:
        image = _random_contrast(image, rng)
    if _coin(rng):
        image = _scale_saturation(image, rng.uniform(0.5, 1.5))
    if _coin(rng):
        image = _turn_hue(image, int(rng.integers(-18, 18)))
    return image if contrast_first else _random_contrast(image, rng)


def _coin(rng: np.random.Generator) -> bool:
    return bool(rng.integers(0, 2))


def _random_contrast(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _scale_and_shift(image, rng.uniform(0.5, 1.5), 0.0) if _coin(rng) else image


def _scale_and_shift(array: np.ndarray, factor: float, offset: float) -> np.ndarray:
    values = np.arange(256, dtype=np.float32) * np.float32(factor) + np.float32(offset)
    return cv2.LUT(array, np.clip(values, 0, 255).astype(np.uint8))


def _scale_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 1] = _scale_and_shift(hsv[..., 1], factor, 0.0)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _turn_hue(image: np.ndarray, degrees: int) -> np.ndarray:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + degrees) % 180  # OpenCV's hue: two degrees a step
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
