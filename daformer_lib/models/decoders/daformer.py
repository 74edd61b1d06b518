"""The DAFormer decoder: context-aware fusion of all four features. Hoyer et al., arXiv:2111.14887.

Every feature is embedded to the same width, upsampled to stride 4 and stacked; an ASPP with
depthwise separable convolutions looks at the stack with several dilations, without image pooling.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from daformer_lib.models.decoders.attention import SelfAttention, interlaced
from daformer_lib.models.decoders.base import Decoder
from daformer_lib.models.decoders.layers import (
    ConvBlock,
    LinearEmbedding,
    SeparableConv,
    enlarge,
    make_classifier,
    resize_to,
)


class ASPP(nn.Module):
    """Parallel convolutions with different dilations, stacked and fused by the bottleneck.

    A dilation of 1 means a plain 1x1 convolution, as in DeepLab.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        dilations: tuple[int, ...],
        separable: bool = True,
        bottleneck_kernel: int = 3,
    ) -> None:
        super().__init__()
        self.aspp_modules = nn.ModuleList(
            context_branch(in_channels, width, dilation, separable) for dilation in dilations
        )
        self.bottleneck = ConvBlock(len(dilations) * width, width, bottleneck_kernel)

    def forward(self, x: Tensor) -> Tensor:
        x = channels_last_on_cpu(x)
        context = [branch(x) for branch in self.aspp_modules]  # each (B, width, H, W)
        stack = torch.cat(context, dim=1)
        if x.device.type == "cpu" and self.bottleneck.conv.kernel_size != (1, 1):
            stack = stack.contiguous()  # a full 3x3 is faster that way
        return self.bottleneck(stack)


def channels_last_on_cpu(x: Tensor) -> Tensor:
    """The layout in which depthwise and 1x1 convolutions are fastest there."""
    return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x


def context_branch(
    in_channels: int, width: int, dilation: int, separable: bool, norm: bool = True
) -> nn.Module:
    """One branch of an ASPP: what it sees is `dilation` cells apart."""
    if dilation == 1:
        return ConvBlock(in_channels, width, norm=norm)
    if separable:
        return SeparableConv(in_channels, width, dilation, norm=norm)
    return ConvBlock(in_channels, width, 3, dilation, norm=norm)


class DAFormerDecoder(Decoder):
    """Embed each feature, stack all of them at stride 4, fuse, classify.

    `embeddings[i]` turns feature i into (B, width, h_i, w_i); `fusion` turns their stack
    (B, 4 * width, h, w) into (B, width, h, w).
    """

    def __init__(
        self,
        embeddings: list[nn.Module],
        fusion: nn.Module,
        width: int,
        num_classes: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.width = width
        self.embed_layers = nn.ModuleList(embeddings)
        self.fuse_layer = fusion
        self.dropout = nn.Dropout2d(dropout)
        self.conv_seg = make_classifier(width, num_classes)

    def final_feature(self, features: list[Tensor]) -> Tensor:
        embedded = [embed(f) for embed, f in zip(self.embed_layers, features, strict=True)]
        embedded = [resize_to(e, features[0]) for e in embedded]  # each (B, width, H/4, W/4)
        stack = torch.cat(embedded, dim=1)  # (B, 4 * width, H/4, W/4)
        return self.fuse_layer(stack)  # (B, width, h, w)

    def classify(self, feature: Tensor) -> Tensor:
        return self.conv_seg(self.dropout(feature))  # (B, K, h, w)


def linear_embeddings(channels: tuple[int, ...], width: int) -> list[nn.Module]:
    return [LinearEmbedding(c, width) for c in channels]


class ContextEmbedding(nn.Sequential):
    """Table 7, "context only at F4": the last feature, at stride 4, seen through an ASPP."""

    def __init__(self, in_channels: int, width: int, context: nn.Module, enlarge_by: int) -> None:
        super().__init__(nn.Conv2d(in_channels, width, 1), context)
        self.enlarge_by = enlarge_by  # from the feature's stride to stride 4

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(enlarge(x, self.enlarge_by))


class ISAFusion(nn.Module):
    """Table 7, "ISA fusion": interlaced self-attention on the stack in place of the ASPP."""

    def __init__(
        self, in_channels: int, width: int, key_channels: int, window: tuple[int, int]
    ) -> None:
        super().__init__()
        self.window = window
        self.in_conv = ConvBlock(in_channels, width)
        self.global_relation = SelfAttention(width, key_channels, key_convs=1, norm=True)
        self.local_relation = SelfAttention(width, key_channels, key_convs=1, norm=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.in_conv(x)
        return interlaced(x, self.window, self.global_relation, self.local_relation)
