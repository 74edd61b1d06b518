"""What machine and versions a number was measured with, and how this process uses memory."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

import daformer_lib


def machine() -> dict[str, Any]:
    """Enough to tell two machines apart in a table, without naming the host."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "system": platform.system(),
        "processor": gpu or cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "daformer_course": daformer_lib.__version__,
    }


def peak_mib() -> float:
    """Peak memory so far: of the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_reserved() / 2**20
    try:  # of this program alone: Linux's ru_maxrss begins at what the starting process had
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    except (OSError, IndexError):
        import resource  # not on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


# Of glibc's mallopt (malloc.h): which blocks are mapped one by one, what is given back, spare room.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3


def keep_memory(device: torch.device) -> None:
    """Let this process keep the memory it frees: on a CPU a wide decoder then takes half the time.

    glibc gives large blocks back to the system at once, and the next layer's first touch of every
    page of its output brings them in again, zeroed. Nothing happens for a GPU, and elsewhere than
    on Linux.
    """
    if device.type != "cpu":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**31 - 1)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_TOP_PAD, 2**26)
