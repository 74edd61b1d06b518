"""LoRA: attention learns through low-rank additions, and all else of the encoder stays.

Hu et al., arXiv:2106.09685: W x becomes W x + B A x, of rank r. B begins at 0, so the network
begins as it was. Departs from the paper: its factor alpha / r is 1, and all of attention's linear
layers have additions (timm keeps query, key and value in one).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from daformer_lib.models.encoders.vit import require_vit


class LoRALinear(nn.Module):
    """A linear layer whose own weights stay; their names do too, so that files fit."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.lora_a = nn.Parameter(torch.empty(rank, linear.in_features))
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))  # as PyTorch's linear layers

    def forward(self, x: Tensor) -> Tensor:
        low = F.linear(x, self.lora_a)  # (..., in) -> (..., rank)
        return F.linear(x, self.weight, self.bias) + F.linear(low, self.lora_b)


def add_lora(encoder: nn.Module, rank: int) -> None:
    """Freeze the encoder, in place, and give its attention additions that learn."""
    require_vit(encoder, "lora")
    encoder.requires_grad_(False)
    for block in encoder.body.blocks:
        if getattr(block.attn, "q_bias", None) is not None:  # timm then reads weights around it
            raise ValueError(
                "model.tune=lora does not reach this encoder's attention, which keeps its biases "
                "apart; take model.tune=frozen or full"
            )
        for name, layer in list(block.attn.named_children()):
            if isinstance(layer, nn.Linear):
                setattr(block.attn, name, LoRALinear(layer, rank))
