"""Encoders by name.

An encoder is a module with `channels` and `strides` (one per stage) whose forward turns an image
(B, 3, H, W) into four features (B, channels[i], H / strides[i], W / strides[i]).
"""

from __future__ import annotations

from collections.abc import Callable

import timm
from torch import Tensor, nn

from daformer_lib.models.encoders.mit import MIT, MiT
from daformer_lib.models.encoders.resnet import RESNET, DilatedResNet
from daformer_lib.texts import nearest

TIMM_PREFIX = "timm:"

# name -> function of the drop-path rate (which only Transformers use)
ENCODERS: dict[str, Callable[[float], nn.Module]] = {
    **{name: lambda drop_path, n=numbers: MiT(n, drop_path) for name, numbers in MIT.items()},
    **{name: lambda drop_path, n=numbers: DilatedResNet(n) for name, numbers in RESNET.items()},
}


class TimmEncoder(nn.Module):
    """The last four features of any timm model that can return features, without its weights."""

    def __init__(self, name: str, drop_path: float) -> None:
        super().__init__()
        if not timm.is_model(name):
            raise ValueError(f"unknown encoder timm:{name}; {nearest(name, timm.list_models())}")
        try:
            self.body = timm.create_model(name, features_only=True, drop_path_rate=drop_path)
        except TypeError:  # a model without stochastic depth
            self.body = timm.create_model(name, features_only=True)
        self.channels = tuple(self.body.feature_info.channels())[-4:]
        self.strides = tuple(self.body.feature_info.reduction())[-4:]
        if len(self.channels) < 4:
            raise ValueError(
                f"encoder timm:{name} has {len(self.channels)} features, the decoders read four; "
                "choose a model with four stages, such as timm:convnext_tiny"
            )
        self._channels_last = "NHWC" in str(getattr(self.body, "output_fmt", ""))

    def forward(self, image: Tensor) -> list[Tensor]:
        features = self.body(image)[-4:]
        if self._channels_last:
            features = [f.permute(0, 3, 1, 2) for f in features]  # (B, H, W, C) -> (B, C, H, W)
        return list(features)


def build_encoder(name: str, drop_path: float = 0.1) -> nn.Module:
    """The randomly initialised encoder of that name."""
    if name.startswith(TIMM_PREFIX):
        return TimmEncoder(name.removeprefix(TIMM_PREFIX), drop_path)
    if name not in ENCODERS:
        raise ValueError(
            f"unknown encoder {name!r} (nor timm:<a model of timm>); {nearest(name, ENCODERS)}"
        )
    return ENCODERS[name](drop_path)
