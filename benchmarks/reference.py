"""A training step shaped like the authors', to compare ours with; same losses, same arithmetic.

Facts sheet, 1: source cross-entropy and feature distance are walked back one after the other, over
a graph that is kept in between; the teacher is averaged tensor by tensor; the optimizer visits one
parameter at a time. Only the parts of the library that hold no such choice are called.
"""

from __future__ import annotations

import torch

from daformer_lib.data.loaders import TrainBatch
from daformer_lib.optim import parameter_groups, set_learning_rates
from daformer_lib.train import Experiment, Parts, mixing_rng
from daformer_lib.uda.classmix import classmix, draw_plan
from daformer_lib.uda.losses import cross_entropy, segmentation_loss
from daformer_lib.uda.teacher import ema_alpha


def reference_optimizer(parts: Parts, experiment: Experiment) -> torch.optim.AdamW:
    groups = parameter_groups(parts.network, experiment.optim)
    return torch.optim.AdamW(groups, lr=experiment.optim.lr, foreach=False, fused=False)


def reference_step(
    parts: Parts,
    optimizer: torch.optim.AdamW,
    experiment: Experiment,
    step: int,
    batch: TrainBatch,
) -> None:
    config, device = experiment.uda, next(parts.network.parameters()).device
    source, target = batch.source.to(device), batch.target.to(device)
    set_learning_rates(optimizer, step, experiment.train.steps, experiment.optim)
    optimizer.zero_grad()
    average_teacher(parts, step)
    logits, features = parts.student(source.image)
    cross_entropy(logits, source).backward(retain_graph=parts.anchor is not None)
    if parts.anchor is not None:
        (config.fd_weight * parts.anchor(features, source)).backward()
    rows = (config.ignore_top, config.ignore_bottom)
    pseudo = parts.teacher.label(target.image, config.threshold, *rows)
    plan = draw_plan(source.label, config, mixing_rng(experiment.train.seed, step))
    segmentation_loss(parts.student, classmix(source, pseudo, plan)).backward()
    optimizer.step()


@torch.no_grad()
def average_teacher(parts: Parts, step: int) -> None:
    alpha = ema_alpha(step, parts.teacher.decay)
    for ours, theirs in zip(parts.teacher.model.parameters(), parts.network.parameters()):
        ours.copy_(alpha * ours + (1 - alpha) * theirs)
