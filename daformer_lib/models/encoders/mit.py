"""MiT, the hierarchical Transformer encoder of SegFormer. Xie et al., arXiv:2105.15203.

It is timm's PyramidVisionTransformerV2 with MiT's numbers (MLP ratio 4 in all stages); its
LayerNorm eps are already the authors' (1e-6; 1e-5 in patch embedding and attention reduction).
`tiny_mit` departs from the paper: a stem of two 3x3 stride-2 convolutions with BatchNorm in place
of the 7x7 stride-4 patch embedding, and a last stage that stays at stride 16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.pvt_v2 import PyramidVisionTransformerStage, PyramidVisionTransformerV2
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# Our names (timm's) -> the authors' (see checkpoints/official_names.py): stages count from 1 there.
MIT_RULES = (
    (r"^patch_embed\.", "patch_embed1."),
    *((rf"^stages\.{i}\.downsample\.", f"patch_embed{i + 1}.") for i in range(1, 4)),
    *((rf"^stages\.{i}\.blocks\.", f"block{i + 1}.") for i in range(4)),
    *((rf"^stages\.{i}\.norm\.", f"norm{i + 1}.") for i in range(4)),
    (r"\.mlp\.dwconv\.", ".mlp.dwconv.dwconv."),
)


@dataclass(frozen=True)
class MiTNumbers:
    """What distinguishes one MiT from another."""

    dims: tuple[int, ...]  # channels of the four stages
    depths: tuple[int, ...]  # Transformer blocks per stage
    heads: tuple[int, ...] = (1, 2, 5, 8)
    conv_stem: bool = False  # two stride-2 convolutions instead of a 7x7 patch embedding
    strides: tuple[int, ...] = (4, 8, 16, 32)


_BASE = (64, 128, 320, 512)
# Chosen for time per step on one core; at stride 32 a 128 crop would have 4x4 cells only.
_TINY: dict[str, Any] = {
    "depths": (1, 2, 2, 2), "heads": (1, 2, 4, 4), "conv_stem": True, "strides": (4, 8, 16, 16),
}  # fmt: skip
MIT: dict[str, MiTNumbers] = {
    "mit_b0": MiTNumbers((32, 64, 160, 256), (2, 2, 2, 2)),
    "mit_b1": MiTNumbers(_BASE, (2, 2, 2, 2)),
    "mit_b2": MiTNumbers(_BASE, (3, 4, 6, 3)),
    "mit_b3": MiTNumbers(_BASE, (3, 4, 18, 3)),
    "mit_b4": MiTNumbers(_BASE, (3, 8, 27, 3)),
    "mit_b5": MiTNumbers(_BASE, (3, 6, 40, 3)),
    "tiny_mit": MiTNumbers((24, 48, 96, 128), **_TINY),
    # Half and a quarter of its weights, by width: Table 3 on the mini domains.
    "tiny_mit_half": MiTNumbers((16, 32, 64, 96), **_TINY),
    "tiny_mit_quarter": MiTNumbers((12, 24, 48, 64), **_TINY),
}


class ConvStem(nn.Module):
    """Image -> tokens at stride 4: two 3x3 stride-2 convolutions learn faster than one 7x7."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels // 2)
        self.act = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, image: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(image)))
        x = self.bn2(self.conv2(x))
        return x.permute(0, 2, 3, 1)  # (B, C, H, W) -> (B, H, W, C), as timm's stages expect


class PatchConv(nn.Conv2d):
    """A convolution whose patches do not overlap, as one matrix product: same arithmetic.

    In the attention's reduction, PyTorch's own needs twice the time on a CPU when differentiated.
    """

    @classmethod
    def like(cls, conv: nn.Conv2d) -> PatchConv:
        """The same parameters; nothing random is drawn."""
        patch = conv.kernel_size
        assert conv.stride == patch and conv.padding == (0, 0), conv
        made = nn.utils.skip_init(cls, conv.in_channels, conv.out_channels, patch, stride=patch)
        made.weight, made.bias = conv.weight, conv.bias
        return made

    def forward(self, x: Tensor) -> Tensor:
        b, c, height, width = x.shape
        ph, pw = self.kernel_size
        if x.device.type != "cpu" or not torch.is_grad_enabled() or height % ph or width % pw:
            return super().forward(x)
        h, w = height // ph, width // pw
        patches = x.permute(0, 2, 3, 1).reshape(b, h, ph, w, pw, c).transpose(2, 3)
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)  # (C_out, ph * pw * C)
        out = F.linear(patches.reshape(b, h, w, -1), weight, self.bias)
        return out.permute(0, 3, 1, 2)  # (B, h, w, C_out) -> (B, C_out, h, w)


class MiT(PyramidVisionTransformerV2):
    """Image (B, 3, H, W) -> four features (B, C_i, H / stride_i, W / stride_i)."""

    official_rules = MIT_RULES
    after_first: Callable[[Tensor], Tensor] | None = None  # changes the first stage's feature

    def __init__(self, numbers: MiTNumbers, drop_path: float = 0.1) -> None:
        super().__init__(
            num_classes=0,
            depths=numbers.depths,
            embed_dims=numbers.dims,
            num_heads=numbers.heads,
            mlp_ratios=(4.0,) * 4,
            sr_ratios=(8, 4, 2, 1),
            drop_path_rate=drop_path,
        )
        self.channels = numbers.dims
        self.strides = numbers.strides
        if numbers.conv_stem:
            self.patch_embed = ConvStem(numbers.dims[0])
            self.patch_embed.apply(self._init_weights)
        for before, stride, stage in zip(numbers.strides, numbers.strides[1:], self.stages[1:]):
            stage.downsample.proj.stride = (stride // before, stride // before)
        for block in (block for stage in self.stages for block in stage.blocks):
            if block.attn.sr is not None:
                block.attn.sr = PatchConv.like(block.attn.sr)

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.first_stage(image)
        features = [x if self.after_first is None else self.after_first(x)]
        for stage in self.stages[1:]:
            features.append(run_stage(stage, features[-1]))  # (B, C_i, H / stride_i, W / stride_i)
        return features

    def first_stage(self, image: Tensor) -> Tensor:
        """The first of the four features alone."""
        return run_stage(self.stages[0], self.patch_embed(image))  # (B, C_0, H/4, W/4)


def run_stage(stage: PyramidVisionTransformerStage, x: Tensor) -> Tensor:
    """timm's stage without the copy at its end: what comes next reads channels last as well."""
    if stage.downsample is not None:
        x = stage.downsample(x)  # (B, C, H, W) -> (B, h, w, C_i)
    b, h, w, _ = x.shape
    x = x.reshape(b, h * w, -1)
    for block in stage.blocks:
        if stage.grad_checkpointing and torch.is_grad_enabled():
            x = checkpoint(block, x, (h, w), use_reentrant=False)
        else:
            x = block(x, (h, w))
    return stage.norm(x).view(b, h, w, -1).permute(0, 3, 1, 2)
