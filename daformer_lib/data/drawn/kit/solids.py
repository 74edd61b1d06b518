"""Flat surfaces and simple solids in the world, on which all objects are drawn.

A `Plane` is a sheet of paper standing in the street: its art is written in metres along it and up.
A `Frame` is the local coordinate system of an object that can turn; `extrude` makes a solid from a
side view.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas, Colour

UP = np.array([0.0, 1.0, 0.0])
_ANGLES = np.linspace(0, 2 * np.pi, 14, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)  # (14, 2)

Points = Sequence[tuple[float, float]]


class Plane:
    """A drawing surface: (u metres along `direction`, y metres up) from `origin`."""

    def __init__(
        self,
        canvas: Canvas,
        origin: np.ndarray,  # (3,) world
        direction: np.ndarray,  # (3,) unit vector
        class_id: int | None,
        shade: float = 1.0,  # brightness of everything drawn here
    ) -> None:
        self.canvas = canvas
        self.origin = np.asarray(origin, float)
        self.direction = np.asarray(direction, float)
        self.class_id = class_id
        self.shade = shade

    def world(self, points: Points | np.ndarray) -> np.ndarray:
        """Plane coordinates (..., 2) to world (..., 3)."""
        points = np.asarray(points, float)
        return self.origin + points[..., :1] * self.direction + points[..., 1:] * UP

    def polygon(self, points: Points | np.ndarray, colour: Colour) -> None:
        self.canvas.polygon(self.world(points), np.asarray(colour) * self.shade, self.class_id)

    def rect(self, u0: float, y0: float, u1: float, y1: float, colour: Colour) -> None:
        self.polygon([(u0, y0), (u1, y0), (u1, y1), (u0, y1)], colour)

    def rects(self, boxes: np.ndarray, colour: Colour) -> None:
        """Many boxes (M, 4) of u0, y0, u1, y1 at once; the label stays (windows, bricks)."""
        if len(boxes):
            corners = np.asarray(boxes, float)[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]  # (M, 4, 2)
            self.canvas.quads(self.world(corners), np.asarray(colour) * self.shade)

    def disc(self, u: float, y: float, radius: float, colour: Colour, tall: float = 1.0) -> None:
        """A circle, or with `tall` an ellipse that many times as high as wide."""
        self.polygon(np.array([u, y]) + _CIRCLE * (radius, radius * tall), colour)

    def ring(self, u: float, y: float, radius: float, width: float, colour: Colour) -> None:
        """A tyre: its hole shows what is behind, but belongs to the object (as in Cityscapes)."""
        self.mark(np.array([u, y]) + _CIRCLE * radius)
        outer, inner = _CIRCLE * radius, _CIRCLE * (radius - width)
        quads = np.stack(
            [outer, np.roll(outer, -1, 0), np.roll(inner, -1, 0), inner], axis=1
        )  # (14, 4, 2)
        self.canvas.quads(self.world(quads + np.array([u, y])), np.asarray(colour) * self.shade)

    def mark(self, points: Points | np.ndarray) -> None:
        """Give an outline this plane's class without painting it."""
        if self.class_id is not None:
            self.canvas.mark(self.world(points), self.class_id)

    def stroke(
        self, start: tuple[float, float], end: tuple[float, float], width: float, colour: Colour,
        least: float = 1.2,
    ) -> None:  # fmt: skip
        """A straight bar; never thinner than `least` pixels of the finished image."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        z = float(self.origin[2] + self.direction[2] * (start[0] + end[0]) / 2)
        width = max(width, least / self.canvas.pixels_per_metre(z))
        along = end - start
        normal = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6) * width / 2
        self.polygon(np.stack([start + normal, end + normal, end - normal, start - normal]), colour)


def facing_plane(canvas: Canvas, x: float, z: float, class_id: int, y: float = 0.0) -> Plane:
    """A billboard that looks at the camera, centred on x."""
    return Plane(canvas, np.array([x, y, z]), np.array([1.0, 0.0, 0.0]), class_id)


class Frame:
    """Local axes of an object: along (forward), across (to its right), up.

    `yaw` 0 drives away from the camera (its rear shows), pi comes towards it, +-pi/2 crosses.
    """

    def __init__(self, canvas: Canvas, x: float, z: float, yaw: float, class_id: int) -> None:
        self.canvas, self.class_id = canvas, class_id
        self.centre = np.array([x, 0.0, z])
        self.forward = np.array([np.sin(yaw), 0.0, np.cos(yaw)])
        self.right = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])

    def world(self, local: np.ndarray) -> np.ndarray:
        """(N, 3) along, across, up to world."""
        ground = local[:, :1] * self.forward + local[:, 1:2] * self.right
        return self.centre + ground + local[:, 2:] * UP

    def side(self, across: float) -> Plane:
        """The plane along the object at that offset; u runs forward."""
        normal = self.right * np.sign(across)
        return self._plane(self.centre + self.right * across, self.forward, normal)

    def end(self, along: float) -> Plane:
        """The plane across the object at that offset; u runs to its right."""
        normal = self.forward * np.sign(along)
        return self._plane(self.centre + self.forward * along, self.right, normal)

    def _plane(self, origin: np.ndarray, direction: np.ndarray, normal: np.ndarray) -> Plane:
        return Plane(self.canvas, origin, direction, self.class_id, self.canvas.air.shade(normal))

    def visible_side(self, half_width: float) -> float:
        """Offset of the long side that the camera sees, 0.0 when it sees none."""
        return _visible(self.centre, self.right, half_width)

    def visible_end(self, half_length: float) -> float:
        """Offset of the front (positive) or rear (negative) that the camera sees, or 0.0."""
        return _visible(self.centre, self.forward, half_length)

    def ground_shadow(self, length: float, width: float, height: float) -> None:
        """Dark contact under the object and the shadow that the sun casts."""
        corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * (length / 2, width / 2)
        foot = self.world(np.column_stack([corners, np.zeros(4)]))
        cast_shadow(self.canvas, foot, height)
        self.canvas.shadow((foot - self.centre) * 1.06 + self.centre, 0.9)


def _visible(centre: np.ndarray, axis: np.ndarray, half: float) -> float:
    for offset in (half, -half):
        normal = axis * np.sign(offset)
        if float(normal @ (centre + axis * offset)) < 0:  # it looks back at the camera
            return offset
    return 0.0


def cast_shadow(canvas: Canvas, foot: np.ndarray, height: float) -> None:
    """Shadow of an upright body with that footprint (N, 3): its outline slid along the light."""
    sun_x, sun_y, sun_z = canvas.air.sun
    slide = np.array([-sun_x, 0.0, -sun_z]) / max(sun_y, 0.3) * height
    both = np.concatenate([foot, foot + slide])[:, [0, 2]].astype(np.float32)
    hull = cv2.convexHull(both)[:, 0]
    canvas.shadow(np.column_stack([hull[:, 0], np.zeros(len(hull)), hull[:, 1]]), 0.7)


def extrude(
    frame: Frame, profile: Points, width: float, colour: Colour, strips: dict[int, Colour]
) -> None:
    """A solid whose side view is `profile` (along, up), listed from the front over the top.

    Edge i (from point i to the next) becomes a strip across; `strips` recolours some of them.
    """
    profile = np.asarray(profile, float)
    edges = [_strip(frame, profile, i, width) for i in range(len(profile))]
    order = sorted(range(len(edges)), key=lambda i: -edges[i][0][:, 2].mean())
    for i in order:
        corners, normal = edges[i]
        eye = np.array([0.0, frame.canvas.camera.height, 0.0])
        if float(normal @ (eye - corners.mean(axis=0))) > 0:
            tone = np.asarray(strips.get(i, colour)) * frame.canvas.air.shade(normal)
            frame.canvas.polygon(corners, tone, frame.class_id)
    across = frame.visible_side(width / 2)
    if across:
        frame.side(across).polygon(profile, colour)


def _strip(
    frame: Frame, profile: np.ndarray, i: int, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """World corners (4, 3) and outward normal (3,) of edge i."""
    (a0, y0), (a1, y1) = profile[i], profile[(i + 1) % len(profile)]
    half = width / 2
    local = np.array([[a0, -half, y0], [a0, half, y0], [a1, half, y1], [a1, -half, y1]])
    length = max(float(np.hypot(a1 - a0, y1 - y0)), 1e-6)
    # Front over the top to the rear: outwards is to the right of the walk (-dy of along is +).
    normal = frame.forward * (y1 - y0) / length + UP * (a0 - a1) / length
    return frame.world(local), normal
