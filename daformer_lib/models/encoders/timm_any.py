"""Any timm encoder that gives features at several strides, by its name; a ViT is in vit.py."""

from __future__ import annotations

import timm
from torch import Tensor, nn

from daformer_lib.models.encoders.normalisation import renormalised
from daformer_lib.models.encoders.vit import FAMILIES
from daformer_lib.texts import nearest


class TimmEncoder(nn.Module):
    """The last four features of any timm model that can return features, without its weights.

    Mean and deviation are those that the model's weights were trained with, as timm's configuration
    has them; padding ('same' or symmetric) is timm's own, part of the model of that name.
    """

    def __init__(self, name: str, drop_path: float) -> None:
        super().__init__()
        if not timm.is_model(name):
            raise ValueError(f"unknown encoder timm:{name}; {nearest(name, timm.list_models())}")
        self.body = _body(name, drop_path)
        self.channels = tuple(self.body.feature_info.channels())[-4:]
        self.strides = tuple(self.body.feature_info.reduction())[-4:]
        if len(self.channels) < 4:
            raise ValueError(
                f"encoder timm:{name} has {len(self.channels)} features, the decoders read four; "
                "choose a model with four stages, such as timm:convnext_tiny, or a plain ViT of "
                f"timm's modules {', '.join(FAMILIES)}, such as "
                "timm:vit_small_patch14_reg4_dinov2.lvd142m"
            )
        own = self.body.pretrained_cfg  # also of a model without weights
        self.mean, self.std = tuple(own["mean"]), tuple(own["std"])
        self._channels_last = "NHWC" in str(getattr(self.body, "output_fmt", ""))

    def forward(self, image: Tensor) -> list[Tensor]:
        features = self.body(renormalised(image, self.mean, self.std))[-4:]
        if self._channels_last:
            features = [f.permute(0, 3, 1, 2) for f in features]  # (B, H, W, C) -> (B, C, H, W)
        return list(features)


def _body(name: str, drop_path: float) -> nn.Module:
    """For images of any size, where timm has an option for it (Swin)."""
    for options in ({"drop_path_rate": drop_path, "strict_img_size": False},
                    {"drop_path_rate": drop_path}):  # fmt: skip
        try:
            return timm.create_model(name, features_only=True, **options)
        except TypeError:
            continue
    return timm.create_model(name, features_only=True)  # no stochastic depth either
