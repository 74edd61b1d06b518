"""A long training at smoke size in one process: memory, open files and disk use stay flat.

It trains, evaluates, takes snapshots and writes checkpoints until its time is up. What may grow is
said beforehand: snapshots and rows of the logs, by their number; everything else is held to a
limit.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import tyro

from daformer_lib.config import Experiment
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.files import write_json
from daformer_lib.machine import machine
from daformer_lib.runs import Run, recipes
from daformer_lib.train import train

MEMORY_GROWTH = 0.02  # of the resident memory, after the warm-up
WARM_UP = 1 / 4  # of the time: the images' cache fills, the allocator settles
END = 1 / 4  # of the time, at the end: what the start is compared with
STEPS = 10_000_000  # more than any time allows


@dataclass(frozen=True)
class Reading:
    """One look at the process and its folder."""

    seconds: float
    step: int
    memory: float  # MiB resident
    files: int  # open descriptors
    checkpoints: float  # MiB in checkpoints/
    snapshots: float  # MiB in snapshots/
    logs: float  # MiB of everything else in the run's folder


class Over(Exception):
    """The time is up."""


def soak_experiment(data_root: str | Path) -> Experiment:
    """The smoke run of DAFormer without an end, each of its habits many times."""
    every = {"log_every": 10, "eval_every": 50, "checkpoint_every": 25, "snapshot_every": 50}
    base = recipes.experiment("daformer", "smoke", data_root=str(data_root))
    return base.changed(train={"steps": STEPS, **every})


def soak(
    folder: str | Path, seconds: float, every: float = 5.0, experiment: Experiment | None = None
) -> list[Reading]:
    """Train for so many seconds; a reading every `every` of them."""
    folder = Path(folder)
    experiment = experiment or soak_experiment(folder / "data")
    prepare(experiment.data, "smoke")
    readings: list[Reading] = []
    start = time.monotonic()

    def look(done: int, total: int | None, label: str) -> None:
        now = time.monotonic() - start
        if not readings or now - readings[-1].seconds >= every:
            readings.append(read(folder / "run", now, done))
        if now > seconds:
            raise Over

    try:
        train(experiment, folder / "run", report=look)
    except Over:
        return readings
    raise AssertionError("the run came to its end before the time was up")


def read(folder: Path, seconds: float, step: int) -> Reading:
    checkpoints, snapshots = size(folder / "checkpoints"), size(folder / "snapshots")
    return Reading(
        seconds=round(seconds, 1),
        step=step,
        memory=round(resident(), 1),
        files=len(os.listdir("/proc/self/fd")),
        checkpoints=checkpoints,
        snapshots=snapshots,
        logs=round(size(folder) - checkpoints - snapshots, 3),
    )


def resident() -> float:
    """MiB of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def size(folder: Path) -> float:
    return round(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20, 3)


def summarise(readings: Sequence[Reading], folder: str | Path) -> dict[str, float]:
    """What the limits are about."""
    last = readings[-1]
    warm = [r for r in readings if r.seconds >= WARM_UP * last.seconds]
    early = warm[: max(1, round(len(readings) * END))]
    late = warm[-max(1, round(len(readings) * END)) :]
    snapshots = Run(Path(folder) / "run").snapshot_steps()
    memory = [statistics.median(r.memory for r in part) for part in (early, late)]
    # TensorBoard's thread opens its file for each write: now and then a look counts one more.
    files = [statistics.median_low([r.files for r in part]) for part in (early, late)]
    return {
        "seconds": last.seconds,
        "steps": last.step,
        "memory_early": memory[0],
        "memory_late": memory[1],
        "memory_growth": round(memory[1] / memory[0] - 1, 5),
        "files_early": files[0],
        "files_late": files[1],
        "checkpoints_most": max(r.checkpoints for r in warm),
        "checkpoints_least": min(r.checkpoints for r in warm),
        "snapshots": len(snapshots),
        "snapshot": round(last.snapshots / max(1, len(snapshots)), 4),
        "logs_per_1000_steps": round(1000 * (last.logs - early[0].logs) / steps(early, last), 4),
    }


def steps(early: Sequence[Reading], last: Reading) -> int:
    return max(1, last.step - early[0].step)


def broken_limits(summary: dict[str, float]) -> list[str]:
    """What was promised and not kept."""
    found = []
    if summary["memory_growth"] > MEMORY_GROWTH:
        found.append(f"memory grew by {summary['memory_growth']:.1%}, over {MEMORY_GROWTH:.0%}")
    if summary["files_late"] > summary["files_early"]:
        found.append(f"open files: {summary['files_early']} became {summary['files_late']}")
    if summary["checkpoints_most"] > 1.01 * summary["checkpoints_least"]:
        found.append("the checkpoints' folder grew")
    return found


def main(minutes: float = 30.0, every: float = 5.0, output: Path | None = None) -> int:
    """Train at smoke size; the status is 1 where memory, open files or checkpoints grew.

    Args:
        every: seconds between two readings.
        output: JSON file for the readings and what they mean.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        readings = soak(folder, 60 * minutes, every)
        summary = summarise(readings, folder)
    broken = broken_limits(summary)
    if output is not None:
        kept = readings[:: max(1, len(readings) // 60)]
        values = {"minutes": minutes, "machine": machine(), "summary": summary, "broken": broken}
        write_json(output, values | {"readings": [asdict(r) for r in kept]})
    for name, value in summary.items():
        print(f"{name:22s} {value}")
    print("\n".join(broken) or "memory, open files and checkpoints stayed flat")
    return min(1, len(broken))


if __name__ == "__main__":
    raise SystemExit(tyro.cli(main))
