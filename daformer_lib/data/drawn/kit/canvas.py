"""A canvas with a pinhole camera: paints world polygons into an image and its label at once.

World axes: x to the right, y up from the ground, z away from the camera; all in metres. The camera
stands at (0, height, 0) and looks along z. Painting is back to front (painter's algorithm) on a
raster finer than the result, so that edges come out smooth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from daformer_lib.specs import IGNORE

NEAR = 1.0  # metres: what is nearer to the camera is cut off
SUPERSAMPLE = 2  # canvas pixels per image pixel, each way
SUBPIXEL = 4  # bits of fraction that OpenCV gets with each vertex
GROUND_CLASSES = (0, 1, 9)  # road, sidewalk, terrain: what a shadow falls on

Colour = np.ndarray  # (3,) float RGB in [0, 255]


@dataclass(frozen=True)
class Camera:
    """Where world points land in the finished image."""

    focal: float  # px
    centre_x: float  # px, vanishing point of the street
    horizon_y: float  # px
    height: float  # metres above the ground


@dataclass(frozen=True)
class Atmosphere:
    """Light and air: what a surface's direction and distance do to its colour."""

    sun: tuple[float, float, float] = (-0.4, 0.8, -0.45)  # unit vector towards the light
    ambient: float = 0.74  # brightness of a surface that the sun does not reach
    haze_colour: tuple[float, float, float] = (200.0, 210.0, 220.0)
    haze_per_metre: float = 0.0  # extinction; 0.01 loses half the colour at 69 metres
    shadow: float = 0.6  # brightness of the ground in a cast shadow

    def shade(self, normal: np.ndarray) -> float:
        """Brightness factor of a surface with that outward normal (3,)."""
        facing = max(0.0, float(normal @ np.asarray(self.sun)))
        return self.ambient + (1.12 - self.ambient) * facing


class Canvas:
    """Image and label that are painted together."""

    def __init__(
        self, width: int, height: int, camera: Camera, air: Atmosphere | None = None
    ) -> None:
        self.camera = camera
        self.air = air or Atmosphere()
        shape = (height * SUPERSAMPLE, width * SUPERSAMPLE)
        self.image = np.zeros((*shape, 3), np.uint8)
        self.label = np.full(shape, IGNORE, np.uint8)
        self._focal = camera.focal * SUPERSAMPLE
        self._centre = np.array([camera.centre_x, camera.horizon_y]) * SUPERSAMPLE

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the finished image."""
        return self.label.shape[1] // SUPERSAMPLE, self.label.shape[0] // SUPERSAMPLE

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) to canvas pixels (..., 2)."""
        scale = self._focal / points[..., 2]
        screen = np.empty((*points.shape[:-1], 2))
        screen[..., 0] = self._centre[0] + scale * points[..., 0]
        screen[..., 1] = self._centre[1] + scale * (self.camera.height - points[..., 1])
        return screen

    def pixels_per_metre(self, z: float) -> float:
        """Finished-image pixels that one metre takes at distance z."""
        return self.camera.focal / max(z, NEAR)

    def through_air(self, colour: Colour, z: float) -> tuple[int, int, int]:
        """The colour as it arrives at the camera from distance z, ready for OpenCV."""
        kept = math.exp(-self.air.haze_per_metre * z)
        red, green, blue = (
            int(min(max(haze + (own - haze) * kept, 0.0), 255.0))
            for own, haze in zip(np.asarray(colour).tolist(), self.air.haze_colour, strict=True)
        )  # plain floats: three numbers are too few for numpy to be quick
        return red, green, blue

    def polygon(self, points: np.ndarray, colour: Colour, class_id: int | None = None) -> None:
        """Fill a world polygon (N, 3); without a class the label keeps what it had."""
        depths = points[:, 2].tolist()
        if min(depths) < NEAR:
            points = _clip_near(points)
            if len(points) < 3:
                return
            depths = points[:, 2].tolist()
        vertices = _fixed_point(self.project(points))
        colour = self.through_air(colour, sum(depths) / len(depths))
        self._fill(vertices, colour, class_id)

    def quads(self, points: np.ndarray, colour: Colour) -> None:
        """Fill many world quads (M, 4, 3) with one colour; the label stays."""
        points = points[points[:, :, 2].min(axis=1) >= NEAR]
        if len(points):
            colour = self.through_air(colour, float(points[:, :, 2].mean()))
            cv2.fillPoly(self.image, list(_fixed_point(self.project(points))), colour, 8, SUBPIXEL)

    def flat(self, points: np.ndarray, colour: Colour, class_id: int | None = None) -> None:
        """Fill a screen polygon (N, 2), given in pixels of the finished image."""
        vertices = _fixed_point(np.asarray(points, float) * SUPERSAMPLE)
        self._fill(vertices, self.through_air(colour, 0.0), class_id)

    def _fill(self, vertices: np.ndarray, colour: tuple, class_id: int | None) -> None:
        cv2.fillPoly(self.image, [vertices], colour, 8, SUBPIXEL)
        if class_id is not None:
            cv2.fillPoly(self.label, [vertices], int(class_id), 8, SUBPIXEL)

    def mark(self, points: np.ndarray, class_id: int) -> None:
        """Label a world polygon (N, 3) without painting it (gaps of a fence, of a wheel)."""
        points = _clip_near(points)
        if len(points) >= 3:
            cv2.fillPoly(self.label, [_fixed_point(self.project(points))], class_id, 8, SUBPIXEL)

    def shadow(self, points: np.ndarray, strength: float = 1.0) -> None:
        """Darken the ground inside a world polygon (N, 3); other classes stay lit."""
        points = _clip_near(points)
        if len(points) < 3:
            return
        vertices = _fixed_point(self.project(points))
        left, top, width, height = cv2.boundingRect(vertices >> SUBPIXEL)
        rows, columns = self.label.shape
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + width + 1, columns), min(top + height + 1, rows)
        if x0 >= x1 or y0 >= y1:
            return
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        offset = np.array([x0, y0], np.int32) << SUBPIXEL
        cv2.fillPoly(mask, [vertices - offset], 1, 8, SUBPIXEL)
        view = np.s_[y0:y1, x0:x1]
        factor = 1 - (1 - self.air.shadow) * strength
        hit = (mask > 0) & _IS_GROUND[self.label[view]]
        self.image[view][hit] = (self.image[view][hit] * np.float32(factor)).astype(np.uint8)

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Image (H, W, 3) and label (H, W) at the finished size."""
        image = cv2.resize(self.image, self.size, interpolation=cv2.INTER_AREA)
        label = self.label[SUPERSAMPLE // 2 :: SUPERSAMPLE, SUPERSAMPLE // 2 :: SUPERSAMPLE]
        return image, np.ascontiguousarray(label)


_IS_GROUND = np.isin(np.arange(256), GROUND_CLASSES)


def _fixed_point(screen: np.ndarray) -> np.ndarray:
    """Canvas pixels to OpenCV's integers; far-off vertices are held where nothing overflows."""
    limit = 1 << 14
    held = np.minimum(np.maximum(screen, -limit), limit)  # np.clip is slow on small arrays
    return np.rint(held * (1 << SUBPIXEL)).astype(np.int32)


def _clip_near(points: np.ndarray) -> np.ndarray:
    """The part of a polygon (N, 3) in front of the near plane (Sutherland-Hodgman)."""
    if points[:, 2].min() >= NEAR:
        return points
    kept = []
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        if start[2] >= NEAR:
            kept.append(start)
        if (start[2] >= NEAR) != (end[2] >= NEAR):
            kept.append(start + (end - start) * (NEAR - start[2]) / (end[2] - start[2]))
    return np.array(kept).reshape(-1, 3)
