"""The stand-in for ImageNet: small crops of single objects in widely varied styles.

DAFormer's feature distance and warmup are about not forgetting a pretrained encoder, so the tiny
encoders need a pretraining. These crops use the same object drawings as the scenes, in random
colours, never in the colours of a target domain. Such a prior knows more about our streets than
ImageNet knows about real ones (same drawings, and masks); the course says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from daformer_lib.data.drawn.exhibits import STREET_OBJECTS
from daformer_lib.data.drawn.kit.canvas import Atmosphere, Camera, Canvas
from daformer_lib.data.drawn.kit.paint import Paint, RandomPaint
from daformer_lib.data.drawn.kit.palettes import random_colour
from daformer_lib.data.drawn.kit.photo import develop
from daformer_lib.data.drawn.kit.styles import Photo
from daformer_lib.data.drawn.things.distractors import ANYTHING, DISTRACTORS
from daformer_lib.specs import CITYSCAPES_CLASSES

SIZE = 64  # px
MASK_SIZE = 16  # cells
OBJECT_CLASSES: tuple[str, ...] = (*STREET_OBJECTS, *DISTRACTORS)
_DRAW: dict[str, Callable[[Canvas, Paint], None]] = STREET_OBJECTS | DISTRACTORS
SURFACES = ("vegetation", "building", "wall", "road", "sidewalk", "terrain")
LABEL_OF = {  # what the drawing writes into the label where the object is
    name: CITYSCAPES_CLASSES.index(name) if name in CITYSCAPES_CLASSES else ANYTHING
    for name in OBJECT_CLASSES
}
_STREAM = 0x0B7EC7  # keeps these random numbers apart from those of the scenes


class ObjectSample(NamedTuple):
    image: np.ndarray  # (64, 64, 3) uint8 RGB
    class_id: int  # position in OBJECT_CLASSES
    mask: np.ndarray  # (16, 16) float32 in [0, 1]: share of each cell that the object covers


class OutlinedSample(NamedTuple):
    image: np.ndarray  # (64, 64, 3) uint8 RGB
    class_id: int  # position in OBJECT_CLASSES
    outline: np.ndarray  # (64, 64) bool: where the object is


def draw_object(index: int, seed: int = 0) -> ObjectSample:
    """Sample number `index`; classes take turns, everything else is random but seeded."""
    image, class_id, outline = draw_outlined(index, seed)
    return ObjectSample(image, class_id, _cell_mask(outline))


def draw_outlined(index: int, seed: int = 0) -> OutlinedSample:
    """The same sample with the object's outline to the pixel."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, _STREAM, index)))
    class_id = index % len(OBJECT_CLASSES)
    canvas = _empty_canvas(rng)
    name = OBJECT_CLASSES[class_id]
    _DRAW[name](canvas, RandomPaint(rng))
    image, label = canvas.finish()
    image = _photograph(image, _grain_map(name, label, rng), rng)
    outline = label == LABEL_OF[name]
    if rng.random() < 0.5:
        image, outline = image[:, ::-1], outline[:, ::-1]
    return OutlinedSample(np.ascontiguousarray(image), class_id, np.ascontiguousarray(outline))


def _empty_canvas(rng: np.random.Generator) -> Canvas:
    """A camera at street level and a plain two-tone or sloped background; no label yet."""
    camera = Camera(
        focal=SIZE, centre_x=SIZE / 2, horizon_y=SIZE * rng.uniform(0.3, 0.5),
        height=rng.uniform(0.8, 1.7),
    )  # fmt: skip
    side = rng.choice((-1, 1)) * rng.uniform(0.2, 0.7)
    sun = np.array([side, 0.8, rng.uniform(-0.6, 0.2)])
    sun_x, sun_y, sun_z = (sun / np.linalg.norm(sun)).tolist()
    air = Atmosphere((sun_x, sun_y, sun_z), ambient=rng.uniform(0.6, 0.9), shadow=0.6)
    canvas = Canvas(SIZE, SIZE, camera, air)
    upper, lower = (random_colour(rng, (0.0, 0.6), (0.2, 1.0)) for _ in range(2))
    rows = canvas.image.shape[0]
    share = np.linspace(0, 1, rows)[:, None]
    if rng.random() < 0.6:  # a horizon
        share = (share > camera.horizon_y / SIZE).astype(float)
    canvas.image[:] = (upper * (1 - share) + lower * share).clip(0, 255)[:, None]
    _clutter(canvas, rng)
    return canvas


def _clutter(canvas: Canvas, rng: np.random.Generator) -> None:
    """A few shapes behind the object, so that it does not stand before nothing."""
    for _ in range(rng.integers(0, 4)):
        x, y = rng.uniform(-10, SIZE, 2)
        width, height = rng.uniform(6, 40, 2)
        box = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
        slant = np.array([rng.uniform(-8, 8), 0.0])
        box[:2] += slant
        canvas.flat(box, random_colour(rng, (0.0, 0.7), (0.15, 1.0)))


def _grain_map(name: str, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which class's grain each pixel (64, 64) gets: surfaces show their own, objects do not, lest
    the grain tell where they are."""
    if name in SURFACES:
        return label
    return np.full(label.shape, rng.integers(len(CITYSCAPES_CLASSES)), np.uint8)


def _photograph(image: np.ndarray, grain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Anything between a clean drawing and a poor photograph."""
    dull = rng.random() < 0.5
    contrast = rng.uniform(0.0, 1.5)
    photo = Photo(
        texture=(contrast, contrast), patches=rng.uniform(0.0, 0.1),
        saturation=(0.2, 1.0) if dull else (0.9, 1.2), exposure=0.3, white_balance=0.05,
        blur=(0.0, 0.8), noise=(0.0, 8.0),
    )  # fmt: skip
    return develop(image, grain, photo, rng)


def _cell_mask(covered: np.ndarray) -> np.ndarray:
    """(64, 64) bool to (16, 16) share of each cell."""
    size = (MASK_SIZE, MASK_SIZE)
    return cv2.resize(covered.astype(np.float32), size, interpolation=cv2.INTER_AREA)
