"""Everything beside the road: posts, houses, parks, walls, trees, people, and the skyline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Plane
from daformer_lib.data.drawn.kit.styles import Chances
from daformer_lib.data.drawn.street.crowd import (
    BARRIERS,
    GARDENS,
    HOUSES,
    SKYLINE,
    STREET,
    Crowd,
)
from daformer_lib.data.drawn.street.layout import Layout, Side
from daformer_lib.data.drawn.things.buildings import draw_house, draw_tower
from daformer_lib.data.drawn.things.furniture import (
    FENCE,
    WALL,
    draw_fence,
    draw_lamp_post,
    draw_post,
    draw_sign,
    draw_traffic_light,
    draw_wall,
)
from daformer_lib.data.drawn.things.people import draw_person
from daformer_lib.data.drawn.things.plants import draw_bush, draw_hedge, draw_tree


def add_posts(crowd: Crowd, side: Side) -> None:
    rng, chances = crowd.rng, crowd.style.chances
    x = side.kerb + side.sign * rng.uniform(0.3, 0.7)
    if crowd.happens(chances.traffic_light * 0.6):
        arm = -side.sign * rng.uniform(1.8, 3.6) if crowd.happens(0.5) else 0.0
        _stand(crowd, side, x, partial(draw_traffic_light, arm=arm))
    for _ in range(rng.poisson(chances.signs / 2)):
        _stand(crowd, side, x, partial(_signpost, y=rng.uniform(2.2, 2.7)))
    if crowd.happens(chances.lamps):
        height = rng.uniform(5.0, 7.0)
        for z in np.arange(rng.uniform(6, 13), 55, rng.uniform(11, 18)):
            if crowd.place(x, z, 0.4, 0.4):
                crowd.add(STREET, z, partial(draw_lamp_post, x=x, z=z, height=height,
                                             towards=-side.sign))  # fmt: skip


def _stand(crowd: Crowd, side: Side, x: float, draw: Callable) -> None:
    """Something on a post near the kerb, inside the picture and not hidden by later things."""
    for _ in range(5):
        z = crowd.rng.uniform(*crowd.style.distances.post)
        near = side.sign * min(abs(x), crowd.visible_x(z, 0.9))
        if crowd.place(near, z, 1.0, 0.5, protect=True):
            crowd.add(STREET, z, partial(draw, x=near, z=z))
            return


def _signpost(canvas: Canvas, paint: Paint, x: float, z: float, y: float) -> None:
    draw_post(canvas, paint, x, z, y + 0.2)
    draw_sign(canvas, paint, x, z, y)


def _in_crossing(layout: Layout, z0: float, z1: float) -> bool:
    return bool(layout.crossing) and z0 < layout.crossing[1] + 1 and z1 > layout.crossing[0] - 1


def add_backdrop(crowd: Crowd, side: Side) -> None:
    """A row of houses, or the trees of a park; a side street stays open."""
    rng, z = crowd.rng, crowd.rng.uniform(1.5, 6.0)
    while z < 95:
        length = rng.uniform(8, 17)
        if _in_crossing(crowd.layout, z, z + length):
            room = crowd.layout.crossing[0] - 1 - z
            if room < 5:
                z = crowd.layout.crossing[1] + 1.5
                continue
            length = room
        if side.park:
            _park_plot(crowd, side, z, length)
        elif crowd.happens(0.86):
            height = rng.uniform(5.5, 15.0)
            crowd.add(HOUSES, z + length, partial(
                draw_house, front_x=side.front, side=side.sign, z0=z, z1=z + length, height=height,
            ))  # fmt: skip
        z += length + (0.0 if crowd.happens(0.6) else rng.uniform(1.0, 5.0))


def _park_plot(crowd: Crowd, side: Side, z: float, length: float) -> None:
    rng = crowd.rng
    for _ in range(rng.integers(1, 4)):
        spot, x = z + rng.uniform(0, length), side.front + side.sign * rng.uniform(2.5, 16)
        if crowd.happens(0.65):
            draw = partial(draw_tree, x=x, z=spot, height=rng.uniform(5, 9))
        else:
            draw = partial(draw_bush, x=x, z=spot, height=rng.uniform(1.2, 2.6))
        crowd.add(GARDENS, spot, draw)


def add_barrier(crowd: Crowd, side: Side) -> None:
    """A wall, a fence or a hedge behind the sidewalk."""
    rng, chances = crowd.rng, crowd.style.chances
    kind = rng.choice(("wall", "fence", "hedge", ""), p=_barrier_odds(chances))
    if not kind:
        return
    z0, x = rng.uniform(3, 11), side.walk[1] + side.sign * 0.1
    z1 = z0 + rng.uniform(8, 26)
    if crowd.layout.crossing:
        z1 = min(z1, crowd.layout.crossing[0] - 0.5)
    height = rng.uniform(1.5, 2.4) if kind == "wall" else rng.uniform(1.2, 1.8)
    if kind == "hedge":
        draw = partial(draw_hedge, x=x, side=side.sign, z0=z0, z1=z1, height=height)
    else:
        draw = partial(_street_barrier, kind=kind, x=x, z0=z0, z1=z1, height=height)
    crowd.add(BARRIERS, z1, draw)


def _barrier_odds(chances: Chances) -> np.ndarray:
    odds = np.array([chances.wall, chances.fence, chances.hedge, 0.0]) * 0.6
    odds[3] = max(0.0, 1 - odds.sum())
    return odds / odds.sum()


def _street_barrier(
    canvas: Canvas, paint: Paint, kind: str, x: float, z0: float, z1: float, height: float
) -> None:
    class_id, draw = (WALL, draw_wall) if kind == "wall" else (FENCE, draw_fence)
    normal = np.array([-np.sign(x), 0.0, 0.0])
    plane = Plane(canvas, np.array([x, 0, z0]), np.array([0.0, 0.0, 1.0]), class_id,
                  canvas.air.shade(normal))  # fmt: skip
    draw(plane, paint, z1 - z0, height)


def add_kerb_trees(crowd: Crowd, side: Side) -> None:
    """Trees at the kerb."""
    rng = crowd.rng
    inner, outer = side.lawn or side.walk
    x = inner + (outer - inner) * 0.4
    for _ in range(rng.poisson(crowd.style.chances.trees / 2)):
        z = rng.uniform(8, 45)
        if crowd.place(x, z, 1.2, 2.0):
            draw = partial(draw_tree, x=x, z=z, height=rng.uniform(4.5, 7.5))
            crowd.add(STREET, z, draw)


def add_people(crowd: Crowd, side: Side) -> None:
    rng, road = crowd.rng, crowd.layout.road
    for _ in range(rng.poisson(crowd.style.chances.people / 2)):
        z = rng.uniform(*crowd.style.distances.person)
        if crowd.happens(0.85):
            x = side.between(rng.uniform(0.08, 1.0))
            if abs(x) > crowd.visible_x(z, 0.95):
                z = abs(x) / crowd.visible_x(1.0, 0.95) + rng.uniform(0, 4)
        else:
            x = rng.uniform(*road)
        if crowd.place(x, z, 0.6, 0.5):
            crowd.add(STREET, z, partial(draw_person, x=x, z=z))


def add_skyline(crowd: Crowd) -> None:
    """What closes the view: distant blocks and trees."""
    rng = crowd.rng
    for x in np.linspace(-110, 110, 15) + rng.normal(0, 4, 15):
        z = rng.uniform(100, 125)
        if crowd.happens(0.45):
            draw = partial(draw_tower, x=x, z=z, width=rng.uniform(9, 20),
                           height=rng.uniform(8, 26))  # fmt: skip
            crowd.add(SKYLINE, z, draw)
        elif crowd.happens(0.7):
            crowd.add(SKYLINE, z, partial(draw_bush, x=x, z=z, height=rng.uniform(7, 13)))
