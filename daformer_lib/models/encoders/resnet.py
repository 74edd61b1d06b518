"""ResNet and ResNeSt encoders with stride 8, the CNNs of the paper's Tables 1-3.

timm's ResNet with output stride 8: the last two stages keep their resolution and dilate their 3x3
convolutions by 2 and 4, the first block of each by half of that. He et al., arXiv:1512.03385; deep
stem (v1c): He et al., arXiv:1812.01187; ResNeSt: Zhang et al., arXiv:2004.08955. `tiny_resnet` is
their small counterpart, of basic blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from timm.models.resnest import ResNestBottleneck
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn

# Our names -> the authors' (see checkpoints/official_names.py): three convolutions of the stem
# in one list.
RESNET_RULES = (
    (r"^conv1\.", "stem."),
    (r"^bn1\.", "stem.7."),
)


@dataclass(frozen=True)
class ResNetNumbers:
    """What distinguishes one ResNet from another."""

    depths: tuple[int, ...]  # residual blocks per stage
    block: type = Bottleneck
    widths: tuple[int, ...] = (64, 128, 256, 512)  # of the 3x3 convolutions
    stem_width: int = 32  # of the first two of the three stem convolutions
    avg_down: bool = False  # shortcuts average before they change the resolution
    block_args: tuple[tuple[str, bool | int], ...] = ()
    zero_init_last: bool = True  # a residual branch adds nothing at first


_SPLIT = {
    "block": ResNestBottleneck,
    "avg_down": True,
    "block_args": (("radix", 2), ("avd", True)),
    "zero_init_last": False,
}
RESNET: dict[str, ResNetNumbers] = {
    "resnet50_v1c": ResNetNumbers((3, 4, 6, 3)),
    "resnet101_v1c": ResNetNumbers((3, 4, 23, 3)),
    "resnest50": ResNetNumbers((3, 4, 6, 3), **_SPLIT),
    "resnest101": ResNetNumbers((3, 4, 23, 3), stem_width=64, **_SPLIT),
    "resnest200": ResNetNumbers((3, 24, 36, 3), stem_width=64, **_SPLIT),
    "tiny_resnet": ResNetNumbers((1, 1, 2, 2), BasicBlock, (24, 48, 96, 160), stem_width=12),
    # Half and a quarter of its weights, by width: Table 3 on the mini domains.
    "tiny_resnet_half": ResNetNumbers((1, 1, 2, 2), BasicBlock, (16, 36, 68, 112), stem_width=8),
    "tiny_resnet_quarter": ResNetNumbers((1, 1, 2, 2), BasicBlock, (12, 24, 48, 80), stem_width=6),
}


class DilatedResNet(ResNet):
    """Image (B, 3, H, W) -> four features at strides 4, 8, 8, 8."""

    official_rules = RESNET_RULES
    after_first: Callable[[Tensor], Tensor] | None = None  # changes the first stage's feature

    def __init__(self, numbers: ResNetNumbers) -> None:
        super().__init__(
            numbers.block,
            numbers.depths,
            num_classes=0,
            output_stride=8,
            stem_type="deep",
            stem_width=numbers.stem_width,
            channels=numbers.widths,
            avg_down=numbers.avg_down,
            zero_init_last=numbers.zero_init_last,
            block_args=dict(numbers.block_args),
        )
        self.channels = tuple(width * numbers.block.expansion for width in numbers.widths)
        self.strides = (4, 8, 8, 8)
        if numbers.avg_down:
            # timm averages 2x2 windows here although nothing is downsampled; the authors do not.
            for stage in (self.layer3, self.layer4):
                stage[0].downsample[0] = nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)  # ResNeSt's attention; timm leaves PyTorch's default

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.first_stage(image)
        features = [x if self.after_first is None else self.after_first(x)]
        for stage in (self.layer2, self.layer3, self.layer4):
            features.append(stage(features[-1]))
        return features

    def first_stage(self, image: Tensor) -> Tensor:
        """The first of the four features alone."""
        x = self.act1(self.bn1(self.conv1(image)))  # (B, 3, H, W) -> (B, 2 * stem, H/2, W/2)
        return self.layer1(self.maxpool(x))  # -> (B, 2 * stem, H/4, W/4) -> (B, C_0, H/4, W/4)
