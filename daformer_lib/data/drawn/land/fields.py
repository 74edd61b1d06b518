"""Fields from the air: parcels with furrows, hedges, tracks, ponds, farms, tree rows, solar parks.

Painting goes from the ground up: parcels, tracks, water, roofs, then shadows, then crowns.
"""

from __future__ import annotations

import cv2
import numpy as np

from daformer_lib.data.drawn.kit.photo import smooth_noise
from daformer_lib.data.drawn.land.land import (
    BUILDING,
    FIELD,
    FINE,
    SIDE,
    SOLAR,
    SUN,
    TRACK,
    TREES,
    WATER,
    Land,
    cast_shadows,
    edge_of,
    paint_crowns,
    photograph,
    slab,
    turned,
)  # fmt: skip
from daformer_lib.data.drawn.land.seasons import PANEL, PANEL_GAP, ROOFS, Crop, Turning, tone

WILD = (0.10, 0.02)  # share of parcels that are woods, and solar parks
PANEL_SIZE = np.array([6.0, 3.2])  # metres


def draw_fields(
    season: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:  # (SIDE, SIDE, 3) uint8 RGB, (SIDE, SIDE) uint8 train id
    """A photo from the air and its label."""
    land = Land(rng, Turning(rng, season))
    parcels, lines = _lay_out(rng)
    for parcel in parcels:
        _parcel(land, parcel)
    for start, end in lines:
        _boundary(land, start, end)
    for chance, build in ((0.2, _pond), (0.35, _farm)):
        spot = _open_spot(land)
        if spot is not None and rng.random() < chance:
            build(land, spot)
    for _ in range(rng.integers(0, 4)):  # trees that stand alone
        land.tree(rng.uniform(0, SIDE, 2), rng.uniform(2.2, 4.2), land.look.leaf())
    cast_shadows(land)
    paint_crowns(land)
    return photograph(land), land.label[FINE // 2 :: FINE, FINE // 2 :: FINE].copy()


# --- layout ---------------------------------------------------------------------------------


def _lay_out(rng: np.random.Generator) -> tuple[list[np.ndarray], list[tuple]]:
    """Parcels (u0, v0, u1, v1) and the lines between them, by cutting again and again."""
    parcels, lines, open_ = [], [], [np.array([-105.0, -105.0, 105.0, 105.0])]
    while open_:
        box = open_.pop()
        wide, high = box[2:] - box[:2]
        if max(wide, high) < rng.uniform(45, 90):
            parcels.append(box)
            continue
        axis = int(high > wide) if rng.random() < 0.85 else int(high < wide)
        at = box[axis] + (box[2 + axis] - box[axis]) * rng.uniform(0.33, 0.67)
        first, second = box.copy(), box.copy()
        first[2 + axis] = second[axis] = at
        ends = np.array([box[:2], box[2:]])
        ends[:, axis] = at
        lines.append((ends[0], ends[1]))
        open_ += [first, second]
    return parcels, lines


def _parcel(land: Land, box: np.ndarray) -> None:
    rng = land.rng
    outline = land.place(edge_of(box, rng.uniform(0.6, 1.6)))
    kind = rng.random() if min(box[2:] - box[:2]) > 14 else 1.0  # a strip is always a field
    crop = land.look.crop()
    if kind < WILD[0]:
        _wood(land, box)
    elif kind < sum(WILD):
        _solar_park(land, box)
    else:
        _sow(land, outline, crop)


def _sow(land: Land, outline: np.ndarray, crop: Crop) -> None:
    """Fill a parcel with rows of a crop."""
    left, top, wide, high = cv2.boundingRect(np.rint(outline * FINE).astype(np.int32))
    side = land.label.shape[0]
    view = np.s_[max(top, 0) : min(top + high, side), max(left, 0) : min(left + wide, side)]
    inside = land.mask(outline)[view]
    if inside.any():
        y, x = np.mgrid[view].astype(np.float32) / FINE
        land.image[view][inside] = _rows(land, crop, x, y)[inside]


def _rows(land: Land, crop: Crop, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(h, w, 3) rows of a crop, in the direction of the parcels, at places (h, w) in metres."""
    rng = land.rng
    row, gap = tone(rng, crop.tones[0]), tone(rng, crop.tones[1], 4)
    turn = land.angle + (np.pi / 2 if rng.random() < 0.5 else 0) + rng.normal(0, 0.03)
    smooth, fine = smooth_noise(x.shape, 3, rng), smooth_noise(x.shape, 1, rng)
    across = -np.sin(turn) * x + np.cos(turn) * y + 0.25 * smooth
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * across / rng.uniform(*crop.spacing))
    picture = gap + wave[..., None] * (row - gap)
    if crop.tramlines:
        beat = across % rng.uniform(11, 16)
        picture[(beat < 0.5) | ((beat > 1.7) & (beat < 2.2))] = 0.8 * gap
    return picture + (crop.grain * (smooth + 0.6 * fine))[..., None]


# --- what stands in it ----------------------------------------------------------------------


def _open_spot(land: Land, tries: int = 12, around: int = 13) -> np.ndarray | None:
    """A place (2,) with nothing but field around it; None where there is hardly any."""
    for spot in land.rng.uniform(18, SIDE - 18, (tries, 2)):
        left, top = ((spot - around) * FINE).astype(int)
        view = land.label[top : top + 2 * around * FINE, left : left + 2 * around * FINE]
        if (view == FIELD).mean() > 0.97:
            return spot
    return None


def _boundary(land: Land, start: np.ndarray, end: np.ndarray) -> None:
    """What grows or runs between two parcels."""
    rng, length = land.rng, float(np.abs(end - start).sum())
    points = np.linspace(start, end, max(2, int(length / 6)))
    kind = rng.random()
    if kind < 0.24:
        _track(land, land.place(points))
    elif kind < 0.62:
        steps = np.linspace(start, end, max(2, int(length / 1.5)))
        gap = rng.random()  # where a gate is
        for k, spot in enumerate(land.place(steps + rng.normal(0, 0.35, steps.shape))):
            if abs(k / len(steps) - gap) > 0.04:
                land.tree(spot, rng.uniform(1.2, 2.3), land.look.shrub())
    elif kind < 0.8:
        step = rng.uniform(7, 11)
        for spot in land.place(np.linspace(start, end, max(2, int(length / step)))):
            if rng.random() < 0.9:
                land.tree(spot + rng.normal(0, 0.5, 2), rng.uniform(2.4, 4.0), land.look.leaf())


def _track(land: Land, middle: np.ndarray) -> None:
    """A farm track with the grass between its two ruts."""
    rng = land.rng
    colour, wide = tone(rng, land.look.season.track), rng.uniform(1.7, 2.4)
    along = np.gradient(middle, axis=0)
    side = np.stack([-along[:, 1], along[:, 0]], axis=1)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    for half, paint in ((wide, colour), (0.3, 0.45 * colour + 0.5 * np.array([120, 140, 80]))):
        ribbon = np.concatenate([middle + half * side, (middle - half * side)[::-1]])
        land.fill(ribbon, paint, TRACK)


def _wood(land: Land, box: np.ndarray) -> None:
    rng = land.rng
    land.fill(land.place(edge_of(box, 2.0)), tone(rng, (62, 70, 40)), TREES)
    low, high = box[:2] + 2.5, box[2:] - 2.5
    count = int(np.prod(high - low) / 17)
    for spot in land.place(rng.uniform(low, high, (count, 2))):
        land.tree(spot, rng.uniform(2.2, 4.2), land.look.leaf())


def _solar_park(land: Land, box: np.ndarray) -> None:
    """Rows of panels on a part of a parcel; the grass between them belongs to the park."""
    rng = land.rng
    middle, half = (box[:2] + box[2:]) / 2, np.minimum((box[2:] - box[:2]) / 2 - 3, 19)

    def rectangle(low: np.ndarray, high: np.ndarray, colour, class_id: int | None = None) -> None:
        land.fill(land.place(edge_of(np.concatenate([low, high]), 0)), colour, class_id)

    rectangle(middle - half, middle + half, PANEL_GAP, SOLAR)
    colour = tone(rng, PANEL, 4)
    for v in np.arange(-half[1] + 1, half[1] - 3, 4.6):
        for u in np.arange(-half[0] + 1, half[0] - 5, 6.4):
            corner = middle + np.array([u, v])
            rectangle(corner, corner + PANEL_SIZE, colour)
            rectangle(corner + 0.2, corner + PANEL_SIZE * (0.97, 0.37), colour * 1.35)


def _pond(land: Land, centre: np.ndarray) -> None:
    rng = land.rng
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    waves = sum(rng.normal(0, 0.1) * np.cos(k * angles + rng.uniform(0, 6)) for k in (1, 2, 3))
    edge = np.stack([np.cos(angles), np.sin(angles)], 1) * (1 + waves)[:, None]
    edge = edge * rng.uniform(8, 14) * np.array([1.0, rng.uniform(0.6, 0.95)])
    water = tone(rng, land.look.season.water)
    land.crowns = [c for c in land.crowns if np.linalg.norm(c[0] - centre) > 14]
    land.fill(centre + 1.12 * edge, 0.6 * np.array(land.look.season.margin), FIELD)
    land.fill(centre + edge, water, WATER)
    land.fill(centre + 0.72 * edge + 0.6, water * 0.9, WATER)
    land.fill(centre + 0.18 * edge - 2, water * 1.12, WATER)
    for angle in rng.uniform(0, 2 * np.pi, rng.integers(2, 6)):
        spot = centre + 1.3 * edge[int(angle / (2 * np.pi) * 40) % 40]
        land.tree(spot, rng.uniform(1.8, 3.2), land.look.leaf())


def _farm(land: Land, centre: np.ndarray) -> None:
    """A yard with houses and barns around it, and a few trees."""
    rng = land.rng
    turn = land.angle + rng.choice([0, np.pi / 2])
    land.crowns = [c for c in land.crowns if np.linalg.norm(c[0] - centre) > 15]
    yard = slab(centre, 15, 12, turn)
    land.fill(yard, tone(rng, land.look.season.track) * 0.95, TRACK)
    places = np.array([[-9, -7], [8, -7], [-9, 7], [9, 6]])[rng.permutation(4)]
    for offset in places[: rng.integers(2, 5)]:
        long, wide = rng.uniform(6, 10), rng.uniform(3.2, 4.8)
        spot = centre + turned(offset, turn)
        _house(land, spot, long, wide, turn + rng.choice([0, np.pi / 2], p=[0.7, 0.3]))
    for _ in range(rng.integers(2, 6)):
        away = rng.uniform(16, 21) * turned(np.array([1.0, 0.0]), rng.uniform(0, 2 * np.pi))
        land.tree(centre + away, rng.uniform(2.4, 4.2), land.look.leaf())


def _house(land: Land, spot: np.ndarray, long: float, wide: float, turn: float) -> None:
    """A gable roof: the side towards the sun is brighter."""
    rng = land.rng
    roof = tone(rng, ROOFS[rng.integers(len(ROOFS))])
    outline = slab(spot, long, wide, turn)
    fall = SUN * land.look.season.shadow * 5.0
    land.shadows.append(cv2.convexHull(np.r_[outline, outline + fall].astype(np.float32))[:, 0])
    land.fill(outline, roof * 0.78, BUILDING)
    towards = turned(np.array([0.0, 1.0]), turn)
    lit = -np.sign(towards @ SUN) * towards
    land.fill(slab(spot + lit * wide / 2, long, wide / 2, turn), roof * 1.08)
    land.fill(slab(spot, long, 0.25, turn), roof * 1.25)
