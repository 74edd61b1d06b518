"""What a method costs: `python -m benchmarks.methods`, each row's step beside DAFormer's.

Steps of all rows take turns in one process, on noise, at profile demo (tiny networks, 128x128); a
process of its own for each row measures the peak memory.
"""

from __future__ import annotations

import torch
import tyro

from benchmarks.timing import best_ms
from daformer_lib.machine import keep_memory
from daformer_lib.runs import recipes
from daformer_lib.train.engine import FabricEngine, default_fabric
from daformer_lib.train.probe import LATE, noise_batch, probe
from daformer_lib.train.step import build_learner, training_step

FIRST = "daformer"  # what the others are compared with


def step_of(row: str):
    """One training step of a row, as a function without arguments."""
    experiment = recipes.experiment(row, "demo").changed(model={"pretrained": None})
    engine = FabricEngine(default_fabric(experiment))
    learner, batch = build_learner(experiment, engine), noise_batch(experiment)
    return lambda: training_step(learner, experiment, LATE, batch, engine)


def peak_of(row: str) -> float:
    """MiB of a process that does nothing but steps of that row."""
    found = next(probe(recipes.experiment(row, "demo"), 2, {row: ()}))
    if found.mib is None:
        raise RuntimeError(f"{row}: {found.problem}")
    return found.mib


def main(
    rows: tuple[str, ...] = ("mic", "hrda", "mic_hrda"), turns: int = 10, threads: int = 1
) -> None:
    """Milliseconds and MiB of each row, and their ratio to DAFormer's."""
    torch.set_num_threads(threads)
    keep_memory(torch.device("cpu"))
    names = (FIRST, *rows)
    times = best_ms({row: step_of(row) for row in names}, turns)
    peaks = {row: peak_of(row) for row in names}
    for row in names:
        ratios = times[row] / times[FIRST], peaks[row] / peaks[FIRST]
        print(
            f"{row:10s} {times[row]:8.1f} ms  x{ratios[0]:.2f}  "
            f"{peaks[row]:8.0f} MiB  x{ratios[1]:.2f}"
        )


if __name__ == "__main__":
    tyro.cli(main)
