"""Self-attention between the positions of a feature map, as DANet and ISANet use it.

Wang et al., Non-local Neural Networks, arXiv:1711.07971; Huang et al., Interlaced Sparse
Self-Attention, arXiv:1907.12273. Attribute names are those of the authors' checkpoints.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from daformer_lib.models.decoders.layers import ConvBlock


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Each position of `query` (B, D, H, W) averages `value` (B, C, H, W), weighted by the keys."""
    b, c, h, w = value.shape
    q, k, v = (x.flatten(2).transpose(1, 2) for x in (query, key, value))  # (B, H*W, D or C)
    out = F.scaled_dot_product_attention(q, k, v, scale=scale)  # (B, H*W, C)
    return out.transpose(1, 2).reshape(b, c, h, w)


class SelfAttention(nn.Module):
    """Scaled attention whose queries and keys have `key_convs` convolution blocks each."""

    def __init__(self, channels: int, key_channels: int, key_convs: int, norm: bool) -> None:
        super().__init__()
        self.key_project = _projection(channels, key_channels, key_convs, norm)
        self.query_project = _projection(channels, key_channels, key_convs, norm)
        self.value_project = nn.Conv2d(channels, channels, 1)
        self.output_project = ConvBlock(channels, channels, norm=norm)
        self.scale = key_channels**-0.5

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query_project(x), self.key_project(x), self.value_project(x)
        return self.output_project(attend(query, key, value, self.scale))


def _projection(channels: int, key_channels: int, convs: int, norm: bool) -> nn.Module:
    first = ConvBlock(channels, key_channels, norm=norm)
    if convs == 1:
        return first
    others = (ConvBlock(key_channels, key_channels, norm=norm) for _ in range(convs - 1))
    return nn.Sequential(first, *others)


def interlaced(
    x: Tensor, window: tuple[int, int], global_relation: nn.Module, local_relation: nn.Module
) -> Tensor:
    """Relate all cells of x (B, C, H, W) in two cheap steps: far ones first, then near ones.

    The map, zero-padded to whole windows, is cut into windows of `window` cells. Step one joins the
    cells that have the same place in their window, step two the cells of one window.
    """
    b, c, h, w = x.shape
    wh, ww = window
    nh, nw = -(-h // wh), -(-w // ww)  # windows per side, rounded up
    top, left = (nh * wh - h) // 2, (nw * ww - w) // 2
    x = F.pad(x, (left, nw * ww - w - left, top, nh * wh - h - top))
    x = x.view(b, c, nh, wh, nw, ww).permute(0, 3, 5, 1, 2, 4)  # (B, wh, ww, C, nh, nw)
    x = global_relation(x.reshape(-1, c, nh, nw))  # (B*wh*ww, C, nh, nw)
    x = x.view(b, wh, ww, c, nh, nw).permute(0, 4, 5, 3, 1, 2)  # (B, nh, nw, C, wh, ww)
    x = local_relation(x.reshape(-1, c, wh, ww))  # (B*nh*nw, C, wh, ww)
    x = x.view(b, nh, nw, c, wh, ww).permute(0, 3, 1, 4, 2, 5)  # (B, C, nh, wh, nw, ww)
    return x.reshape(b, c, nh * wh, nw * ww)[:, :, top : top + h, left : left + w]
