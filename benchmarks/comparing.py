"""Comparing many label maps, the cost of a snapshot, and how fast a control redraws.

`python -m benchmarks --comparing` runs only these.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.steps import Bench
from benchmarks.timing import Timed, best_ms
from daformer_lib.compare import open_comparison
from daformer_lib.compare.views import ComparisonExplorer, explore_comparison
from daformer_lib.data.drawn.mini import MiniCounts, make_mini
from daformer_lib.data.intake.convert import convert
from daformer_lib.files import write_png
from daformer_lib.runs import RunWriter
from daformer_lib.specs import CITYSCAPES, MINICITYSCAPES
from daformer_lib.train.watching import Evaluator

SIZE = (2048, 1024)  # of Cityscapes' own label maps
DISTINCT = 3  # files of each tool that are drawn; the others are links to them
LIMIT = 1024  # MiB
# The command's own processor time and peak: what the system says of a child starts at its parent's.
COMMAND = """
import sys, time
from daformer_lib.cli import main
from daformer_lib.machine import peak_mib
status = main(sys.argv[1:])
print(time.process_time(), peak_mib())
sys.exit(status)
"""


def many_maps_benchmark(images: int = 500, tools: int = 10) -> list[Timed]:
    """The whole `compare` command on label maps with confidence, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_label_maps(root, images, tools)
        command = [sys.executable, "-c", COMMAND, "compare"]
        command += [str(root / f"tool{t}") for t in range(tools)]
        command += ["--spec", "cityscapes", "--data-root", folder, "--ids", "train"]
        command += ["--output-dir", str(root / "out"), "--images", "8"]
        start = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.perf_counter() - start
        spent, peak = map(float, done.stdout.split()[-2:])
        page = (root / "out" / "comparison.html").stat().st_size / 2**20
    group = f"compare, {images} images x {tools} tools, {SIZE[0]}x{SIZE[1]}"
    return [
        Timed(group, "seconds", seconds, "s"),
        Timed(group, "of them on the processor", spent, "s"),
        Timed(group, "peak memory (reference: the limit)", peak, "MiB", LIMIT),
        Timed(group, "page with 8 images", page, "MiB"),
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
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(paths[i % len(arrays)], path)


def snapshot_benchmark(turns: int) -> list[Timed]:
    """A snapshot at demo against the training steps between two of them."""
    bench = Bench("tiny")
    with tempfile.TemporaryDirectory() as folder:
        make_mini(folder, ("minicityscapes",), MiniCounts(0, 0, 0, 8, 0), workers=1)
        convert(MINICITYSCAPES, folder, "val")
        experiment = bench.experiment.changed(
            data={"data_root": folder}, train={"final_splits": ("val",)}
        )
        writer = RunWriter(Path(folder) / "run", experiment)
        watch = Evaluator(experiment, bench.learner.models, writer, bench.engine.device)

        def snapshot() -> None:
            writer.save_snapshot(watch._snapshot(200))

        best = best_ms({"snapshot": snapshot, "step": bench.ours}, turns)
        size = (Path(folder) / "run" / "snapshots" / "step_000200.npz").stat().st_size / 2**20
    between = best["step"] * experiment.train.snapshot_every
    return [
        Timed("snapshot, demo", "8 images (reference: 3 % of the steps between two)",
              best["snapshot"], "ms", 0.03 * between),
        Timed("snapshot, demo", "file (reference: the limit)", size, "MiB", 1.0),
    ]  # fmt: skip


def redraw_benchmark(turns: int, sources: int = 3) -> list[Timed]:
    """A move of a control of the live explorer at demo size, by view."""
    rng = np.random.default_rng(0)
    width, height = MINICITYSCAPES.size
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        spec = replace(MINICITYSCAPES, stand_in_for="")
        for i in range(8):
            truth = rng.integers(0, 19, (height // 16, width // 16), np.uint8)
            truth = truth.repeat(16, 0).repeat(16, 1)
            write_png(spec.train_id_path(root, "val", f"x/{i}"), truth)
            noise = rng.integers(0, 256, (height, width, 3), np.uint8)
            write_png(spec.image_path(root, "val", f"x/{i}"), noise)
            for s in range(sources):
                write_png(root / f"s{s}" / f"{i}.png", np.roll(truth, 5 * s + 5, 1))
                write_png(root / f"s{s}" / f"{i}_confidence.png", noise[..., s])
        folders = [root / f"s{s}" for s in range(sources)]
        comparison = open_comparison(folders, spec=spec, data_root=root, ids="train")
        explorer = explore_comparison(comparison)
        works = {}
        for view in explorer.controls["view"].options:
            works[view] = lambda v=view: move(explorer, v)
        best = best_ms(works, turns)
    group = f"redraw, {sources} sources, {width}x{height}"
    return [Timed(group, f"{v} (reference: the limit)", ms, "ms", 200) for v, ms in best.items()]


def move(explorer: ComparisonExplorer, view: str) -> None:
    """What one move of a control does, with the image read anew."""
    explorer._views.clear()
    explorer.controls["view"].unobserve_all()
    explorer.controls["view"].value = view
    explorer._redraw()
    assert not explorer.error.value
