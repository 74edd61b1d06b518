"""Hands out colours by name: objects ask for "car" and need not know which domain they are in."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from daformer_lib.data.drawn.kit.palettes import CAMERA, GAME, GROUPS, random_colour, sample
from daformer_lib.data.drawn.kit.styles import DomainStyle


class Paint(Protocol):
    """A colour for every key of the palettes; `rng` also decides what objects look like."""

    rng: np.random.Generator

    def __call__(self, key: str) -> np.ndarray: ...  # (3,) float RGB


class DomainPaint:
    """The colours of a mini domain: its own palette, moved some of the way to the camera's."""

    def __init__(self, rng: np.random.Generator, style: DomainStyle) -> None:
        self.rng = rng
        self.style = style

    def __call__(self, key: str) -> np.ndarray:
        pick = self.rng.random()  # a red sign here is a (paler) red sign there
        own = sample(self.rng, self.style.palette[key], pick)
        low, high = getattr(self.style.shifts, GROUPS.get(key, "stuff"))
        if high == 0:
            return own
        camera = sample(self.rng, CAMERA[key], pick)
        return own + (camera - own) * self.rng.uniform(low, high)


class RandomPaint:
    """Colours for pretraining: any hue, so that shape must tell the class."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.plain = rng.random() < 0.25  # some crops in the game's everyday colours

    def __call__(self, key: str) -> np.ndarray:
        if key in ("tyre", "glass", "dark", "skin") and self.rng.random() < 0.7:
            return sample(self.rng, GAME[key])
        if self.plain:
            return sample(self.rng, GAME[key])
        return random_colour(self.rng, (0.0, 0.9), (0.15, 1.0))
