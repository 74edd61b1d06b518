"""The tests that rounding can touch, at each level of vector instructions of this processor.

python -m tests.kernel_levels runs those marked `numeric` with PyTorch's and oneDNN's kernels held
to older processors' (`ATEN_CPU_CAPABILITY`, `ONEDNN_MAX_CPU_ISA`), so that one machine shows what
the tests do on several. `make test-cpus`; levels named after it run alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import torch

ATEN, ONEDNN = "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"
ORDER = ("DEFAULT", "AVX2", "AVX512")  # PyTorch's names, lowest first


@dataclass(frozen=True)
class Level:
    """Kernels of one kind of processor."""

    name: str
    needs: str  # what torch.backends.cpu.get_cpu_capability() must reach
    environment: dict[str, str]


# Only pairs that some processor has: PyTorch's own kernels and oneDNN's of one generation.
LEVELS = (
    Level("all", "", {}),  # what the processor has, AMX included
    Level("avx512", "AVX512", {ATEN: "avx512", ONEDNN: "AVX512_CORE"}),
    Level("avx2", "AVX2", {ATEN: "avx2", ONEDNN: "AVX2"}),
    Level("default", "", {ATEN: "default", ONEDNN: "SSE41"}),
)


def known(level: Level) -> bool:
    reached = torch.backends.cpu.get_cpu_capability()
    if not level.needs:
        return True
    return reached in ORDER and ORDER.index(reached) >= ORDER.index(level.needs)


def run(level: Level, threads: int, options: list[str]) -> int:
    """pytest's exit status. One thread leaves a core for a second worker."""
    workers = ["-n", "2", "--dist", "loadscope"] if threads == 1 else []
    counts = {"OMP_NUM_THREADS": str(threads), "DAFORMER_TEST_THREADS": str(threads)}
    command = [sys.executable, "-m", "pytest", "tests", "-m", "numeric and not slow and not soak"]
    environment = {**os.environ, **level.environment, **counts}
    return subprocess.run([*command, *workers, *options], env=environment, check=False).returncode


def main(words: list[str]) -> int:
    options = [word for word in words if word.startswith("-")]
    names = [word for word in words if word not in options]
    if unknown := set(names) - {level.name for level in LEVELS}:
        known_names = ", ".join(level.name for level in LEVELS)
        sys.exit(f"no level {', '.join(sorted(unknown))}; there are: {known_names}")
    if ATEN in os.environ or ONEDNN in os.environ:
        sys.exit(f"unset {ATEN} and {ONEDNN}: each level sets its own")
    failed = []
    for level in (level for level in LEVELS if level.name in names or not names):
        if not known(level):
            print(f"{level.name}: left out, this processor has no {level.needs}")
            continue
        setting = " ".join(f"{k}={v}" for k, v in level.environment.items()) or "nothing set"
        for threads in (1, 2):
            begun = time.monotonic()
            print(f"{level.name}, threads: {threads} ({setting})", flush=True)
            if run(level, threads, options):
                failed.append(f"{level.name} with {threads} threads")
            print(f"{level.name}, threads: {threads}: {time.monotonic() - begun:.0f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "passed at every level that was run")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
