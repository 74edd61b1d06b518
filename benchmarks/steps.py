"""The training step: whole, against the reference, and by part; inference."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from lightning_fabric import Fabric

from benchmarks import reference
from benchmarks.timing import Timed, best_ms
from daformer_lib.config import Experiment
from daformer_lib.evaluate import predict
from daformer_lib.machine import keep_memory, peak_mib
from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.train.engine import FabricEngine
from daformer_lib.train.probe import LATE, noise_batch
from daformer_lib.train.step import Learner, build_learner, training_step
from daformer_lib.uda.classmix import classmix, draw_plan
from daformer_lib.uda.losses import segmentation_loss, source_losses

# name -> profile, settings, and the (height, width) that a whole image is evaluated at
NETWORKS = {
    "tiny": ("demo", (), (128, 256)),
    "mit_b0": ("full", ("model.encoder=mit_b0", "data.crop=256x256"), (256, 512)),
    "mit_b5": ("full", (), (512, 1024)),
}


def experiment_of(network: str, settings: tuple[str, ...] = ()) -> Experiment:
    """DAFormer with every part switched on: tiny at demo, MiT-B0 at 256, or the paper's MiT-B5."""
    profile, own, _ = NETWORKS[network]
    random = () if network == "tiny" else ("model.pretrained=None",)
    return with_settings(recipes.experiment("daformer", profile), [*own, *random, *settings])


class Bench:
    """A batch, and networks on which one kind of step is run; built when they are asked for."""

    def __init__(self, network: str, device: str = "auto", settings: tuple[str, ...] = ()) -> None:
        self.experiment = experiment_of(network, settings)
        precision = self.experiment.train.precision
        self.engine = FabricEngine(Fabric(accelerator=device, devices=1, precision=precision))
        self.batch = noise_batch(self.experiment)

    @cached_property
    def learner(self) -> Learner:
        return build_learner(self.experiment, self.engine)

    @cached_property
    def their_learner(self) -> Learner:
        return reference.as_theirs(build_learner(self.experiment, self.engine))

    @cached_property
    def their_optimizer(self) -> torch.optim.AdamW:
        return reference.reference_optimizer(self.their_learner, self.experiment)

    def ours(self, step: int = LATE) -> None:
        training_step(self.learner, self.experiment, step, self.batch, self.engine)

    def theirs(self, step: int = LATE) -> None:
        reference.reference_step(
            self.their_learner, self.their_optimizer, self.experiment, step, self.batch
        )


def step_benchmark(
    network: str,
    turns: int,
    device: str = "auto",
    settings: tuple[str, ...] = (),
    parts: bool = True,
) -> list[Timed]:
    """Milliseconds per step and per part, ours with the reference's as baseline."""
    bench, group = Bench(network, device, settings), f"step, {network}"
    warmup = int(network == "tiny")  # a large one's first step is a turn like the others
    whole = best_ms({"ours": bench.ours, "reference": bench.theirs}, turns, warmup)
    rows = [Timed(group, "whole", whole["ours"], "ms", whole["reference"])]
    rows += part_rows(group, bench, turns) if parts else []
    return [*rows, inference_row(network, bench, turns)]


def part_rows(group: str, bench: Bench, turns: int) -> list[Timed]:
    learner, theirs, config = bench.learner, bench.their_learner, bench.experiment.uda
    teacher, anchor = learner.method.teacher, learner.method.anchor
    device = bench.engine.device
    source, target = bench.batch.source.to(device), bench.batch.target.to(device)
    pseudo = teacher.label(target.image, config.threshold)
    plan = draw_plan(source.label, config, np.random.default_rng(1))
    mixed = classmix(source, pseudo, plan)
    weight = config.fd_weight

    def walk(losses: dict) -> None:
        torch.stack(list(losses.values())).sum().backward()

    pairs = {
        "source": (lambda: walk(source_losses(learner.student, None, source, 0.0)), None),
        "source + FD": (
            lambda: walk(source_losses(learner.student, anchor, source, weight)),
            lambda: reference.source_backward(theirs, source, weight),
        ),
        "teacher": (
            lambda: teacher.label(target.image, config.threshold),
            lambda: reference.label(theirs, target.image, config.threshold),
        ),
        "mix": (lambda: classmix(source, pseudo, plan), None),
        "mixed": (
            lambda: walk({"mixed": segmentation_loss(learner.student, mixed)}),
            lambda: reference.mixed_backward(theirs, mixed),
        ),
        "optimizer": (learner.optimizer.step, bench.their_optimizer.step),
        "EMA": (
            lambda: teacher.update(learner.network, LATE),
            lambda: reference.average_teacher(theirs, LATE),
        ),
    }
    rows = []
    for name, (ours, other) in pairs.items():
        works = {"ours": ours} | ({} if other is None else {"reference": other})
        best = best_ms(works, turns, warmup=0)
        rows.append(Timed(group, name, best["ours"], "ms", best.get("reference")))
    return rows


def inference_row(network: str, bench: Bench, turns: int) -> Timed:
    height, width = NETWORKS[network][2]
    model = bench.learner.network.eval()
    image = torch.randn(1, 3, height, width, device=bench.engine.device)
    spent = best_ms({"predict": lambda: predict(model, image)}, turns, warmup=0)["predict"]
    return Timed(f"inference, {network}", f"one image, {width}x{height}", spent, "ms")


def peak_benchmark(
    network: str, which: str, device: str = "auto", settings: tuple[str, ...] = ()
) -> list[Timed]:
    """Best time and peak memory of two steps; call it in a process of its own."""
    if which == "ours":
        keep_memory(torch.device("cpu"))
    bench = Bench(network, device, settings)
    step = bench.ours if which == "ours" else bench.theirs
    spent = best_ms({which: step}, turns=10 if network == "tiny" else 2)[which]
    group = f"step, {network}"
    return [Timed(group, which, spent, "ms"), Timed(group, which, peak_mib(), "MiB")]
