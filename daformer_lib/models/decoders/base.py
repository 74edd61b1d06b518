"""What every decoder offers."""

from __future__ import annotations

from torch import Tensor, nn


class Decoder(nn.Module):
    """`decoder(features)` -> logits (B, K, h, w) at the decoder's own stride.

    In two halves, for methods that look between them; what drops out belongs to the second.

    Attributes:
        width: channels of the final feature.
    """

    width: int

    def final_feature(self, features: list[Tensor]) -> Tensor:
        """What the classifier sees: (B, width, h, w)."""
        raise NotImplementedError

    def classify(self, feature: Tensor) -> Tensor:
        """The final feature -> logits (B, K, h, w)."""
        raise NotImplementedError

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.classify(self.final_feature(features))

    def auxiliary(self, features: list[Tensor]) -> dict[str, Tensor]:
        """Further logits by name that have a loss of their own, of weight 1; only DANet has any."""
        return {}
