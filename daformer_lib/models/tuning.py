"""Ways to run the same step faster or in less memory; none changes what is computed.

channels_last: convolutions read (B, H, W, C) memory, which is what a Transformer's tokens are.
checkpointing: the encoder keeps its blocks' inputs only and computes the rest again on the way
    back, with the same dropout: the gradient is the same to the bit.
compile: torch.compile; "reduce-overhead" records CUDA graphs.
Layout and compiler change the order of additions, so results agree to float32 rounding only.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from daformer_lib.config import TrainConfig
from daformer_lib.models import Segmentor
from daformer_lib.models.encoders.mit import MiT
from daformer_lib.models.encoders.vit import ViT


def tune(
    network: Segmentor, others: Iterable[nn.Module], config: TrainConfig, device: torch.device
) -> None:
    """Prepare the student and the networks without a gradient, in place; names stay as they are."""
    if config.checkpointing:
        checkpoint_blocks(network.encoder)
    for module in (network, *others):
        if config.channels_last:
            # On a CPU the decoders' wide 3x3 convolutions are slower that way.
            encoder = getattr(module, "encoder", module)
            (encoder if device.type == "cpu" else module).to(memory_format=torch.channels_last)
        if config.compile is not None:
            module.compile(mode=config.compile)


def checkpoint_blocks(encoder: nn.Module) -> None:
    """Recompute every block of a MiT or ViT on the way back.

    A BatchNorm that ran twice would count its batch twice, so encoders that have them in their
    blocks are refused.
    """
    if not isinstance(encoder, MiT | ViT):
        raise ValueError(
            f"checkpointing works with MiT and ViT encoders, not with {type(encoder).__name__}; "
            "leave out train.checkpointing, or save memory with train.precision=bf16-mixed"
        )
    encoder.set_grad_checkpointing()
