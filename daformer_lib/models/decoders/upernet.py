"""UPerNet's decoder: a feature pyramid under a pyramid pooling module. arXiv:1807.10221."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from daformer_lib.models.decoders.base import Decoder
from daformer_lib.models.decoders.layers import ConvBlock, make_classifier, resize_to

POOL_SCALES = (1, 2, 3, 6)  # cells per side that the last feature is averaged to


class UPerNetDecoder(Decoder):
    """Context from the pooled last feature flows down the pyramid; all levels meet at stride 4."""

    def __init__(
        self, channels: tuple[int, ...], width: int, num_classes: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.width = width
        *lower, last = channels
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), ConvBlock(last, width))
            for scale in POOL_SCALES
        )
        self.bottleneck = ConvBlock(last + len(POOL_SCALES) * width, width, 3)
        self.lateral_convs = nn.ModuleList(ConvBlock(c, width) for c in lower)
        self.fpn_convs = nn.ModuleList(ConvBlock(width, width, 3) for _ in lower)
        self.fpn_bottleneck = ConvBlock(len(channels) * width, width, 3)
        self.dropout = nn.Dropout2d(dropout)
        self.conv_seg = make_classifier(width, num_classes)

    def _pyramid_pooling(self, x: Tensor) -> Tensor:
        pooled = [resize_to(module(x), x) for module in self.psp_modules]  # (B, width, h, w) each
        return self.bottleneck(torch.cat([x, *pooled], dim=1))

    def final_feature(self, features: list[Tensor]) -> Tensor:
        above = self._pyramid_pooling(features[-1])
        levels = [above]
        for feature, lateral, conv in zip(
            features[-2::-1], self.lateral_convs[::-1], self.fpn_convs[::-1], strict=True
        ):
            side = lateral(feature)
            above = side + resize_to(above, side)
            levels.insert(0, conv(above))
        stack = torch.cat([resize_to(level, levels[0]) for level in levels], dim=1)
        return self.fpn_bottleneck(stack)  # (B, width, H/4, W/4)

    def classify(self, feature: Tensor) -> Tensor:
        return self.conv_seg(self.dropout(feature))  # (B, K, H/4, W/4)
