"""Colour jitter and blur of mixed images, as the authors' code has them (kornia 0.5.8)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from daformer_lib.batch import IMAGENET_MEAN, IMAGENET_STD


class Jitter(NamedTuple):
    """One sample's colour jitter."""

    brightness: float  # added, minus 1
    contrast: float  # factor
    saturation: float  # factor, in HSV
    hue: float  # turns of the colour circle
    order: tuple[int, ...]  # positions in JITTER_STEPS


def draw_jitter(strength: float, rng: np.random.Generator) -> Jitter:
    low, high = 1 - strength, 1 + strength
    brightness, contrast, saturation = (float(v) for v in rng.uniform(low, high, 3))
    hue = float(rng.uniform(-strength, strength))
    return Jitter(brightness, contrast, saturation, hue, tuple(int(i) for i in rng.permutation(4)))


def color_jitter(image: Tensor, jitters: Sequence[Jitter]) -> Tensor:
    """Jitter each ImageNet-normalised image (B, 3, H, W) in [0, 1] RGB."""
    mean = torch.tensor(IMAGENET_MEAN, device=image.device).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=image.device).view(3, 1, 1)
    out = []
    for normalised, jitter in zip(image, jitters, strict=True):
        rgb = normalised * std + mean
        for position in jitter.order:
            rgb = JITTER_STEPS[position](rgb, jitter)
        out.append((rgb - mean) / std)
    return torch.stack(out)


def adjust_brightness(rgb: Tensor, amount: float) -> Tensor:
    """Additive, not a factor: that is what the authors' kornia 0.5.8 does."""
    return (rgb + amount - 1).clamp(0, 1)


def adjust_contrast(rgb: Tensor, factor: float) -> Tensor:
    """A plain factor on the values, not around their mean."""
    return (rgb * factor).clamp(0, 1)


def adjust_saturation(rgb: Tensor, factor: float) -> Tensor:
    hue, saturation, value = rgb_to_hsv(rgb)
    return hsv_to_rgb(hue, (saturation * factor).clamp(0, 1), value)


def adjust_hue(rgb: Tensor, turns: float) -> Tensor:
    hue, saturation, value = rgb_to_hsv(rgb)
    return hsv_to_rgb(hue + turns, saturation, value)


JITTER_STEPS = (
    lambda rgb, jitter: adjust_brightness(rgb, jitter.brightness),
    lambda rgb, jitter: adjust_contrast(rgb, jitter.contrast),
    lambda rgb, jitter: adjust_saturation(rgb, jitter.saturation),
    lambda rgb, jitter: adjust_hue(rgb, jitter.hue),
)


def rgb_to_hsv(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(3, H, W) -> hue in turns [0, 1), saturation, value; each (H, W)."""
    red, green, blue = rgb
    # Channel against channel: on the CPU several times faster than a reduction over dimension 0.
    value = torch.maximum(torch.maximum(red, green), blue)
    spread = value - torch.minimum(torch.minimum(red, green), blue)
    saturation = spread / (value + 1e-6)
    safe = torch.where(spread == 0, 1.0, spread)
    is_red, is_green = red == value, green == value  # where two are largest, the first counts
    turned = torch.where(is_red, green - blue, torch.where(is_green, blue - red, red - green))
    sector = torch.where(is_red, 0.0, torch.where(is_green, 2.0, 4.0))
    hue = (turned / safe + sector) / 6 % 1
    return hue, saturation, value


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Inverse of `rgb_to_hsv`; hue may lie outside [0, 1)."""
    channel = torch.tensor([5.0, 3.0, 1.0], device=hue.device).view(3, 1, 1)
    k = (channel + hue * 6) % 6  # distance of each channel from its sector
    return value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1)


def blur_kernel_size(size: int) -> int:
    """A tenth of the image, odd: 51 at 512."""
    kernel = math.ceil(0.1 * size)
    return kernel if kernel % 2 else kernel - 1


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Separable blur with reflected border; image (1, 3, H, W), sigma in pixels."""
    rows, columns = (blur_kernel_size(s) for s in image.shape[-2:])
    stacked = image.transpose(0, 1)  # (1, 3, H, W) -> (3, 1, H, W): one plain convolution
    padded = F.pad(stacked, (columns // 2, columns // 2, rows // 2, rows // 2), mode="reflect")
    vertical = F.conv2d(padded, _gaussian(rows, sigma, image).view(1, 1, -1, 1))
    return F.conv2d(vertical, _gaussian(columns, sigma, image).view(1, 1, 1, -1)).transpose(0, 1)


def _gaussian(size: int, sigma: float, like: Tensor) -> Tensor:
    x = torch.arange(size, device=like.device, dtype=like.dtype) - size // 2
    window = torch.exp(-(x**2) / (2 * sigma**2))
    return window / window.sum()
