"""DANet's decoder: attention between positions and between channels. arXiv:1809.02983."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from daformer_lib.models.decoders.attention import attend
from daformer_lib.models.decoders.base import Decoder
from daformer_lib.models.decoders.layers import ConvBlock, make_classifier


class _Scale(nn.Module):
    """A learnable factor that starts at 0: at first the attention adds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class PositionAttention(nn.Module):
    """x plus a learnt share of an average over similar positions (no 1/sqrt(d) in the softmax)."""

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.query_project = nn.Conv2d(channels, key_channels, 1)
        self.key_project = nn.Conv2d(channels, key_channels, 1)
        self.value_project = nn.Conv2d(channels, channels, 1)
        self.gamma = _Scale()

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query_project(x), self.key_project(x), self.value_project(x)
        return x + self.gamma(attend(query, key, value, scale=1.0))


class ChannelAttention(nn.Module):
    """x plus a learnt share of an average over channels; the least similar weigh most."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = _Scale()

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)  # (B, C, H*W)
        similarity = flat @ flat.transpose(1, 2)  # (B, C, C)
        # Softmax of (row maximum - similarity), as in DANet's code: it prefers unlike channels.
        weights = (similarity.amax(dim=-1, keepdim=True) - similarity).softmax(dim=-1)
        return x + self.gamma((weights @ flat).view_as(x))


class DANetDecoder(Decoder):
    """Two attention branches on the last feature, added; in training each is also classified."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        key_channels: int,
        num_classes: int,
        dropout: float = 0.1,
        norm: bool = False,
    ) -> None:
        super().__init__()
        self.width = width
        self.pam_in_conv = ConvBlock(in_channels, width, 3, norm=norm)
        self.pam = PositionAttention(width, key_channels)
        self.pam_out_conv = ConvBlock(width, width, 3, norm=norm)
        self.cam_in_conv = ConvBlock(in_channels, width, 3, norm=norm)
        self.cam = ChannelAttention()
        self.cam_out_conv = ConvBlock(width, width, 3, norm=norm)
        self.dropout = nn.Dropout2d(dropout)
        self.conv_seg = make_classifier(width, num_classes)
        # Only the classifier of the sum has std 0.01: these two keep PyTorch's initialisation.
        self.pam_conv_seg = nn.Conv2d(width, num_classes, 1)
        self.cam_conv_seg = nn.Conv2d(width, num_classes, 1)

    def _branches(self, x: Tensor) -> tuple[Tensor, Tensor]:
        position = self.pam_out_conv(self.pam(self.pam_in_conv(x)))  # (B, width, h, w)
        channel = self.cam_out_conv(self.cam(self.cam_in_conv(x)))  # (B, width, h, w)
        return position, channel

    def final_feature(self, features: list[Tensor]) -> Tensor:
        position, channel = self._branches(features[-1])
        return position + channel  # (B, width, h, w)

    def classify(self, feature: Tensor) -> Tensor:
        return self.conv_seg(self.dropout(feature))  # (B, K, h, w)

    def auxiliary(self, features: list[Tensor]) -> dict[str, Tensor]:
        """Logits of each branch alone. Computes the branches again, so that no state is kept."""
        position, channel = self._branches(features[-1])
        return {
            "pam": self.pam_conv_seg(self.dropout(position)),
            "cam": self.cam_conv_seg(self.dropout(channel)),
        }
