"""A segmentation network: an encoder and a decoder, and everything that training reads of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from daformer_lib.models.decoders.base import Decoder
from daformer_lib.models.statistics import batch_norms


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
        self.frozen: list[nn.Module] = []  # a plain list: they are modules of the encoder already
        self._freeze(frozen)

    def train(self, mode: bool = True) -> Segmentor:
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def freeze_encoder(self) -> None:
        """No step changes it from here on, and it is as in use: without dropout, too."""
        self.encoder.requires_grad_(False)
        self._freeze(batch_norms(self.encoder))
        self.frozen.append(self.encoder)
        self.train()

    def _freeze(self, norms: Sequence[_BatchNorm]) -> None:
        self.frozen += norms
        for norm in norms:
            norm.track_running_stats = False
        self.train()

    def parameter_counts(self) -> dict[str, int]:
        """Of all weights, and of those that learn."""
        sizes = [(p.numel(), p.requires_grad) for p in self.parameters()]
        return {"trained": sum(n for n, learns in sizes if learns), "all": sum(n for n, _ in sizes)}

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
