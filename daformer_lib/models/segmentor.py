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

    def all_logits(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Like `forward`, with every logits that has a loss: DANet trains on three."""
        features = self.encoder(image)
        return self.decoder.all_logits(features), features
