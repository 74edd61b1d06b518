"""What could be wrong with a machine, checked before a learner runs into it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from daformer_lib.models.checkpoints.load import SHIPPED

NEEDED_GB = 2  # free disk for the mini domains and the course's runs


@dataclass(frozen=True)
class Finding:
    ok: bool
    text: str  # what was looked at and, if it is wrong, the remedy


def findings(folder: str | Path = ".") -> list[Finding]:
    """Every check, good or bad."""
    return [
        _python(), _torch(), _torchvision(), _cores(), _gpu(), _disk(Path(folder)), _weights(),
        _writable(Path(folder)),
    ]  # fmt: skip


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(sys.version_info >= (3, 11), f"Python {version} (3.11 or newer is needed)")


def _torch() -> Finding:
    major, minor = (int(part) for part in torch.__version__.split(".")[:2])
    return Finding((major, minor) >= (2, 11), f"torch {torch.__version__} (2.11 or newer)")


def _torchvision() -> Finding:
    try:
        import torchvision  # noqa: F401  (importing is the check)
    except (ImportError, RuntimeError) as error:
        return Finding(False, f"torchvision does not fit torch ({error}); run `make clean course`")
    return Finding(True, f"torchvision {metadata.version('torchvision')}")


def _cores() -> Finding:
    count = os.cpu_count() or 1
    return Finding(
        count >= 2, f"{count} CPU cores (2 or more, else the course takes twice as long)"
    )


def _gpu() -> Finding:
    if torch.cuda.is_available():
        return Finding(True, f"GPU: {torch.cuda.get_device_name()}")
    return Finding(True, "no GPU: fine for the course; `full` needs one")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / 1e9
    return Finding(free > NEEDED_GB, f"{free:.0f} GB of free disk ({NEEDED_GB} GB are needed)")


def _weights() -> Finding:
    missing = [
        n for n in ("tiny_mit", "tiny_resnet") if not (SHIPPED / f"{n}.safetensors").exists()
    ]
    if missing:
        return Finding(False, f"no weights of {missing}; run `make pretrain`")
    return Finding(True, "pretrained tiny encoders")


def _writable(folder: Path) -> Finding:
    ok = os.access(folder, os.W_OK)
    return Finding(ok, f"{'can' if ok else 'cannot'} write to the working folder")
