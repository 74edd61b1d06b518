"""Building blocks that several decoders share.

Attribute names (`conv`, `bn`, `depthwise_conv`, ...) are those of the authors' checkpoints, so that
their files fit without a map. Initialisation follows the authors' too: Kaiming fan-out that ignores
groups, classifiers with standard deviation 0.01, linear layers PyTorch's own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from daformer_lib.models.resize import resize_bilinear


def _is_channels_last_on_cpu(x: Tensor) -> bool:
    last = x.is_contiguous(memory_format=torch.channels_last)
    return last and x.device.type == "cpu" and not torch.compiler.is_compiling()


class DilatedDepthwise(nn.Conv2d):
    """A dilated depthwise 3x3 convolution, on a CPU by way of its phases: same arithmetic.

    With dilation d an output sees only every d-th row and column, so the map falls apart into d x d
    small ones that an undilated convolution handles. Channels last, PyTorch's CPU kernel for that
    is fast, and the one for dilated convolutions up to 20 times slower (docs/use/speed.md).
    """

    def forward(self, x: Tensor) -> Tensor:
        if not _is_channels_last_on_cpu(x):
            return super().forward(x)
        b, c, height, width = x.shape
        d = self.dilation[0]
        h, w = -(-height // d), -(-width // d)  # of a phase, rounded up
        rows = F.pad(x.permute(0, 2, 3, 1), (0, 0, 0, w * d - width, 0, h * d - height))
        # (B, h * d, w * d, C) -> (B * d * d, C, h, w), channels last
        phases = rows.reshape(b, h, d, w, d, c).permute(0, 2, 4, 1, 3, 5).reshape(-1, h, w, c)
        out = F.conv2d(phases.permute(0, 3, 1, 2), self.weight, self.bias, padding=1, groups=c)
        out = out.permute(0, 2, 3, 1).reshape(b, d, d, h, w, c).permute(0, 3, 1, 4, 2, 5)
        out = out.reshape(b, h * d, w * d, c)[:, :height, :width]
        return out.contiguous().permute(0, 3, 1, 2)  # BatchNorm is slow on a map with gaps


class Pointwise(nn.Conv2d):
    """A 1x1 convolution; of a channels-last map on a CPU a matrix product: same arithmetic.

    PyTorch's own hands back a gradient in the other layout, and the BatchNorm before it then takes
    ten times as long to walk back as its convolution (docs/use/speed.md).
    """

    def forward(self, x: Tensor) -> Tensor:
        if not _is_channels_last_on_cpu(x):
            return super().forward(x)
        out = F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return out.permute(0, 3, 1, 2)  # (B, H, W, C_out) -> (B, C_out, H, W), channels last


class ConvBlock(nn.Module):
    """Convolution, then BatchNorm (without it the convolution has a bias), then ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        dilation: int = 1,
        groups: int = 1,
        norm: bool = True,
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        by_phases = kernel == 3 and dilation > 1 and groups == in_channels == out_channels
        plain = Pointwise if kernel == groups == 1 else nn.Conv2d
        self.conv = (DilatedDepthwise if by_phases else plain)(
            in_channels,
            out_channels,
            kernel,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=not norm,
        )
        self.bn = nn.BatchNorm2d(out_channels) if norm else nn.Identity()
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        if not norm:
            nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class SeparableConv(nn.Module):
    """A depthwise, then a pointwise convolution, each followed by BatchNorm and ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, dilation: int = 1, norm: bool = True
    ) -> None:
        super().__init__()
        self.depthwise_conv = ConvBlock(
            in_channels, in_channels, 3, dilation, groups=in_channels, norm=norm
        )
        self.pointwise_conv = ConvBlock(in_channels, out_channels, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise_conv(self.depthwise_conv(x))


class LinearEmbedding(nn.Module):
    """One linear layer on each position: a feature (B, C, H, W) -> (B, width, H, W)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_channels, width)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        tokens = self.proj(x.flatten(2).transpose(1, 2))  # (B, C, H, W) -> (B, H*W, width)
        return tokens.transpose(1, 2).reshape(b, -1, h, w)  # -> (B, width, H, W)


def make_classifier(in_channels: int, num_classes: int) -> nn.Conv2d:
    """The 1x1 convolution that gives the logits."""
    conv = nn.Conv2d(in_channels, num_classes, 1)
    nn.init.normal_(conv.weight, std=0.01)
    nn.init.zeros_(conv.bias)
    return conv


def resize_to(x: Tensor, reference: Tensor) -> Tensor:
    """Bilinear, to the height and width of `reference`."""
    return resize_bilinear(x, reference.shape[-2:])


def enlarge(x: Tensor, times: int) -> Tensor:
    """Bilinear, to `times` the height and width."""
    return resize_bilinear(x, (x.shape[-2] * times, x.shape[-1] * times))
