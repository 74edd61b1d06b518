"""A run's folder: what training writes and everything else reads.

config.json       the Experiment
specs/            copies of the YAML files of its data sets, where it has any: what the run goes on
                  with, whatever becomes of the originals
data.json         a fingerprint of the data that it began with (see `run_data.py`)
metrics.csv       step, rate, losses and confidence, every log_every steps
evals.json        scores of student and teacher at each evaluation
health.json       what was seen of the adaptation without target labels, at each evaluation
snapshots/        step_000800.npz: labels and confidence of teacher and student, fixed images
start.pt          the weights that it began with, of a run that goes on from another one; until it
                  is complete
checkpoints/      last.pt: everything needed to go on; previous.pt, until the run is complete
tb/               TensorBoard: loss/, lr/, pseudo-label/, score/, health/
result.json       written last: its presence means the run is complete
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import torch

from daformer_lib.config import Experiment
from daformer_lib.evaluate import Scores
from daformer_lib.files import read_json, write_json
from daformer_lib.foreign_files import foreign
from daformer_lib.means import json_number
from daformer_lib.runs.checkpoint_files import load_checkpoint, newest_checkpoint
from daformer_lib.specs import (
    JOIN,
    DatasetSpec,
    get_spec,
    is_file_name,
    save_spec,
    scored_spec,
    source_names,
)
from daformer_lib.texts import nearest

T = TypeVar("T")
HEALTH, START = "health.json", "start.pt"


def write_config(folder: Path, experiment: Experiment) -> None:
    """config.json, written once, and copies of the spec files that it names."""
    path = folder / "config.json"
    if path.exists():
        return
    for side in ("source", "target"):
        for i, name in enumerate(source_names(getattr(experiment.data, side))):
            if is_file_name(name):
                save_spec(get_spec(name), folder / "specs" / f"{side}{i}.yaml")
    write_json(path, experiment.to_dict())


def read_config(folder: Path) -> Experiment:
    """The experiment of a run's folder; spec files are the copies in it, where there are any."""
    experiment = _understood(folder / "config.json", Experiment.from_dict)
    kept = {}
    for side in ("source", "target"):
        names = source_names(getattr(experiment.data, side))
        copies = [folder / "specs" / f"{side}{i}.yaml" for i in range(len(names))]
        found = [str(c) if c.is_file() else name for c, name in zip(copies, names)]
        kept[side] = JOIN.join(found)
    return experiment.changed(data=kept)


@dataclass(frozen=True)
class Evaluation:
    """Scores of one model on one split at one step."""

    step: int
    model: str  # "student" or "teacher"
    split: str
    scores: Scores

    @property
    def place(self) -> tuple[int, str, str]:
        """Of which there is one evaluation."""
        return self.step, self.model, self.split

    def to_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "model": self.model,
            "split": self.split,
            "miou": json_number(self.scores.miou(), 6),  # null where there is no score
            "iou": [json_number(value, 6) for value in self.scores.iou],
            "confusion": self.scores.confusion.tolist(),
        }

    def curve_point(self) -> dict[str, float]:
        """For TensorBoard; empty where there is no score."""
        miou = self.scores.miou()
        return {} if np.isnan(miou) else {f"score/{self.split}/miou_{self.model}": miou}

    @classmethod
    def from_dict(cls, values: dict[str, Any], evaluated: tuple[int, ...]) -> Evaluation:
        """The mean is made from the pixels again: an old file may hold it over all classes."""
        scores = Scores(np.array(values["confusion"], dtype=np.int64), evaluated)
        return cls(values["step"], values["model"], values["split"], scores)


def curve_points(row: Mapping[str, Any]) -> dict[str, float]:
    """A row of metrics.csv for TensorBoard, which shows tags with one beginning as a group.

    >>> curve_points({"step": "4", "lr": "0.1", "source": "2.5", "confident": "0.0", "fd": ""})
    {'lr/encoder': 0.1, 'loss/source': 2.5, 'pseudo-label/confident': 0.0}
    """
    groups = {"lr": "lr/encoder", "confident": "pseudo-label/confident"}
    filled = {name: value for name, value in row.items() if name != "step" and value != ""}
    return {groups.get(name, f"loss/{name}"): float(value) for name, value in filled.items()}


@dataclass(frozen=True)
class Snapshot:
    """What teacher and student thought of the fixed images at one step."""

    step: int
    stems: tuple[str, ...]
    student_label: np.ndarray  # (N, H, W) uint8 train id
    teacher_label: np.ndarray | None  # (N, H, W) uint8; None for runs without a teacher
    confidence: np.ndarray  # (N, H, W) uint8, probability x 255, of the teacher (else the student)
    student_confidence: np.ndarray | None = None  # beside a teacher; None in old runs


def health_points(record: Mapping[str, Any]) -> dict[str, float]:
    """The single numbers of a record of health.json, for TensorBoard."""
    own = {k: v for k, v in record.items() if isinstance(v, float)}
    beside = {k: v for k, v in record.get("student", {}).items() if isinstance(v, float)}
    return {f"health/{k}": v for k, v in own.items()} | {
        f"health/student_{k}": v for k, v in beside.items()
    }


class Run:
    """Read access to a run's folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "config.json").exists():
            beside = [config.parent for config in self.folder.parent.glob("*/config.json")]
            known = f"; {nearest(self.folder, beside)}" if beside else ""
            raise FileNotFoundError(
                f"{self.folder} is no run: it has no config.json; train one, or name another "
                f"folder{known}"
            )

    @property
    def is_complete(self) -> bool:
        return (self.folder / "result.json").exists()

    @cached_property
    def experiment(self) -> Experiment:
        return read_config(self.folder)

    @cached_property
    def result(self) -> dict[str, Any]:
        """Seconds, versions, machine and the final scores in short; only of a complete run."""
        return read_json(self.folder / "result.json")

    @property
    def name(self) -> str:
        return self.experiment.name

    @property
    def spec(self) -> DatasetSpec:
        """Of the target; its mean is over the classes that the source has, too."""
        data = self.experiment.data
        return scored_spec(data.target, data.source)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.spec.classes

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        return read_evaluations(self.folder, self.spec)

    def final(self, model: str = "student", split: str = "val") -> Scores:
        """Scores of the last step; raises KeyError with what there is."""
        found = [e for e in self.evaluations if (e.model, e.split) == (model, split)]
        if not found:
            have = sorted({(e.model, e.split) for e in self.evaluations})
            raise KeyError(f"{self.folder} holds no scores of {model} on {split}; it has {have}")
        return max(found, key=lambda e: e.step).scores

    def last_scores(self) -> dict[str, Scores]:
        """Of the last step, by "student/val" and the like; empty before it, or without labels."""
        last = [e for e in self.evaluations if e.step == self.experiment.train.steps]
        return {f"{e.model}/{e.split}": e.scores for e in last}

    def curve(self, model: str = "student", split: str = "val") -> tuple[list[int], list[float]]:
        """Steps and mIoU in percent of every evaluation; NaN where there was none.

        Only the last one is over all images where `max_eval_images` holds the others short.
        """
        found = [e for e in self.evaluations if (e.model, e.split) == (model, split)]
        return [e.step for e in found], [100 * e.scores.miou() for e in found]

    @cached_property
    def health(self) -> list[dict[str, Any]]:
        """Records of `uda/health/`, one an evaluation; none in runs of earlier code."""
        path = self.folder / HEALTH
        return read_json(path) if path.exists() else []

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What was wrong at the end, with evidence and remedy (`uda/health/findings.py`)."""
        return self.result.get("findings", [])

    def metrics(self) -> dict[str, np.ndarray]:
        """Columns of metrics.csv; NaN where a value was not logged."""
        with (self.folder / "metrics.csv").open() as file:
            rows = list(csv.DictReader(file))
        names = rows[0].keys() if rows else ()
        return {n: np.array([float(r[n] or "nan") for r in rows]) for n in names}

    def snapshot_steps(self) -> list[int]:
        files = (self.folder / "snapshots").glob("step_*.npz")
        return sorted(int(f.stem.removeprefix("step_")) for f in files)

    def snapshot(self, step: int) -> Snapshot:
        path = self.folder / "snapshots" / f"step_{step:06d}.npz"
        if not path.exists():
            raise FileNotFoundError(
                f"{self.folder} has no snapshot of step {step}; it has {self.snapshot_steps()}"
            )
        try:
            with np.load(path, allow_pickle=False) as kept:
                teacher = kept.get("teacher_label")
                stems = tuple(str(s) for s in kept["stems"])
                student, sure = kept["student_label"], kept.get("student_confidence")
                return Snapshot(step, stems, student, teacher, kept["confidence"], sure)
        except (BadZipFile, EOFError, KeyError, MemoryError, ValueError) as error:
            damaged = f"is damaged or no snapshot ({error})", "put a copy of it back"
            what, remedy = foreign(path, "a snapshot") or damaged
            raise ValueError(f"{path} {what}; {remedy}, or delete it") from None

    def student_weights(self) -> dict[str, torch.Tensor]:
        return self._checkpoint()["student"]

    def teacher_weights(self) -> dict[str, torch.Tensor]:
        weights = self._checkpoint().get("teacher")
        if weights is None:
            raise KeyError(f"{self.folder} has no teacher: its mode is {self.experiment.mode}")
        return weights

    def weights_to_start_from(self) -> dict[str, torch.Tensor]:
        """The teacher's, and the student's of a run that has no teacher."""
        state = self._checkpoint()
        return state.get("teacher", state["student"])

    def start_weights(self) -> dict[str, torch.Tensor] | None:
        """Those that this run began with, copied from another one; None where it did not."""
        path = self.folder / START
        return load_checkpoint(path) if path.exists() else None

    def _checkpoint(self) -> dict[str, Any]:
        return newest_checkpoint(self.folder)


def read_evaluations(folder: Path, spec: DatasetSpec) -> list[Evaluation]:
    """What evals.json holds; means are over the classes that the target's spec evaluates."""
    path = folder / "evals.json"
    if not path.exists():
        return []
    return _understood(
        path, lambda values: [Evaluation.from_dict(v, spec.mean_ids) for v in values]
    )


def _understood(path: Path, make: Callable[[Any], T]) -> T:
    """What a JSON file of a run means; one of another program or version is named."""
    try:
        return make(read_json(path))
    except (AttributeError, KeyError, TypeError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"{path} is not what this version of the kit writes ({reason}); use the version that "
            "wrote it, or train the run again in another folder"
        ) from None


def run_folder(experiment: Experiment, folder: str | Path) -> Path:
    """Where the experiment's run lives; the key tells two configurations apart."""
    seed = experiment.train.seed
    return Path(folder) / f"{experiment.name}-seed{seed}-{experiment.key}"


def runs_in(folder: Path) -> list[Run]:
    """Runs in a folder and in the folders in it, by name."""
    found = [p.parent for depth in ("*", "*/*") for p in folder.glob(f"{depth}/config.json")]
    return [Run(place) for place in sorted(found)]


def run_with_key(key: str, folder: Path) -> Run:
    """The run of that key in a folder or in the folders in it; FileNotFoundError if there is none.

    Of several, as of two names for one experiment, a complete one.
    """
    found = [run for run in runs_in(folder) if run.folder.name.endswith(f"-{key}")]
    if not found:
        raise FileNotFoundError(
            f"no run with key {key} in {folder}: name the run's folder with --start-from"
        )
    return max(found, key=lambda run: run.is_complete)


def is_finished(experiment: Experiment, folder: str | Path) -> bool:
    """Whether there is nothing left to train."""
    return (run_folder(experiment, folder) / "result.json").exists()
