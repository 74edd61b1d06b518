"""Cars: four body shapes, seen from any side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Frame, Plane, extrude
from daformer_lib.specs import CITYSCAPES_CLASSES

CAR = CITYSCAPES_CLASSES.index("car")


class CarShape(NamedTuple):
    """Side view in shares of the length (front = 0.5) and metres up."""

    length: float
    width: float
    bonnet: float  # height of the bonnet's front edge
    belt: float  # height where the windows begin
    roof: float
    cabin: tuple[float, float, float, float]  # windscreen foot and top, rear window top and foot
    tail: float  # height of the boot


SHAPES = (
    CarShape(4.5, 1.80, 0.72, 0.92, 1.45, (0.26, 0.10, -0.22, -0.40), 0.88),  # saloon
    CarShape(4.0, 1.75, 0.74, 0.94, 1.50, (0.28, 0.13, -0.36, -0.48), 0.94),  # hatchback
    CarShape(4.5, 1.88, 0.88, 1.08, 1.74, (0.28, 0.15, -0.40, -0.48), 1.05),  # off-roader
    CarShape(4.8, 1.90, 0.90, 1.12, 1.92, (0.40, 0.27, -0.46, -0.49), 1.12),  # van
)
SILL = 0.28  # metres between road and body


def draw_car(canvas: Canvas, paint: Paint, x: float, z: float, yaw: float) -> None:
    """A car with its centre at (x, z)."""
    shape = SHAPES[paint.rng.choice(4, p=(0.35, 0.35, 0.2, 0.1))]
    colour, glass = paint("car"), paint("glass")
    frame = Frame(canvas, x, z, yaw, CAR)
    frame.ground_shadow(shape.length, shape.width, shape.roof)
    _tyres_under(frame, shape, paint)
    extrude(frame, _body(shape), shape.width, colour, {0: colour * 0.96, 5: paint("dark")})
    extrude(frame, _cabin(shape), shape.width * 0.88, colour, {0: glass, 2: glass * 0.9})
    across = frame.visible_side(shape.width / 2)
    if across:
        _side_windows(frame.side(across * 0.88), shape, colour, glass)
        _side_art(frame.side(across), shape, colour, paint)
    along = frame.visible_end(shape.length / 2)
    if along:
        _end_art(frame.end(along), shape, paint, is_front=along > 0)


def _body(shape: CarShape) -> list[tuple[float, float]]:
    n = shape.length
    return [
        (0.5 * n, SILL), (0.5 * n, shape.bonnet - 0.05), (0.46 * n, shape.bonnet + 0.04),
        (shape.cabin[0] * n, shape.belt), (-0.5 * n, shape.tail), (-0.5 * n, SILL),
    ]  # fmt: skip


def _cabin(shape: CarShape) -> list[tuple[float, float]]:
    foot, top, rear_top, rear_foot = (share * shape.length for share in shape.cabin)
    low = shape.belt - 0.05
    return [(foot, low), (top, shape.roof), (rear_top, shape.roof - 0.02), (rear_foot, low)]


def _side_windows(plane: Plane, shape: CarShape, colour: np.ndarray, glass: np.ndarray) -> None:
    foot, top, rear_top, rear_foot = (share * shape.length for share in shape.cabin)
    low, high = shape.belt + 0.02, shape.roof - 0.1
    plane.polygon([(foot - 0.2, low), (top - 0.05, high), (rear_top + 0.08, high),
                   (rear_foot + 0.18, low)], glass)  # fmt: skip
    middle = (top + rear_top) / 2
    plane.rect(middle - 0.06, low, middle + 0.06, high, colour * 0.85)
    plane.polygon([(top - 0.15, high), (top - 0.45, high), (foot - 0.75, low), (foot - 0.45, low)],
                  glass * 1.25)  # fmt: skip  # a reflection


def _side_art(plane: Plane, shape: CarShape, colour: np.ndarray, paint: Paint) -> None:
    half = shape.length / 2
    plane.rect(-half * 0.95, SILL, half * 0.95, SILL + 0.1, paint("dark"))
    plane.rect(-half * 0.98, 0.58, half * 0.97, 0.63, colour * 0.78)
    plane.rect(-0.03, SILL + 0.1, 0.03, shape.belt, colour * 0.7)
    plane.rect(half * 0.9, 0.58, half * 0.99, 0.7, paint("headlight"))
    plane.rect(-half * 0.99, 0.62, -half * 0.92, 0.78, paint("taillight"))
    for along in (0.6 * half, -0.6 * half):
        draw_wheel(plane, along, 0.35, paint)


def draw_wheel(plane: Plane, along: float, radius: float, paint: Paint) -> None:
    plane.disc(along, radius + 0.03, radius * 1.18, paint("dark"))
    plane.disc(along, radius, radius, paint("tyre"))
    plane.disc(along, radius, radius * 0.5, paint("metal"))


def _tyres_under(frame: Frame, shape: CarShape, paint: Paint) -> None:
    """The four tyres below the body, as seen from the front or the rear."""
    tyre = paint("tyre")
    for along in sorted((0.42, -0.42), key=lambda a: -frame.forward[2] * a):
        plane = frame.end(along * shape.length)
        for side in (-1, 1):
            inner, outer = sorted((side * shape.width * 0.28, side * shape.width * 0.46))
            plane.rect(inner, 0.0, outer, 0.4, tyre)


def _end_art(plane: Plane, shape: CarShape, paint: Paint, is_front: bool) -> None:
    half = shape.width / 2
    top = shape.bonnet - 0.05 if is_front else shape.tail
    plane.rect(-half * 0.98, SILL, half * 0.98, SILL + 0.16, paint("dark"))
    plane.rect(-0.28, 0.44, 0.28, 0.56, paint("plate"))
    lamp = paint("headlight" if is_front else "taillight")
    for side in (-1, 1):
        inner, outer = sorted((side * half * 0.58, side * half * 0.95))
        plane.rect(inner, top - 0.24, outer, top - 0.06, lamp)
    if is_front:
        plane.rect(-half * 0.5, top - 0.22, half * 0.5, top - 0.1, paint("dark"))
