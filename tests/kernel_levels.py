"""The tests that rounding can touch, at each level of vector instructions of this processor.

python -m tests.kernel_levels runs those marked `numeric` with PyTorch's and oneDNN's kernels held
to older processors' (`ATEN_CPU_CAPABILITY`, `ONEDNN_MAX_CPU_ISA`), so that one machine shows what
the tests do on several. `make test-cpus`; names after it (avx2, or avx2/1 with one thread) choose.
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
    threads: tuple[int, ...]


# Only pairs that some processor has: PyTorch's own kernels and oneDNN's of one generation.
LEVELS = (
    Level("all", "", {}, (1, 2)),  # what the processor has, AMX included
    Level("avx512", "AVX512", {ATEN: "avx512", ONEDNN: "AVX512_CORE"}, (2,)),
    Level("avx2", "AVX2", {ATEN: "avx2", ONEDNN: "AVX2"}, (1, 2)),
    Level("default", "", {ATEN: "default", ONEDNN: "SSE41"}, (1,)),  # as long as all the others
)


def known(level: Level) -> bool:
    reached = torch.backends.cpu.get_cpu_capability()
    if not level.needs:
        return True
    return reached in ORDER and ORDER.index(reached) >= ORDER.index(level.needs)


def run(level: Level, threads: int, options: list[str]) -> int:
    """pytest's exit status, with two workers; of two threads each, they share two cores."""
    counts = {"OMP_NUM_THREADS": str(threads), "DAFORMER_TEST_THREADS": str(threads)}
    if threads > 1:
        counts["OMP_WAIT_POLICY"] = "passive"  # else each waits for its turn at full speed
    marked = ["-m", "numeric and not slow and not soak", "-n", "2", "--dist", "loadscope"]
    command = [sys.executable, "-m", "pytest", "tests", *marked, *options]
    environment = {**os.environ, **level.environment, **counts}
    return subprocess.run(command, env=environment, check=False).returncode


def chosen(names: list[str]) -> list[tuple[Level, int]]:
    """Levels and threads of these names, in the order of LEVELS; all without any."""
    every = {f"{level.name}/{n}": (level, n) for level in LEVELS for n in level.threads}
    known_names = [*(level.name for level in LEVELS), *every]
    if unknown := set(names) - set(known_names):
        sys.exit(f"no level {', '.join(sorted(unknown))}; there are: {', '.join(known_names)}")
    wanted = lambda name: not names or name in names or name.partition("/")[0] in names
    return [variant for name, variant in every.items() if wanted(name)]


def main(words: list[str]) -> int:
    options = [word for word in words if word.startswith("-")]
    if ATEN in os.environ or ONEDNN in os.environ:
        sys.exit(f"unset {ATEN} and {ONEDNN}: each level sets its own")
    failed = []
    for level, threads in chosen([word for word in words if word not in options]):
        name = f"{level.name}/{threads}"
        if not known(level):
            print(f"{name}: left out, this processor has no {level.needs}")
            continue
        setting = " ".join(f"{k}={v}" for k, v in level.environment.items()) or "nothing set"
        print(f"{name}: {setting}, threads: {threads}", flush=True)
        begun = time.monotonic()
        if run(level, threads, options):
            failed.append(name)
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "passed at every level that was run")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
