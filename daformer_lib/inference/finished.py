"""Finished networks that come with the kit: trained by the committed study, to play with at once.

Each is a model file (`exchange.py`) of seed 0 in half precision; the card beside them says on what
they were trained, how, and what they score. They are never a learner's own runs: whatever shows
them says which is which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

import daformer_lib
from daformer_lib.files import write_atomic
from daformer_lib.inference.exchange import TrainedModel, load_model, save_model
from daformer_lib.means import percent
from daformer_lib.runs import Run
from daformer_lib.specs import get_spec
from daformer_lib.texts import nearest

_WEIGHTS = Path(daformer_lib.__file__).parent / "weights"
FOLDER = _WEIGHTS / "study"  # of the course's story
FOLDERS = (FOLDER, _WEIGHTS / "hd")  # and HRDA at twice the size
PREFIX = "study:"  # of names, as in `predict --model study:daformer`


def finished_rows() -> tuple[str, ...]:
    """The rows whose networks come with the kit."""
    return tuple(_files())


def _files() -> dict[str, Path]:
    return {path.stem: path for one in FOLDERS for path in sorted(one.glob("*.safetensors"))}


def open_finished(row: str, device: torch.device | str = "cpu") -> TrainedModel:
    """The student of a row of a committed study, seed 0; KeyError with the names there are."""
    files = _files()
    if row not in files:
        raise KeyError(f"no finished network of row {row!r}; {nearest(row, files)}")
    return load_model(files[row], device)


def ship(
    made: Mapping[Run, TrainedModel], folder: Path = FOLDER, command: str | None = None
) -> list[Path]:
    """Write the networks of complete runs into the kit, with their card; returns the files.

    Args:
        command: what trained them; by default `study` with their rows.
    """
    for run in made:
        if not run.is_complete:
            raise ValueError(f"{run.folder} is not finished; train it to its end, then ship it")
    files = [
        save_model(model, folder / f"{run.name}.safetensors", half=True)
        for run, model in made.items()
    ]
    return [*files, write_atomic(folder / "README.md", card(list(made), command).encode())]


def card(runs: Sequence[Run], command: str | None = None) -> str:
    """Data, training and scores of the finished networks, as Markdown."""
    first = runs[0].experiment
    names = (first.data.source, first.data.target)
    drawn = ", ".join(f"{name} (drawing {get_spec(name).version})" for name in names)
    splits = first.train.final_splits
    lines = [
        "# Finished networks of the committed study\n",
        f"Students after {first.train.steps} steps at seed {first.train.seed}, encoder "
        f"{first.model.encoder}, float16. Trained and scored on images that this kit draws: "
        f"{drawn}; no photograph was used, and on photographs they are of no use. mIoU in percent, "
        "of the float32 weights.\n",
        "| file | labels seen | " + " | ".join(splits) + " |",
        "|---" * (2 + len(splits)) + "|",
    ]
    for run in runs:
        seen = names[1] if run.experiment.mode == "oracle" else names[0]
        scores = " | ".join(percent(run.final("student", split).miou()) for split in splits)
        lines.append(f"| `{run.name}.safetensors` | {seen} | {scores} |")
    made = f"study --rows {' '.join(run.name for run in runs)} --seeds {first.train.seed}"
    command = command or f"python -m daformer_lib {made}"
    return "\n".join(
        [
            *lines,
            f"\nMade by `{command}`, then `ship-study`. Used by "
            f"`predict --model study:{runs[0].name}` and by chapters, beside the live runs. "
            "Licence: that of the kit.\n",
        ]
    )
