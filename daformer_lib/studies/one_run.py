"""What `notebooks/run.ipynb` shows of one experiment: settings, scores by class, pictures, time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from daformer_lib.config import Experiment
from daformer_lib.course.chapter import from_root
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.data.transforms import to_tensors
from daformer_lib.evaluate import predict
from daformer_lib.inference import load_network
from daformer_lib.progress import Progress, duration
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.batch import progress_file
from daformer_lib.runs.folder import run_folder
from daformer_lib.runs.places import project_root
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.train import train
from daformer_lib.viz import Table, class_bars, plain_table, prediction_panels

FULL_METHOD = "daformer"  # what every run is compared with


@dataclass(frozen=True)
class OneRun:
    """An experiment by row and profile, and where its run lies."""

    experiment: Experiment
    profile: str
    folder: Path
    full: Experiment  # the full method at the same profile, seed and data

    def prepare(self) -> None:
        """Draw and convert what is missing."""
        with Progress(None, "data") as bar:
            prepare(self.experiment.data, self.profile, bar)

    def train(self) -> Run:
        """Train, go on, or open what is finished."""
        self.folder.mkdir(parents=True, exist_ok=True)
        note = progress_file(self.folder)
        with Progress(self.experiment.train.steps, self.experiment.name) as bar:

            def report(done: int, total: int | None, label: str) -> None:
                note(done, total, label)
                bar(done, total, label)

            return train(self.experiment, self.folder, report=report)

    def differences(self) -> Table:
        """Every setting in which this experiment is not the full method."""
        own, full = flat(self.experiment.to_dict()), flat(self.full.to_dict())
        names = [name for name in {**full, **own} if own.get(name) != full.get(name)]
        rows = [[n, _text(full.get(n)), _text(own.get(n))] for n in names if n != "name"]
        head = ["setting", f"{FULL_METHOD} (the full method)", self.experiment.name]
        return plain_table(head, rows or [["none", "", ""]])


def open_experiment(
    row: str,
    profile: str,
    seed: int,
    source: str | None,
    target: str | None,
    data_root: str | None,
    output_dir: str,
    settings: list[str],
) -> OneRun:
    """The experiment of a notebook's parameters; DAFORMER_PROFILE overrides the profile.

    Relative folders and spec files are meant from the project's root, wherever the notebook runs.
    A source, target or data root of None is the row's own.
    """
    profile = os.environ.get("DAFORMER_PROFILE", profile)
    source, target = (name and from_root(name) for name in (source, target))
    root = str(project_root() / (data_root or recipes.default_root(profile)))
    made = [
        recipes.experiment(name, profile, seed, source, target, root) for name in (row, FULL_METHOD)
    ]
    experiment = with_settings(made[0], settings)
    full = made[1].changed(data={"source": made[0].data.source, "target": made[0].data.target})
    folder = run_folder(experiment, project_root() / output_dir)
    return OneRun(experiment, profile, folder, full)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"uda": {"fd_on": "things"}} -> {"uda.fd_on": "things"}"""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def _text(value: Any) -> str:
    return "–" if value is None else str(value)


def score_table(run: Run) -> Table:
    """mIoU of the last step: student and teacher, on every split that was scored."""
    rows = [[where, 100 * scores.miou()] for where, scores in run.last_scores().items()]
    return plain_table(["network and split", "mIoU"], rows)


def class_scores(run: Run) -> Any:
    """IoU by class of student and teacher, on the last split that was scored."""
    split = run.experiment.train.final_splits[-1]
    models = [where.split("/")[0] for where in run.last_scores() if where.endswith(f"/{split}")]
    ious = {f"{model}, {split}": 100 * run.final(model, split).iou for model in models}
    return class_bars(ious, run.spec, title=f"{run.name}: IoU per class", bold=run.spec.rare)


def score_curves(run: Run) -> dict[str, tuple[list[int], list[float]]]:
    """mIoU in percent on the validation split over the steps, by network."""
    split = run.experiment.train.eval_split
    models = dict.fromkeys(e.model for e in run.evaluations if e.split == split)
    return {model: run.curve(model, split) for model in models}


def panels(run: Run, count: int = 4) -> Any:
    """Pictures of the validation split with the most classes: image, truth, student, teacher."""
    experiment = run.experiment
    dataset = SegmentationDataset(run.spec, experiment.data.data_root, experiment.train.eval_split)
    pixels = dataset.class_stats().counts  # (images, K)
    order = np.argsort(-(pixels > 0).sum(axis=1), kind="stable")[:count]
    pairs = [dataset.load(int(index)) for index in order]
    images = torch.stack([to_tensors(*pair)[0] for pair in pairs])
    models = dict.fromkeys(where.split("/")[0] for where in run.last_scores())
    labels = {m: predict(load_network(run, m), images)[0].byte().numpy() for m in models}
    return prediction_panels(list(images), [label for _, label in pairs], labels, run.spec)


def time_table(run: Run) -> Table:
    """How long it took, on what."""
    result = run.result
    rows = [["steps", str(result["steps"])], ["training", duration(result["seconds"])]]
    rows.append(["of that for a step", f"{1000 * result['seconds'] / result['steps']:.0f} ms"])
    rows += [[name, str(value)] for name, value in result["machine"].items() if value is not None]
    return plain_table(["", "this run"], rows)
