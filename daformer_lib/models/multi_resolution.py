"""HRDA's network: one encoder and one decoder for two scales, and an attention that chooses.

Hoyer, Dai, Van Gool, ECCV 2022, arXiv:2204.13132, Sec. 3.2 to 3.5. The context branch sees the
whole image at reduced resolution, the detail branch a crop of it, or overlapping ones, at full
resolution. Departs from the paper as the authors' code does: the attention is set to 0 outside the
detail crop before it is enlarged, so the crop's border is fused of both branches in part.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from daformer_lib.config import HRDAConfig, Sides
from daformer_lib.evaluate import slide, window_starts
from daformer_lib.models.decoders.base import Decoder
from daformer_lib.models.resize import resize_bilinear, scaled
from daformer_lib.models.segmentor import Segmentor

LEAST_SIDE = 32  # px: the largest stride of an encoder


class Region(NamedTuple):
    """A place in an image or a map, ends exclusive."""

    top: int
    bottom: int
    left: int
    right: int

    def cut(self, x: Tensor) -> Tensor:
        """(..., H, W) -> (..., bottom - top, right - left)."""
        return x[..., self.top : self.bottom, self.left : self.right]

    def cells(self, stride: float) -> Region:
        """The same place in a map whose cells are `stride` pixels wide, truncated."""
        return Region(*(int(side / stride) for side in self))


class Branches(NamedTuple):
    """What one detail crop's forward pass gives, all that training reads of it."""

    logits: Tensor  # (B, K, H / stride, W / stride), fused
    context: Tensor  # (B, K, h, w) at the context's stride: (1 - attention) * logits
    detail: Tensor  # (B, K, ...) of the detail crop alone
    features: list[Tensor]  # of the context image
    detail_features: list[Tensor]  # of the detail crop


def detail_image(image: Tensor, config: HRDAConfig) -> Tensor:
    """What the detail branch sees crops of: the image, in an ablation without its fine detail."""
    return scaled(scaled(image, 0.5), 2.0) if config.blur else image


def detail_regions(size: Sides, crop: Sides | None, overlap: bool) -> list[Region]:
    """The crops that cover an image (height, width); the last ones touch its border."""
    height, width = size if crop is None else map(min, crop, size)
    steps = [max(1, side // 2 if overlap else side) for side in (height, width)]
    tops, lefts = (
        window_starts(*sides) for sides in zip(size, (height, width), steps, strict=True)
    )
    return [Region(y, y + height, x, x + width) for y, x in product(tops, lefts)]


class ScaleDecoder(Decoder):
    """The head of both scales, and the attention between them.

    Args:
        attention_head: features -> logits of the attention; None where it is `fixed`.
    """

    def __init__(self, head: Decoder, attention_head: Decoder | None, fixed: float | None) -> None:
        super().__init__()
        self.head = head
        if attention_head is not None:
            self.scale_attention = attention_head
        self.fixed = fixed

    def attention(self, features: list[Tensor], logits: Tensor) -> Tensor:
        """Share of the detail in [0, 1], (B, K or 1, h, w), of the context's features alone."""
        if self.fixed is not None:
            return logits.new_full((len(logits), 1, *logits.shape[-2:]), self.fixed)
        return self.scale_attention(features).sigmoid()


class MultiResolution(Segmentor):
    """`network(image)` labels whole images; `network(image, region)` sees one detail crop."""

    def __init__(
        self,
        encoder: nn.Module,
        decoder: ScaleDecoder,
        config: HRDAConfig,
        frozen: Sequence[_BatchNorm] = (),
    ) -> None:
        super().__init__(encoder, decoder, frozen)
        self.config = config

    def forward(
        self, image: Tensor, region: Region | None = None
    ) -> tuple[Tensor, list[Tensor]] | Branches:
        """(logits, the context's features), or with a region all `Branches`.

        Logits have the decoder's stride. In eval mode an image that is larger than the window of
        the configuration is seen through windows: logits at its own size, and no features.
        """
        if region is not None:
            return self.branches(image, region)
        window = self.config.window
        if self.training or window is None or all(map(_fits, image.shape[-2:], window)):
            return self.whole(image)
        stride = (max(1, window[0] // 2), max(1, window[1] // 2))
        return slide(self.whole, image, window, stride), []

    def context_image(self, image: Tensor) -> Tensor:
        """The image at the context's scale; one that is too small for encoders then, stretched."""
        small = scaled(image, self.config.scale)
        size = tuple(max(LEAST_SIDE, side) for side in small.shape[-2:])
        if size == tuple(small.shape[-2:]):
            return small
        return F.interpolate(image, size, mode="bilinear", align_corners=False)

    def branches(self, image: Tensor, region: Region) -> Branches:
        """Eq. 4, 6-9: the context of images (B, 3, H, W), and the detail of one region in it."""
        small = scaled(image, self.config.scale)
        features = self.encoder(small)
        if self.config.context_alone:
            context = self.decoder.head(features)
            logits = enlarged(context, small, image)
            return Branches(logits, context, context[..., :0], features, [])
        crop = region.cut(detail_image(image, self.config))
        detail_features = self.encoder(crop)
        context, detail = self.decoder.head(features), self.decoder.head(detail_features)
        attention = self.decoder.attention(features, context)
        stride = _stride(crop, detail)
        inside = torch.zeros_like(attention[:1, :1])
        region.cells(stride / self.config.scale).cut(inside).fill_(1)
        size = tuple(side // stride for side in image.shape[-2:])
        y1, y2, x1, x2 = region.cells(stride)
        inserted = F.pad(detail, (x1, size[1] - x2, y1, size[0] - y2))
        logits, context = fuse(context, inserted, attention * inside)
        return Branches(logits, context, detail, features, detail_features)

    def whole(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Eq. 10: the detail of overlapping crops, all in one batch; (logits, features)."""
        config, size = self.config, image.shape[-2:]
        regions = detail_regions(size, config.detail_crop, config.overlap)
        small = self.context_image(image)
        features = self.encoder(small)
        if config.context_alone:
            return enlarged(self.decoder.head(features), small, image), features
        detailed = detail_image(image, config)
        crops = torch.cat([region.cut(detailed) for region in regions])  # crop by crop
        detail_features = self.encoder(crops)
        context, details = self.decoder.head(features), self.decoder.head(detail_features)
        attention = self.decoder.attention(features, context)
        detail = stitch(details, regions, _stride(crops, details))
        return fuse(context, detail, attention)[0], features


def enlarged(context: Tensor, small: Tensor, image: Tensor) -> Tensor:
    """The logits of the context image `small` at the size of the whole image's fused ones."""
    stride = _stride(small, context)
    return resize_bilinear(context, tuple(side // stride for side in image.shape[-2:]))


def fuse(context: Tensor, detail: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 9: logits at the detail's size, and the context's share of them at its own.

    Args:
        context, attention: (B, K or 1, h, w). detail: (B, K, H, W), zeros where there is none.
    """
    share = (1 - attention) * context
    size = tuple(detail.shape[-2:])
    return resize_bilinear(attention, size) * detail + resize_bilinear(share, size), share


def stitch(details: Tensor, regions: Sequence[Region], stride: int) -> Tensor:
    """The mean of overlapping crops' logits (crops * B, K, h, w) -> (B, K, H, W)."""
    cells = [region.cells(stride) for region in regions]
    height, width = cells[-1].bottom, cells[-1].right
    parts = details.chunk(len(regions))
    total = details.new_zeros(*parts[0].shape[:2], height, width)
    count = details.new_zeros(height, width)
    for (y1, y2, x1, x2), part in zip(cells, parts, strict=True):
        part = resize_bilinear(part, (y2 - y1, x2 - x1))  # another size only in small odd images
        total = total + F.pad(part, (x1, width - x2, y1, height - y2))
        count[y1:y2, x1:x2] += 1
    return total / count


def _fits(side: int, window: int) -> bool:
    return side <= window


def _stride(image: Tensor, logits: Tensor) -> int:
    return round(image.shape[-1] / logits.shape[-1])
