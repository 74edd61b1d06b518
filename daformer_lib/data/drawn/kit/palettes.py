"""Colours of everything that is drawn, once as in a game, once as through a camera.

In `GAME` the colour gives the class away; in `CAMERA` many classes share greys and browns. A style
says how far a domain stands between the two (`styles.py`); all numbers are our own choices.
"""

from __future__ import annotations

import colorsys
from typing import NamedTuple

import numpy as np


class Swatch(NamedTuple):
    """Colours to choose from, and how much they vary (RGB standard deviation)."""

    colours: tuple[tuple[int, int, int], ...]
    spread: float = 8.0


Palette = dict[str, Swatch]

# Which strength of the style moves a colour; everything not named here is "stuff".
GROUPS = {
    "top": "people", "trousers": "people", "skin": "people", "hair": "people", "rider": "people",
    "helmet": "people", "car": "vehicles", "truck": "vehicles", "cab": "vehicles",
    "bus": "vehicles", "train": "vehicles", "stripe": "vehicles", "motorcycle": "two_wheelers",
    "bicycle": "two_wheelers", "sign": "signs", "sign_face": "signs",
}  # fmt: skip

GAME: Palette = {
    "sky": Swatch(((88, 158, 238), (105, 175, 245)), 8),
    "cloud": Swatch(((246, 250, 255),), 4),
    "road": Swatch(((86, 88, 98),), 5),
    "marking": Swatch(((238, 238, 232),), 4),
    "sidewalk": Swatch(((176, 156, 146), (168, 150, 150)), 7),
    "kerb": Swatch(((205, 196, 188),), 5),
    "terrain": Swatch(((128, 172, 62), (142, 180, 70)), 8),
    "building": Swatch(
        ((196, 150, 106), (176, 116, 88), (214, 186, 148), (205, 170, 120), (160, 104, 84)), 10
    ),
    "roof": Swatch(((136, 62, 48), (110, 70, 60)), 9),
    "shop": Swatch(((150, 60, 60), (60, 100, 130), (190, 140, 60)), 14),
    "glass": Swatch(((44, 70, 98), (60, 92, 122)), 7),
    "lit": Swatch(((250, 220, 140),), 8),
    "door": Swatch(((92, 58, 40), (60, 70, 80)), 8),
    "wall": Swatch(((158, 156, 172), (148, 146, 160)), 7),
    "fence": Swatch(((122, 80, 46), (104, 68, 42)), 8),
    "pole": Swatch(((52, 54, 62), (66, 68, 74)), 6),
    "light": Swatch(((24, 26, 26),), 5),
    "sign": Swatch(((26, 66, 206), (208, 30, 32), (240, 200, 30)), 8),
    "sign_face": Swatch(((244, 244, 244),), 4),
    "leaf": Swatch(((46, 132, 40), (58, 142, 44), (38, 118, 46)), 9),
    "trunk": Swatch(((84, 58, 40),), 7),
    "top": Swatch(((222, 62, 52), (62, 92, 214), (232, 204, 62), (240, 130, 40)), 14),
    "trousers": Swatch(((38, 50, 104), (52, 60, 90)), 9),
    "skin": Swatch(((226, 180, 150), (150, 104, 80)), 9),
    "hair": Swatch(((60, 40, 26), (28, 24, 22), (180, 140, 80)), 8),
    "rider": Swatch(((36, 34, 40), (90, 30, 110), (50, 36, 60)), 9),
    "helmet": Swatch(((236, 236, 236), (200, 30, 40)), 9),
    "car": Swatch(
        ((206, 30, 34), (30, 56, 190), (234, 234, 238), (30, 32, 38), (150, 156, 166)), 9
    ),
    "truck": Swatch(((242, 240, 236), (52, 116, 190), (226, 226, 210)), 9),
    "cab": Swatch(((236, 122, 32), (210, 48, 40)), 9),
    "bus": Swatch(((246, 200, 34), (240, 170, 30), (228, 214, 80)), 9),
    "train": Swatch(((32, 132, 136), (40, 96, 120), (60, 150, 120)), 8),
    "stripe": Swatch(((244, 240, 226),), 6),
    "motorcycle": Swatch(((176, 24, 30), (34, 36, 40), (40, 60, 150)), 9),
    "bicycle": Swatch(((60, 204, 212), (220, 80, 160)), 12),
    "tyre": Swatch(((20, 20, 22),), 4),
    "metal": Swatch(((140, 144, 150),), 7),
    "headlight": Swatch(((252, 250, 226),), 4),
    "taillight": Swatch(((216, 28, 34),), 6),
    "dark": Swatch(((38, 40, 46),), 5),
    "plate": Swatch(((236, 234, 222),), 4),
}

CAMERA: Palette = {
    "sky": Swatch(((214, 218, 220), (186, 202, 220), (228, 228, 224)), 8),
    "cloud": Swatch(((240, 240, 238), (200, 204, 208)), 8),
    "road": Swatch(((118, 114, 112), (100, 100, 104)), 9),
    "marking": Swatch(((214, 212, 206),), 8),
    "sidewalk": Swatch(((142, 136, 130), (150, 140, 136), (128, 126, 126)), 10),
    "kerb": Swatch(((164, 160, 154),), 8),
    "terrain": Swatch(((104, 112, 70), (122, 116, 82)), 11),
    "building": Swatch(
        (
            (150, 140, 126), (122, 106, 96), (168, 162, 156), (188, 176, 152), (112, 116, 122),
            (146, 100, 84),
        ),
        13,
    ),
    "roof": Swatch(((110, 72, 62), (84, 82, 84)), 10),
    "shop": Swatch(((90, 84, 82), (110, 70, 66), (70, 84, 96)), 14),
    "glass": Swatch(((58, 66, 74), (88, 98, 108)), 9),
    "lit": Swatch(((214, 200, 160),), 12),
    "door": Swatch(((80, 66, 56), (60, 62, 66)), 9),
    "wall": Swatch(((128, 120, 110), (150, 142, 130)), 12),
    "fence": Swatch(((98, 102, 98), (132, 132, 130), (86, 74, 62)), 11),
    "pole": Swatch(((112, 113, 112), (76, 78, 78)), 10),
    "light": Swatch(((44, 46, 44), (64, 66, 58)), 8),
    "sign": Swatch(((54, 82, 156), (172, 60, 56), (192, 172, 66)), 12),
    "sign_face": Swatch(((208, 206, 200),), 8),
    "leaf": Swatch(((72, 92, 56), (92, 98, 60), (60, 80, 58)), 11),
    "trunk": Swatch(((76, 66, 58),), 8),
    "top": Swatch(((54, 54, 60), (96, 86, 82), (140, 134, 130), (66, 76, 110), (146, 66, 64)), 13),
    "trousers": Swatch(((52, 55, 66), (84, 80, 76)), 10),
    "skin": Swatch(((198, 164, 144), (140, 106, 88)), 9),
    "hair": Swatch(((54, 44, 38), (36, 34, 34), (140, 120, 96)), 9),
    "rider": Swatch(((54, 54, 58), (96, 88, 82), (66, 76, 110)), 13),
    "helmet": Swatch(((196, 196, 194), (60, 62, 66)), 13),
    "car": Swatch(
        (
            (150, 152, 156), (64, 66, 70), (214, 214, 214), (38, 38, 42), (66, 76, 116),
            (124, 54, 54),
        ),
        11,
    ),
    "truck": Swatch(((222, 220, 214), (88, 108, 150), (150, 84, 70), (140, 146, 140)), 12),
    "cab": Swatch(((216, 212, 206), (156, 70, 58), (80, 96, 140)), 12),
    "bus": Swatch(((166, 72, 62), (222, 218, 208), (78, 104, 150)), 12),
    "train": Swatch(((214, 208, 190), (150, 120, 60), (158, 64, 58)), 12),
    "stripe": Swatch(((170, 60, 56), (222, 218, 206)), 10),
    "motorcycle": Swatch(((44, 44, 48), (92, 92, 98), (124, 54, 50)), 11),
    "bicycle": Swatch(((50, 50, 54), (104, 106, 108), (84, 110, 130)), 13),
    "tyre": Swatch(((32, 32, 34),), 5),
    "metal": Swatch(((126, 128, 130),), 8),
    "headlight": Swatch(((230, 228, 214),), 8),
    "taillight": Swatch(((160, 50, 46),), 9),
    "dark": Swatch(((48, 49, 52),), 7),
    "plate": Swatch(((206, 204, 196),), 8),
}  # fmt: skip

# A simulator's look: as plain as the game, but paler, bluer and with its own car and house paint.
SIMULATOR: Palette = GAME | {
    "sky": Swatch(((140, 190, 226), (176, 206, 224)), 8),
    "road": Swatch(((112, 106, 104),), 6),
    "sidewalk": Swatch(((150, 152, 162), (170, 166, 150)), 8),
    "building": Swatch(((206, 200, 188), (150, 130, 140), (120, 130, 150), (190, 150, 130)), 11),
    "leaf": Swatch(((88, 128, 52), (70, 112, 66)), 10),
    "wall": Swatch(((170, 150, 130),), 8),
    "fence": Swatch(((150, 160, 160), (90, 110, 96)), 9),
    "pole": Swatch(((150, 154, 160), (100, 104, 110)), 8),
    "top": Swatch(((200, 90, 70), (90, 120, 190), (230, 230, 226), (60, 60, 66)), 14),
    "rider": Swatch(((60, 110, 60), (50, 60, 90)), 10),
    "car": Swatch(((190, 60, 40), (60, 90, 160), (210, 214, 220), (70, 110, 80)), 11),
    "bus": Swatch(((200, 60, 50), (236, 190, 60)), 9),
    "motorcycle": Swatch(((60, 90, 60), (50, 50, 54)), 9),
    "bicycle": Swatch(((150, 70, 60), (70, 130, 190)), 11),
}


def sample(rng: np.random.Generator, swatch: Swatch, pick: float | None = None) -> np.ndarray:
    """One colour (3,) of the swatch: mostly brighter or darker, a little redder or bluer.

    `pick` in [0, 1) chooses the colour; two palettes asked with the same pick answer alike.
    """
    pick = rng.random() if pick is None else pick
    chosen = swatch.colours[int(pick * len(swatch.colours))]
    light, *tints = (rng.standard_normal(4) * swatch.spread).tolist()
    return np.array(
        [min(max(c + light + 0.4 * t, 3.0), 252.0) for c, t in zip(chosen, tints, strict=True)]
    )


def random_colour(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> np.ndarray:
    """Any hue, RGB (3,)."""
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return np.array(rgb) * 255
