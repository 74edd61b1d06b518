"""DAFormer's step in this tree against the same step of an earlier commit, pair by pair.

    python -m benchmarks.against e44cfde

Two processes, one of each tree, take turns of a few steps each on one thread; a pair of turns lies
seconds apart, so what slows the machine slows both. Processor time counts. The ratio of each pair,
their median, and a 95 % interval of it by the sign test are printed. Both trees need `Bench`.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from daformer_lib.machine import machine

ROOT = Path(__file__).parents[1]
# What each process does: on a line of its standard input it times that many steps.
SERVE = """
import sys, time, torch
torch.set_num_threads(1)
from benchmarks.steps import Bench
bench = Bench(sys.argv[1])
for _ in range(5): bench.ours()
print("ready", flush=True)
for line in sys.stdin:
    start = time.process_time()
    for _ in range(int(line)): bench.ours()
    print(1000 * (time.process_time() - start) / int(line), flush=True)
"""


class Tree:
    """A process that runs steps of one checkout."""

    def __init__(self, folder: Path, network: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, network], cwd=folder, text=True,
            env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        if self._said().strip() != "ready":
            raise RuntimeError(f"{folder} has no step to time; its error stands above")

    def _said(self) -> str:
        return self.process.stdout.readline()

    def step_ms(self, steps: int) -> float:
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self._said())


def interval(ratios: list[float]) -> tuple[float, float]:
    """95 % interval of the median, at least, of six or more: the sign test's order statistics."""
    ordered, n = sorted(ratios), len(ratios)
    below, tail = 0, 0.5**n
    while tail + math.comb(n, below + 1) * 0.5**n <= 0.025:
        below += 1
        tail += math.comb(n, below) * 0.5**n
    return ordered[below], ordered[n - 1 - below]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", help="what this tree is compared with")
    parser.add_argument("--network", default="tiny", help="tiny, mit_b0 or mit_b5")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--steps", type=int, default=10, help="in a turn")
    asked = parser.parse_args()
    if asked.pairs < 6:
        parser.error(f"--pairs {asked.pairs} must be at least 6; fewer have no 95 % interval")
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "tree"
        archive = subprocess.run(
            ["git", "archive", asked.commit], cwd=ROOT, check=True, capture_output=True
        ).stdout
        old.mkdir()
        subprocess.run(["tar", "-x", "-C", str(old)], input=archive, check=True)
        before, now = Tree(old, asked.network), Tree(ROOT, asked.network)
        found = []
        for i in range(asked.pairs):
            turn = (before, now) if i % 2 else (now, before)  # neither is always the first
            took = {tree: tree.step_ms(asked.steps) for tree in turn}
            found.append((took[before], took[now]))
        ratios = [new / old for old, new in found]
    low, high = interval(ratios)
    print(f"{asked.commit}: {statistics.median(old for old, _ in found):.1f} ms a step, this tree: "
          f"{statistics.median(new for _, new in found):.1f} ms")  # fmt: skip
    print(f"ratio of {len(ratios)} pairs: median {statistics.median(ratios):.3f}, "
          f"95 % interval {low:.3f} to {high:.3f}; {machine()['processor']}")  # fmt: skip


if __name__ == "__main__":
    main()
