"""The SegFormer decoder: embed, upsample, stack, fuse each position. arXiv:2105.15203."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from daformer_lib.models.decoders.base import Decoder
from daformer_lib.models.decoders.layers import (
    ConvBlock,
    LinearEmbedding,
    make_classifier,
    resize_to,
)

_UNUSED_WIDTH = 128  # input channels of the authors' unused `conv_seg`


class SegFormerDecoder(Decoder):
    """All four features at stride 4, fused by a 1x1 convolution: no context but the encoder's."""

    def __init__(
        self, channels: tuple[int, ...], width: int, num_classes: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.width = width
        self.linear_c = nn.ModuleList(LinearEmbedding(c, width) for c in channels)
        self.linear_fuse = ConvBlock(len(channels) * width, width)
        self.dropout = nn.Dropout2d(dropout)
        self.linear_pred = nn.Conv2d(width, num_classes, 1)  # PyTorch's own initialisation
        # The authors' checkpoints and parameter counts hold a classifier that nothing uses. Frozen,
        # it is written and read like theirs, and distributed training does not wait for it.
        self.conv_seg = make_classifier(_UNUSED_WIDTH, num_classes).requires_grad_(False)

    def final_feature(self, features: list[Tensor]) -> Tensor:
        embedded = [embed(f) for embed, f in zip(self.linear_c, features, strict=True)]
        embedded = [resize_to(e, features[0]) for e in embedded]  # each (B, width, H/4, W/4)
        stack = torch.cat(embedded, dim=1)  # (B, 4 * width, H/4, W/4)
        return self.linear_fuse(stack)  # (B, width, h, w)

    def classify(self, feature: Tensor) -> Tensor:
        return self.linear_pred(self.dropout(feature))  # (B, K, h, w)
