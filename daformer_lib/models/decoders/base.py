"""What every decoder offers."""

from __future__ import annotations

from torch import Tensor, nn


class Decoder(nn.Module):
    """`decoder(features)` -> logits (B, K, h, w) at the decoder's own stride."""

    def all_logits(self, features: list[Tensor]) -> list[Tensor]:
        """The logits that training compares with the label, the decoder's answer first.

        One for every decoder but DANet, whose three losses have the same weight.
        """
        return [self(features)]
