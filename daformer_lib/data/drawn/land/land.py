"""A piece of land seen from straight above: what is painted on it, its light, its photograph.

One metre is one pixel of the finished photo. The land is laid out in a turned frame (u, v) and bent
a little, so that no boundary is a straight line along the picture's edge. The canvas is finer than
the photo, so that edges come out smooth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from daformer_lib.data.drawn.kit.photo import smooth_noise
from daformer_lib.data.drawn.land.seasons import Turning, tone

SIDE = 128  # metres and finished pixels
FINE = 3  # canvas pixels per metre
BITS = 4  # of fraction that OpenCV gets with each vertex
FIELD, TREES, TRACK, BUILDING, WATER, SOLAR = range(6)  # train ids
OUTSIDE = 9.0  # metres beyond the picture: the shadow of what stands farther off does not reach it
SUN = np.array([0.8, 0.6])  # where shadows fall: right and down


@dataclass
class Land:
    """A scene while it is painted."""

    rng: np.random.Generator
    look: Turning
    image: np.ndarray = field(init=False)  # (SIDE * FINE, SIDE * FINE, 3) float32
    label: np.ndarray = field(init=False)  # (SIDE * FINE, SIDE * FINE) uint8
    crowns: list[tuple[np.ndarray, float, np.ndarray]] = field(default_factory=list)
    shadows: list[np.ndarray] = field(default_factory=list)  # polygons (N, 2) in metres

    def __post_init__(self) -> None:
        side = SIDE * FINE
        margin = tone(self.rng, self.look.season.margin)
        self.image = np.tile(margin.astype(np.float32), (side, side, 1))
        self.image += 6 * smooth_noise((side, side), 1, self.rng)[..., None]
        self.label = np.full((side, side), FIELD, np.uint8)
        self.angle = self.rng.uniform(0, np.pi)
        self.bend = self.rng.uniform(0.5, 3.0, 2), self.rng.uniform(0, 2 * np.pi, 2)

    def place(self, uv: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the turned frame to metres in the picture."""
        (u, v), (size, phase) = np.asarray(uv, float).T, self.bend
        u = u + size[0] * np.sin(v / 31 + phase[0])
        v = v + size[1] * np.sin(u / 37 + phase[1])
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.stack([cos * u - sin * v, sin * u + cos * v], axis=1) + SIDE / 2

    def fill(self, points: np.ndarray, colour: np.ndarray, class_id: int | None = None) -> None:
        """A polygon (N, 2) in metres; without a class the label keeps what it had."""
        vertices = [_vertices(points)]
        cv2.fillPoly(self.image, vertices, np.asarray(colour).tolist(), 8, BITS)
        if class_id is not None:
            cv2.fillPoly(self.label, vertices, class_id, 8, BITS)

    def mask(self, points: np.ndarray) -> np.ndarray:
        inside = np.zeros(self.label.shape, np.uint8)
        cv2.fillPoly(inside, [_vertices(points)], 1, 8, BITS)
        return inside > 0

    def tree(self, spot: np.ndarray, radius: float, colour: np.ndarray) -> None:
        if (np.abs(spot - SIDE / 2) < SIDE / 2 + OUTSIDE).all():
            self.crowns.append((spot, radius, colour))


def cast_shadows(land: Land) -> None:
    dark = np.zeros(land.label.shape, np.uint8)
    for polygon in land.shadows:
        cv2.fillPoly(dark, [_vertices(polygon)], 1, 8, BITS)
    length = land.look.season.shadow
    for spot, radius, _ in land.crowns:
        reach = 1.6 * radius * length
        for part in (0.35, 0.7, 1.0):
            _disc(dark, spot + SUN * reach * part, radius * (1 - 0.15 * part), 1)
    dark[land.label == BUILDING] = 0
    land.image[dark > 0] *= np.float32(land.look.season.shade)


def paint_crowns(land: Land) -> None:
    """Blobs on a dark base, brighter towards the sun."""
    rng = land.rng
    for spot, radius, colour in sorted(land.crowns, key=lambda crown: crown[1]):
        _disc(land.label, spot, radius, TREES)
        _disc(land.image, spot, radius, (colour * 0.72).tolist())
        blobs = rng.normal(0, 0.42, (7, 2)).clip(-0.62, 0.62)
        blobs = blobs[np.argsort(-blobs @ SUN)]
        lights = 0.98 - 0.32 * (blobs @ SUN) + rng.uniform(-0.06, 0.06, 7)
        sizes = radius * rng.uniform(0.26, 0.42, 7)
        for blob, light, size in zip(spot + blobs * radius, lights, sizes):
            _disc(land.image, blob, size, (colour * light).tolist())


def photograph(land: Land) -> np.ndarray:
    """The canvas at the photo's size, in the season's light, through its camera."""
    rng, season = land.rng, land.look.season
    picture = cv2.resize(land.image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    exposure = 2.0 ** rng.normal(0, 0.08)
    picture = 128 + season.contrast * (picture - 128)
    picture *= np.float32(exposure) * np.array(season.light, np.float32)
    if (sigma := rng.uniform(*season.blur)) > 0.05:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    picture += rng.uniform(*season.noise) * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.rint(picture.clip(0, 255)).astype(np.uint8)


def _vertices(points: np.ndarray) -> np.ndarray:
    """Metres to OpenCV's fixed-point canvas pixels."""
    return np.rint(np.asarray(points) * FINE * (1 << BITS)).astype(np.int32)


def _disc(canvas: np.ndarray, spot: np.ndarray, radius: float, value) -> None:
    unit = FINE * (1 << BITS)
    x, y = spot.tolist()  # plain floats: two numbers are too few for numpy to be quick
    centre = (round(x * unit), round(y * unit))
    cv2.circle(canvas, centre, round(radius * unit), value, -1, 8, BITS)


# --- shapes ------------------------------------------------------------------------------------


def edge_of(box: np.ndarray, inset: float) -> np.ndarray:
    """The edge of a parcel (N, 2), with points enough to be bent."""
    (u0, v0), (u1, v1) = box[:2] + inset, box[2:] - inset
    t = np.linspace(0, 1, 9)[:-1, None]
    corners = np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]])
    ahead = np.roll(corners, -1, axis=0)
    return np.concatenate([a + t * (b - a) for a, b in zip(corners, ahead)])


def turned(point: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * point[0] - sin * point[1], sin * point[0] + cos * point[1]])


def slab(centre: np.ndarray, half_long: float, half_wide: float, turn: float) -> np.ndarray:
    """Corners (4, 2) of a turned rectangle."""
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return np.array(
        [centre + turned(np.array([half_long * a, half_wide * b]), turn) for a, b in signs]
    )
