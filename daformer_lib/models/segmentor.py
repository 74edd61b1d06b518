"""A segmentation network: an encoder and a decoder, and everything that training reads of them."""

from __future__ import annotations

from torch import Tensor, nn

from daformer_lib.models.decoders.base import Decoder


class Segmentor(nn.Module):
    """`segmentor(image)` -> (logits at the decoder's own stride, the encoder's four features)."""

    def __init__(self, encoder: nn.Module, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = self.encoder(image)  # 4 x (B, C_i, H / stride_i, W / stride_i)
        return self.decoder(features), features  # logits (B, K, h, w)

    def with_final_feature(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """`segmentor(image)`'s logits, and what the classifier sees: (B, decoder.width, h, w)."""
        feature = self.decoder.final_feature(self.encoder(image))
        return self.decoder.classify(feature), feature

    def auxiliary(self, features: list[Tensor]) -> dict[str, Tensor]:
        """Further logits by name that have a loss of their own: DANet's two branches."""
        return self.decoder.auxiliary(features)
