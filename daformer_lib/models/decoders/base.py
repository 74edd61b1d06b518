"""What every decoder offers."""

from __future__ import annotations

from torch import Tensor, nn


class Decoder(nn.Module):
    """`decoder(features)` -> logits (B, K, h, w) at the decoder's own stride."""

    def auxiliary(self, features: list[Tensor]) -> dict[str, Tensor]:
        """Further logits by name that have a loss of their own, of weight 1; only DANet has any."""
        return {}
