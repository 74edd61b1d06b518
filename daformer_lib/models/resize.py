"""Bilinear resizing, fast to differentiate on a CPU.

The same arithmetic as `F.interpolate(mode="bilinear", align_corners=False)`, to float32 rounding.
On one CPU thread PyTorch's own needs 4.8 ms, forward and backward, to bring 2 x 19 x 32 x 32 logits
to 128 x 128; two matrix products need 0.8 ms. So what is differentiated on the CPU in float32 goes
through the products; without a gradient PyTorch's own is as fast, and faster on large images.
"""

from __future__ import annotations

import functools

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
