"""Plain Vision Transformers as encoders: DINOv2 and any other ViT of timm; and `tiny_vit`.

Dosovitskiy et al., arXiv:2010.11929; DINOv2: Oquab et al., arXiv:2304.07193. A ViT has one grid of
tokens from its first block to its last, the decoders read four strides. So the tokens of four
blocks are interpolated to strides 4, 8, 16 and 32, without a parameter, as in Rein's code (Wei et
al., arXiv:2312.04265). Departs from it: each stride has a block of its own, and the tokens pass
through the network's last LayerNorm, as DINOv2's own features of several blocks do.
"""

from __future__ import annotations

import re
from itertools import pairwise

import timm
import torch
import torch.nn.functional as F
from timm.models import eva, vision_transformer
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from daformer_lib.batch import IMAGENET_MEAN, IMAGENET_STD
from daformer_lib.models.encoders.normalisation import renormalised
from daformer_lib.models.resize import rescale_bilinear

FAMILIES = ("vision_transformer", "eva", "deit")  # timm's modules of ViTs; eva has DINOv3
STRIDES = (4, 8, 16, 32)
_BLOCK = re.compile(r"blocks\.(\d+)\.")
_EMBEDDING = (
    "patch_embed.", "pos_embed", "cls_token", "reg_token", "dist_token", "norm_pre.", "rope.",
)  # fmt: skip
# What a weight file has beside features: classifiers, pooling, what only pretraining reads.
_UNREAD = ("head.", "head_dist.", "fc_norm.", "attn_pool.", "mask_token")


class ViT(nn.Module):
    """Image (B, 3, H, W) -> four features (B, C, H / stride_i, W / stride_i), rounded up.

    The image is filled up to whole patches, right and below, with the mean colour; features are
    cut back to the image, so no loss and no label sees the filling: only attention does.

    Args:
        body: timm's network. blocks: see `choose`.
        mean, std: RGB in [0, 1], what the weights were trained with.
    """

    official_rules = ((r"^body\.", ""),)  # files have timm's names
    without_decay = ("pos_embed", "cls_token", "reg_token")  # of weights, as timm's own training

    def __init__(
        self,
        body: VisionTransformer | Eva,
        strides: tuple[int, ...] = STRIDES,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.body = body
        self.patch = body.patch_embed.patch_size[0]
        self.strides, self.channels = strides, (body.embed_dim,) * len(strides)
        self.mean, self.std = tuple(mean), tuple(std)
        self.depth = len(body.blocks)
        self.choose(None)

    def choose(self, blocks: tuple[int, ...] | None) -> None:
        """Take the features behind these blocks, counted from 0; None = the ends of the quarters.

        Blocks above the last one are dropped for good.
        """
        count = len(self.strides)
        quarters = tuple(-(-self.depth * (i + 1) // count) - 1 for i in range(count))
        if self.depth < count:
            raise ValueError(
                f"this ViT has {self.depth} blocks, the decoders read features of four; choose a "
                "deeper one, such as timm:vit_small_patch14_reg4_dinov2.lvd142m"
            )
        blocks = quarters if blocks is None else tuple(blocks)
        rising = all(one < other for one, other in pairwise(blocks))
        if len(blocks) != count or not rising or not 0 <= blocks[0] <= blocks[-1] < self.depth:
            raise ValueError(
                f"model.blocks {','.join(map(str, blocks))} must be four rising numbers from 0 to "
                f"{self.depth - 1}, the last of this ViT's blocks; try "
                f"{','.join(map(str, quarters))}"
            )
        self.blocks = blocks
        self.body.prune_intermediate_layers(list(blocks))  # and classifier, pooling

    def forward(self, image: Tensor) -> list[Tensor]:
        height, width = image.shape[-2:]
        x = renormalised(image, self.mean, self.std)
        right, below = ((self.patch - side % self.patch) % self.patch for side in (width, height))
        x = F.pad(x, (0, right, 0, below))  # 0 is the mean colour
        # Positions are interpolated by timm to this image's grid; class and registers are left out.
        tokens = self.body.forward_intermediates(
            x, indices=list(self.blocks), norm=True, intermediates_only=True
        )  # 4 x (B, C, ceil(H / patch), ceil(W / patch))
        sizes = [(-(-height // stride), -(-width // stride)) for stride in self.strides]
        return [
            rescale_bilinear(x, self.patch / stride, size)
            for x, stride, size in zip(tokens, self.strides, sizes, strict=True)
        ]

    def layer(self, name: str) -> int:
        """How many layers lie above a parameter: none above the last norm, all above embeddings."""
        name, used = name.removeprefix("body."), self.blocks[-1] + 1
        if found := _BLOCK.match(name):
            return used - int(found[1])
        return used + 1 if name.startswith(_EMBEDDING) else 0

    def adapt(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A file's weights under timm's names, for this network: timm's own conversion.

        It knows Meta's and OpenAI's files, and resizes positions to this network's grid.
        """
        convert = (eva if isinstance(self.body, Eva) else vision_transformer).checkpoint_filter_fn
        try:
            with torch.device("cpu"):  # also where the network itself has no memory
                state = convert(dict(state), self.body)
        except (AttributeError, KeyError, RuntimeError, ValueError):
            pass  # no ViT's weights: what does not fit is named by who loads them
        above = [f"blocks.{i}." for i in range(self.blocks[-1] + 1, self.depth)]
        return {n: t for n, t in state.items() if not n.startswith((*_UNREAD, *above))}

    def set_grad_checkpointing(self) -> None:
        self.body.set_grad_checkpointing()


def is_vit(name: str) -> bool:
    """Whether timm has a ViT of that name, with or without the tag of its weights."""
    return timm.models.is_model_in_modules(name, FAMILIES)


def require_vit(encoder: nn.Module, tune: str) -> None:
    """ValueError where a way of `model.tune` that needs tokens meets another encoder."""
    if not isinstance(encoder, ViT):
        raise ValueError(
            f"model.tune={tune} works with ViT encoders, not with {type(encoder).__name__}; "
            "take model.tune=frozen or full"
        )


def timm_vit(name: str, drop_path: float) -> ViT:
    """timm's ViT of that name for images of any size, without its weights."""
    body = timm.create_model(name, num_classes=0, dynamic_img_size=True, drop_path_rate=drop_path)
    return ViT(body, mean=body.pretrained_cfg["mean"], std=body.pretrained_cfg["std"])


def tiny_vit(drop_path: float) -> ViT:
    """As many parameters as tiny_mit. Positions are those of the 64x64 crops of its pretraining."""
    body = VisionTransformer(
        img_size=64,
        patch_size=8,
        embed_dim=128,
        depth=5,
        num_heads=4,
        num_classes=0,
        class_token=False,
        global_pool="",
        drop_path_rate=drop_path,
        dynamic_img_size=True,
    )
    return ViT(body, strides=(4, 8, 16, 16))  # as tiny_mit's: a 128 crop is small
