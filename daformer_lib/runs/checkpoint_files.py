"""The checkpoints of a run: `checkpoints/last.pt`, and `previous.pt` until the run is complete."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from daformer_lib.foreign_files import not_weights


class DamagedCheckpoint(ValueError):
    """A checkpoint file that is not what was written."""


def checkpoint_paths(folder: str | Path) -> tuple[Path, Path]:
    """Of a run: the last checkpoint and the one before it."""
    checkpoints = Path(folder) / "checkpoints"
    return checkpoints / "last.pt", checkpoints / "previous.pt"


def newest_checkpoint(folder: str | Path) -> dict[str, Any]:
    """The last checkpoint of a run; the one before it where the last is missing or damaged.

    Missing it is for a moment while a new one is put in its place.
    """
    last, previous = checkpoint_paths(folder)
    if not previous.exists():
        return load_checkpoint(last)
    try:
        return load_checkpoint(last)
    except FileNotFoundError:
        return load_checkpoint(previous)
    except DamagedCheckpoint as damage:
        state = load_checkpoint(previous)
        warnings.warn(f"{damage.args[0]}; {previous.name} is used instead", stacklevel=2)
        return state


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Tensors and plain values only: a checkpoint cannot run code."""
    # Imported late: reading snapshots must not load the network libraries, 200 MB of memory.
    from daformer_lib.models.checkpoints.weight_files import read_plain

    try:
        _check_sums(path)
        return read_plain(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: the run has not saved anything yet") from None
    except BadZipFile as error:
        what, remedy = not_weights(path) or (f"is damaged ({error})", "put a copy of it back")
        raise DamagedCheckpoint(
            f"{path} {what}; {remedy}, or delete the run's folder and train it again"
        ) from None


def _check_sums(path: Path) -> None:
    """torch.save writes a zip file with checksums, which torch.load does not look at."""
    with ZipFile(path) as archive:
        if broken := archive.testzip():
            raise BadZipFile(f"wrong checksum of {broken}")
