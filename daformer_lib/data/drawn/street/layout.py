"""The street itself: where road, sidewalks, lawns, houses and a side street lie."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.styles import DomainStyle
from daformer_lib.specs import CITYSCAPES_CLASSES

ROAD = CITYSCAPES_CLASSES.index("road")
SIDEWALK = CITYSCAPES_CLASSES.index("sidewalk")
TERRAIN = CITYSCAPES_CLASSES.index("terrain")

LANE = 3.3  # metres
PARKING = 2.2  # metres
FAR = 150.0  # metres: the end of the drawn ground
NEAR_GROUND = 1.2  # metres
KERB = 0.13  # metres high


@dataclass(frozen=True)
class Side:
    """One side of the street, from the kerb outwards; x in metres."""

    sign: int  # -1 left, 1 right
    kerb: float
    lawn: tuple[float, float] | None  # grass strip: inner and outer x
    walk: tuple[float, float]  # sidewalk: inner and outer x
    front: float  # where the houses, or the park, begin
    park: bool

    def between(self, share: float) -> float:
        """x between the kerb (0) and the outer edge of the sidewalk (1)."""
        return self.kerb + (self.walk[1] - self.kerb) * share


@dataclass(frozen=True)
class Layout:
    lanes: tuple[tuple[float, bool], ...]  # centre x, and whether it leads away from the camera
    parking: tuple[float, ...]  # centre x of the rows of parked cars
    sides: tuple[Side, Side]  # left, right
    crossing: tuple[float, float] | None  # z of a side street
    grass: int  # class of lawns and parks: terrain, or sidewalk where a domain has none

    @property
    def road(self) -> tuple[float, float]:
        return self.sides[0].kerb, self.sides[1].kerb


def sample_layout(rng: np.random.Generator, style: DomainStyle) -> Layout:
    street = style.street
    shift = rng.normal(0, 0.5)
    offsets = {2: (0, -1), 3: (1, 0, -1), 4: (1, 0, -1, -2)}[int(rng.choice(street.lanes))]
    lanes = tuple((shift + LANE * i, i >= 0) for i in offsets)
    left = min(x for x, _ in lanes) - LANE / 2
    right = max(x for x, _ in lanes) + LANE / 2
    parking = []
    if rng.random() < 0.5:
        left -= PARKING
        parking.append(left + PARKING / 2)
    if rng.random() < 0.5:
        right += PARKING
        parking.append(right - PARKING / 2)
    crossing = None
    if rng.random() < street.crossing:
        start = rng.uniform(13, 22)
        crossing = (start, start + rng.uniform(7, 9.5))
    sides = (_sample_side(rng, style, -1, left), _sample_side(rng, style, 1, right))
    grass = SIDEWALK if "terrain" in style.absent else TERRAIN
    return Layout(lanes, tuple(parking), sides, crossing, grass)


def _sample_side(rng: np.random.Generator, style: DomainStyle, sign: int, kerb: float) -> Side:
    street = style.street
    edge, lawn = kerb, None
    if rng.random() < street.lawn:
        edge = kerb + sign * rng.uniform(1.4, 3.0)
        lawn = (kerb, edge)
    outer = edge + sign * rng.uniform(*street.sidewalk)
    park = rng.random() < street.park
    front = outer + sign * (rng.uniform(0.2, 1.0) if rng.random() < 0.6 else rng.uniform(2.0, 5.0))
    return Side(sign, kerb, lawn, (edge, outer), front, bool(park))


def paint_sky(canvas: Canvas, paint: Paint) -> None:
    """A vertical gradient, paler at the horizon, with flat-bottomed clouds."""
    rng, top, cloud = paint.rng, paint("sky"), paint("cloud")
    horizon = top * 0.45 + np.array([236.0, 240.0, 244.0]) * 0.55
    rows = canvas.image.shape[0]
    share = np.linspace(0, 1.8, rows).clip(0, 1)[:, None]
    canvas.image[:] = (top * (1 - share) + horizon * share).clip(0, 255)[:, None]
    canvas.label[:] = CITYSCAPES_CLASSES.index("sky")
    width, _ = canvas.size
    for _ in range(rng.integers(0, 5)):
        x, y = rng.uniform(0, width), rng.uniform(2, canvas.camera.horizon_y * 0.6)
        _cloud(canvas, rng, x, y, cloud * 0.75 + horizon * 0.25)


def _cloud(
    canvas: Canvas, rng: np.random.Generator, x: float, y: float, colour: np.ndarray
) -> None:
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    for _ in range(6):
        radius = rng.uniform(4, 10)
        u, v = x + rng.normal(0, 12), y + rng.normal(0, 1.2)
        puff = np.stack([u + np.cos(angles) * radius * 1.7,
                         v + np.minimum(np.sin(angles), 0.25) * radius * 0.6], axis=1)  # fmt: skip
        canvas.flat(puff, colour)


def paint_ground(canvas: Canvas, paint: Paint, layout: Layout) -> None:
    """Everything flat, from the outside in, then the side street and the markings."""
    road, walk, grass = paint("road"), paint("sidewalk"), paint("terrain")
    if layout.grass == SIDEWALK:
        grass = walk * 0.9
    for side in layout.sides:
        outside = (grass, layout.grass) if side.park else (walk * 0.95, SIDEWALK)
        strip(canvas, side.front, side.sign * 200.0, *outside)
        between = (grass, layout.grass) if abs(side.front - side.walk[1]) > 1.5 else outside
        strip(canvas, side.walk[1], side.front, *between)
        strip(canvas, *side.walk, walk, SIDEWALK)
        if side.lawn:
            strip(canvas, *side.lawn, grass, layout.grass)
    strip(canvas, *layout.road, road, ROAD)
    _kerbs(canvas, layout, paint("kerb"))
    if layout.crossing:
        strip(canvas, -200.0, 200.0, road, ROAD, *layout.crossing)
    _markings(canvas, layout, paint("marking"))


def strip(
    canvas: Canvas, x0: float, x1: float, colour: np.ndarray, class_id: int | None,
    z0: float = NEAR_GROUND, z1: float = FAR,
) -> None:  # fmt: skip
    """A flat rectangle on the ground, cut into slices so that haze can grow with distance."""
    cuts = [z for z in (5.0, 9.0, 16.0, 30.0, 60.0) if z0 < z < z1]
    for near, far in zip([z0, *cuts], [*cuts, z1], strict=True):
        corners = [[x0, 0, near], [x0, 0, far], [x1, 0, far], [x1, 0, near]]
        canvas.polygon(np.array(corners, float), colour, class_id)


def _kerbs(canvas: Canvas, layout: Layout, colour: np.ndarray) -> None:
    """The stone edge: a face towards the road and a narrow top; it belongs to the sidewalk."""
    for side in layout.sides:
        x, edge = side.kerb, side.kerb + side.sign * 0.22
        if side.lawn:
            continue
        face = [[x, 0, NEAR_GROUND], [x, 0, 70.0], [x, KERB, 70.0], [x, KERB, NEAR_GROUND]]
        canvas.polygon(np.array(face), colour * 0.72, SIDEWALK)
        top = [[x, NEAR_GROUND], [x, 70.0], [edge, 70.0], [edge, NEAR_GROUND]]
        canvas.polygon(np.insert(np.array(top), 1, KERB, axis=1), colour, SIDEWALK)


def _markings(canvas: Canvas, layout: Layout, colour: np.ndarray) -> None:
    """Dashes between lanes, a solid line between directions, a zebra at the side street."""
    xs = sorted(x for x, _ in layout.lanes)
    directions = dict(layout.lanes)
    stop, go = layout.crossing or (FAR, FAR)
    for left, right in pairwise(xs):
        middle = (left + right) / 2
        if directions[left] == directions[right] or len(xs) == 2:
            starts = np.arange(2.5, 70, 6.0)
            _dashes(canvas, middle, starts[(starts < stop - 5.5) | (starts > go + 1)], colour)
        else:
            strip(canvas, middle - 0.07, middle + 0.07, colour, None, NEAR_GROUND, stop - 3.5)
            if layout.crossing:
                strip(canvas, middle - 0.07, middle + 0.07, colour, None, go + 1, 80.0)
    if layout.crossing:
        _zebra(canvas, layout, stop - 3.4, colour)


def _dashes(canvas: Canvas, x: float, starts: np.ndarray, colour: np.ndarray) -> None:
    if len(starts):
        _flat_quads(canvas, np.full_like(starts, x - 0.08), np.full_like(starts, x + 0.08),
                    starts, starts + 2.6, colour)  # fmt: skip


def _zebra(canvas: Canvas, layout: Layout, z: float, colour: np.ndarray) -> None:
    left = np.arange(layout.road[0] + 0.4, layout.road[1] - 0.6, 1.0)
    z0 = np.full_like(left, z)
    _flat_quads(canvas, left, left + 0.5, z0, z0 + 2.4, colour)


def _flat_quads(
    canvas: Canvas, x0: np.ndarray, x1: np.ndarray, z0: np.ndarray, z1: np.ndarray,
    colour: np.ndarray,
) -> None:  # fmt: skip
    ground = np.zeros_like(x0)
    corners = [(x0, z0), (x0, z1), (x1, z1), (x1, z0)]
    canvas.quads(np.stack([np.stack([x, ground, z], 1) for x, z in corners], axis=1), colour)
