"""What a season does to fields seen from the air: crops, leaves, soil, sun and camera.

Departs from nature where a lesson needs it: in autumn a scene's date is drawn between "leaves
hardly turned" and "ploughed and bare", so that the gap to summer is a range, not a wall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Crop:
    """How a parcel looks: two tones in rows."""

    tones: tuple[Rgb, Rgb]  # of the rows and between them
    spacing: tuple[float, float]  # metres from row to row
    grain: float  # grey levels
    tramlines: bool = False  # the tractor's wheel marks


@dataclass(frozen=True)
class Season:
    """The look of a domain."""

    crops: tuple[Crop, ...]
    leaves: tuple[Rgb, ...]  # crowns of trees
    shrubs: tuple[Rgb, ...]  # hedges
    margin: Rgb  # grass between parcels
    track: Rgb
    water: Rgb
    shadow: float  # metres of shadow per metre of height
    shade: float  # brightness in a shadow
    light: tuple[float, float, float]  # factor of red, green, blue
    contrast: float
    noise: tuple[float, float]  # of the sensor, grey levels
    blur: tuple[float, float]  # of the lens, sigma in pixels


SUMMER = Season(
    crops=(
        Crop(((221, 193, 112), (206, 176, 98)), (1.6, 2.4), 5, True),  # ripe wheat
        Crop(((212, 203, 150), (198, 186, 132)), (1.6, 2.4), 5, True),  # barley
        Crop(((118, 160, 66), (138, 140, 84)), (2.6, 3.6), 6),  # maize in rows
        Crop(((139, 178, 82), (129, 168, 76)), (3.0, 6.0), 7),  # meadow
        Crop(((160, 186, 92), (150, 178, 88)), (5.0, 8.0), 5),  # mown grass
        Crop(((178, 184, 84), (160, 168, 74)), (1.8, 2.6), 6, True),  # rape, over its bloom
    ),
    leaves=((44, 92, 40), (54, 104, 44), (66, 112, 50), (38, 80, 46)),
    shrubs=((58, 104, 48), (70, 112, 54), (50, 92, 44)),
    margin=(142, 170, 88),
    track=(214, 200, 168),
    water=(58, 108, 128),
    shadow=0.45,
    shade=0.62,
    light=(1.02, 1.02, 0.98),
    contrast=1.0,
    noise=(0.5, 1.5),
    blur=(0.0, 0.3),
)
AUTUMN = Season(
    crops=(
        Crop(((142, 112, 86), (112, 86, 66)), (2.4, 3.4), 9),  # ploughed
        Crop(((130, 104, 84), (118, 94, 76)), (1.8, 3.0), 8),  # harrowed
        Crop(((182, 158, 112), (146, 118, 82)), (2.2, 3.0), 8, True),  # stubble
        Crop(((112, 142, 78), (118, 98, 70)), (1.8, 2.4), 6, True),  # winter wheat comes up
        Crop(((128, 132, 78), (118, 120, 72)), (3.0, 6.0), 9),  # grazed meadow
    ),
    leaves=((196, 118, 42), (206, 158, 58), (156, 78, 42), (176, 98, 50), (128, 116, 56)),
    shrubs=((142, 92, 52), (166, 116, 58), (118, 98, 58), (132, 74, 48)),
    margin=(132, 130, 84),
    track=(150, 128, 106),
    water=(82, 96, 104),
    shadow=1.25,
    shade=0.52,
    light=(1.04, 0.97, 0.88),
    contrast=0.94,
    noise=(1.5, 4.0),
    blur=(0.3, 0.7),
)
SEASONS = {"summer": SUMMER, "autumn": AUTUMN}
LATE = {"summer": (0.0, 0.0), "autumn": (0.3, 1.0)}  # share of what has turned, in a scene
ROOFS: tuple[Rgb, ...] = ((176, 84, 62), (160, 70, 56), (128, 120, 114), (190, 182, 170))
PANEL, PANEL_GAP = (38, 48, 84), (136, 150, 98)


def tone(rng: np.random.Generator, colour: Rgb, spread: float = 6.0) -> np.ndarray:
    """The colour (3,) a little off, mostly in brightness."""
    return np.asarray(colour) + rng.normal(0, spread) + rng.normal(0, spread / 3, 3)


class Turning:
    """Hands out a scene's looks: each thing has turned to its season, or is still in summer."""

    def __init__(self, rng: np.random.Generator, season: str) -> None:
        self.rng, self.season = rng, SEASONS[season]
        self.late = rng.uniform(*LATE[season])

    def crop(self) -> Crop:
        crops = self._turned().crops
        return crops[self.rng.integers(len(crops))]

    def leaf(self) -> np.ndarray:
        return self._one(self._turned().leaves)

    def shrub(self) -> np.ndarray:
        return self._one(self._turned().shrubs)

    def _turned(self) -> Season:
        return self.season if self.rng.random() < self.late else SUMMER

    def _one(self, colours: tuple[Rgb, ...]) -> np.ndarray:
        return tone(self.rng, colours[self.rng.integers(len(colours))])
