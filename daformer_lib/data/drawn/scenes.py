"""Street scenes of the mini domains: one call draws one image and its label.

Our own procedural stand-ins for GTA5, SYNTHIA and Cityscapes; what differs between the domains is
in `kit/styles.py`. The same (domain, split, index, seed) gives the same bytes.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Atmosphere, Camera, Canvas
from daformer_lib.data.drawn.kit.paint import DomainPaint, Paint
from daformer_lib.data.drawn.kit.photo import develop
from daformer_lib.data.drawn.kit.sheet import label_colours, tile
from daformer_lib.data.drawn.kit.styles import DomainStyle, get_style
from daformer_lib.data.drawn.street.crowd import Crowd
from daformer_lib.data.drawn.street.layout import (
    FAR,
    Layout,
    paint_ground,
    paint_sky,
    sample_layout,
)
from daformer_lib.data.drawn.street.populate import populate
from daformer_lib.data.drawn.things.buildings import house_shadow
from daformer_lib.data.drawn.things.trams import draw_rails
from daformer_lib.specs import IGNORE, MINI_SIZE


class Stage(NamedTuple):
    """A scene that is decided but not yet painted."""

    style: DomainStyle
    canvas: Canvas
    paint: Paint
    layout: Layout
    crowd: Crowd


def draw_scene(domain: str, split: str, index: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 RGB and label (H, W) uint8 train id; 255 = ignore."""
    stage = set_stage(domain, split, index, seed)
    canvas, paint = stage.canvas, stage.paint
    paint_sky(canvas, paint)
    paint_ground(canvas, paint, stage.layout)
    if stage.crowd.track is not None:
        draw_rails(canvas, paint, stage.crowd.track, 2.0, FAR)
    _paint_items(canvas, paint, stage.crowd)
    if stage.style.view.bonnet:
        _paint_bonnet(canvas, paint.rng, stage.style.scale)
    image, label = canvas.finish()
    return develop(image, label, stage.style.photo, paint.rng), label


def set_stage(domain: str, split: str, index: int, seed: int = 0) -> Stage:
    """Camera, light, street and everything in it, all drawn from the scene's own generator."""
    style = get_style(domain)
    rng = scene_generator(style.scenes_of or domain, split, index, seed)
    width, height = (side * style.scale for side in MINI_SIZE)
    canvas = Canvas(width, height, _camera(rng, style), _air(rng, style))
    layout = sample_layout(rng, style)
    return Stage(style, canvas, DomainPaint(rng, style), layout, populate(rng, style, layout))


def scene_generator(domain: str, split: str, index: int, seed: int) -> np.random.Generator:
    """The scene's own random numbers: no other scene shares them."""
    entropy = (seed, crc32(domain.encode()), crc32(split.encode()), index)
    return np.random.default_rng(np.random.SeedSequence(entropy))


def _camera(rng: np.random.Generator, style: DomainStyle) -> Camera:
    width, height = (side * style.scale for side in MINI_SIZE)
    return Camera(
        focal=rng.uniform(*style.view.focal) * style.scale,
        centre_x=width / 2 + rng.normal(0, 0.04) * width,
        horizon_y=rng.uniform(*style.view.horizon) * height,
        height=rng.uniform(*style.view.height),
    )


def _air(rng: np.random.Generator, style: DomainStyle) -> Atmosphere:
    sun = np.array([rng.choice((-1, 1)) * rng.uniform(0.25, 0.7), 0.8, rng.uniform(-0.6, 0.2)])
    sun_x, sun_y, sun_z = (sun / np.linalg.norm(sun)).tolist()
    return Atmosphere(
        sun=(sun_x, sun_y, sun_z),
        ambient=rng.uniform(*style.air.ambient),
        haze_colour=style.air.haze_colour,
        haze_per_metre=rng.uniform(*style.air.haze),
        shadow=rng.uniform(*style.air.shadow),
    )


def _paint_items(canvas: Canvas, paint: Paint, crowd: Crowd) -> None:
    if paint.rng.random() < crowd.style.air.house_shadow:
        shaded = crowd.layout.sides[1 if canvas.air.sun[0] > 0 else 0]
        if not shaded.park:
            house_shadow(canvas, shaded.front, 2.0, 70.0, paint.rng.uniform(4, 9))
    for item in sorted(crowd.items, key=lambda item: (item.layer, -item.distance)):
        item.draw(canvas, paint)


def _paint_bonnet(canvas: Canvas, rng: np.random.Generator, scale: int) -> None:
    """The camera car's own bonnet: as in Cityscapes, pixels without a class."""
    width, height = canvas.size
    rise, grey = rng.uniform(8.5, 11.5) * scale, rng.uniform(28, 60)
    u = np.linspace(0, width, 25)
    arch = height - rise * (1 - 0.45 * np.abs(u / width * 2 - 1) ** 2.5)
    outline = np.concatenate([np.stack([u, arch], 1), [[width, height], [0, height]]])
    canvas.flat(outline, np.full(3, grey), IGNORE)
    shine = np.concatenate([np.stack([u, arch], 1), np.stack([u, arch + 1.6 * scale], 1)[::-1]])
    canvas.flat(shine, np.full(3, grey + 55), IGNORE)


def scene_sheet(
    domain: str, n: int = 12, columns: int = 4, seed: int = 0, split: str = "train"
) -> np.ndarray:
    """The first n scenes, each beside its label, as one RGB image; `columns` counts pictures."""
    pictures: list[np.ndarray] = []
    for index in range(n):
        image, label = draw_scene(domain, split, index, seed)
        pictures += [image, label_colours(label)]
    return tile(pictures, columns)
