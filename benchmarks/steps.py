"""The training step: whole, against the reference, and by part."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.reference import average_teacher, reference_optimizer, reference_step
from benchmarks.timing import Timed, best_ms, peak_mib
from daformer_lib import recipes
from daformer_lib.batch import Labelled, Unlabelled
from daformer_lib.data.loaders import TrainBatch
from daformer_lib.train import Experiment, build_parts, default_fabric, training_step
from daformer_lib.uda.classmix import classmix, draw_plan
from daformer_lib.uda.losses import segmentation_loss, source_losses

LATE = 500  # a step at which the schedules are past their beginnings


def experiment_of(network: str) -> Experiment:
    """DAFormer with every part switched on: the tiny one at demo, or MiT-B5 as in the paper."""
    if network == "tiny":
        return recipes.experiment("daformer", "demo")
    return recipes.experiment("daformer", "full").changed(model={"pretrained": None})


def made_batch(experiment: Experiment) -> TrainBatch:
    """Images of noise with labels in blocks of 16 pixels, half of them things."""
    rng = np.random.default_rng(0)
    height, width = experiment.data.crop
    shape = (experiment.data.batch_size, height // 16, width // 16)
    blocks = rng.integers(0, experiment.model.num_classes, shape)
    label = torch.from_numpy(blocks.repeat(16, 1).repeat(16, 2))
    image = torch.from_numpy(rng.standard_normal((len(label), 3, height, width), np.float32))
    return TrainBatch(Labelled.certain(image, label), Unlabelled(image.flip(-1)), ("noise",))


class Bench:
    """Networks, optimizers and a batch, on which both kinds of step can be run."""

    def __init__(self, network: str) -> None:
        self.experiment = experiment_of(network)
        self.fabric = default_fabric(self.experiment)
        self.parts = build_parts(self.experiment, self.fabric)
        self.optimizer = reference_optimizer(self.parts, self.experiment)
        self.batch = made_batch(self.experiment)

    def ours(self, step: int = LATE) -> None:
        training_step(self.parts, self.experiment, step, self.batch, self.fabric)

    def reference(self, step: int = LATE) -> None:
        reference_step(self.parts, self.optimizer, self.experiment, step, self.batch)


def step_benchmark(network: str, turns: int) -> list[Timed]:
    """Milliseconds per step and per part, ours with the reference's as baseline."""
    bench, group = Bench(network), f"step, {network}"
    whole = best_ms({"ours": bench.ours, "reference": bench.reference}, turns)
    rows = [Timed(group, "whole", whole["ours"], "ms", whole["reference"])]
    return rows + part_rows(group, bench, turns)


def part_rows(group: str, bench: Bench, turns: int) -> list[Timed]:
    parts, config, device = bench.parts, bench.experiment.uda, bench.fabric.device
    source, target = bench.batch.source.to(device), bench.batch.target.to(device)
    pseudo = parts.teacher.label(target.image, config.threshold)
    plan = draw_plan(source.label, config, np.random.default_rng(1))
    mixed = classmix(source, pseudo, plan)

    def walk(losses: dict) -> None:
        torch.stack(list(losses.values())).sum().backward()

    def two_backwards() -> None:
        losses = source_losses(parts.student, parts.anchor, source, config.fd_weight)
        losses["source"].backward(retain_graph=True)
        losses["fd"].backward()

    pairs = {
        "source + FD": (
            lambda: walk(source_losses(parts.student, parts.anchor, source, config.fd_weight)),
            two_backwards,
        ),
        "teacher": (lambda: parts.teacher.label(target.image, config.threshold), None),
        "mix": (lambda: classmix(source, pseudo, plan), None),
        "mixed": (lambda: walk({"mixed": segmentation_loss(parts.student, mixed)}), None),
        "optimizer": (parts.optimizer.step, bench.optimizer.step),
        "EMA": (
            lambda: parts.teacher.update(parts.network, LATE),
            lambda: average_teacher(parts, LATE),
        ),
    }
    rows = []
    for name, (ours, theirs) in pairs.items():
        works = {"ours": ours} | ({} if theirs is None else {"reference": theirs})
        best = best_ms(works, turns)
        rows.append(Timed(group, name, best["ours"], "ms", best.get("reference")))
    return rows


def peak_benchmark(network: str, which: str) -> list[Timed]:
    """Peak memory of two steps; call it in a process of its own."""
    bench = Bench(network)
    for step in (LATE, LATE + 1):
        (bench.ours if which == "ours" else bench.reference)(step)
    return [Timed(f"memory, {network}", which, peak_mib(), "MiB")]
