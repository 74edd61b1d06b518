"""The table of encoders, and the one place that knows how a name becomes an encoder."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from daformer_lib.models.encoders.mit import MIT, MiT
from daformer_lib.models.encoders.resnet import RESNET, DilatedResNet
from daformer_lib.models.encoders.timm_any import TimmEncoder
from daformer_lib.models.encoders.vit import ViT, is_vit, timm_vit, tiny_vit
from daformer_lib.texts import nearest

TIMM_PREFIX = "timm:"

# name -> function of the drop-path rate (which only Transformers use)
ENCODERS: dict[str, Callable[[float], nn.Module]] = {
    **{name: lambda drop_path, n=numbers: MiT(n, drop_path) for name, numbers in MIT.items()},
    **{name: lambda drop_path, n=numbers: DilatedResNet(n) for name, numbers in RESNET.items()},
    "tiny_vit": tiny_vit,
}


def build_encoder(
    name: str, drop_path: float = 0.1, blocks: tuple[int, ...] | None = None
) -> nn.Module:
    """The randomly initialised encoder of that name; `blocks`: see `ViT.choose`."""
    encoder = _build(name, drop_path)
    if blocks is None:
        return encoder
    if not isinstance(encoder, ViT):
        raise ValueError(
            f"model.blocks chooses the features of a ViT, which {name} is not; leave it out"
        )
    encoder.choose(blocks)
    return encoder


def _build(name: str, drop_path: float) -> nn.Module:
    if name.startswith(TIMM_PREFIX):
        name = name.removeprefix(TIMM_PREFIX)
        return timm_vit(name, drop_path) if is_vit(name) else TimmEncoder(name, drop_path)
    if name not in ENCODERS:
        raise ValueError(
            f"unknown encoder {name!r} (nor timm:<a model of timm>); {nearest(name, ENCODERS)}"
        )
    return ENCODERS[name](drop_path)
