"""Data at the size of the real sets: loading, opening a million files, evaluating in little memory.

The images are drawn here: noise over a blurred picture, so that a PNG of them is as long as one of
a photograph. A few are made; links stand for the rest.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.timing import Timed, alone_clock, once_ms
from daformer_lib.data.class_stats import ClassStats, read_class_stats, write_class_stats
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.intake.convert import convert
from daformer_lib.data.intake.prepare_cache import prepare_split
from daformer_lib.data.loaders import training_batches
from daformer_lib.evaluate import evaluate
from daformer_lib.files import write_palette_png, write_png
from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.specs import CITYSCAPES_PALETTE, DatasetSpec, get_spec

SIZES = {"gta": (1914, 1052), "cityscapes": (2048, 1024)}
DISTINCT = 6  # images of each set
WORKERS = 2
GOAL, PAIRS = "40,000 steps of 2 pairs in an hour", 40_000 * 2 / 3600  # pairs a second


def make_real_size(root: Path, count: int = DISTINCT) -> None:
    """`count` pairs of GTA and of Cityscapes at their own size, converted."""
    for name, size in SIZES.items():
        spec = get_spec(name)
        for number in range(count):
            stem = f"{number:05d}" if name == "gta" else f"town/town_{number:06d}_000019"
            _write_pair(spec, root, stem, size, number)
        convert(spec, root, "train")


def _write_pair(spec: DatasetSpec, root: Path, stem: str, size: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (size[1] // 16, size[0] // 16, 3), np.uint8)
    image = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    image = cv2.add(image, rng.integers(0, 6, image.shape, np.uint8))
    write_png(spec.image_path(root, "train", stem), image)
    own = np.array(sorted(i for i in spec.id_map if i >= 0), np.uint8)
    blocks = rng.choice(own, (size[1] // 32 + 1, size[0] // 32 + 1))
    ids = cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST)
    path = spec.label_path(root, "train", stem)
    if spec.label_encoding == "palette":
        write_palette_png(path, ids, np.resize(np.array(CITYSCAPES_PALETTE), (256, 3)))
    else:
        write_png(path, ids)


def loader_rows(root: Path, steps: int = 24) -> list[Timed]:
    """Image pairs a second at the paper's sizes from two processes, decoded and prepared."""
    make_real_size(root)
    settings = ["data.workers=2", f"data.data_root={root}"]
    experiment = with_settings(recipes.experiment("daformer", "full"), settings)
    rates = {}
    for which in ("decoded", "prepared"):
        if which == "prepared":
            for name in SIZES:
                prepare_split(SegmentationDataset(get_spec(name), root, "train"), WORKERS)
            experiment = with_settings(experiment, ["data.prepared=true"])
        rates[which] = max(_rate(experiment, steps) for _ in range(2))
    name = "512x512 crops, GTA and Cityscapes size, prepared (reference: decoded)"
    need = f"the same, prepared (reference: what {GOAL} needs)"
    return [
        Timed("loader", name, rates["prepared"], "pairs/s", rates["decoded"]),
        Timed("loader", need, rates["prepared"], "pairs/s", PAIRS),
    ]


def _rate(experiment, steps: int) -> float:
    specs = (get_spec(experiment.data.source), get_spec(experiment.data.target))
    batches = training_batches(experiment.data, *specs, 0, stop_step=steps + 2)
    next(batches)  # the processes have started
    start = time.perf_counter()
    for _ in islice(batches, steps):
        pass
    return steps * experiment.data.batch_size / (time.perf_counter() - start)


def opening_row(root: Path, files: int = 1_000_000) -> Timed:
    """Class statistics of a million files: the arrays beside the JSON, and the JSON."""
    spec = get_spec("gta")
    counts = np.random.default_rng(0).integers(0, 200_000, (files, 19)) * 2
    stems = tuple(f"{number:07d}" for number in range(files))
    write_class_stats(spec, root, "train", ClassStats(stems, counts))
    parsed = once_ms(lambda: read_class_stats(spec, root, "train"))
    kept = once_ms(lambda: read_class_stats(spec, root, "train"))
    name = f"class statistics of {files:,} files opened (reference: JSON, first time)"
    return Timed("data", name, kept, "ms", parsed)


def checking_rows(root: Path, pairs: int) -> list[Timed]:
    """A start with `pairs` tiny pairs of GTA: nothing changed, all rechecked, all touched."""
    spec = get_spec("gta")
    first = spec.image_path(root, "train", "first"), spec.label_path(root, "train", "first")
    write_png(first[0], np.zeros((32, 64, 3), np.uint8))
    write_palette_png(first[1], np.full((32, 64), 7), np.resize(CITYSCAPES_PALETTE, (256, 3)))
    originals = [path.read_bytes() for path in first]
    for number in range(1, pairs):
        for path, data in zip(first, originals):
            path.with_name(f"{number:06d}.png").write_bytes(data)

    def start(**options) -> float:
        return once_ms(lambda: convert(spec, root, "train", **options), alone_clock()) / 1000

    times = {"the first conversion": start()}
    start()  # the files that were last written have settled by now
    times["nothing changed"] = min(start() for _ in range(3))
    times["--recheck"] = start(recheck=True)
    for path in spec.root(root).rglob("*.png"):
        path.touch()
    times["every file touched"] = start()
    return [
        Timed("data", f"{pairs:,} tiny pairs looked through, {what}", seconds, "s")
        for what, seconds in times.items()
    ]


class Striped(nn.Module):
    """Logits without a network's cost: what is measured is the evaluation around it."""

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        small = image[:, :, ::4, ::4]  # (B, 3, H, W) -> (B, 3, H/4, W/4)
        return torch.cat([small] * 7, 1)[:, :19], []


def evaluation_rows(root: Path, images: int) -> list[Timed]:
    """`images` samples of 2048x1024 streamed: time of each, and whether memory still grows late."""
    make_real_size(root)
    dataset = SegmentationDataset(get_spec("cityscapes"), root, "train")
    early = 0.0

    def samples() -> Iterator[tuple[Tensor, np.ndarray]]:
        nonlocal early
        for number in range(images):
            if number == images // 2:
                early = _peak()
            yield dataset.load_for_evaluation(number % len(dataset))

    spent = once_ms(lambda: evaluate(Striped(), samples(), 19)) / images
    what = f"evaluation of {images} images of 2048x1024"
    return [
        Timed("data", f"{what}, without the network", spent, "ms"),
        Timed("data", f"{what}: growth of peak memory in the second half", _peak() - early, "MiB"),
    ]


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
