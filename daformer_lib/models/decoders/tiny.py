"""The DAFormer decoder at tiny size: the same parts, fused before the context instead of after.

Departs from the paper's decoder, which runs its ASPP on the stack of all embedded features: on a
CPU that costs twice the tiny encoder. Stacking and then fusing with a 1x1 convolution is the same
as embedding each feature to the fused width and adding them up, so that is what happens here.
"""

from __future__ import annotations

from torch import Tensor, nn

from daformer_lib.models.decoders.base import Decoder
from daformer_lib.models.decoders.daformer import linear_embeddings
from daformer_lib.models.decoders.layers import make_classifier, resize_to


class TinyDAFormerDecoder(Decoder):
    """Embed each feature, add them up at stride 4, look around, classify."""

    def __init__(
        self,
        channels: tuple[int, ...],
        width: int,
        context: nn.Module,
        num_classes: int,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.width = width
        self.embed_layers = nn.ModuleList(linear_embeddings(channels, width))
        self.fuse = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        self.context = context  # (B, width, h, w) -> (B, width, h, w), such as an ASPP
        self.dropout = nn.Dropout2d(dropout)
        self.conv_seg = make_classifier(width, num_classes)

    def final_feature(self, features: list[Tensor]) -> Tensor:
        embedded = [embed(f) for embed, f in zip(self.embed_layers, features, strict=True)]
        fused = self.fuse(sum(resize_to(e, features[0]) for e in embedded))  # (B, width, h, w)
        return self.context(fused)  # (B, width, h, w)

    def classify(self, feature: Tensor) -> Tensor:
        return self.conv_seg(self.dropout(feature))  # (B, K, h, w)
