"""DeepLabV3+'s decoder: context at stride 8, then edges from the first feature. arXiv:1802.02611.

Encoders whose last feature is coarser than stride 8 get it upsampled first, bilinearly, as the
authors do for MiT. In the paper's tables it has no BatchNorm (`norm=False`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from daformer_lib.models.decoders.base import Decoder
from daformer_lib.models.decoders.daformer import context_branch
from daformer_lib.models.decoders.layers import (
    ConvBlock,
    SeparableConv,
    enlarge,
    make_classifier,
    resize_to,
)


class DeepLabV3PlusDecoder(Decoder):
    """ASPP with image pooling on the last feature, joined with a narrow copy of the first."""

    def __init__(
        self,
        channels: tuple[int, ...],
        width: int,
        low_width: int,
        dilations: tuple[int, ...],
        num_classes: int,
        dropout: float = 0.1,
        norm: bool = False,
        enlarge_last: int = 1,
    ) -> None:
        super().__init__()
        self.width = width
        self.enlarge_last = enlarge_last  # how many times the last feature is upsampled first
        self.image_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), ConvBlock(channels[-1], width, norm=norm)
        )
        self.aspp_modules = nn.ModuleList(
            context_branch(channels[-1], width, d, separable=True, norm=norm) for d in dilations
        )
        self.bottleneck = ConvBlock((len(dilations) + 1) * width, width, 3, norm=norm)
        self.c1_bottleneck = ConvBlock(channels[0], low_width, norm=norm)
        self.sep_bottleneck = nn.Sequential(
            SeparableConv(width + low_width, width, norm=norm),
            SeparableConv(width, width, norm=norm),
        )
        self.dropout = nn.Dropout2d(dropout)
        self.conv_seg = make_classifier(width, num_classes)

    def final_feature(self, features: list[Tensor]) -> Tensor:
        last = enlarge(features[-1], self.enlarge_last)  # (B, C_4, H/8, W/8)
        context = [resize_to(self.image_pool(last), last)]
        context += [branch(last) for branch in self.aspp_modules]
        x = self.bottleneck(torch.cat(context, dim=1))  # (B, width, H/8, W/8)
        low = self.c1_bottleneck(features[0])  # (B, low_width, H/4, W/4)
        return self.sep_bottleneck(torch.cat([resize_to(x, low), low], dim=1))

    def classify(self, feature: Tensor) -> Tensor:
        return self.conv_seg(self.dropout(feature))  # (B, K, H/4, W/4)
