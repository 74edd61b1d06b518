"""What stands along a street: lamp posts, traffic lights, signs, walls and fences."""

from __future__ import annotations

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Plane, facing_plane
from daformer_lib.specs import CITYSCAPES_CLASSES

WALL = CITYSCAPES_CLASSES.index("wall")
FENCE = CITYSCAPES_CLASSES.index("fence")
POLE = CITYSCAPES_CLASSES.index("pole")
TRAFFIC_LIGHT = CITYSCAPES_CLASSES.index("traffic light")
TRAFFIC_SIGN = CITYSCAPES_CLASSES.index("traffic sign")
LAMPS = ((0.38, (245, 45, 35)), (0.0, (250, 195, 45)), (-0.38, (50, 235, 95)))  # offset, colour


def draw_post(canvas: Canvas, paint: Paint, x: float, z: float, height: float) -> Plane:
    """A bare post; returns the plane it stands in."""
    plane = facing_plane(canvas, x, z, POLE)
    colour = paint("pole")
    plane.stroke((0, 0), (0, height), 0.2, colour, least=2.0)
    plane.stroke((0, 0), (0, 0.7), 0.28, colour * 0.8, least=2.0)
    return plane


def draw_lamp_post(
    canvas: Canvas, paint: Paint, x: float, z: float, height: float, towards: int
) -> None:
    """A street lamp whose arm reaches over the road."""
    plane = draw_post(canvas, paint, x, z, height)
    colour = paint("pole")
    plane.stroke((0, height), (towards * 1.5, height + 0.25), 0.14, colour, least=1.6)
    plane.rect(towards * 1.5 - 0.35, height + 0.12, towards * 1.5 + 0.35, height + 0.34, colour)


def draw_traffic_light(canvas: Canvas, paint: Paint, x: float, z: float, arm: float = 0.0) -> None:
    """A light on its post, and with `arm` (metres, signed) another one above the road."""
    height = 5.4 if arm else 3.4
    plane = draw_post(canvas, paint, x, z, height)
    lit = int(paint.rng.integers(3))
    if arm:
        plane.stroke((0, height - 0.2), (arm, height - 0.1), 0.17, paint("pole"), least=2.0)
        draw_lamp_box(facing_plane(canvas, x + arm, z, TRAFFIC_LIGHT), 5.1, lit, paint)
    draw_lamp_box(facing_plane(canvas, x, z, TRAFFIC_LIGHT), 3.1, lit, paint)


def draw_lamp_box(plane: Plane, y: float, lit: int, paint: Paint) -> None:
    """The box with three lamps, its centre y metres up."""
    body = paint("light")
    plane.rect(-0.34, y - 0.68, 0.34, y + 0.68, body)
    plane.rect(-0.28, y - 0.62, 0.28, y + 0.62, body * 1.35 + 6)
    for i, (offset, colour) in enumerate(LAMPS):
        tone = np.array(colour, float)
        tone = tone if i == lit else tone * 0.25 + 12
        plane.disc(0, y + offset, 0.19, tone)


def draw_sign(canvas: Canvas, paint: Paint, x: float, z: float, y: float) -> None:
    """One of five signs, its centre y metres up (the post is drawn apart)."""
    plane = facing_plane(canvas, x, z, TRAFFIC_SIGN)
    rng = paint.rng
    colour, face = paint("sign"), paint("sign_face")
    radius = rng.uniform(0.42, 0.55)
    (_round, _triangle, _square, _board, _octagon)[rng.integers(5)](plane, y, radius, colour, face)


def _round(plane: Plane, y: float, r: float, colour: np.ndarray, face: np.ndarray) -> None:
    plane.disc(0, y, r, colour)
    plane.disc(0, y, r * 0.68, face)
    plane.rect(-r * 0.3, y - r * 0.3, r * 0.3, y + r * 0.3, colour * 0.4)


def _triangle(plane: Plane, y: float, r: float, colour: np.ndarray, face: np.ndarray) -> None:
    corners = np.array([(-1.05, -0.8), (1.05, -0.8), (0, 1.0)]) * r
    plane.polygon(corners + np.array([0, y]), colour)
    plane.polygon(corners * 0.56 + np.array([0, y - r * 0.08]), face)


def _square(plane: Plane, y: float, r: float, colour: np.ndarray, face: np.ndarray) -> None:
    r *= 0.9
    plane.rect(-r, y - r, r, y + r, colour)
    plane.polygon([(-r * 0.6, y - r * 0.6), (r * 0.6, y - r * 0.6), (0, y + r * 0.6)], face)


def _board(plane: Plane, y: float, r: float, colour: np.ndarray, face: np.ndarray) -> None:
    plane.rect(-r * 1.7, y - r * 0.75, r * 1.7, y + r * 0.75, colour)
    plane.rect(-r * 1.45, y + r * 0.1, r * 1.1, y + r * 0.4, face)
    plane.rect(-r * 1.45, y - r * 0.45, r * 0.5, y - r * 0.15, face)


def _octagon(plane: Plane, y: float, r: float, colour: np.ndarray, face: np.ndarray) -> None:
    angles = np.pi / 8 + np.arange(8) * np.pi / 4
    plane.polygon(np.stack([np.cos(angles), np.sin(angles)], axis=1) * r + np.array([0, y]), colour)
    plane.rect(-r * 0.65, y - r * 0.18, r * 0.65, y + r * 0.18, face)


def draw_wall(plane: Plane, paint: Paint, length: float, height: float) -> None:
    """A solid wall with courses of blocks and a coping."""
    colour = paint("wall")
    plane.rect(0, 0, length, height, colour)
    courses = max(2, int(height / 0.45))
    for i in range(1, courses):
        y = height * i / courses
        plane.rect(0, y, length, y + 0.04, colour * 0.82)
        starts = np.arange(0.6 * (i % 2), length, 1.6)
        joints = np.stack([starts, np.full_like(starts, y - height / courses), starts + 0.05,
                           np.full_like(starts, y)], axis=1)  # fmt: skip
        plane.rects(joints, colour * 0.85)
    plane.rect(0, height - 0.12, length, height + 0.06, colour * 1.15)


def draw_fence(plane: Plane, paint: Paint, length: float, height: float) -> None:
    """Posts, rails and pickets; the gaps show what is behind but are labelled fence."""
    colour, rng = paint("fence"), paint.rng
    plane.mark([(0, 0), (length, 0), (length, height), (0, height)])
    pitch = rng.uniform(0.3, 0.55)
    starts = np.arange(0, length - 0.1, pitch)
    picket = np.stack([starts, np.full_like(starts, 0.08), starts + pitch * 0.48,
                       np.full_like(starts, height)], axis=1)  # fmt: skip
    plane.rects(picket[::2], colour)
    plane.rects(picket[1::2], colour * 0.9)
    for y in (0.2, 0.75):
        plane.rect(0, y * height, length, y * height + 0.12, colour * 0.8)
    posts = np.arange(0, length, 2.4)
    plane.rects(np.stack([posts, np.zeros_like(posts), posts + 0.16,
                          np.full_like(posts, height + 0.12)], axis=1), colour * 0.7)  # fmt: skip
