"""Pedestrians and riders as upright figures that face the camera."""

from __future__ import annotations

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Plane, cast_shadow, facing_plane
from daformer_lib.specs import CITYSCAPES_CLASSES

PERSON = CITYSCAPES_CLASSES.index("person")
RIDER = CITYSCAPES_CLASSES.index("rider")


def draw_person(canvas: Canvas, paint: Paint, x: float, z: float) -> None:
    """A standing or walking person with the feet at (x, z)."""
    rng = paint.rng
    height = rng.uniform(1.55, 1.9) if rng.random() < 0.88 else rng.uniform(1.15, 1.4)  # a child
    foot = np.array([[x - 0.22, 0, z - 0.1], [x + 0.22, 0, z - 0.1],
                     [x + 0.22, 0, z + 0.15], [x - 0.22, 0, z + 0.15]])  # fmt: skip
    cast_shadow(canvas, foot, height)
    plane = facing_plane(canvas, x, z, PERSON)
    top, trousers, skin = paint("top"), paint("trousers"), paint("skin")
    _legs(plane, height, trousers, rng)
    if rng.random() < 0.25:  # a coat or a skirt
        _coat(plane, height, top * 0.9)
    _torso(plane, height, top, skin, rng)
    if rng.random() < 0.2:
        plane.disc(rng.choice((-0.32, 0.32)), height * 0.42, 0.14, paint("dark"), tall=1.2)  # bag
    _head(plane, 0.0, height * 0.91, height * 0.075, skin, paint("hair"))


def _legs(plane: Plane, height: float, trousers: np.ndarray, rng: np.random.Generator) -> None:
    stride, hip = rng.uniform(0.06, 0.3), height * 0.5
    for side, tone in ((-1, 0.88), (1, 1.0)):
        knee = (side * (stride * 0.5 + 0.05), height * 0.27)
        plane.stroke((side * 0.08, hip), knee, 0.2, trousers * tone)
        plane.stroke(knee, (side * stride, 0.06), 0.16, trousers * tone)
        plane.rect(side * stride - 0.11, 0.0, side * stride + 0.13, 0.09, trousers * 0.4)


def _coat(plane: Plane, height: float, colour: np.ndarray) -> None:
    plane.polygon([(-0.2, height * 0.55), (0.2, height * 0.55), (0.28, height * 0.3),
                   (-0.28, height * 0.3)], colour)  # fmt: skip


def _torso(
    plane: Plane, height: float, top: np.ndarray, skin: np.ndarray, rng: np.random.Generator
) -> None:
    wide, swing = rng.uniform(0.22, 0.29), rng.uniform(0.02, 0.18)
    shoulder, hip = height * 0.82, height * 0.46
    for side in (-1, 1):
        hand = (side * (wide + swing), height * 0.46)
        plane.stroke((side * wide * 0.9, shoulder - 0.06), hand, 0.13, top * 0.85)
        plane.disc(*hand, 0.06, skin)
    left = [(-wide * 0.78, hip), (-wide, shoulder - 0.05), (-wide * 0.6, shoulder)]
    plane.polygon([*left, *((-u, y) for u, y in reversed(left))], top)
    plane.polygon([(wide * 0.15, shoulder), (wide, shoulder - 0.05), (wide * 0.78, hip),
                   (wide * 0.3, hip)], top * 0.9)  # fmt: skip
    plane.rect(-0.06, shoulder - 0.02, 0.06, shoulder + 0.08, skin * 0.9)


def _head(
    plane: Plane, u: float, y: float, radius: float, skin: np.ndarray, hair: np.ndarray
) -> None:
    plane.disc(u, y + radius * 0.25, radius * 1.1, hair, tall=1.15)
    plane.disc(u + radius * 0.1, y - radius * 0.1, radius * 0.9, skin, tall=1.15)
    plane.polygon([(u - radius, y + radius * 0.35), (u + radius, y + radius * 0.35),
                   (u + radius * 0.7, y + radius * 1.3), (u - radius * 0.7, y + radius * 1.3)],
                  hair)  # fmt: skip


def draw_rider_side(plane: Plane, paint: Paint, saddle: tuple[float, float], reach: float) -> None:
    """Seated, in the plane of a two-wheeler; u runs forward, `reach` is where the hands are."""
    top, trousers, skin, helmet = _clothes(paint)
    seat_u, seat_y = saddle
    shoulder = (seat_u + 0.3, seat_y + 0.52)
    for knee, foot, tone in (((0.12, -0.1), (0.1, -0.52), 0.8), ((0.3, -0.12), (0.22, -0.6), 1.0)):
        knee = (seat_u + knee[0] + 0.08, seat_y + knee[1])
        foot = (seat_u + foot[0], max(0.1, seat_y + foot[1]))
        plane.stroke((seat_u, seat_y + 0.02), knee, 0.21, trousers * tone)
        plane.stroke(knee, foot, 0.16, trousers * tone)
        plane.rect(foot[0] - 0.08, foot[1] - 0.07, foot[0] + 0.16, foot[1] + 0.02, trousers * 0.4)
    plane.polygon([(seat_u - 0.2, seat_y - 0.02), (seat_u + 0.14, seat_y - 0.04),
                   (shoulder[0] + 0.17, shoulder[1]), (shoulder[0] - 0.12, shoulder[1] + 0.08),
                   (seat_u - 0.14, seat_y + 0.3)], top)  # fmt: skip
    hand = (reach, seat_y + 0.16)
    plane.stroke(shoulder, ((shoulder[0] + reach) / 2 + 0.02, seat_y + 0.2), 0.14, top * 0.85)
    plane.stroke(((shoulder[0] + reach) / 2 + 0.02, seat_y + 0.2), hand, 0.12, top * 0.85)
    _head(plane, shoulder[0] + 0.1, shoulder[1] + 0.22, 0.13, skin, helmet)


def draw_rider_front(plane: Plane, paint: Paint, seat_y: float, is_rear: bool) -> None:
    """Seated, seen from the front or the rear, above a two-wheeler at u = 0."""
    top, trousers, skin, helmet = _clothes(paint)
    for side in (-1, 1):
        knee = (side * 0.26, seat_y - 0.08)
        plane.stroke((side * 0.12, seat_y), knee, 0.2, trousers)
        plane.stroke(knee, (side * 0.2, max(0.12, seat_y - 0.6)), 0.17, trousers * 0.9)
        plane.stroke((side * 0.24, seat_y + 0.5), (side * 0.36, seat_y + 0.14), 0.13, top * 0.85)
    left = [(-0.2, seat_y - 0.05), (-0.28, seat_y + 0.5), (-0.12, seat_y + 0.6)]
    plane.polygon([*left, *((-u, y) for u, y in reversed(left))], top)
    plane.polygon([(0.04, seat_y), (0.2, seat_y), (0.28, seat_y + 0.5), (0.1, seat_y + 0.55)],
                  top * 0.9)  # fmt: skip
    _head(plane, 0.0, seat_y + 0.72, 0.135, helmet * 0.9 if is_rear else skin, helmet)


def _clothes(paint: Paint) -> tuple[np.ndarray, ...]:
    return paint("rider"), paint("trousers"), paint("skin"), paint("helmet")
