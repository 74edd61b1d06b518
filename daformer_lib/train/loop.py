"""The training loop: flat, on Lightning Fabric, resumable to the bit on the CPU.

Everything that a resumed run needs is one dict (`resumable_state`). Data and mixing are drawn from
generators made from (seed, step), so their position is the step itself. Several processes share
each batch (`engine.py`); what they share it for is the same whatever their number.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from daformer_lib.batch import TrainBatch
from daformer_lib.config import Experiment
from daformer_lib.data.changes.run_data import note_data
from daformer_lib.data.datasets import unlabelled_images
from daformer_lib.data.loaders import labelled_crops, training_batches
from daformer_lib.machine import keep_memory, machine
from daformer_lib.means import json_number
from daformer_lib.progress import Report, silent
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.runs import Run, RunWriter
from daformer_lib.runs.checkpoint_files import newest_checkpoint
from daformer_lib.runs.folder import curve_points
from daformer_lib.specs import get_spec, get_specs
from daformer_lib.stopping import StopRequest
from daformer_lib.train.divergence import broken_weights
from daformer_lib.train.engine import (
    FabricEngine,
    asked_to_stop,
    default_fabric,
    open_writer,
    ranks_of,
    require_even_parts,
    require_same_start,
    run_lock,
    start_processes,
)
from daformer_lib.train.health import HealthWatch
from daformer_lib.train.step import Diverged, Learner, build_learner, training_step
from daformer_lib.train.trainable import find_start
from daformer_lib.train.watching import Evaluator, LossLog, tensorboard


def train(
    experiment: Experiment,
    folder: str | Path,
    *,
    start_from: Run | None = None,
    stop_after: int | None = None,
    report: Report = silent,
    fabric: Fabric | None = None,
) -> Run:
    """Train, or go on from the folder's last checkpoint; a complete run returns at once.

    Args:
        folder: the run's folder (see `runs/folder.py`).
        start_from: the finished run that `train.start_from` names; by default it is looked for
            beside the folder. Its weights are copied, so later starts need it no more.
        stop_after: end (with a checkpoint) once this many steps are done; the schedule keeps the
            experiment's own length.
        report: called with (steps done, steps, a short line).
        fabric: how many processes on what; by default what the environment says.

    Raises:
        Diverged: a loss is no finite number. ValueError: the folder holds another run, or the
        batch cannot be shared evenly. Stopped: Ctrl-C or SIGTERM came; the state after the step
        that ran is saved.
    """
    require_steps(stop_after)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    fabric = fabric or default_fabric(experiment)
    start_processes(fabric)
    require_even_parts(experiment, ranks_of(fabric))
    keep_memory(fabric.device)
    # A second training waits for the lock, then finds the run complete.
    with run_lock(folder, fabric), StopRequest() as stop:
        return _train(experiment, folder, start_from, stop_after, report, fabric, stop)


def _train(
    experiment: Experiment,
    folder: Path,
    start_from: Run | None,
    stop_after: int | None,
    report: Report,
    fabric: Fabric,
    stop: StopRequest,
) -> Run:
    ranks = ranks_of(fabric)
    writer = open_writer(folder, experiment, fabric)
    if ranks.rank == 0:
        note_data(folder, experiment)
        if found := find_start(experiment, folder, start_from):
            writer.keep_start(found)
    if fabric.broadcast(Run(folder).is_complete):
        return Run(folder)
    engine = FabricEngine(fabric)
    learner = build_learner(experiment, engine, Run(folder).start_weights())
    log = LossLog(experiment.train.log_every)
    health = None
    if experiment.train.health:
        health = HealthWatch(experiment, learner.models, writer, fabric.device, ranks)
        learner.observers.append(health.tally.add)
    start, seconds = restore(learner, log, writer, health)
    require_same_start(start, folder, fabric)
    watch = Evaluator(experiment, learner.models, writer, fabric.device, ranks)
    end = min(experiment.train.steps, stop_after or experiment.train.steps)
    clock = time.perf_counter()
    with tensorboard(writer) as board:
        for step, batch in enumerate(batches(experiment, start, end, ranks), start):
            survey(learner, experiment, step, step == start, ranks)
            losses = training_step(learner, experiment, step, batch, engine)
            done = step + 1
            if row := log.add(done, losses, learner.optimizer.param_groups[0]["lr"]):
                writer.add_metrics(row)
                board.log_metrics(curve_points(row), step=done)
            watch.after(done, board)
            if health:
                health.after(done, board)
            asked = asked_to_stop(stop, fabric)
            if done % experiment.train.checkpoint_every == 0 or done == end or asked:
                spent = seconds + time.perf_counter() - clock
                require_finite_weights(learner, done)
                writer.flush()
                board.save()
                writer.save_checkpoint(resumable_state(learner, log, done, spent, health))
            if ranks.rank == 0:
                report(done, experiment.train.steps, log.line)
            if asked:
                fabric.barrier()  # a rank that ends makes some launchers end the others
                stop.check(f"step {done} of {experiment.train.steps} is saved in {folder}")
    if end == experiment.train.steps and ranks.rank == 0:
        spent = seconds + time.perf_counter() - clock
        done = summary(Run(folder), spent, ranks, health)
        writer.finish({**done, "parameters": learner.network.parameter_counts()})
    fabric.barrier()
    return Run(folder)


def survey(learner: Learner, experiment: Experiment, step: int, begins: bool, ranks: Ranks) -> None:
    """Show a method the images that it asks for before this step."""
    for asked in learner.method.surveys:
        if begins if asked.every is None else step % asked.every == 0:
            show = unlabelled_images if asked.domain == "target" else labelled_crops
            asked.see(show(experiment, asked.limit, ranks), step, ranks)


def require_steps(stop_after: int | None) -> None:
    """Raises ValueError where a training would stop before its first step."""
    if stop_after is not None and stop_after < 1:
        raise ValueError(f"stop_after {stop_after} must be at least 1 step, or left out")


def require_finite_weights(learner: Learner, done: int) -> None:
    """Asked before anything is kept: a checkpoint with NaN in it could never go on."""
    for model, names in broken_weights({**learner.models, **learner.trained}).items():
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


def resumable_state(
    learner: Learner, log: LossLog, step: int, seconds: float, health: HealthWatch | None = None
) -> dict[str, Any]:
    state = {
        "log": log.state(),
        "step": step,
        "seconds": seconds,
        "student": learner.network.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
        "torch_rng": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda_rng"] = torch.cuda.get_rng_state_all()
    if learner.method.teacher is not None:
        state["teacher"] = learner.method.teacher.model.state_dict()
    if health:
        state["tally"] = health.tally.state()
    if more := learner.method.models:
        state["models"] = {name: model.state_dict() for name, model in more.items()}
    if noted := learner.method.noted:
        state["noted"] = {name: module.state_dict() for name, module in noted.items()}
    if beside := learner.method.trained:
        state["trained"] = {
            name: {"network": one.network.state_dict(), "optimizer": one.optimizer.state_dict()}
            for name, one in beside.items()
        }
    return state


def restore(
    learner: Learner, log: LossLog, writer: RunWriter, health: HealthWatch | None = None
) -> tuple[int, float]:
    """Load the last checkpoint, if any; returns (steps done, seconds spent)."""
    if not (writer.checkpoint_path.exists() or writer.previous_path.exists()):
        writer.rewind(0)
        return 0, 0.0
    state = newest_checkpoint(writer.folder)
    learner.network.load_state_dict(state["student"])
    learner.optimizer.load_state_dict(state["optimizer"])
    if learner.method.teacher is not None:
        learner.method.teacher.model.load_state_dict(state["teacher"])
    for name, model in learner.method.models.items():
        model.load_state_dict(state["models"][name])
    for name, module in learner.method.noted.items():
        module.load_state_dict(state["noted"][name])
    for name, one in learner.method.trained.items():
        one.network.load_state_dict(state["trained"][name]["network"])
        one.optimizer.load_state_dict(state["trained"][name]["optimizer"])
    log.load(state["log"])
    if health and "tally" in state:  # a checkpoint of earlier code has none
        health.tally.load(state["tally"])
    torch.set_rng_state(state["torch_rng"])
    if torch.cuda.is_available() and "cuda_rng" in state:
        torch.cuda.set_rng_state_all(state["cuda_rng"])
    writer.rewind(state["step"])
    return state["step"], state["seconds"]


def summary(
    run: Run, seconds: float, ranks: Ranks = ALONE, health: HealthWatch | None = None
) -> dict[str, Any]:
    """What result.json says."""
    experiment = run.experiment
    last = run.last_scores()
    reasons = [f"{where}: {scores.reason}" for where, scores in last.items() if scores.reason]
    return {
        "name": experiment.name,
        "key": experiment.key,
        "seed": experiment.train.seed,
        "steps": experiment.train.steps,
        "seconds": round(seconds, 1),
        "miou": {where: json_number(scores.miou(), 6) for where, scores in last.items()},
        **({"no_score": reasons} if reasons else {}),
        **({"findings": health.findings(run)} if health else {}),
        "machine": machine(),
        **({"processes": ranks.world} if ranks.world > 1 else {}),
    }
