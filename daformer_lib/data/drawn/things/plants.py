"""Trees, bushes and hedges: heaps of leaf blobs, lighter on top."""

from __future__ import annotations

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Plane, cast_shadow, facing_plane
from daformer_lib.specs import CITYSCAPES_CLASSES

VEGETATION = CITYSCAPES_CLASSES.index("vegetation")


def draw_tree(canvas: Canvas, paint: Paint, x: float, z: float, height: float) -> None:
    """A tree with a visible trunk and a round or tall crown."""
    rng, leaf, trunk = paint.rng, paint("leaf"), paint("trunk")
    ground = np.array([[x - 1.2, 0, z - 0.8], [x + 1.2, 0, z - 0.8],
                       [x + 1.2, 0, z + 0.8], [x - 1.2, 0, z + 0.8]])  # fmt: skip
    cast_shadow(canvas, ground, height * 0.6)
    plane = facing_plane(canvas, x, z, VEGETATION)
    thick = 0.09 + height * 0.022
    plane.polygon([(-thick, 0), (thick, 0), (thick * 0.7, height * 0.55),
                   (-thick * 0.7, height * 0.55)], trunk)  # fmt: skip
    plane.rect(thick * 0.2, 0, thick * 0.8, height * 0.5, trunk * 0.75)
    wide, bottom = height * rng.uniform(0.2, 0.32), height * rng.uniform(0.36, 0.45)
    _crown(plane, rng, leaf, wide, bottom, height)


def _crown(
    plane: Plane, rng: np.random.Generator, leaf: np.ndarray, wide: float, bottom: float, top: float
) -> None:
    """Blobs inside an ellipse, drawn from the dark underside up to the sunlit top."""
    middle, tall = (bottom + top) / 2, (top - bottom) / 2
    plane.disc(0, middle, wide * 0.85, leaf * 0.8, tall=tall / wide * 0.95)
    angles = rng.uniform(0, 2 * np.pi, 15)
    reach = np.sqrt(rng.uniform(0.15, 1.0, 15))
    spots = np.stack([np.cos(angles) * wide * reach, np.sin(angles) * tall * reach], axis=1)
    for u, y in spots[np.argsort(spots[:, 1])]:
        light = 0.84 + 0.2 * (y / tall) + rng.uniform(-0.07, 0.07)
        plane.disc(u, middle + y * 0.85, wide * rng.uniform(0.26, 0.42), leaf * light, tall=0.85)


def draw_bush(canvas: Canvas, paint: Paint, x: float, z: float, height: float) -> None:
    rng, leaf = paint.rng, paint("leaf")
    plane = facing_plane(canvas, x, z, VEGETATION)
    plane.disc(0, height * 0.3, height * 0.7, leaf * 0.78, tall=0.6)
    for _ in range(7):
        y = height * rng.uniform(0.15, 0.75)
        light = 0.8 + 0.3 * y / height
        plane.disc(rng.normal(0, height * 0.42), y, height * rng.uniform(0.25, 0.42), leaf * light)


def draw_hedge(
    canvas: Canvas, paint: Paint, x: float, side: int, z0: float, z1: float, height: float
) -> None:
    """A clipped hedge along the street, and its end that looks at the camera."""
    rng, leaf = paint.rng, paint("leaf")
    far = Plane(canvas, np.array([x, 0, z0]), np.array([0.0, 0.0, 1.0]), VEGETATION, 0.9)
    top = [[x, height, z0], [x, height, z1], [x + side, height, z1], [x + side, height, z0]]
    canvas.polygon(np.array(top, float), leaf * 1.12, VEGETATION)
    far.rect(0, 0, z1 - z0, height, leaf)
    spots = rng.uniform((0, 0.1), (z1 - z0, height), (int(4 * (z1 - z0)), 2))
    boxes = np.concatenate([spots - 0.16, spots + 0.16], axis=1)
    half = len(boxes) // 2
    far.rects(boxes[:half], leaf * 0.82)
    far.rects(boxes[half:], leaf * 1.15)
    end = facing_plane(canvas, x + side * 0.5, z0, VEGETATION)
    end.rect(-0.5, 0, 0.5, height, leaf * 0.8)
