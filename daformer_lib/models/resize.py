"""Bilinear resizing, fast to differentiate on a CPU.

The same arithmetic as `F.interpolate(mode="bilinear", align_corners=False)`, to float32 rounding.
On one CPU thread PyTorch's own needs 4.8 ms, forward and backward, to bring 2 x 19 x 32 x 32 logits
to 128 x 128; two matrix products need 0.8 ms. So what is differentiated on the CPU in float32 goes
through the products; without a gradient PyTorch's own is as fast, and faster on large images.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor


@functools.lru_cache(maxsize=64)
def _interpolation_matrix(size_in: int, size_out: int) -> Tensor:
    """(size_out, size_in): what each output position takes from each input position."""
    basis = torch.eye(size_in, device="cpu").view(1, size_in, size_in, 1)  # channel i: 1 at row i
    columns = F.interpolate(basis, (size_out, 1), mode="bilinear", align_corners=False)
    return columns[0, :, :, 0].T.contiguous()


def resize_bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) -> (B, C, *size)."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    if not _by_products(x):
        return F.interpolate(x, size, mode="bilinear", align_corners=False)
    height, width = (_interpolation_matrix(*pair) for pair in zip(x.shape[-2:], size))
    return height @ x @ width.T


def rescale_bilinear(x: Tensor, factor: float, size: tuple[int, int]) -> Tensor:
    """(B, C, h, w) -> (B, C, *size): `factor` cells for each of x, from its upper left corner on.

    Nothing is stretched to fit: beyond x its border goes on, and what is beyond `size` is cut off.
    """
    if factor == 1 and all(out <= there for out, there in zip(size, x.shape[-2:])):
        return x[..., : size[0], : size[1]]
    if not _by_products(x):
        return _rescaled(x, (factor, factor), size)
    height, width = (_rescaling_matrix(n, factor, out) for n, out in zip(x.shape[-2:], size))
    return height @ x @ width.T


def _rescaled(x: Tensor, factors: tuple[float, float], size: tuple[int, int]) -> Tensor:
    missing = [
        max(0, math.ceil(out / factor) - there)
        for out, factor, there in zip(size, factors, x.shape[-2:])
    ]
    x = F.pad(x, (0, missing[1], 0, missing[0]), mode="replicate")
    x = F.interpolate(x, scale_factor=factors, mode="bilinear", align_corners=False)
    return x[..., : size[0], : size[1]]


@functools.lru_cache(maxsize=64)
def _rescaling_matrix(size_in: int, factor: float, size_out: int) -> Tensor:
    """(size_out, size_in), as `_interpolation_matrix`."""
    basis = torch.eye(size_in, device="cpu").view(1, size_in, size_in, 1)
    return _rescaled(basis, (factor, 1.0), (size_out, 1))[0, :, :, 0].T.contiguous()


def scaled(image: Tensor, scale: float) -> Tensor:
    """Images (B, 3, H, W) at `scale`; for one half the mean of 2 x 2 pixels."""
    if scale == 1:
        return image
    return F.interpolate(image, scale_factor=scale, mode="bilinear", align_corners=False)


def _by_products(x: Tensor) -> bool:
    differentiated = x.requires_grad and torch.is_grad_enabled()
    # Autocast would round the products' inputs, which it does not do to an interpolation.
    full_precision = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return differentiated and full_precision and x.device.type == "cpu"
