"""From drawing to photograph: grain of surfaces, soft light, lens and sensor."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from daformer_lib.data.drawn.kit.styles import Photo
from daformer_lib.specs import CITYSCAPES_CLASSES

# Contrast of the grain at texture = 1, grey levels: fine, middle, coarse scale.
GRAIN = {
    "road": (7, 5, 6), "sidewalk": (8, 7, 5), "building": (6, 8, 7), "wall": (9, 9, 7),
    "fence": (7, 5, 3), "vegetation": (13, 13, 8), "terrain": (11, 10, 8), "sky": (0, 1, 7),
    "person": (4, 4, 0), "rider": (4, 4, 0), "car": (1, 3, 4), "truck": (2, 3, 4),
    "bus": (2, 3, 4), "train": (2, 3, 4),
}  # fmt: skip
_TABLE = np.full((256, 3), 3.0, np.float32)
for _name, _levels in GRAIN.items():
    _TABLE[CITYSCAPES_CLASSES.index(_name)] = _levels
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def develop(
    image: np.ndarray, label: np.ndarray, photo: Photo, rng: np.random.Generator
) -> np.ndarray:
    """The drawing (H, W, 3) uint8 as this domain's camera would have taken it."""
    picture = image.astype(np.float32)
    low, high = photo.texture
    contrast = rng.uniform(low, high) if low < high else low
    if contrast:
        picture += contrast * _grain(label, rng)[..., None]
    if photo.patches:
        picture *= 1 + photo.patches * smooth_noise(label.shape, 3, rng)[..., None]
    picture = _colours(picture, photo, rng)
    if photo.vignette:
        picture *= _vignette(label.shape, photo.vignette)[..., None]
    sigma = rng.uniform(*photo.blur)
    if sigma > 0.05:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    level = rng.uniform(*photo.noise)
    if level:
        noise = rng.standard_normal(picture.shape, dtype=np.float32)
        picture += level * noise
    return np.rint(picture.clip(0, 255)).astype(np.uint8)


def _colours(picture: np.ndarray, photo: Photo, rng: np.random.Generator) -> np.ndarray:
    grey = (picture @ LUMA)[..., None]
    picture = grey + (picture - grey) * np.float32(rng.uniform(*photo.saturation))
    exposure = 2.0 ** float(np.clip(rng.normal(0, photo.exposure), -0.4, 0.4))
    balance = 1 + rng.normal(0, photo.white_balance, 3)
    return picture * (exposure * balance).astype(np.float32)


def _grain(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) brightness offsets: each class has its own mixture of scales."""
    amplitude = _TABLE[label]  # (H, W, 3)
    fields = np.stack([smooth_noise(label.shape, scale, rng) for scale in range(3)], axis=-1)
    return (amplitude * fields).sum(axis=-1)


def smooth_noise(shape: tuple[int, int], scale: int, rng: np.random.Generator) -> np.ndarray:
    """A random window (H, W) of smooth noise with standard deviation 1."""
    sheet = _noise_sheets()[scale]
    top = int(rng.integers(sheet.shape[0] - shape[0]))
    left = int(rng.integers(sheet.shape[1] - shape[1]))
    window = sheet[top : top + shape[0], left : left + shape[1]]
    return window[:, ::-1] if rng.random() < 0.5 else window


@lru_cache(maxsize=1)
def _noise_sheets() -> tuple[np.ndarray, ...]:
    """Noise at four scales (1, 3, 9 and 40 px), the same in every process."""
    rng = np.random.default_rng(20210929)
    sheets = []
    for scale in (1, 3, 9, 40):
        coarse = rng.standard_normal((400 // scale + 3, 700 // scale + 3)).astype(np.float32)
        sheet = cv2.resize(coarse, (700, 400), interpolation=cv2.INTER_CUBIC)
        sheets.append(sheet / sheet.std())
    return tuple(sheets)


@lru_cache(maxsize=8)
def _vignette(shape: tuple[int, int], strength: float) -> np.ndarray:
    """(H, W) brightness, 1 in the middle and 1 - strength in the corners."""
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None]
    return (1 - strength * ((x**2 + y**2) / 2) ** 1.2).astype(np.float32)
