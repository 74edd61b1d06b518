"""Rare Class Sampling: draw a class, the rarer the likelier, then a source image that shows it.

Hoyer et al., DAFormer, arXiv:2111.14887, Sec. 3.3, Eq. 6-7:
P(c) = softmax over c of (1 - f_c) / T, with f_c the share of the source's pixels that show c.
Departs from the authors' code in two places. A class of which no image holds more than
``min_pixels`` is left out with a warning (they stop). A re-crop does not read the image again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
# The authors' thresholds, and what they count them on: GTA's label files, the training crop.
MIN_PIXELS, LABEL_AREA = 3000, 1914 * 1052
MIN_CROP_PIXELS, CROP_AREA = 1500, 512 * 512


def scaled_min_pixels(size: tuple[int, int]) -> int:
    """The authors' 3000 px of a GTA label file, for label files of another size.

    >>> scaled_min_pixels((1914, 1052)), scaled_min_pixels((256, 128))
    (3000, 49)
    """
    return max(1, round(MIN_PIXELS * size[0] * size[1] / LABEL_AREA))


def scaled_min_crop_pixels(crop: tuple[int, int]) -> int:
    """The authors' 1500 px of a 512x512 crop, for another crop.

    >>> scaled_min_crop_pixels((512, 512)), scaled_min_crop_pixels((128, 128))
    (1500, 94)
    """
    return max(1, round(MIN_CROP_PIXELS * crop[0] * crop[1] / CROP_AREA))


def rcs_probabilities(
    pixel_counts: Sequence[int] | np.ndarray,
    temperature: float,
    among: np.ndarray | None = None,  # (K,) bool: classes that may be drawn; all by default
) -> np.ndarray:
    """(K,) pixels per class -> (K,) float32 probabilities; 0 for a class without pixels.

    Computed in float32 as the authors do: at T = 0.001 the largest classes become exactly 0.
    """
    counts = np.asarray(pixel_counts)
    if not temperature > 0:
        raise ValueError(f"temperature {temperature} must be positive; inf draws uniformly")
    if counts.sum() == 0:
        raise ValueError("no class has any pixel; were the statistics made from empty labels?")
    present = np.flatnonzero(counts if among is None else (counts > 0) & among)
    # int64 -> float32 before the division, as torch divides integers
    frequency = counts[present].astype(np.float32) / np.float32(counts.sum())  # f_c
    logits = (np.float32(1) - frequency) / np.float32(temperature)
    weights = np.exp(logits - logits.max())
    probabilities = np.zeros(counts.shape, dtype=np.float32)
    probabilities[present] = weights / weights.sum()
    return probabilities


class RareClassSampler:
    """Draws (class, image) pairs; all look-ups are tables, so a draw costs the same at any size."""

    def __init__(
        self,
        counts: np.ndarray,  # (N, K) pixels of each class in each image, at the label file's size
        temperature: float,
        min_pixels: int,  # an image shows a class only with more pixels than this
        class_names: Sequence[str] | None = None,
    ) -> None:
        totals = counts.sum(axis=0, dtype=np.int64)  # (N, K) -> (K,)
        self.images = [np.flatnonzero(column > min_pixels).astype(np.int32) for column in counts.T]
        names = class_names or [str(c) for c in range(len(totals))]
        drawable = np.array([len(images) > 0 for images in self.images])
        _warn_of_missing(names, totals, drawable, min_pixels)
        if not drawable.any():
            raise ValueError(
                f"no image has more than {min_pixels} pixels of any class; "
                "lower rcs_min_pixels: it counts on the label file at its own size"
            )
        self.probabilities = rcs_probabilities(totals, temperature, drawable)  # (K,) float32
        self._cumulative = np.cumsum(self.probabilities, dtype=np.float64)

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """(class, image index): the class by its probability, then one of its images, uniformly."""
        point = rng.random() * self._cumulative[-1]
        chosen = int(np.searchsorted(self._cumulative, point, side="right"))
        images = self.images[chosen]
        return chosen, int(images[rng.integers(len(images))])


def _warn_of_missing(
    names: Sequence[str], totals: np.ndarray, drawable: np.ndarray, min_pixels: int
) -> None:
    absent = [name for name, total in zip(names, totals, strict=True) if total == 0]
    small = [
        name
        for name, total, ok in zip(names, totals, drawable, strict=True)
        if total > 0 and not ok
    ]
    if absent:
        warnings.warn(f"RCS: the source has no pixel of {', '.join(absent)}", stacklevel=3)
    if small:
        warnings.warn(
            f"RCS: no image has more than {min_pixels} pixels of {', '.join(small)}: never drawn; "
            "lower rcs_min_pixels to include them",
            stacklevel=3,
        )


def crop_until(
    draw_box: Callable[[], tuple[T, np.ndarray]],  # -> (box, the label (H, W) in it)
    wanted: int,  # train id
    min_crop_pixels: int,
    max_loads: int = 11,
) -> tuple[T, int]:
    """The first box with more than ``min_crop_pixels`` of the class, else the last; its number.

    The check follows every draw but the last, so ``max_loads`` boxes are drawn at most.
    """
    for load in range(1, max_loads):
        box, label = draw_box()
        if np.count_nonzero(label == wanted) > min_crop_pixels:
            return box, load
    return draw_box()[0], max_loads


def class_balanced(
    present: np.ndarray,  # (N, K) bool: which images show which classes
    rng: np.random.RandomState,
    sub_epoch: int = 3000,
) -> Iterator[int]:
    """Image numbers without end, as CRA's authors draw source images for its first stage.

    A class is the likelier the seldomer images drawn so far showed it: 1 / log(1.01 + its share of
    all presences since the sub-epoch began). Its images come in turn, shuffled when used up. Kept
    of theirs: then the first of the new order is left out, if there are more than two.

    Raises:
        ValueError: a class is in fewer than two images.
    """
    images = [np.flatnonzero(column) for column in present.T]
    if few := [i for i, shown_by in enumerate(images) if len(shown_by) < 2]:
        raise ValueError(
            f"classes {few} are in fewer than two images, and drawing class by class needs two of "
            "each; leave these columns out"
        )
    places = [0] * len(images)
    while True:
        shown = np.zeros(len(images))
        for _ in range(sub_epoch):
            weights = 1 / np.log(1.01 + shown / max(1, shown.sum()))
            chosen = rng.choice(len(images), p=weights / weights.sum())
            if places[chosen] == len(images[chosen]):
                rng.shuffle(images[chosen])
                places[chosen] = 1 if len(images[chosen]) > 2 else 0
            image = int(images[chosen][places[chosen]])
            places[chosen] += 1
            shown += present[image]
            yield image
