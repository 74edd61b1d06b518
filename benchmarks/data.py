"""The data path: conversion, drawing, loading, evaluation; throughput against what a step needs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.steps import Bench
from benchmarks.timing import Timed, best_ms, once_ms
from daformer_lib.data.datasets import evaluation_samples
from daformer_lib.data.drawn.mini import MiniCounts, make_mini
from daformer_lib.data.intake.convert import convert, id_table
from daformer_lib.data.loaders import training_batches
from daformer_lib.data.rare_class import RareClassSampler
from daformer_lib.evaluate import evaluate
from daformer_lib.models import build_segmentor
from daformer_lib.runs import recipes
from daformer_lib.specs import get_spec

IMAGES = 64
STEPS = 40


def conversion_benchmark(turns: int) -> list[Timed]:
    """A GTA label file's ids to train ids: one table look-up against a mask per class."""
    spec = get_spec("gta")
    ids = np.random.default_rng(0).integers(0, 34, (1052, 1914), np.uint8)
    table = id_table(spec, 256)

    def masks() -> np.ndarray:
        result = np.full(ids.shape, spec.ignore, np.uint8)
        for own, train in spec.id_map.items():
            result[ids == own] = train
        return result

    assert np.array_equal(cv2.LUT(ids, table), masks())
    best = best_ms({"ours": lambda: cv2.LUT(ids, table), "masks": masks}, turns)
    return [Timed("data", "train ids of one GTA label", best["ours"], "ms", best["masks"])]


def sampling_benchmark(turns: int) -> list[Timed]:
    """A thousand draws of Rare Class Sampling among a million files, and among a thousand."""
    works = {}
    for files in (1_000, 1_000_000):
        rng = np.random.default_rng(0)
        counts = rng.integers(0, 5000, (files, 19), dtype=np.int32)
        sampler = RareClassSampler(counts, 0.01, 3000)
        works[files] = lambda s=sampler, r=rng: [s.draw(r) for _ in range(1000)]
    best = best_ms({str(files): work for files, work in works.items()}, turns)
    name = "1000 RCS draws, 1,000,000 files (reference: 1,000)"
    return [Timed("data", name, best["1000000"], "ms", best["1000"])]


def mini_benchmark(workers: int) -> list[Timed]:
    """Draw, convert, load and evaluate a small set of mini scenes."""
    counts = MiniCounts(IMAGES, 0, IMAGES, 8, 8)
    with tempfile.TemporaryDirectory() as folder:
        drawn = once_ms(lambda: make_mini(folder, counts=counts, workers=workers))
        for name, split in (("minigta", "train"), ("minicityscapes", "train")):
            convert(get_spec(name), folder, split)
        rate = 1000 * (2 * IMAGES + 16) / drawn
        return [
            Timed("data", f"mini scenes drawn, {workers} processes", rate, "images/s"),
            *loader_rows(Path(folder)),
            evaluation_row(Path(folder)),
        ]


def loader_rows(root: Path) -> list[Timed]:
    experiment = recipes.experiment("daformer", "demo", data_root=str(root))
    specs = (get_spec(experiment.data.source), get_spec(experiment.data.target))

    def load() -> None:
        for _ in training_batches(experiment.data, *specs, 0, stop_step=STEPS, mode="uda"):
            pass

    spent = best_ms({"load": load}, 2)["load"] / STEPS
    step = best_ms({"step": Bench("tiny", "cpu").ours}, 3)["step"]
    return [Timed("loader", "batch of 2 + 2 mini crops (reference: its step)", spent, "ms", step)]


def evaluation_row(root: Path) -> Timed:
    experiment = recipes.experiment("daformer", "demo", data_root=str(root))
    network = build_segmentor(experiment.changed(model={"pretrained": None}).model).eval()

    def work() -> None:
        samples = evaluation_samples(experiment, "train", IMAGES)
        evaluate(network, samples, experiment.model.num_classes, torch.device("cpu"), batch_size=8)

    return Timed("data", "evaluation, tiny, 256x128", best_ms({"e": work}, 2)["e"] / IMAGES, "ms")
