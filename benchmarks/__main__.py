"""`python -m benchmarks`: a table on the screen, JSON with machine and versions beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import torch
import tyro

from benchmarks.comparing import many_maps_benchmark, redraw_benchmark, snapshot_benchmark
from benchmarks.data import conversion_benchmark, mini_benchmark, sampling_benchmark
from benchmarks.steps import peak_benchmark, step_benchmark
from benchmarks.timing import Timed
from daformer_lib.files import write_json
from daformer_lib.machine import machine

RESULTS = Path(__file__).parent / "results"


def main(
    networks: tuple[str, ...] = ("tiny", "mit_b5"),
    turns: int = 10,
    large_turns: int = 2,
    threads: int = 1,
    name: str = "cpu",
    peak: str = "",
    comparing: bool = False,
    images: int = 500,
    tools: int = 10,
) -> None:
    """Compare the training step with one shaped like the authors', and time the data path.

    Args:
        networks: "tiny" (demo) and "mit_b5" (the paper's, 512x512, batch 2).
        turns: measurements of each thing; the best counts. large_turns: the same for MiT-B5.
        threads: of torch. name: of the JSON file under benchmarks/results.
        peak: internal; "<network>:<ours|reference>" prints the peak memory of that step.
        comparing: only the comparison of pseudo-labels: `images` (0: none) x `tools` label
            maps of 2048x1024, the cost of a snapshot, a redraw. Writes comparing.json.
    """
    torch.set_num_threads(threads)
    if peak:
        network, which = peak.split(":")
        print(json.dumps(asdict(peak_benchmark(network, which)[0])))
        return
    if comparing:
        rows = redraw_benchmark(turns) + snapshot_benchmark(turns)
        rows += many_maps_benchmark(images, tools) if images else []
        write_rows(rows, "comparing", threads)
        return
    rows = conversion_benchmark(turns) + sampling_benchmark(turns) + mini_benchmark(workers=2)
    for network in networks:
        rows += step_benchmark(network, turns if network == "tiny" else large_turns)
        rows.append(memory_row(network, threads))
        print(table(rows), flush=True)
    write_rows(rows, name, threads)


def write_rows(rows: list[Timed], name: str, threads: int) -> None:
    print(table(rows))
    path = RESULTS / f"{name}.json"
    entries = [asdict(row) | {"ratio": row.ratio} for row in rows]
    write_json(path, {"machine": machine(), "threads": threads, "rows": entries})
    print(f"wrote {path}")


def memory_row(network: str, threads: int) -> Timed:
    """Peak memory of our step beside the reference's, each in a fresh process."""
    peaks = {}
    for which in ("ours", "reference"):
        command = [sys.executable, "-m", "benchmarks", "--peak", f"{network}:{which}"]
        command += ["--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[which] = json.loads(done.stdout.splitlines()[-1])["value"]
    return Timed(f"step, {network}", "peak memory", peaks["ours"], "MiB", peaks["reference"])


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
