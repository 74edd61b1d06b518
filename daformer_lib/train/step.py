"""One optimizer step: what surrounds the losses of a method, in order.

The losses themselves are in `uda/`, stated by a `Method`; here are schedule, backward passes (in
parts, in several processes) and the check for numbers that went wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import torch
from torch import Tensor, nn

from daformer_lib.batch import TrainBatch
from daformer_lib.config import Experiment
from daformer_lib.models import Segmentor, build_segmentor
from daformer_lib.models.checkpoints import load_own
from daformer_lib.models.tuning import tune
from daformer_lib.train.divergence import likely_cause
from daformer_lib.train.engine import (
    Engine,
    average_losses,
    average_statistics,
    seed_dropout,
    share_batchnorm,
)
from daformer_lib.train.optim import build_optimizer, set_learning_rates
from daformer_lib.uda.method import Method, Turn
from daformer_lib.uda.methods import build_method


class Diverged(RuntimeError):
    """A loss or a weight became NaN or infinite; the last good checkpoint is untouched."""


@dataclass
class Learner:
    """What learns in a run, and what it is trained towards."""

    student: nn.Module  # as the engine wraps it
    network: Segmentor  # the same weights, unwrapped
    method: Method
    optimizer: torch.optim.Optimizer
    # Called after each step's losses with what went in and what objectives left to see.
    observers: list[Callable[[TrainBatch, Turn], None]] = field(default_factory=list)

    @property
    def models(self) -> dict[str, nn.Module]:
        """What is scored and saved: "student", and what the method has beside it ("teacher")."""
        return {"student": self.network, **self.method.scored}

    @property
    def all_models(self) -> dict[str, nn.Module]:
        """What a loss is made with: also what is frozen, such as the feature distance's encoder,
        and what learns beside the student."""
        return {**self.models, **self.trained, **self.method.frozen}

    @property
    def trained(self) -> dict[str, nn.Module]:
        """What learns beside the student and is not scored."""
        return {name: one.network for name, one in self.method.trained.items()}


def build_learner(
    experiment: Experiment, engine: Engine, start: Mapping[str, Tensor] | None = None
) -> Learner:
    """Networks and optimizer at step 0; the seed decides them, and dropout from here on.

    Args:
        start: weights of a finished run, for the student and all that begins as its copy. The
            feature distance keeps the pretrained encoder.
    """
    torch.manual_seed(experiment.train.seed)
    network = build_segmentor(experiment.model, experiment.methods.get("hrda"))
    network = share_batchnorm(network, engine.ranks, engine.device)
    method = build_method(experiment, network)
    if start is not None:
        own = [] if method.starts_fresh else [network, *method.scored.values()]
        for model in (*own, *method.kept.values()):
            load_own(model, dict(start), f"the start of {experiment.name}")
    for one in method.trained.values():
        one.network.to(engine.device)
    beside = [*method.scored.values(), *method.frozen.values()]
    for model in (*beside, *method.noted.values()):
        model.to(engine.device)
    tune(network, beside, experiment.train, engine.device)
    optimizer = build_optimizer(network, experiment.optim, experiment.train.fused)
    student, optimizer = engine.setup(network, optimizer)
    student.train()
    torch.manual_seed(experiment.train.seed)
    return Learner(student, network, method, optimizer)


def training_step(
    learner: Learner, experiment: Experiment, step: int, batch: TrainBatch, engine: Engine
) -> dict[str, Tensor]:
    """One optimizer step; returns the detached losses.

    Raises:
        Diverged: a loss is no finite number; weights are as before.
    """
    config, method = experiment.train, learner.method
    seed_dropout(config.seed, step, engine.ranks)
    set_learning_rates(learner.optimizer, step, config.steps, experiment.optim)
    learner.optimizer.zero_grad(set_to_none=True)
    for one in method.trained.values():
        one.optimizer.zero_grad(set_to_none=True)
        for group in one.optimizer.param_groups:
            group["lr"] = one.rate(step)
    for prepare in method.before:  # DAFormer's teacher takes its average here
        prepare(learner.network, step)
    turn = turn_of(learner, experiment, step, batch, engine)
    losses: dict[str, Tensor] = {}
    made, passes = method.losses(turn), method.passes(turn.parts)
    for i in range(passes):
        # Processes exchange the summed gradient once: in the last pass.
        with engine.hold_sync(learner.student, i + 1 < passes):
            named = next(made, None) or _miscounted(passes, "fewer")
            engine.backward(torch.stack(list(named.values())).sum() / turn.parts)
        for name, loss in named.items():
            losses[name] = losses.get(name, 0) + loss.detach() / turn.parts
    if next(made, None) is not None:
        _miscounted(passes, "more")
    average_statistics(list(learner.models.values()), engine.ranks)
    losses = average_losses(losses, engine.ranks)
    check_finite(losses, step, batch, lambda: blame(learner, experiment, step, batch))
    learner.optimizer.step()
    for one in method.trained.values():  # the engine exchanges the student's gradient alone
        engine.ranks.average_([p.grad for p in one.network.parameters() if p.grad is not None])
        one.optimizer.step()
    for observe in learner.observers:
        observe(batch, turn)
    if "pseudo" in turn.seen:
        losses["confident"] = turn.seen["pseudo"].weight.amax()
    return losses


def _miscounted(passes: int, how: str) -> NoReturn:
    raise ValueError(
        f"objectives yield {how} dicts of losses than the {passes} that they state; mend `passes`, "
        "which says how many there are for each part of the batch"
    )


def turn_of(
    learner: Learner, experiment: Experiment, step: int, batch: TrainBatch, engine: Engine
) -> Turn:
    """The batch on its device, and all that objectives read."""
    return Turn(
        learner.student,
        batch.source.to(engine.device),
        None if batch.target is None else batch.target.to(engine.device),
        experiment,
        step,
        learner.method.teacher,
        learner.method.anchor,
        ranks=engine.ranks,
        parts=experiment.train.accumulate,
    )


def check_finite(
    losses: dict[str, Tensor], step: int, batch: TrainBatch, cause: Callable[[], str]
) -> None:
    for name, loss in losses.items():
        if not torch.isfinite(loss):
            raise Diverged(
                f"step {step}: the {name} loss is {loss.item()}, with {', '.join(batch.stems)}; "
                f"{cause()}. The last checkpoint is intact"
            )


def blame(learner: Learner, experiment: Experiment, step: int, batch: TrainBatch) -> str:
    """The likely cause of a loss that is no finite number."""
    lr, classes = learner.optimizer.param_groups[0]["lr"], experiment.model.num_classes
    return likely_cause(learner.all_models, batch, classes, step, lr)
