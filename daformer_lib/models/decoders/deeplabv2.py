"""DeepLabV2's classifier on the last feature, in the reduced form that UDA papers use.

Chen et al., arXiv:1606.00915. The full form sums four dilations (6, 12, 18, 24), the reduced one, a
relic of the early UDA code, only the first two; the paper's numbers are of the reduced one.
"""

from __future__ import annotations

from torch import Tensor, nn

from daformer_lib.models.decoders.base import Decoder


class _Branch(nn.Module):
    def __init__(self, in_channels: int, num_classes: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, num_classes, 3, padding=dilation, dilation=dilation)
        nn.init.normal_(self.conv.weight, std=0.01)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class DeepLabV2Decoder(Decoder):
    """The sum of dilated 3x3 classifiers of the last feature; no dropout, no other features."""

    def __init__(self, in_channels: int, num_classes: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.width = in_channels
        self.aspp_modules = nn.ModuleList(
            _Branch(in_channels, num_classes, dilation) for dilation in dilations
        )

    def final_feature(self, features: list[Tensor]) -> Tensor:
        return features[-1]  # (B, C_4, H/8, W/8): the encoder's own

    def classify(self, feature: Tensor) -> Tensor:
        return sum(branch(feature) for branch in self.aspp_modules)  # (B, K, H/8, W/8)
