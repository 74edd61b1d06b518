"""Buses and trucks (trams are in `trams.py`), and what tells the three long vehicles apart.

A bus is one long box with a band of windows and doors; a truck is a cab and a separate cargo box,
high above visible wheels; a tram is much longer, in sections, with a sloping nose, a stripe, no
visible wheels and a pantograph.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Frame, Plane, extrude
from daformer_lib.data.drawn.things.cars import draw_wheel
from daformer_lib.specs import CITYSCAPES_CLASSES

TRUCK = CITYSCAPES_CLASSES.index("truck")
BUS = CITYSCAPES_CLASSES.index("bus")

TRUCK_LENGTH, BUS_LENGTH = 8.0, 11.0  # metres, for those who make room


def draw_bus(canvas: Canvas, paint: Paint, x: float, z: float, yaw: float) -> None:
    """A city bus with its centre at (x, z)."""
    length, width, roof = BUS_LENGTH * paint.rng.uniform(0.85, 1.1), 2.5, 3.05
    half, colour, glass = length / 2, paint("bus"), paint("glass")
    frame = Frame(canvas, x, z, yaw, BUS)
    frame.ground_shadow(length, width, roof)
    profile = [
        (half, 0.32), (half, 1.2), (half - 0.12, roof - 0.15), (half - 0.35, roof),
        (-half + 0.2, roof), (-half, roof - 0.2), (-half, 0.32),
    ]  # fmt: skip
    extrude(frame, profile, width, colour, {3: colour * 0.92})
    across = frame.visible_side(width / 2)
    if across:
        _bus_side(frame.side(across), half, roof, colour, glass, paint)
    along = frame.visible_end(half)
    if along > 0:
        _bus_front(frame.end(along), width / 2, roof, colour, glass, paint)
    elif along:
        _bus_rear(frame.end(along), width / 2, roof, colour, glass, paint)


def _bus_side(
    plane: Plane, half: float, roof: float, colour: np.ndarray, glass: np.ndarray, paint: Paint
) -> None:
    plane.rect(-half + 0.1, 0.32, half - 0.05, 0.62, paint("dark"))
    plane.rect(-half + 0.25, 1.3, half - 0.2, 2.4, glass)  # the window band
    edges = np.linspace(-half + 0.25, half - 0.2, 8)
    for edge in edges[1:-1]:
        plane.rect(edge - 0.06, 1.3, edge + 0.06, 2.4, colour * 0.9)
    plane.rect(-half, 2.55, half - 0.3, 2.68, colour * 0.72)
    for along in (half * 0.72, -half * 0.12):  # two doors, glass down to the step
        plane.rect(along - 0.65, 0.42, along + 0.65, 2.45, colour * 0.6)
        plane.rect(along - 0.55, 0.55, along - 0.05, 2.35, glass * 1.15)
        plane.rect(along + 0.05, 0.55, along + 0.55, 2.35, glass * 1.15)
    for along in (half * 0.46, -half * 0.55):
        draw_wheel(plane, along, 0.48, paint)


def _bus_front(
    plane: Plane, half: float, roof: float, colour: np.ndarray, glass: np.ndarray, paint: Paint
) -> None:
    plane.rect(-half * 0.92, 1.15, half * 0.92, 2.45, glass)
    plane.polygon([(-half * 0.8, 1.2), (-half * 0.3, 1.2), (half * 0.1, 2.4), (-half * 0.4, 2.4)],
                  glass * 1.3)  # fmt: skip
    plane.rect(-0.04, 1.15, 0.04, 2.45, colour * 0.6)
    plane.rect(-half * 0.8, 2.52, half * 0.8, 2.9, paint("dark"))  # destination display
    plane.rect(-half * 0.55, 2.62, half * 0.45, 2.8, np.array([250, 170, 60.0]))
    plane.rect(-half, 0.32, half, 0.55, paint("dark"))
    for side in (-1, 1):
        plane.disc(side * half * 0.74, 0.8, 0.17, paint("headlight"))
        plane.rect(side * half * 1.12 - 0.1, 1.7, side * half * 1.12 + 0.1, 2.3, paint("dark"))
        plane.rect(side * half * 0.75 - 0.2, 0.0, side * half * 0.75 + 0.2, 0.34, paint("tyre"))


def _bus_rear(
    plane: Plane, half: float, roof: float, colour: np.ndarray, glass: np.ndarray, paint: Paint
) -> None:
    plane.rect(-half * 0.8, 1.65, half * 0.8, 2.5, glass)
    plane.rect(-half * 0.4, 2.6, half * 0.4, 2.85, paint("dark"))
    plane.rect(-half * 0.65, 0.75, half * 0.65, 1.35, colour * 0.7)  # engine cover
    for y in (0.85, 1.0, 1.15):
        plane.rect(-half * 0.6, y, half * 0.6, y + 0.05, colour * 0.45)
    plane.rect(-half, 0.32, half, 0.5, paint("dark"))
    for side in (-1, 1):
        inner, outer = sorted((side * half * 0.76, side * half * 0.95))
        plane.rect(inner, 0.75, outer, 1.4, paint("taillight"))
        plane.rect(side * half * 0.7 - 0.25, 0.0, side * half * 0.7 + 0.25, 0.34, paint("tyre"))


def draw_truck(canvas: Canvas, paint: Paint, x: float, z: float, yaw: float) -> None:
    """A lorry with its centre at (x, z): chassis, cargo box, gap, cab."""
    length, width = TRUCK_LENGTH * paint.rng.uniform(0.85, 1.15), 2.45
    roof, half = paint.rng.uniform(3.2, 3.7), length / 2
    cargo, cab, glass = paint("truck"), paint("cab"), paint("glass")
    frame = Frame(canvas, x, z, yaw, TRUCK)
    frame.ground_shadow(length, width, roof)
    _truck_wheels_across(frame, half, width, paint)
    chassis = [(half - 0.2, 0.55), (half - 0.2, 0.85), (-half + 0.1, 0.85), (-half + 0.1, 0.55)]
    extrude(frame, chassis, width * 0.8, paint("dark"), {})
    box_front = half - 2.25
    box = [(box_front, 0.95), (box_front, roof), (-half, roof), (-half, 0.95)]
    cab_profile = [
        (half, 0.5), (half, 1.5), (half - 0.25, 2.55), (half - 0.6, 2.7), (half - 1.85, 2.7),
        (half - 1.85, 0.5),
    ]  # fmt: skip
    draw_box = partial(_cargo_box, frame, box, half, width, roof, cargo, paint)
    draw_cab = partial(_cab, frame, cab_profile, half, width, cab, glass, paint)
    far_to_near = [draw_cab, draw_box] if frame.forward[2] > 0 else [draw_box, draw_cab]
    for part in far_to_near:
        part()
    across = frame.visible_side(width / 2)
    if across:
        for along in (half - 1.0, -half + 2.1, -half + 1.0):
            draw_wheel(frame.side(across), along, 0.52, paint)


def _cargo_box(
    frame: Frame, box: list, half: float, width: float, roof: float, cargo: np.ndarray,
    paint: Paint,
) -> None:  # fmt: skip
    extrude(frame, box, width, cargo, {})
    front = box[0][0]
    across = frame.visible_side(width / 2)
    if across:
        side = frame.side(across)
        side.rect(-half, 0.95, front, 1.1, cargo * 0.6)
        for along in np.linspace(-half, front, 7)[1:-1]:
            side.rect(along - 0.03, 1.1, along + 0.03, roof - 0.05, cargo * 0.85)
        side.rect(-half, roof - 0.12, front, roof, cargo * 0.75)
    if frame.visible_end(half) < 0:
        _truck_rear(frame.end(-half), width / 2, roof, cargo, paint)


def _truck_rear(plane: Plane, half: float, roof: float, cargo: np.ndarray, paint: Paint) -> None:
    """Two tall doors with locking bars, a striped bumper high above the road."""
    for side in (-1, 1):
        inner, outer = sorted((side * 0.05, side * half * 0.92))
        plane.rect(inner, 1.1, outer, roof - 0.12, cargo * 0.9)
        plane.rect(side * half * 0.3 - 0.04, 1.1, side * half * 0.3 + 0.04, roof - 0.12,
                   cargo * 0.55)  # fmt: skip
    plane.rect(-half * 0.9, 0.62, half * 0.9, 0.82, paint("plate"))
    for i in range(-3, 4):
        plane.rect(i * half * 0.25 - 0.1, 0.62, i * half * 0.25 + 0.06, 0.82, paint("taillight"))
    for side in (-1, 1):
        inner, outer = sorted((side * half * 0.7, side * half * 0.92))
        plane.rect(inner, 0.84, outer, 0.98, paint("taillight"))


def _cab(
    frame: Frame, profile: list, half: float, width: float, cab: np.ndarray, glass: np.ndarray,
    paint: Paint,
) -> None:  # fmt: skip
    extrude(frame, profile, width * 0.96, cab, {1: glass})
    across = frame.visible_side(width * 0.48)
    if across:
        side = frame.side(across)
        side.polygon([(half - 0.12, 1.55), (half - 0.32, 2.4), (half - 1.1, 2.4),
                      (half - 1.1, 1.55)], glass)  # fmt: skip
        side.rect(half - 1.2, 0.7, half - 1.15, 2.5, cab * 0.7)
        side.rect(half - 1.85, 0.5, half, 0.7, paint("dark"))
    if frame.visible_end(half) > 0:
        _cab_front(frame.end(half), width / 2, cab, paint)


def _cab_front(plane: Plane, half: float, cab: np.ndarray, paint: Paint) -> None:
    plane.rect(-half * 0.75, 0.85, half * 0.75, 1.35, paint("dark"))
    for y in (0.95, 1.1, 1.25):
        plane.rect(-half * 0.7, y, half * 0.7, y + 0.04, paint("metal"))
    plane.rect(-half * 0.96, 0.5, half * 0.96, 0.8, cab * 0.6)
    for side in (-1, 1):
        inner, outer = sorted((side * half * 0.62, side * half * 0.92))
        plane.rect(inner, 0.55, outer, 0.75, paint("headlight"))
        plane.rect(side * half * 1.1 - 0.12, 1.6, side * half * 1.1 + 0.12, 2.3, paint("dark"))


def _truck_wheels_across(frame: Frame, half: float, width: float, paint: Paint) -> None:
    tyre = paint("tyre")
    for along in sorted((half - 1.0, -half + 1.0), key=lambda a: -frame.forward[2] * a):
        plane = frame.end(along)
        for side in (-1, 1):
            inner, outer = sorted((side * width * 0.22, side * width * 0.48))
            plane.rect(inner, 0.0, outer, 0.9, tyre)
