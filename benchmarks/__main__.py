"""`python -m benchmarks`: a table on the screen, JSON with machine and versions beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import tyro

from benchmarks.comparing import many_maps_benchmark, redraw_benchmark, snapshot_benchmark
from benchmarks.data import conversion_benchmark, mini_benchmark, sampling_benchmark
from benchmarks.health import health_benchmark
from benchmarks.large import checking_rows, evaluation_rows, loader_rows, opening_row
from benchmarks.steps import peak_benchmark, step_benchmark
from benchmarks.timing import Timed
from daformer_lib.files import write_json
from daformer_lib.machine import keep_memory, machine

RESULTS = Path(__file__).parent / "results"


def main(
    networks: tuple[str, ...] = ("tiny", "mit_b0", "mit_b5"),
    turns: int = 10,
    large_turns: int = 2,
    threads: int = 1,
    device: str = "auto",
    data: bool = True,
    parts: bool = True,
    memory: bool = True,
    apart: bool = False,
    eval_images: int = 500,
    settings: Annotated[tuple[str, ...], tyro.conf.arg(name="set")] = (),
    name: str = "cpu",
    remark: str = "",
    peak: str = "",
    comparing: bool = False,
    images: int = 500,
    tools: int = 10,
    checking: tuple[int, ...] = (),
    health: bool = False,
) -> None:
    """Compare the training step with one shaped like the authors', and time the data path.

    Args:
        networks: "tiny" (demo), "mit_b0" (256x256) and "mit_b5" (the paper's, 512x512); batch 2.
        turns: measurements of each thing; the best counts. large_turns: the same for a MiT.
        threads: of torch. device: auto (a GPU where there is one), cpu, cuda.
        data: conversion, sampling, drawing, loading and evaluation too.
        parts: the step by part, too. memory: whole steps and their peak memory, each in a process
            of its own.
        apart: only whole steps, ours and the reference one after the other: half the memory.
        eval_images: 2048x1024 images that are streamed through an evaluation.
        settings: part.field=value for our step, such as train.precision=bf16-mixed.
        name: of the JSON file under benchmarks/results. remark: kept in it.
        peak: internal; "<network>:<ours|reference>" prints the peak memory of that step.
        comparing: only the comparison of pseudo-labels: `images` (0: none) x `tools` label
            maps of 2048x1024, the cost of a snapshot, a redraw. Writes comparing.json.
        checking: only the look for changed files at the start of a training, among so many made-up
            pairs. Writes checking.json.
        health: only what it costs to watch a run without labels. Writes health.json.
    """
    torch.set_num_threads(threads)
    if peak:
        network, which = peak.split(":")
        print(json.dumps([asdict(row) for row in peak_benchmark(network, which, device, settings)]))
        return
    if comparing:
        rows = redraw_benchmark(turns) + snapshot_benchmark(turns)
        rows += many_maps_benchmark(images, tools) if images else []
        write_rows(rows, "comparing", threads)
        return
    if checking:
        rows = [row for pairs in checking for row in checked(pairs)]
        write_rows(rows, "checking", threads, remark=remark)
        return
    keep_memory(torch.device("cpu"))
    if health:
        write_rows(health_benchmark(turns), "health", threads, remark=remark)
        return
    rows = data_rows(turns, eval_images) if data else []
    for network in networks:
        count = turns if network == "tiny" else large_turns
        rows += [] if apart else step_benchmark(network, count, device, settings, parts)
        if memory or apart:
            rows += process_rows(network, threads, device, settings)
        print(table(rows), flush=True)
    write_rows(rows, name, threads, settings, remark)


def checked(pairs: int) -> list[Timed]:
    with tempfile.TemporaryDirectory() as folder:
        return checking_rows(Path(folder), pairs)


def write_rows(
    rows: list[Timed], name: str, threads: int, settings: tuple[str, ...] = (), remark: str = ""
) -> None:
    path = RESULTS / f"{name}.json"
    entries = [asdict(row) | {"ratio": row.ratio} for row in rows]
    made = {"machine": machine(), "threads": threads, "settings": settings, "remark": remark}
    write_json(path, {**made, "rows": entries})
    print(table(rows))
    print(f"wrote {path}")


def data_rows(turns: int, eval_images: int) -> list[Timed]:
    rows = conversion_benchmark(turns) + sampling_benchmark(turns) + mini_benchmark(workers=2)
    with tempfile.TemporaryDirectory() as folder:
        rows += loader_rows(Path(folder, "loader"))
        rows.append(opening_row(Path(folder, "million")))
        rows += evaluation_rows(Path(folder, "evaluation"), eval_images)
    return rows


def process_rows(
    network: str, threads: int, device: str, settings: tuple[str, ...] = ()
) -> list[Timed]:
    """Time and peak memory of our step beside the reference's, each in a fresh process.

    There ours keeps its memory, as `train` does, and the reference does not. Where the two take
    turns in one process, both do.
    """
    found = {}
    for which in ("ours", "reference"):
        command = [sys.executable, "-m", "benchmarks", "--peak", f"{network}:{which}"]
        command += ["--threads", str(threads), "--device", device]
        command += ["--set", *settings] if settings and which == "ours" else []
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[which] = [row["value"] for row in json.loads(done.stdout.splitlines()[-1])]
    (ours_ms, ours_mib), (their_ms, their_mib) = found["ours"], found["reference"]
    group = f"step, {network}"
    return [
        Timed(group, "whole, each as it is run", ours_ms, "ms", their_ms),
        Timed(group, "peak memory", ours_mib, "MiB", their_mib),
    ]


def table(rows: list[Timed]) -> str:
    lines = ["| what | part | ours | reference | ratio |", "|---|---|---|---|---|"]
    for row in rows:
        other = "" if row.baseline is None else f"{row.baseline:.1f} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        lines.append(
            f"| {row.group} | {row.name} | {row.value:.1f} {row.unit} | {other} | {ratio} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    tyro.cli(main)
