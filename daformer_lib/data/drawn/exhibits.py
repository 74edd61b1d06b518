"""Street objects and surfaces one at a time, filling a small square picture (for pretraining).

Keys are class names; those of Cityscapes keep their names. The canvas has a focal length equal to
its width, so that at distance z it shows z metres.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Plane, facing_plane
from daformer_lib.data.drawn.street.layout import ROAD, SIDEWALK, TERRAIN, strip
from daformer_lib.data.drawn.things.buildings import draw_house, draw_tower
from daformer_lib.data.drawn.things.cars import draw_car
from daformer_lib.data.drawn.things.furniture import (
    FENCE,
    POLE,
    TRAFFIC_LIGHT,
    WALL,
    draw_fence,
    draw_lamp_box,
    draw_sign,
    draw_wall,
)
from daformer_lib.data.drawn.things.heavy import draw_bus, draw_truck
from daformer_lib.data.drawn.things.people import draw_person
from daformer_lib.data.drawn.things.plants import draw_bush, draw_tree
from daformer_lib.data.drawn.things.trams import draw_tram
from daformer_lib.data.drawn.things.two_wheelers import draw_bicycle, draw_motorcycle

Draw = Callable[[Canvas, Paint], None]


def _pose(rng: np.random.Generator) -> float:
    """Yaw: front, rear and side are as likely as anything between."""
    if rng.random() < 0.5:
        return rng.integers(4) * np.pi / 2 + rng.normal(0, 0.12)
    return rng.uniform(-np.pi, np.pi)


def _vehicle(draw: Callable, length: float, width: float) -> Draw:
    """A vehicle at such a distance that it fills 60 to 110 % of the picture."""

    def exhibit(canvas: Canvas, paint: Paint) -> None:
        rng, yaw = paint.rng, _pose(paint.rng)
        extent = abs(np.sin(yaw)) * min(length, 14.0) + abs(np.cos(yaw)) * width * 1.3
        near = extent / rng.uniform(0.6, 1.1)
        depth = abs(np.cos(yaw)) * length / 2 + abs(np.sin(yaw)) * width / 2
        z = near + depth
        draw(
            canvas,
            paint,
            x=rng.normal(0, 0.08) * near,
            z=max(z, depth + _standing(canvas, rng, 2.0)),
            yaw=yaw,
        )

    return exhibit


def _standing(canvas: Canvas, rng: np.random.Generator, z: float) -> float:
    """z, or farther when the ground there would lie below the picture."""
    camera = canvas.camera
    bottom = canvas.size[1] * rng.uniform(0.85, 1.0)
    return max(z, camera.focal * camera.height / (bottom - camera.horizon_y))


def _two_wheeler(draw: Callable) -> Draw:
    def exhibit(canvas: Canvas, paint: Paint) -> None:
        z = _standing(canvas, paint.rng, 2.4 * paint.rng.uniform(0.9, 1.5))
        draw(canvas, paint, x=paint.rng.normal(0, 0.15), z=z, yaw=_pose(paint.rng))

    return exhibit


def _rider(canvas: Canvas, paint: Paint) -> None:
    """A rider on either machine; the label keeps the rider only."""
    draw = (draw_bicycle, draw_motorcycle)[paint.rng.integers(2)]
    z = _standing(canvas, paint.rng, 2.6 * paint.rng.uniform(0.9, 1.5))
    draw(canvas, paint, x=paint.rng.normal(0, 0.15), z=z, yaw=_pose(paint.rng), ridden=True)


def _person(canvas: Canvas, paint: Paint) -> None:
    z = _standing(canvas, paint.rng, 2.4 * paint.rng.uniform(0.9, 1.6))
    draw_person(canvas, paint, paint.rng.normal(0, 0.15), z)


def _traffic_light(canvas: Canvas, paint: Paint) -> None:
    z = 2.6 * paint.rng.uniform(0.8, 1.6)
    plane = facing_plane(canvas, paint.rng.normal(0, 0.2), z, TRAFFIC_LIGHT)
    middle = canvas.camera.height + paint.rng.normal(0, 0.2)
    draw_lamp_box(plane, middle, int(paint.rng.integers(3)), paint)


def _traffic_sign(canvas: Canvas, paint: Paint) -> None:
    z = 1.8 * paint.rng.uniform(0.8, 1.8)
    middle = canvas.camera.height + paint.rng.normal(0, 0.1)
    draw_sign(canvas, paint, paint.rng.normal(0, 0.12), z, middle)


def _vegetation(canvas: Canvas, paint: Paint) -> None:
    height, x = paint.rng.uniform(4, 7), paint.rng.normal(0, 0.5)
    if paint.rng.random() < 0.6:
        draw_tree(canvas, paint, x, height * paint.rng.uniform(0.8, 1.3), height)
    else:
        draw_bush(canvas, paint, x, height * paint.rng.uniform(0.4, 0.8), height * 0.5)


def _building(canvas: Canvas, paint: Paint) -> None:
    rng = paint.rng
    height = rng.uniform(6, 14)
    if rng.random() < 0.5:
        side = int(rng.choice((-1, 1)))
        draw_house(canvas, paint, side * rng.uniform(1, 5), side, rng.uniform(4, 9), 30.0, height)
    else:
        draw_tower(canvas, paint, rng.normal(0, 1), height * 1.2, rng.uniform(7, 14), height)


def _barrier(class_id: int, draw: Callable) -> Draw:
    def exhibit(canvas: Canvas, paint: Paint) -> None:
        rng = paint.rng
        if rng.random() < 0.5:  # along the line of sight
            x = rng.choice((-1, 1)) * rng.uniform(0.8, 2.5)
            plane = Plane(canvas, np.array([x, 0, 1.6]), np.array([0.0, 0.0, 1.0]), class_id)
        else:
            z = rng.uniform(2.5, 5.0)
            plane = Plane(canvas, np.array([-z, 0, z]), np.array([1.0, 0.0, 0.0]), class_id)
        draw(plane, paint, rng.uniform(8, 16), rng.uniform(1.2, 2.4))

    return exhibit


def _pole(canvas: Canvas, paint: Paint) -> None:
    rng = paint.rng
    plane = facing_plane(canvas, rng.normal(0, 0.5), rng.uniform(2.5, 6), POLE)
    top = rng.uniform(3, 8)
    plane.stroke((0, -1), (rng.normal(0, 0.1), top), rng.uniform(0.15, 0.4), paint("pole"))


def _ground(key: str, class_id: int) -> Draw:
    def exhibit(canvas: Canvas, paint: Paint) -> None:
        rng, colour = paint.rng, paint(key)
        x0, x1 = -rng.uniform(0.5, 6), rng.uniform(0.5, 6)
        if rng.random() < 0.4:
            x0, x1 = -60.0, 60.0
        strip(canvas, x0, x1, colour, class_id)
        if key == "road" and rng.random() < 0.7:
            x = rng.normal(0, 0.8)
            for z in np.arange(1.5, 25, 3.0):
                strip(canvas, x, x + 0.2, paint("marking"), None, z, z + 1.6)
        if key == "sidewalk":
            _paving(canvas, x0, x1, colour)

    return exhibit


def _paving(canvas: Canvas, x0: float, x1: float, colour: np.ndarray) -> None:
    """Joints between the slabs."""
    for z in np.arange(1.5, 14, 1.2):
        strip(canvas, x0, x1, colour * 0.85, None, z, z + 0.06)


# Class name -> how to draw one. There is no "sky": it would be an empty picture.
STREET_OBJECTS: dict[str, Draw] = {
    "traffic light": _traffic_light,
    "traffic sign": _traffic_sign,
    "person": _person,
    "rider": _rider,
    "car": _vehicle(draw_car, 4.4, 1.8),
    "truck": _vehicle(draw_truck, 8.0, 2.45),
    "bus": _vehicle(draw_bus, 11.0, 2.5),
    "train": _vehicle(draw_tram, 27.0, 2.55),
    "motorcycle": _two_wheeler(draw_motorcycle),
    "bicycle": _two_wheeler(draw_bicycle),
    "vegetation": _vegetation,
    "building": _building,
    "wall": _barrier(WALL, draw_wall),
    "fence": _barrier(FENCE, draw_fence),
    "pole": _pole,
    "road": _ground("road", ROAD),
    "sidewalk": _ground("sidewalk", SIDEWALK),
    "terrain": _ground("terrain", TERRAIN),
}
