"""The table of decoders, and the one place that knows their numbers (widths, dilations, kernels).

The decoders are the rows of the DAFormer paper's Tables 1, 2 and 7. Its CNN decoders (DeepLabV3+,
DANet, ISANet) have no BatchNorm, as in the authors' configs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from daformer_lib.config import ModelConfig
from daformer_lib.models.decoders.base import Decoder
from daformer_lib.models.decoders.daformer import (
    ASPP,
    ContextEmbedding,
    DAFormerDecoder,
    ISAFusion,
    linear_embeddings,
)
from daformer_lib.models.decoders.danet import DANetDecoder
from daformer_lib.models.decoders.deeplabv2 import DeepLabV2Decoder
from daformer_lib.models.decoders.deeplabv3plus import DeepLabV3PlusDecoder
from daformer_lib.models.decoders.isanet import ISANetDecoder
from daformer_lib.models.decoders.layers import ConvBlock
from daformer_lib.models.decoders.segformer import SegFormerDecoder
from daformer_lib.models.decoders.tiny import TinyDAFormerDecoder
from daformer_lib.models.decoders.upernet import UPerNetDecoder
from daformer_lib.texts import nearest


@dataclass(frozen=True)
class DecoderNumbers:
    """Widths in channels, dilations and windows in cells of the feature map."""

    daformer_width: int
    daformer_dilations: tuple[int, ...]
    daformer_fuse_first: bool  # add the embedded features up before the ASPP (decoders/tiny.py)
    daformer_bottleneck: int  # kernel of the convolution that ends the ASPP
    segformer_width: int
    segformer256_width: int
    upernet512_width: int
    upernet256_width: int
    deeplabv2_dilations: tuple[int, ...]
    deeplabv3plus_dilations: tuple[int, ...]
    cnn_width: int  # DeepLabV3+, DANet, ISANet
    low_width: int  # DeepLabV3+: what is left of the first feature
    danet_key_width: int
    isa_key_width: int
    isa_window: tuple[int, int] = (8, 8)


PAPER = DecoderNumbers(
    daformer_width=256,
    daformer_dilations=(1, 6, 12, 18),
    daformer_fuse_first=False,
    daformer_bottleneck=3,
    segformer_width=768,
    segformer256_width=256,
    upernet512_width=512,
    upernet256_width=256,
    deeplabv2_dilations=(6, 12),
    deeplabv3plus_dilations=(1, 12, 24, 36),
    cnn_width=512,
    low_width=48,
    danet_key_width=64,
    isa_key_width=256,
)


# For crops of 128x128, where stride 4 has 32x32 cells. The ASPP on the concatenated width costs
# twice the encoder, so the tiny decoder fuses first: a departure from the paper's decoder.
TINY = DecoderNumbers(
    daformer_width=48,
    daformer_dilations=(1, 3, 6),
    daformer_fuse_first=True,
    daformer_bottleneck=1,
    segformer_width=48,
    segformer256_width=24,
    upernet512_width=48,
    upernet256_width=24,
    deeplabv2_dilations=(3, 6),
    deeplabv3plus_dilations=(1, 3, 6, 9),
    cnn_width=48,
    low_width=12,
    danet_key_width=12,
    isa_key_width=24,
    isa_window=(4, 4),
)


# Encoders whose features are small enough for the tiny decoders; all others take the paper's.
DECODER_NUMBERS = dict.fromkeys(
    (
        "tiny_mit", "tiny_mit_half", "tiny_mit_quarter",
        "tiny_resnet", "tiny_resnet_half", "tiny_resnet_quarter", "tiny_vit",
    ), TINY,
)  # fmt: skip


@dataclass(frozen=True)
class _Sizes:
    """What a decoder is built from."""

    channels: tuple[int, ...]  # of the encoder's features
    strides: tuple[int, ...]
    n: DecoderNumbers
    num_classes: int
    dropout: float

    @property
    def stack(self) -> int:
        return len(self.channels) * self.n.daformer_width


def _daformer(p: _Sizes) -> Decoder:
    return _fused(p, lambda stack: _aspp(p, stack))


def _daformer_no_dsc(p: _Sizes) -> Decoder:
    return _fused(p, lambda stack: _aspp(p, stack, separable=False))


def _daformer_conv1(p: _Sizes) -> Decoder:
    return _fused(p, lambda stack: ConvBlock(stack, p.n.daformer_width))  # fuses by a 1x1


def _isa_fusion(p: _Sizes) -> Decoder:
    width = p.n.daformer_width  # of the keys too
    return _fused(p, lambda stack: ISAFusion(stack, width, width, p.n.isa_window))


def _aspp(p: _Sizes, in_channels: int, separable: bool = True) -> nn.Module:
    n = p.n
    kernel = n.daformer_bottleneck
    return ASPP(in_channels, n.daformer_width, n.daformer_dilations, separable, kernel)


def _fused(p: _Sizes, fusion: Callable[[int], nn.Module]) -> Decoder:
    """`fusion(in_channels)` sees the stack of embedded features, or at tiny size their sum."""
    width = p.n.daformer_width
    if p.n.daformer_fuse_first:
        return TinyDAFormerDecoder(p.channels, width, fusion(width), p.num_classes, p.dropout)
    embeddings = linear_embeddings(p.channels, width)
    return DAFormerDecoder(embeddings, fusion(p.stack), width, p.num_classes, p.dropout)


def _context_f4(p: _Sizes) -> Decoder:
    width = p.n.daformer_width
    embeddings = linear_embeddings(p.channels[:-1], width)
    times = p.strides[-1] // p.strides[0]
    context = ContextEmbedding(p.channels[-1], width, _aspp(p, width), times)
    fusion = ConvBlock(p.stack, width)
    return DAFormerDecoder([*embeddings, context], fusion, width, p.num_classes, p.dropout)


def _segformer(p: _Sizes) -> Decoder:
    return SegFormerDecoder(p.channels, p.n.segformer_width, p.num_classes, p.dropout)


def _segformer256(p: _Sizes) -> Decoder:
    return SegFormerDecoder(p.channels, p.n.segformer256_width, p.num_classes, p.dropout)


def _upernet512(p: _Sizes) -> Decoder:
    return UPerNetDecoder(p.channels, p.n.upernet512_width, p.num_classes, p.dropout)


def _upernet256(p: _Sizes) -> Decoder:
    return UPerNetDecoder(p.channels, p.n.upernet256_width, p.num_classes, p.dropout)


def _deeplabv2(p: _Sizes) -> Decoder:
    return DeepLabV2Decoder(p.channels[-1], p.num_classes, p.n.deeplabv2_dilations)


def _deeplabv3plus(p: _Sizes) -> Decoder:
    return DeepLabV3PlusDecoder(
        p.channels,
        p.n.cnn_width,
        p.n.low_width,
        p.n.deeplabv3plus_dilations,
        p.num_classes,
        p.dropout,
        enlarge_last=max(1, p.strides[-1] // 8),  # the head sees stride 8
    )


def _danet(p: _Sizes) -> Decoder:
    width, key_width = p.n.cnn_width, p.n.danet_key_width
    return DANetDecoder(p.channels[-1], width, key_width, p.num_classes, p.dropout)


def _isanet(p: _Sizes) -> Decoder:
    width, key_width = p.n.cnn_width, p.n.isa_key_width
    return ISANetDecoder(p.channels[-1], width, key_width, p.n.isa_window, p.num_classes, p.dropout)


DECODERS: dict[str, Callable[[_Sizes], Decoder]] = {
    "daformer": _daformer,
    "daformer_no_dsc": _daformer_no_dsc,
    "daformer_conv1": _daformer_conv1,
    "context_f4": _context_f4,
    "isa_fusion": _isa_fusion,
    "segformer": _segformer,
    "segformer256": _segformer256,
    "upernet512": _upernet512,
    "upernet256": _upernet256,
    "deeplabv2": _deeplabv2,
    "deeplabv3plus": _deeplabv3plus,
    "danet": _danet,
    "isanet": _isanet,
}


def require_decoder(name: str) -> None:
    """Raises ValueError with the nearest names where there is no such decoder."""
    if name not in DECODERS:
        raise ValueError(f"unknown decoder {name!r}; {nearest(name, DECODERS)}")


def build_decoder(
    config: ModelConfig,
    channels: tuple[int, ...],
    strides: tuple[int, ...],
    name: str | None = None,
    outputs: int | None = None,
) -> Decoder:
    """The decoder that the config names, for features of these channels and strides.

    Args:
        name, outputs: another decoder, and how many logits it has, in place of the config's.
    """
    name = name or config.decoder
    require_decoder(name)
    numbers = DECODER_NUMBERS.get(config.encoder, PAPER)
    sizes = _Sizes(channels, strides, numbers, outputs or config.num_classes, config.dropout)
    return DECODERS[name](sizes)
