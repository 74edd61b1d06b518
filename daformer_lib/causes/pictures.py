"""Pictures for the probes: drawn objects without their texture or shape, objects cut out of scenes,
scenes hidden but for a window.

After Geirhos et al., arXiv:1811.12231 (silhouettes, cue conflict) and Naseer et al.,
arXiv:2105.10497 (shuffled patches). Departs from them: the outline is the drawing's own, and the
other class's texture is cut from inside its object instead of being transferred by a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.drawn.objects import OBJECT_CLASSES, SIZE, OutlinedSample, draw_outlined
from daformer_lib.data.transforms import MEAN, resize_image

HELD_OUT = 1000  # added to a seed: pretraining draws from seed 0
OBJECT, GROUND = 60, 190  # grey levels of a silhouette
PATCH = 16  # px: side of a shuffled patch
TILE = 6  # px: side of a piece of texture
BLUR = 2.0  # px, standard deviation
MARGIN = 1.2  # side of a cut-out, over the longer side of its object
MIN_PIXELS = 150  # of an object that is cut out
Kind = Literal["nothing", "texture", "detail", "shape"]
Change = Callable[[OutlinedSample, OutlinedSample, np.random.Generator], np.ndarray]


class Pictures(NamedTuple):
    """Pictures of one size with their classes."""

    images: list[np.ndarray]  # N times (H, W, 3) uint8 RGB
    labels: Tensor  # (N,) int64: position in the list of classes


def draw_set(classes: Sequence[str], each: int, seed: int) -> list[OutlinedSample]:
    """`each` pictures of each class in turn, which no pretraining has seen."""
    ids = [OBJECT_CLASSES.index(name) for name in classes]
    numbers = (turn * len(OBJECT_CLASSES) + i for turn in range(each) for i in ids)
    return [draw_outlined(number, HELD_OUT + seed) for number in numbers]


def drawn_pictures(classes: Sequence[str], each: int, seed: int) -> Pictures:
    samples = draw_set(classes, each, seed)
    names = [OBJECT_CLASSES[one.class_id] for one in samples]
    labels = torch.tensor([list(classes).index(name) for name in names])
    return Pictures([one.image for one in samples], labels)


def clean(one: OutlinedSample, other: OutlinedSample, rng: np.random.Generator) -> np.ndarray:
    return one.image


def silhouette(one: OutlinedSample, other: OutlinedSample, rng: np.random.Generator) -> np.ndarray:
    """Dark on light, one grey each."""
    grey = np.where(one.outline[..., None], OBJECT, GROUND).astype(np.uint8)
    return grey.repeat(3, axis=2)


def noise(one: OutlinedSample, other: OutlinedSample, rng: np.random.Generator) -> np.ndarray:
    """The object in white noise with its own mean and spread of each channel."""
    inside = one.image[one.outline]
    if not len(inside):  # it lies outside the picture
        return one.image
    grain = rng.normal(inside.mean(0), inside.std(0), one.image.shape)
    return _filled(one, np.rint(grain.clip(0, 255)).astype(np.uint8))


def foreign(one: OutlinedSample, other: OutlinedSample, rng: np.random.Generator) -> np.ndarray:
    """The object filled with pieces from inside the other one, in random order: a cue conflict."""
    cover = cv2.boxFilter(other.outline.astype(np.float32), -1, (TILE, TILE), anchor=(0, 0))
    cover = cover[: SIZE - TILE, : SIZE - TILE]  # share of the piece that starts at each pixel
    rows, columns = np.nonzero(cover >= min(0.99, cover.max()))
    side = -(-SIZE // TILE)
    chosen = rng.integers(len(rows), size=(side, side))
    pieces = [
        [other.image[r : r + TILE, c : c + TILE] for r, c in zip(rows[line], columns[line])]
        for line in chosen
    ]
    return _filled(one, np.vstack([np.hstack(line) for line in pieces])[:SIZE, :SIZE])


def blur(one: OutlinedSample, other: OutlinedSample, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(one.image, (0, 0), BLUR)


def shuffled(one: OutlinedSample, other: OutlinedSample, rng: np.random.Generator) -> np.ndarray:
    """The whole picture's patches in random order: texture stays, shape goes."""
    side = SIZE // PATCH
    patches = one.image.reshape(side, PATCH, side, PATCH, 3).swapaxes(1, 2)
    patches = rng.permutation(patches.reshape(side**2, PATCH, PATCH, 3))
    return patches.reshape(side, side, PATCH, PATCH, 3).swapaxes(1, 2).reshape(SIZE, SIZE, 3)


def _filled(one: OutlinedSample, fill: np.ndarray) -> np.ndarray:
    return np.where(one.outline[..., None], fill, one.image)


# Name -> what is taken away, and how.
CHANGES: Mapping[str, tuple[Kind, Change]] = {
    "clean": ("nothing", clean),
    "silhouette": ("texture", silhouette),
    "noise": ("texture", noise),
    "foreign texture": ("texture", foreign),
    "blur": ("detail", blur),
    "shuffled patches": ("shape", shuffled),
}


def altered(samples: list[OutlinedSample], change: str, seed: int) -> list[np.ndarray]:
    """Each picture changed; the other object is the next one of another class."""
    alter, rng = CHANGES[change][1], np.random.default_rng((HELD_OUT, seed))
    return [alter(one, other_of(samples, i), rng) for i, one in enumerate(samples)]


def other_of(samples: list[OutlinedSample], index: int) -> OutlinedSample:
    """The next sample of another class."""
    turned = samples[index + 1 :] + samples[:index]
    return next(one for one in turned if one.class_id != samples[index].class_id)


def cut_out(dataset: SegmentationDataset, classes: Sequence[str]) -> Pictures:
    """The objects of these classes: connected areas of `MIN_PIXELS` or more, as `SIZE` squares."""
    ids = [dataset.spec.classes.index(name) for name in classes]
    enough = (dataset.class_stats().counts[:, ids] >= MIN_PIXELS).any(axis=1)
    images, labels = [], []
    for index in np.flatnonzero(enough).tolist():
        image, label = dataset.load(index)
        for place, class_id in enumerate(ids):
            found = cv2.connectedComponentsWithStats((label == class_id).astype(np.uint8))[2]
            boxes = [box for *box, area in found[1:].tolist() if area >= MIN_PIXELS]
            images += [_square(image, *box) for box in boxes]
            labels += [place] * len(boxes)
    if not images:
        raise ValueError(
            f"{dataset.spec.name}/{dataset.split} shows no {', '.join(classes)} of {MIN_PIXELS} "
            "pixels; take more images, such as those of profile study"
        )
    return Pictures(images, torch.tensor(labels, dtype=torch.int64))


def _square(image: np.ndarray, left: int, top: int, width: int, height: int) -> np.ndarray:
    """The box with a margin, at the size of a drawn object; edges go on beyond the picture."""
    side = round(MARGIN * max(width, height))
    x, y = left + (width - side) // 2 + side, top + (height - side) // 2 + side
    wide = cv2.copyMakeBorder(image, side, side, side, side, cv2.BORDER_REPLICATE)
    return resize_image(wide[y : y + side, x : x + side], (SIZE, SIZE))


class Point(NamedTuple):
    """A labelled pixel of one of several scenes."""

    scene: int
    row: int
    column: int
    class_id: int


def draw_points(
    labels: Sequence[np.ndarray], classes: int, each: int, rng: np.random.Generator
) -> list[Point]:
    """`each` pixels of each class (all, where there are fewer), scene after scene.

    Args:
        labels: (H, W) uint8 train ids.
    """
    points = []
    for class_id in range(classes):
        counts = [np.count_nonzero(label == class_id) for label in labels]
        first = np.cumsum([0, *counts])
        chosen = rng.choice(first[-1], min(each, first[-1]), replace=False)
        for number in chosen.tolist():
            scene = int(np.searchsorted(first, number, side="right")) - 1
            row, column = np.argwhere(labels[scene] == class_id)[number - first[scene]].tolist()
            points.append(Point(scene, row, column, class_id))
    return sorted(points)


def in_window(image: np.ndarray, ground: np.ndarray, point: Point, side: int) -> np.ndarray:
    """`ground` (H, W, 3) with the image's square around the point in its place."""
    top, left = max(0, point.row - side // 2), max(0, point.column - side // 2)
    window = np.s_[top : point.row + side // 2, left : point.column + side // 2]
    seen = ground.copy()
    seen[window] = image[window]
    return seen


def mean_colour(image: np.ndarray) -> np.ndarray:
    """A picture of the same size in the colour that normalisation turns into 0."""
    return np.broadcast_to(np.rint(MEAN).astype(np.uint8), image.shape)
