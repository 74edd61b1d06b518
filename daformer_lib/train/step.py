"""One optimizer step: the networks that take part in it, and what happens in it, in order.

The losses themselves are in `uda/losses.py`; this is what surrounds them: schedule, EMA, backward
passes (in parts, in several processes), the check for numbers that went wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from daformer_lib.batch import TrainBatch
from daformer_lib.config import Experiment
from daformer_lib.models import Segmentor, build_segmentor
from daformer_lib.models.tuning import tune
from daformer_lib.specs import get_spec
from daformer_lib.train.divergence import likely_cause
from daformer_lib.train.engine import (
    average_losses,
    average_statistics,
    ranks_of,
    seed_dropout,
    share_batchnorm,
)
from daformer_lib.train.optim import build_optimizer, set_learning_rates
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.losses import daformer_losses, source_parts
from daformer_lib.uda.teacher import Teacher


class Diverged(RuntimeError):
    """A loss or a weight became NaN or infinite; the last good checkpoint is untouched."""


@dataclass
class Parts:
    """The moving parts of a run."""

    student: nn.Module  # as Fabric wraps it
    network: Segmentor  # the same weights, unwrapped
    teacher: Teacher | None
    anchor: ImageNetAnchor | None
    optimizer: torch.optim.Optimizer

    @property
    def models(self) -> dict[str, nn.Module]:
        """What is scored: "student", and "teacher" where there is one."""
        teacher = {} if self.teacher is None else {"teacher": self.teacher.model}
        return {"student": self.network, **teacher}

    @property
    def all_models(self) -> dict[str, nn.Module]:
        """What a loss is made with: also the frozen encoder of the feature distance."""
        anchor = {} if self.anchor is None else {"ImageNet encoder": self.anchor.encoder}
        return {**self.models, **anchor}


def build_parts(experiment: Experiment, fabric: Fabric) -> Parts:
    """Networks and optimizer at step 0; the seed decides them, and dropout from here on."""
    torch.manual_seed(experiment.train.seed)
    network = build_segmentor(experiment.model)
    network = share_batchnorm(network, ranks_of(fabric), fabric.device)
    uda, spec = experiment.uda, get_spec(experiment.data.target)
    anchor = teacher = None
    if uda.fd_weight > 0:
        watched = {"things": spec.things, "all": range(spec.num_classes), "everywhere": None}
        classes = watched[uda.fd_on]
        anchor = ImageNetAnchor(network.encoder, classes, spec.num_classes, uda.fd_min_share)
        anchor.encoder.to(fabric.device)
    if experiment.mode == "uda":
        teacher = Teacher(network, uda.ema_decay)
        teacher.model.to(fabric.device)
    frozen = [teacher and teacher.model, anchor and anchor.encoder]
    tune(network, filter(None, frozen), experiment.train, fabric.device)
    optimizer = build_optimizer(network, experiment.optim, experiment.train.fused)
    student, optimizer = fabric.setup(network, optimizer)
    student.mark_forward_method("auxiliary")
    student.train()
    torch.manual_seed(experiment.train.seed)
    return Parts(student, network, teacher, anchor, optimizer)


def training_step(
    parts: Parts, experiment: Experiment, step: int, batch: TrainBatch, fabric: Fabric
) -> dict[str, Tensor]:
    """One optimizer step; returns the detached losses."""
    config, ranks = experiment.train, ranks_of(fabric)
    seed_dropout(config.seed, step, ranks)
    set_learning_rates(parts.optimizer, step, config.steps, experiment.optim)
    parts.optimizer.zero_grad(set_to_none=True)
    if parts.teacher is not None:
        parts.teacher.update(parts.network, step)
    losses: dict[str, Tensor] = {}
    seen: dict[str, Any] = {}
    made = step_losses(parts, experiment, batch, mixing_rng(config.seed, step), seen, fabric)
    passes = config.accumulate * (1 if parts.teacher is None else 2)
    for i in range(passes):
        # Processes exchange the summed gradient once: in the last pass.
        with fabric.no_backward_sync(parts.student, enabled=i + 1 < passes):
            named = next(made)
            fabric.backward(torch.stack(list(named.values())).sum() / config.accumulate)
        for name, loss in named.items():
            losses[name] = losses.get(name, 0) + loss.detach() / config.accumulate
    average_statistics(list(parts.models.values()), ranks)
    losses = average_losses(losses, ranks)
    check_finite(losses, step, batch, lambda: blame(parts, experiment, step, batch))
    parts.optimizer.step()
    if "pseudo" in seen:
        losses["confident"] = seen["pseudo"].weight.amax()
    return losses


def mixing_rng(seed: int, step: int) -> np.random.Generator:
    """What is random about a step's mix, so that any step can be replayed alone."""
    return np.random.default_rng([seed, step, 1])


def step_losses(
    parts: Parts,
    experiment: Experiment,
    batch: TrainBatch,
    rng: np.random.Generator,
    seen: dict[str, Any],
    fabric: Fabric,
) -> Iterator[dict[str, Tensor]]:
    source, config = batch.source.to(fabric.device), experiment.uda
    shares = {"ranks": ranks_of(fabric), "parts": experiment.train.accumulate}
    if parts.teacher is None:
        yield from source_parts(parts.student, parts.anchor, source, config.fd_weight, **shares)
        return
    target = batch.target.to(fabric.device)
    yield from daformer_losses(
        parts.student, parts.teacher, parts.anchor, source, target, config, rng, seen=seen, **shares
    )


def check_finite(
    losses: dict[str, Tensor], step: int, batch: TrainBatch, cause: Callable[[], str]
) -> None:
    for name, loss in losses.items():
        if not torch.isfinite(loss):
            raise Diverged(
                f"step {step}: the {name} loss is {loss.item()}, with {', '.join(batch.files)}; "
                f"{cause()}. The last checkpoint is intact"
            )


def blame(parts: Parts, experiment: Experiment, step: int, batch: TrainBatch) -> str:
    """The likely cause of a loss that is no finite number."""
    lr, classes = parts.optimizer.param_groups[0]["lr"], experiment.model.num_classes
    return likely_cause(parts.all_models, batch, classes, step, lr)
