"""The training loop: flat, on Lightning Fabric, resumable to the bit on the CPU.

Everything that a resumed run needs is one dict (`resumable_state`). Data and mixing are drawn from
generators made from (seed, step), so their position is the step itself. Several processes share
each batch (`processes.py`); what they share it for is the same whatever their number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers import TensorBoardLogger
from torch import Tensor, nn

from daformer_lib.config import Experiment
from daformer_lib.data.loaders import TrainBatch, training_batches
from daformer_lib.divergence import broken_weights, likely_cause
from daformer_lib.machine import machine
from daformer_lib.models import Segmentor, build_segmentor
from daformer_lib.optim import build_optimizer, set_learning_rates
from daformer_lib.processes import (
    average_losses,
    average_statistics,
    default_fabric,
    open_writer,
    ranks_of,
    require_even_parts,
    require_same_start,
    run_lock,
    seed_dropout,
    share_batchnorm,
    start_processes,
)
from daformer_lib.progress import Report, silent
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.runs import Run, RunWriter, newest_checkpoint
from daformer_lib.specs import get_spec, get_specs
from daformer_lib.stopping import StopRequest
from daformer_lib.tuning import tune
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.losses import daformer_losses, source_parts
from daformer_lib.uda.teacher import Teacher
from daformer_lib.watching import Evaluator, LossLog


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


def train(
    experiment: Experiment,
    folder: str | Path,
    *,
    stop_after: int | None = None,
    report: Report = silent,
    fabric: Fabric | None = None,
) -> Run:
    """Train, or go on from the folder's last checkpoint; a complete run returns at once.

    Args:
        folder: the run's folder (see `runs.py`).
        stop_after: end (with a checkpoint) once this many steps are done; the schedule keeps the
            experiment's own length.
        report: called with (steps done, steps, a short line).
        fabric: how many processes on what; by default what the environment says.

    Raises:
        Diverged: a loss is no finite number. ValueError: the folder holds another run, or the
        batch cannot be shared evenly. Stopped: Ctrl-C or SIGTERM came; the state after the step
        that ran is saved.
    """
    if stop_after is not None and stop_after < 1:
        raise ValueError(f"stop_after {stop_after} must be at least 1 step, or left out")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    fabric = fabric or default_fabric(experiment)
    start_processes(fabric)
    require_even_parts(experiment, ranks_of(fabric))
    alone = fabric.world_size == 1  # several could not agree on the last step
    # A second training waits for the lock, then finds the run complete.
    with run_lock(folder, fabric), StopRequest(listen=alone) as stop:
        return _train(experiment, folder, stop_after, report, fabric, stop)


def _train(
    experiment: Experiment,
    folder: Path,
    stop_after: int | None,
    report: Report,
    fabric: Fabric,
    stop: StopRequest,
) -> Run:
    ranks = ranks_of(fabric)
    writer = open_writer(folder, experiment, fabric)
    if fabric.broadcast(Run(folder).is_complete):
        return Run(folder)
    parts = build_parts(experiment, fabric)
    log = LossLog(experiment.train.log_every)
    start, seconds = restore(parts, log, writer)
    require_same_start(start, folder, fabric)
    board = TensorBoardLogger(writer.folder, name="tb", version="", purge_step=start + 1)
    watch = Evaluator(experiment, parts.models, writer, fabric.device, ranks)
    end = min(experiment.train.steps, stop_after or experiment.train.steps)
    clock = time.perf_counter()
    for step, batch in enumerate(batches(experiment, start, end, ranks), start):
        losses = training_step(parts, experiment, step, batch, fabric)
        done = step + 1
        if row := log.add(done, losses, parts.optimizer.param_groups[0]["lr"]):
            writer.add_metrics(row)
            board.log_metrics({k: v for k, v in row.items() if k != "step"}, step=done)
        watch.after(done, board)
        saving = done % experiment.train.checkpoint_every == 0 or done == end or stop.requested
        if saving:
            spent = seconds + time.perf_counter() - clock
            require_finite_weights(parts, done)
            writer.flush()
            board.save()
            writer.save_checkpoint(resumable_state(parts, log, done, spent))
        if ranks.rank == 0:
            report(done, experiment.train.steps, log.line)
        if saving:
            stop.check(f"step {done} of {experiment.train.steps} is saved in {folder}")
    board.finalize("success")
    if end == experiment.train.steps and ranks.rank == 0:
        writer.finish(summary(Run(folder), seconds + time.perf_counter() - clock, ranks))
    fabric.barrier()
    return Run(folder)


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


def require_finite_weights(parts: Parts, done: int) -> None:
    """Asked before anything is kept: a checkpoint with NaN in it could never go on."""
    for model, names in broken_weights(parts.models).items():
        raise Diverged(
            f"after step {done}: {len(names)} weight tensors of the {model} are not finite "
            f"(first: {names[0]}), so nothing was saved; the learning rate is likely too high: "
            "lower optim.lr or lengthen optim.warmup_steps. The last checkpoint is intact"
        )


def batches(
    experiment: Experiment, start: int, stop: int, ranks: Ranks = ALONE
) -> Iterator[TrainBatch]:
    data = experiment.data
    return training_batches(
        data,
        get_specs(data.source),
        get_spec(data.target),
        experiment.train.seed,
        start_step=start,
        stop_step=stop,
        mode=experiment.mode,
        ranks=ranks,
    )


def resumable_state(parts: Parts, log: LossLog, step: int, seconds: float) -> dict[str, Any]:
    state = {
        "log": log.state(),
        "step": step,
        "seconds": seconds,
        "student": parts.network.state_dict(),
        "optimizer": parts.optimizer.state_dict(),
        "torch_rng": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda_rng"] = torch.cuda.get_rng_state_all()
    if parts.teacher is not None:
        state["teacher"] = parts.teacher.model.state_dict()
    return state


def restore(parts: Parts, log: LossLog, writer: RunWriter) -> tuple[int, float]:
    """Load the last checkpoint, if any; returns (steps done, seconds spent)."""
    if not (writer.checkpoint_path.exists() or writer.previous_path.exists()):
        writer.rewind(0)
        return 0, 0.0
    state = newest_checkpoint(writer.folder)
    parts.network.load_state_dict(state["student"])
    parts.optimizer.load_state_dict(state["optimizer"])
    if parts.teacher is not None:
        parts.teacher.model.load_state_dict(state["teacher"])
    log.load(state["log"])
    torch.set_rng_state(state["torch_rng"])
    if torch.cuda.is_available() and "cuda_rng" in state:
        torch.cuda.set_rng_state_all(state["cuda_rng"])
    writer.rewind(state["step"])
    return state["step"], state["seconds"]


def summary(run: Run, seconds: float, ranks: Ranks = ALONE) -> dict[str, Any]:
    """What result.json says."""
    experiment = run.experiment
    last = [e for e in run.evaluations if e.step == experiment.train.steps]
    return {
        "name": experiment.name,
        "key": experiment.key,
        "seed": experiment.train.seed,
        "steps": experiment.train.steps,
        "seconds": round(seconds, 1),
        "miou": {f"{e.model}/{e.split}": round(e.scores.miou(), 6) for e in last},
        "machine": machine(),
        **({"processes": ranks.world} if ranks.world > 1 else {}),
    }
