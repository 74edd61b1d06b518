"""Houses along the street and the skyline at its end."""

from __future__ import annotations

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Plane
from daformer_lib.specs import CITYSCAPES_CLASSES

BUILDING = CITYSCAPES_CLASSES.index("building")
_ALONG_Z, _ALONG_X = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])


def draw_house(
    canvas: Canvas, paint: Paint, front_x: float, side: int, z0: float, z1: float, height: float
) -> None:
    """A house whose street front stands at x = front_x from z0 to z1; side is -1 left, 1 right."""
    rng, colour, roof = paint.rng, paint("building"), paint("roof")
    depth = rng.uniform(7, 11)
    pitched = rng.random() < 0.5
    rise = rng.uniform(2.0, 3.2) if pitched else 0.0
    _roof(canvas, roof, front_x, side, (z0, z1), height, depth, rise)
    street = Plane(canvas, np.array([front_x, 0, z0]), _ALONG_Z, BUILDING,
                   canvas.air.shade(-side * _ALONG_X))  # fmt: skip
    gable = _gable_plane(canvas, front_x, side, z0, depth)
    _gable(gable, depth, height, rise, colour, paint)
    _facade(street, z1 - z0, height, colour, paint)
    if rng.random() < 0.45:
        _ground_floor(street, z1 - z0, paint)
    if pitched and rng.random() < 0.5:
        _chimney(canvas, paint, front_x + side * depth * 0.4, z0 + 1.5, height + rise * 0.8)


def _gable_plane(canvas: Canvas, front_x: float, side: int, z: float, depth: float) -> Plane:
    """The end wall that looks at the camera, from its left to its right edge."""
    left = front_x if side > 0 else front_x - depth
    return Plane(canvas, np.array([left, 0, z]), _ALONG_X, BUILDING,
                 canvas.air.shade(-_ALONG_Z))  # fmt: skip


def _roof(
    canvas: Canvas, colour: np.ndarray, front_x: float, side: int, ends: tuple[float, float],
    height: float, depth: float, rise: float,
) -> None:  # fmt: skip
    """The slope above the street front (a flat roof shows only a parapet)."""
    z0, z1 = ends
    if rise:
        ridge = front_x + side * depth / 2
        eaves = front_x - side * 0.35
        corners = [[eaves, height - 0.1, z0 - 0.3], [eaves, height - 0.1, z1],
                   [ridge, height + rise, z1], [ridge, height + rise, z0 - 0.3]]  # fmt: skip
    else:
        edge = front_x - side * 0.2
        corners = [[edge, height - 0.3, z0], [edge, height - 0.3, z1],
                   [edge, height + 0.35, z1], [edge, height + 0.35, z0]]  # fmt: skip
    canvas.polygon(np.array(corners, float), colour, BUILDING)


def _gable(
    plane: Plane, depth: float, height: float, rise: float, colour: np.ndarray, paint: Paint
) -> None:
    outline = [(0, 0), (depth, 0), (depth, height)]
    outline += [(depth / 2, height + rise)] if rise else []
    plane.polygon([*outline, (0, height)], colour)
    if paint.rng.random() < 0.7:
        plane.rects(_window_grid(depth, height, paint.rng, first_floor=1), paint("glass"))


def _facade(plane: Plane, length: float, height: float, colour: np.ndarray, paint: Paint) -> None:
    rng = paint.rng
    plane.rect(0, 0, length, height, colour)
    windows = _window_grid(length, height, rng, first_floor=0)
    frame = np.array([-0.14, -0.16, 0.14, 0.1])
    plane.rects(windows + frame, colour * rng.choice((1.22, 0.8)))
    plane.rects(windows, paint("glass"))
    lit = rng.random(len(windows)) < 0.12
    plane.rects(windows[lit], paint("lit") * 0.9)
    if rng.random() < 0.4:
        plane.rect(0, 2.95, length, 3.15, colour * 0.8)  # string course
    plane.rect(0, 0, length, 0.5, colour * 0.7)  # base
    for start in np.arange(rng.uniform(1, 4), length - 1.5, rng.uniform(6, 9)):
        plane.rect(start, 0, start + 1.1, 2.2, paint("door"))


def _window_grid(
    length: float, height: float, rng: np.random.Generator, first_floor: int
) -> np.ndarray:
    """Boxes (M, 4) of all windows of a wall: u0, y0, u1, y1."""
    storey, pitch = rng.uniform(2.9, 3.4), rng.uniform(2.1, 3.2)
    wide, tall = rng.uniform(0.45, 0.68) * pitch, rng.uniform(0.48, 0.62) * storey
    columns, floors = max(1, int(length / pitch)), max(1, int(height / storey))
    u = (np.arange(columns) + 0.5) * length / columns - wide / 2
    y = np.arange(first_floor, floors) * storey + 0.95
    grid_u, grid_y = (axis.ravel() for axis in np.meshgrid(u, y))
    return np.stack([grid_u, grid_y, grid_u + wide, grid_y + tall], axis=1)


def _ground_floor(plane: Plane, length: float, paint: Paint) -> None:
    """Shops: a coloured band, wide panes, awnings."""
    colour = paint("shop")
    plane.rect(0, 0, length, 2.9, colour)
    starts = np.arange(0.4, length - 2.2, 2.8)
    panes = np.stack([starts, np.full_like(starts, 0.5), starts + 2.3,
                      np.full_like(starts, 2.3)], axis=1)  # fmt: skip
    plane.rects(panes, paint("glass") * 1.1)
    if paint.rng.random() < 0.6:
        awning = panes + np.array([-0.15, 1.7, 0.15, 0.15])
        plane.rects(awning, paint("shop") * 1.2)


def _chimney(canvas: Canvas, paint: Paint, x: float, z: float, y: float) -> None:
    plane = Plane(canvas, np.array([x, 0, z]), _ALONG_X, BUILDING, 0.9)
    plane.rect(-0.35, y - 0.6, 0.35, y + 1.1, paint("roof") * 0.85)


def draw_tower(
    canvas: Canvas, paint: Paint, x: float, z: float, width: float, height: float
) -> None:
    """A distant block that looks at the camera."""
    plane = Plane(canvas, np.array([x - width / 2, 0, z]), _ALONG_X, BUILDING)
    colour = paint("building")
    plane.rect(0, 0, width, height, colour)
    plane.rects(_window_grid(width, height, paint.rng, first_floor=0), paint("glass"))
    plane.rect(-0.3, height - 0.6, width + 0.3, height + 0.3, colour * 0.8)


def house_shadow(canvas: Canvas, front_x: float, z0: float, z1: float, height: float) -> None:
    """Shade on the ground beside a row of houses, on the side away from the sun."""
    sun_x, sun_y, sun_z = canvas.air.sun
    top = np.array([-sun_x, 0.0, -sun_z]) / max(sun_y, 0.35) * height
    near, far = np.array([front_x, 0.0, z0]), np.array([front_x, 0.0, z1])
    canvas.shadow(np.stack([near, far, far + top, near + top]), 0.8)
