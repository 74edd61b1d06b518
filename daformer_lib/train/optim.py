"""Optimizer and learning-rate schedule. Paper: Sec. 3.3 (warm-up) and 4.1; facts sheet, 14-16."""

from __future__ import annotations

import torch
from torch import nn

from daformer_lib.config import OptimConfig


def learning_rate(base: float, step: int, steps: int, config: OptimConfig) -> float:
    """Rate at `step` (0 ... steps - 1): linear decay, multiplied by the linear warm-up.

    The warm-up multiplies the already decaying rate, so the peak lies below `base`.
    """
    rate = (base - config.min_lr) * (1 - step / steps) + config.min_lr
    if step < config.warmup_steps:
        rate *= 1 - (1 - step / config.warmup_steps) * (1 - config.warmup_ratio)
    return rate


def parameter_rule(name: str) -> str:
    """Which of the three rules a parameter of a Segmentor falls under."""
    if name.startswith("decoder."):
        return "head"  # faster, and it keeps its weight decay, BatchNorm included
    return "no_decay" if "norm" in name else "decay"


def layers_above(model: nn.Module, name: str) -> int:
    """Of a ViT's parameter: what the layer decay is taken to the power of; 0 in the decoder."""
    if name.startswith("decoder."):
        return 0
    if not hasattr(model.encoder, "layer"):
        raise ValueError(
            f"optim.layer_decay counts the layers of a ViT encoder, not of a "
            f"{type(model.encoder).__name__}; leave it at 1"
        )
    return model.encoder.layer(name.removeprefix("encoder."))


def parameter_groups(model: nn.Module, config: OptimConfig) -> list[dict]:
    """AdamW groups with their `initial_lr`, the last layers first; frozen parameters are left out.

    Layer-wise decay: Clark et al., arXiv:2003.10555; for ViTs Bao et al., arXiv:2106.08254.
    """
    factor = {"decay": 1.0, "no_decay": 1.0, "head": config.head_factor}
    decay = {"decay": config.weight_decay, "no_decay": 0.0, "head": config.weight_decay}
    undecayed = getattr(model.encoder, "without_decay", ())
    members: dict[tuple[str, int], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            above = 0 if config.layer_decay == 1 else layers_above(model, name)
            rule = "no_decay" if name.endswith(undecayed) else parameter_rule(name)
            members.setdefault((rule, above), []).append(parameter)
    rules = list(factor)
    groups = []
    for rule, above in sorted(members, key=lambda key: (rules.index(key[0]), key[1])):
        rate = config.lr * factor[rule] * config.layer_decay**above
        groups.append(
            {
                "params": members[rule, above],
                "lr": rate,
                "initial_lr": rate,
                "weight_decay": decay[rule],
            }
        )
    return groups


def build_optimizer(
    model: nn.Module, config: OptimConfig, fused: bool = False
) -> torch.optim.AdamW:
    """AdamW; `fused` is the faster way through many small tensors, and rounds differently."""
    return torch.optim.AdamW(
        parameter_groups(model, config),
        lr=config.lr,
        betas=(0.9, 0.999),
        foreach=not fused,
        fused=fused,
    )


def set_learning_rates(
    optimizer: torch.optim.Optimizer, step: int, steps: int, config: OptimConfig
) -> None:
    """Set each group's rate for `step`, before the optimizer's step."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(group["initial_lr"], step, steps, config)
