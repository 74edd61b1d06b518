"""Palettes that tell classes apart: for colour-blind eyes, and for learners.

Dichromats are simulated after Machado, Oliveira and Fernandes (IEEE TVCG 2009, severity 1). Colours
are chosen one by one, each as far as possible (CIELAB, worst kind of sight) from those before it.
Nineteen colours that nobody confuses do not exist: neighbours differ in lightness at least, and the
names stand in the legend and under the pointer.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np

from daformer_lib.specs import DatasetSpec

SIGHTS = {  # how linear RGB is seen
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
LEARNERS = {"truck": (224, 96, 0), "bus": (0, 224, 192), "train": (160, 96, 224)}
FIRST = (120, 120, 128)  # the first class of street scenes is the road
LEVELS = (20, 60, 100, 140, 180, 215, 250)  # of each channel
VIVID = 72  # CIELAB chroma: more than this hurts on a large area
DARK = 22  # CIELAB lightness: less than this is taken for "ignored"


def as_seen(colours: np.ndarray, sight: str) -> np.ndarray:
    """(N, 3) CIELAB of (N, 3) RGB 0-255, as eyes of that kind see it."""
    share = np.asarray(colours, np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ SIGHTS[sight].T, 0, 1)
    back = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(back[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, M) CIELAB distance of colours (N, 3) and (M, 3), for the eyes that tell them least."""
    apart = [
        np.linalg.norm(as_seen(first, s)[:, None] - as_seen(second, s)[None], axis=-1)
        for s in SIGHTS
    ]
    return np.min(apart, axis=0)


@cache
def safe_palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """That many RGB colours, the same ones every time; a longer palette begins with a shorter."""
    grid = np.array([(r, g, b) for r in LEVELS for g in LEVELS for b in LEVELS])
    lightness, red, yellow = as_seen(grid, "usual").T
    grid = grid[(np.hypot(red, yellow) < VIVID) & (lightness > DARK)]
    chosen = [FIRST]
    nearest = distances(grid, np.array(chosen))[:, 0]
    while len(chosen) < count:
        best = int(np.argmax(nearest))
        chosen.append(tuple(int(v) for v in grid[best]))
        nearest = np.minimum(nearest, distances(grid, grid[best : best + 1])[:, 0])
    return tuple(chosen[:count])


def least_distance(palette: object) -> float:
    """CIELAB distance of the two most alike colours, for the eyes that tell them least."""
    colours = np.asarray(palette)
    apart = distances(colours, colours) + 1e6 * np.eye(len(colours))
    return float(apart.min())


def for_learners(spec: DatasetSpec) -> DatasetSpec:
    """The spec with other colours for truck, bus and train.

    Cityscapes paints them, and the car, in four blues that are nearly black, and whether a bus was
    taken for a car, which half of the course asks, could not be seen.
    """
    named = zip(spec.classes, spec.palette, strict=True)
    return replace(spec, palette=tuple(LEARNERS.get(name, colour) for name, colour in named))


def palettes(spec: DatasetSpec) -> dict[str, tuple[tuple[int, int, int], ...]]:
    """The data set's own colours, and the colour-blind-safe ones, by the name in a menu."""
    return {"data set": spec.palette, "colour-blind safe": safe_palette(spec.num_classes)}
