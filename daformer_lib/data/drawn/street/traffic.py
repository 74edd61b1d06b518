"""Vehicles on the road and two-wheelers beside it; the rare ones come first and stay in view."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from daformer_lib.data.drawn.street.crowd import STREET, Crowd
from daformer_lib.data.drawn.street.layout import LANE
from daformer_lib.data.drawn.things.cars import draw_car
from daformer_lib.data.drawn.things.heavy import BUS_LENGTH, TRUCK_LENGTH, draw_bus, draw_truck
from daformer_lib.data.drawn.things.trams import TRAM_LENGTH, draw_tram
from daformer_lib.data.drawn.things.two_wheelers import draw_bicycle, draw_motorcycle

LARGE = {
    "train": (draw_tram, TRAM_LENGTH),
    "bus": (draw_bus, BUS_LENGTH),
    "truck": (draw_truck, TRUCK_LENGTH),
}


def add_large_vehicles(crowd: Crowd) -> None:
    chances = crowd.style.chances
    for kind, (draw, length) in LARGE.items():
        if not crowd.happens(getattr(chances, kind)):
            continue
        for _ in range(8):
            if crowd.layout.crossing and crowd.happens(0.5):
                x, z, yaw, long, wide = _across(crowd, length)
            else:
                x, z, yaw, long, wide = _along_lane(crowd, length, kind)
            if crowd.place(x, z, wide, long, protect=True):
                crowd.add(STREET, z - long / 2, partial(draw, x=x, z=z, yaw=yaw))
                if kind == "train" and long > wide:
                    crowd.track = x
                break


def _along_lane(crowd: Crowd, length: float, kind: str) -> tuple[float, float, float, float, float]:
    """Centre, yaw, extent in z and in x of a vehicle that follows a lane."""
    rng = crowd.rng
    lane, away = crowd.layout.lanes[rng.integers(len(crowd.layout.lanes))]
    near = rng.uniform(*crowd.style.distances.large)
    if abs(lane) > 2 * LANE:
        near = max(near, 10.0)  # outer lanes come into view farther away
    yaw = 0.0 if away else np.pi
    turned = kind != "train" and crowd.happens(0.35)
    if turned:
        yaw += rng.uniform(-0.5, 0.5)
    return lane, near + length / 2, yaw, length, LANE * (1.25 if turned else 0.85)


def _across(crowd: Crowd, length: float) -> tuple[float, float, float, float, float]:
    """A vehicle in the side street, seen from its side or obliquely."""
    rng = crowd.rng
    start, end = crowd.layout.crossing
    z = rng.uniform(start + 2.0, end - 1.5)
    x = rng.uniform(-1, 1) * crowd.visible_x(z, 0.55)
    yaw = rng.choice((-1, 1)) * np.pi / 2 + rng.uniform(-0.2, 0.2)
    return x, z, yaw, 3.0, length


def add_two_wheelers(crowd: Crowd) -> None:
    chances = crowd.style.chances
    for draw, chance in ((draw_bicycle, chances.bicycle_rider),
                         (draw_motorcycle, chances.motorcycle_rider)):  # fmt: skip
        if crowd.happens(chance):
            _ride(crowd, draw)
    for draw, chance in ((draw_bicycle, chances.parked_bicycle),
                         (draw_motorcycle, chances.parked_motorcycle)):  # fmt: skip
        if crowd.happens(chance):
            _park_row(crowd, draw)


def _ride(crowd: Crowd, draw: Callable) -> None:
    rng, road = crowd.rng, crowd.layout.road
    for _ in range(10):
        z = rng.uniform(*crowd.style.distances.two_wheeler)
        reach = crowd.visible_x(z)
        x = rng.uniform(max(road[0] + 0.6, -reach), min(road[1] - 0.6, reach))
        if not crowd.place(x, z, 1.7, 1.2, protect=True):
            continue
        sideways = rng.choice((-1, 1)) * np.pi / 2 + rng.uniform(-0.6, 0.6)
        yaw = sideways if crowd.happens(0.65) else rng.choice((0.0, np.pi)) + rng.normal(0, 0.2)
        crowd.add(STREET, z, partial(draw, x=x, z=z, yaw=yaw, ridden=True))
        return


def _park_row(crowd: Crowd, draw: Callable) -> None:
    """One to three two-wheelers on a sidewalk or at the kerb."""
    rng = crowd.rng
    side = crowd.layout.sides[rng.integers(2)]
    z = rng.uniform(*crowd.style.distances.two_wheeler) + 1.5
    for i in range(rng.integers(1, 4)):
        x = side.sign * min(abs(side.between(rng.random())), crowd.visible_x(z))
        yaw = rng.choice((-1, 1)) * np.pi / 2 + rng.uniform(-0.7, 0.7)
        if crowd.place(x, z, 1.6, 0.8, protect=i == 0):
            crowd.add(STREET, z, partial(draw, x=x, z=z, yaw=yaw))
        z += rng.uniform(0.9, 2.0)


def add_cars(crowd: Crowd) -> None:
    rng, chances, layout = crowd.rng, crowd.style.chances, crowd.layout
    for _ in range(rng.poisson(chances.cars)):
        z = rng.uniform(*crowd.style.distances.car) + 2.3
        lane, away = layout.lanes[rng.integers(len(layout.lanes))]
        yaw = (0.0 if away else np.pi) + (rng.uniform(-0.4, 0.4) if crowd.happens(0.15) else 0.0)
        _place_car(crowd, lane + rng.normal(0, 0.2), z, yaw, 5.5, 2.2)
    if layout.crossing and crowd.happens(0.5):
        x, z, yaw, long, wide = _across(crowd, 4.6)
        _place_car(crowd, x, z, yaw, long, wide)
    for x in layout.parking:
        start = rng.uniform(5, 9)
        for z in start + np.arange(rng.poisson(chances.parked)) * 5.6:
            if not layout.crossing or not layout.crossing[0] - 5 < z < layout.crossing[1] + 3:
                _place_car(crowd, x, z + rng.normal(0, 0.2), rng.choice((0.0, np.pi)), 5.0, 2.0)


def _place_car(crowd: Crowd, x: float, z: float, yaw: float, long: float, wide: float) -> None:
    if crowd.place(x, z, wide, long):
        crowd.add(STREET, z - long / 2, partial(draw_car, x=x, z=z, yaw=yaw))
