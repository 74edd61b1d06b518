"""ISANet's decoder: interlaced sparse self-attention on the last feature. arXiv:1907.12273."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from daformer_lib.models.decoders.attention import SelfAttention, interlaced
from daformer_lib.models.decoders.base import Decoder
from daformer_lib.models.decoders.layers import ConvBlock, make_classifier


class ISANetDecoder(Decoder):
    """The attended feature beside the unattended one, fused by a 1x1 convolution."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        key_channels: int,
        window: tuple[int, int],
        num_classes: int,
        dropout: float = 0.1,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.width = width
        self.in_conv = ConvBlock(in_channels, width, 3, norm=norm)
        self.window = window
        self.global_relation = SelfAttention(width, key_channels, key_convs=2, norm=norm)
        self.local_relation = SelfAttention(width, key_channels, key_convs=2, norm=norm)
        self.out_conv = ConvBlock(2 * width, width, norm=norm)
        self.dropout = nn.Dropout2d(dropout)
        self.conv_seg = make_classifier(width, num_classes)

    def final_feature(self, features: list[Tensor]) -> Tensor:
        x = self.in_conv(features[-1])  # (B, width, h, w)
        attended = interlaced(x, self.window, self.global_relation, self.local_relation)
        return self.out_conv(torch.cat([attended, x], dim=1))  # (B, width, h, w)

    def classify(self, feature: Tensor) -> Tensor:
        return self.conv_seg(self.dropout(feature))  # (B, K, h, w)
