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


def parameter_groups(model: nn.Module, config: OptimConfig) -> list[dict]:
    """AdamW groups with their `initial_lr`; frozen parameters are left out."""
    factor = {"decay": 1.0, "no_decay": 1.0, "head": config.head_factor}
    decay = {"decay": config.weight_decay, "no_decay": 0.0, "head": config.weight_decay}
    members: dict[str, list[nn.Parameter]] = {rule: [] for rule in factor}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            members[parameter_rule(name)].append(parameter)
    return [
        {
            "params": parameters,
            "lr": config.lr * factor[rule],
            "initial_lr": config.lr * factor[rule],
            "weight_decay": decay[rule],
        }
        for rule, parameters in members.items()
        if parameters
    ]


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
