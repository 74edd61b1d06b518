"""A segmentation network: an encoder and a decoder, and everything that training reads of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from daformer_lib.models.decoders.base import Decoder


class Segmentor(nn.Module):
    """`segmentor(image)` -> (logits at the decoder's own stride, the encoder's four features).

    Args:
        frozen: BatchNorms that normalise with the statistics they have, in training too. They no
            longer count as keeping any (`track_running_stats`), so nobody estimates them anew;
            their scale and shift are trained.
    """

    def __init__(
        self, encoder: nn.Module, decoder: Decoder, frozen: Sequence[_BatchNorm] = ()
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.frozen = list(frozen)  # a plain list: they are modules of the encoder already
        for norm in self.frozen:
            norm.track_running_stats = False
        self.train()

    def train(self, mode: bool = True) -> Segmentor:
        super().train(mode)
        for norm in self.frozen:
            norm.eval()
        return self

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = self.encoder(image)  # 4 x (B, C_i, H / stride_i, W / stride_i)
        return self.decoder(features), features  # logits (B, K, h, w)

    def auxiliary(self, features: list[Tensor]) -> dict[str, Tensor]:
        """Further logits by name that have a loss of their own: DANet's two branches."""
        return self.decoder.auxiliary(features)
