"""Comparing many label maps, the cost of a snapshot, and how fast a control redraws.

`python -m benchmarks --comparing` runs only these.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.timing import Timed, peak_mib
from daformer_lib.compare import open_comparison, survey
from daformer_lib.files import write_png
from daformer_lib.specs import CITYSCAPES

SIZE = (2048, 1024)  # of Cityscapes' own label maps
DISTINCT = 3  # files of each tool that are drawn; the others are links to them


def many_maps_benchmark(images: int = 500, tools: int = 10) -> list[Timed]:
    """Seconds and peak memory of a survey of label maps with confidence, at Cityscapes' size."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_label_maps(root, images, tools)
        before = peak_mib()
        start = time.perf_counter()
        folders = [root / f"tool{t}" for t in range(tools)]
        comparison = open_comparison(folders, spec=CITYSCAPES, data_root=root, ids="train")
        found = survey(comparison)
        seconds = time.perf_counter() - start
        assert len(found.images) == images and found.tallies["tool0"].has_truth
    group = f"compare, {images} images x {tools} tools, {SIZE[0]}x{SIZE[1]}"
    return [
        Timed(group, "seconds", seconds, "s"),
        Timed(group, "a map with confidence", 1000 * seconds / images / tools, "ms"),
        Timed(group, "peak memory (reference: the limit)", peak_mib(), "MiB", 1024),
        Timed(group, "of it before anything is read", before, "MiB"),
    ]


def write_label_maps(root: Path, images: int, tools: int) -> None:
    """Blocky truth, predictions that stray from it, noisy confidence; all as PNG."""
    rng = np.random.default_rng(0)
    names = [f"frankfurt_{i:06d}_000019" for i in range(images)]
    truths = [blocks(rng) for _ in range(DISTINCT)]
    ground = [CITYSCAPES.train_id_path(root, "val", f"frankfurt/{name}") for name in names]
    link_all(ground, truths)
    for tool in range(tools):
        maps, sures = [], []
        for truth in truths:
            astray = np.roll(truth, 8 * (tool + 1), axis=1)
            maps.append(astray)
            noise = rng.integers(0, 60, truth.shape, np.uint8)
            sures.append(255 - noise - 60 * (astray != truth).astype(np.uint8))
        folder = root / f"tool{tool}"
        link_all([folder / f"{name}_labels.png" for name in names], maps)
        link_all([folder / f"{name}_confidence.png" for name in names], sures)


def blocks(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.integers(0, CITYSCAPES.num_classes, (SIZE[1] // 64, SIZE[0] // 64), np.uint8)
    return coarse.repeat(64, 0).repeat(64, 1)


def link_all(paths: list[Path], arrays: list[np.ndarray]) -> None:
    for i, path in enumerate(paths):
        if i < len(arrays):
            write_png(path, arrays[i])
        else:
            os.link(paths[i % len(arrays)], path)
