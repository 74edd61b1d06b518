"""Ten objects that have nothing to do with streets (for pretraining): flat and simple."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Plane, facing_plane

ANYTHING = 0  # a label that only says "object": the mask needs no more
Art = Callable[[Plane, np.ndarray, np.ndarray], None]


def _boat(p: Plane, a: np.ndarray, b: np.ndarray) -> None:
    p.polygon([(-0.9, -0.2), (0.9, -0.2), (0.6, -0.7), (-0.6, -0.7)], a)
    p.polygon([(0.05, -0.15), (0.05, 0.9), (0.7, -0.1)], b)
    p.polygon([(-0.05, -0.15), (-0.05, 0.7), (-0.55, -0.1)], b * 0.85)


def _plane(p: Plane, a: np.ndarray, b: np.ndarray) -> None:
    p.polygon([(-1, 0.1), (0.85, 0.16), (1, 0.02), (0.85, -0.1), (-0.9, -0.06)], a)
    p.polygon([(-0.1, 0), (0.32, 0), (-0.2, -0.8), (-0.42, -0.8)], b)
    p.polygon([(-0.9, 0.05), (-0.66, 0.08), (-0.98, 0.6)], b)


def _animal(p: Plane, a: np.ndarray, b: np.ndarray) -> None:
    for u in (-0.45, -0.25, 0.25, 0.45):
        p.rect(u - 0.07, -0.8, u + 0.07, -0.1, a * 0.85)
    p.disc(0, 0, 0.62, a, tall=0.55)
    p.disc(0.62, 0.4, 0.26, a)
    p.polygon([(0.5, 0.55), (0.56, 0.9), (0.7, 0.6)], b)
    p.stroke((-0.6, 0.1), (-0.9, 0.45), 0.1, a)


def _chair(p: Plane, a: np.ndarray, b: np.ndarray) -> None:
    for u in (-0.45, 0.4):
        p.rect(u - 0.06, -0.85, u + 0.06, 0.0, b)
    p.rect(-0.52, -0.12, 0.52, 0.1, a)
    p.rect(-0.52, 0.0, -0.32, 0.9, a * 0.9)


def _ball(p: Plane, a: np.ndarray, b: np.ndarray) -> None:
    p.disc(0, 0, 0.85, a)
    p.rect(-0.83, -0.1, 0.83, 0.1, b)
    p.rect(-0.1, -0.83, 0.1, 0.83, b)


def _star(p: Plane, a: np.ndarray, b: np.ndarray) -> None:
    angles = np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2, 0.4, 0.95)
    p.polygon(np.stack([np.sin(angles) * reach, np.cos(angles) * reach], axis=1), a)


def _bottle(p: Plane, a: np.ndarray, b: np.ndarray) -> None:
    p.polygon([(-0.3, -0.9), (0.3, -0.9), (0.3, 0.25), (0.13, 0.5), (0.13, 0.9), (-0.13, 0.9),
               (-0.13, 0.5), (-0.3, 0.25)], a)  # fmt: skip
    p.rect(-0.3, -0.5, 0.3, 0.0, b)


def _clock(p: Plane, a: np.ndarray, b: np.ndarray) -> None:
    p.disc(0, 0, 0.9, a)
    p.disc(0, 0, 0.72, b)
    p.stroke((0, 0), (0, 0.58), 0.1, a)
    p.stroke((0, 0), (0.4, 0.12), 0.1, a)


def _tent(p: Plane, a: np.ndarray, b: np.ndarray) -> None:
    p.polygon([(-0.95, -0.7), (0.95, -0.7), (0, 0.8)], a)
    p.polygon([(-0.25, -0.7), (0.25, -0.7), (0, 0.25)], b)


def _umbrella(p: Plane, a: np.ndarray, b: np.ndarray) -> None:
    p.rect(-0.05, -0.9, 0.05, 0.2, b)
    angles = np.linspace(0, np.pi, 12)
    p.polygon(np.stack([np.cos(angles) * 0.95, np.sin(angles) * 0.7 + 0.1], axis=1), a)
    p.polygon([(-0.3, 0.1), (0.3, 0.1), (0, 0.8)], b)


def _exhibit(art: Art) -> Callable[[Canvas, Paint], None]:
    """The art, two units high, somewhere near the middle and leaning a little."""

    def draw(canvas: Canvas, paint: Paint) -> None:
        rng = paint.rng
        z = rng.uniform(2.0, 3.6)  # the picture shows z units
        middle = canvas.camera.height + (canvas.camera.horizon_y / canvas.camera.focal - 0.5) * z
        plane = facing_plane(
            canvas, rng.normal(0, 0.12), z, ANYTHING, y=middle + rng.normal(0, 0.12)
        )
        art(plane, paint("car"), paint("bus"))

    return draw


DISTRACTORS = {
    name: _exhibit(art)
    for name, art in (
        ("boat", _boat), ("plane", _plane), ("animal", _animal), ("chair", _chair),
        ("ball", _ball), ("star", _star), ("bottle", _bottle), ("clock", _clock),
        ("tent", _tent), ("umbrella", _umbrella),
    )
}  # fmt: skip
