"""Bicycles and motorcycles, parked or ridden, from the side or from the front and rear."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Frame, Plane, facing_plane
from daformer_lib.data.drawn.things.people import RIDER, draw_rider_front, draw_rider_side
from daformer_lib.specs import CITYSCAPES_CLASSES

MOTORCYCLE = CITYSCAPES_CLASSES.index("motorcycle")
BICYCLE = CITYSCAPES_CLASSES.index("bicycle")
FLAT_ANGLE = 0.6  # sine of yaw: nearer to the line of sight than this, the front view is drawn


def draw_bicycle(
    canvas: Canvas, paint: Paint, x: float, z: float, yaw: float, ridden: bool = False
) -> None:
    """A bicycle, with a rider or without, its centre at (x, z)."""
    frame = Frame(canvas, x, z, yaw, BICYCLE)
    frame.ground_shadow(1.7, 0.25, 1.7 if ridden else 0.9)
    if abs(np.sin(yaw)) < FLAT_ANGLE:
        _bicycle_front(facing_plane(canvas, x, z, BICYCLE), paint)
        _seat_front(canvas, paint, x, z, yaw, ridden, 0.95)
        return
    plane = frame.side(0.01)
    _bicycle_side(plane, paint)
    if ridden:
        draw_rider_side(_for_rider(plane), paint, saddle=(-0.22, 0.98), reach=0.46)


def _seat_front(
    canvas: Canvas, paint: Paint, x: float, z: float, yaw: float, ridden: bool, seat_y: float
) -> None:
    if ridden:
        plane = facing_plane(canvas, x, z, RIDER)
        draw_rider_front(plane, paint, seat_y, is_rear=np.cos(yaw) > 0)


def _for_rider(plane: Plane) -> Plane:
    return Plane(plane.canvas, plane.origin, plane.direction, RIDER, plane.shade)


def _bicycle_side(plane: Plane, paint: Paint) -> None:
    colour, tyre = paint("bicycle"), paint("tyre")
    rear, front, radius = (-0.54, 0.35), (0.56, 0.35), 0.37
    bottom, seat, head = (-0.06, 0.33), (-0.22, 0.86), (0.42, 0.84)
    plane.mark([rear, bottom, front, head, seat])  # the frame's triangles, as Cityscapes does
    for hub in (rear, front):
        plane.ring(*hub, radius, 0.09, tyre)
        plane.disc(*hub, 0.06, paint("metal"))
        for end in ((0.0, 0.3), (0.26, -0.15), (-0.26, -0.15)):
            plane.stroke(hub, (hub[0] + end[0], hub[1] + end[1]), 0.02, paint("metal"), least=0.5)
    for start, end in (
        (rear, bottom), (rear, seat), (bottom, seat), (bottom, head), (seat, head),
        (front, (0.4, 0.98)),
    ):  # fmt: skip
        plane.stroke(start, end, 0.075, colour)
    plane.rect(-0.4, 0.88, -0.08, 0.96, tyre)  # saddle
    plane.stroke((0.3, 1.02), (0.54, 1.02), 0.07, tyre)  # handlebar
    plane.disc(-0.06, 0.33, 0.11, paint("metal"))  # chainring
    if paint.rng.random() < 0.3:
        plane.rect(0.46, 0.72, 0.78, 0.98, colour * 0.6)  # basket


def _bicycle_front(plane: Plane, paint: Paint) -> None:
    colour, tyre = paint("bicycle"), paint("tyre")
    plane.disc(0.0, 0.36, 0.1, tyre, tall=3.6)
    plane.stroke((0.0, 0.45), (0.0, 1.05), 0.11, colour)
    plane.stroke((-0.32, 1.04), (0.32, 1.04), 0.08, colour * 0.8)
    plane.disc(0.0, 0.85, 0.08, paint("headlight"))


def draw_motorcycle(
    canvas: Canvas, paint: Paint, x: float, z: float, yaw: float, ridden: bool = False
) -> None:
    """A motorcycle or a scooter, with a rider or without, its centre at (x, z)."""
    frame = Frame(canvas, x, z, yaw, MOTORCYCLE)
    frame.ground_shadow(2.0, 0.6, 1.6 if ridden else 1.0)
    if abs(np.sin(yaw)) < FLAT_ANGLE:
        _motorcycle_front(facing_plane(canvas, x, z, MOTORCYCLE), paint, np.cos(yaw) > 0)
        _seat_front(canvas, paint, x, z, yaw, ridden, 0.88)
        return
    plane = frame.side(0.01)
    art: Callable[[Plane, Paint], None] = _scooter if paint.rng.random() < 0.35 else _road_machine
    art(plane, paint)
    if ridden:
        draw_rider_side(_for_rider(plane), paint, saddle=(-0.2, 0.88), reach=0.45)


def _fat_wheel(plane: Plane, u: float, radius: float, paint: Paint) -> None:
    plane.disc(u, radius, radius, paint("tyre"))
    plane.disc(u, radius, radius * 0.52, paint("metal"))
    plane.disc(u, radius, radius * 0.25, paint("dark"))


def _road_machine(plane: Plane, paint: Paint) -> None:
    colour, dark, metal = paint("motorcycle"), paint("dark"), paint("metal")
    for u in (-0.68, 0.7):
        _fat_wheel(plane, u, 0.34, paint)
    plane.polygon([(-0.4, 0.3), (0.35, 0.26), (0.45, 0.62), (-0.35, 0.66)], dark)  # engine
    plane.disc(0.0, 0.46, 0.17, metal)
    plane.rect(-0.85, 0.3, -0.1, 0.4, metal)  # exhaust
    plane.polygon([(-0.2, 0.62), (0.42, 0.6), (0.44, 0.86), (0.2, 1.0), (-0.12, 0.9)], colour)
    plane.polygon([(-1.0, 0.86), (-0.82, 0.72), (-0.2, 0.66), (-0.15, 0.84), (-0.6, 0.84)], dark)
    plane.polygon([(-1.02, 0.9), (-0.98, 0.72), (-0.6, 0.62), (-0.5, 0.72)], colour)  # tail
    plane.stroke((0.7, 0.34), (0.42, 1.05), 0.11, metal)  # fork
    plane.polygon([(0.44, 0.62), (0.72, 0.7), (0.62, 1.12), (0.42, 1.0)], colour * 0.9)
    plane.stroke((0.22, 1.08), (0.5, 1.12), 0.08, dark)
    plane.disc(0.68, 0.86, 0.11, paint("headlight"))
    plane.disc(-1.0, 0.82, 0.06, paint("taillight"))


def _scooter(plane: Plane, paint: Paint) -> None:
    colour, dark = paint("motorcycle"), paint("dark")
    for u in (-0.55, 0.6):
        _fat_wheel(plane, u, 0.26, paint)
    plane.polygon([(-0.8, 0.4), (-0.15, 0.28), (0.3, 0.26), (0.3, 0.36), (-0.1, 0.42),
                   (-0.12, 0.72), (-0.75, 0.74)], colour)  # fmt: skip
    plane.polygon([(0.28, 0.28), (0.46, 0.3), (0.5, 0.6), (0.4, 1.0), (0.28, 0.98)], colour * 0.92)
    plane.polygon([(-0.8, 0.74), (-0.1, 0.72), (-0.12, 0.86), (-0.72, 0.88)], dark)  # seat
    plane.polygon([(0.4, 0.5), (0.85, 0.48), (0.72, 0.66), (0.44, 0.64)], colour)  # mudguard
    plane.stroke((0.22, 1.05), (0.48, 1.06), 0.09, dark)
    plane.disc(0.44, 0.88, 0.1, paint("headlight"))
    plane.disc(-0.8, 0.6, 0.07, paint("taillight"))


def _motorcycle_front(plane: Plane, paint: Paint, is_rear: bool) -> None:
    colour, dark = paint("motorcycle"), paint("dark")
    plane.disc(0.0, 0.36, 0.15, paint("tyre"), tall=2.4)
    plane.polygon([(-0.26, 0.42), (0.26, 0.42), (0.3, 0.8), (0.18, 1.06), (-0.18, 1.06),
                   (-0.3, 0.8)], colour)  # fmt: skip
    plane.stroke((-0.45, 1.04), (0.45, 1.04), 0.1, dark)
    for side in (-1, 1):
        plane.stroke((side * 0.34, 1.04), (side * 0.44, 1.22), 0.05, dark)
        plane.disc(side * 0.46, 1.24, 0.08, dark)
    if is_rear:
        plane.rect(-0.14, 0.66, 0.14, 0.76, paint("taillight"))
        plane.rect(-0.12, 0.5, 0.12, 0.62, paint("plate"))
    else:
        plane.disc(0.0, 0.84, 0.14, paint("headlight"))
