"""What a notebook needs around its lesson: settings, data, runs (trained or found), networks.

A chapter opens with ``kit = chapter.start(profile, seed, ...)`` and asks for runs by row name:
``runs = kit.runs("source_only", "self_training")``. A run that exists is used again, in whichever
chapter it was trained; missing ones are trained side by side.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from daformer_lib.config import Experiment
from daformer_lib.data.changes.run_data import note_data
from daformer_lib.data.datasets import LabelledSet, SegmentationDataset, open_source
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.data.transforms import to_tensors
from daformer_lib.evaluate import predict
from daformer_lib.inference import load_network
from daformer_lib.progress import Progress
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.batch import jobs_here, run_all
from daformer_lib.runs.places import project_root, results
from daformer_lib.runs.recipes import TITLES
from daformer_lib.runs.recipes.lengths import length_settings
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.runs.results import STUDY, RowResult, read_results
from daformer_lib.specs import (
    JOIN,
    DatasetSpec,
    get_spec,
    get_specs,
    is_file_name,
    scored_spec,
    source_names,
)
from daformer_lib.viz.safe_colours import for_learners

__all__ = ["TITLES", "Kit", "Scene", "project_root", "results", "start"]


@dataclass(frozen=True)
class Scene:
    """One image of a split, ready to look at and to feed."""

    stem: str
    image: Tensor  # (3, H, W) float32, ImageNet-normalised
    label: np.ndarray | None  # (H, W) uint8 train ids, 255 = ignore


@dataclass(frozen=True)
class Kit:
    """A chapter's settings and everything it fetches."""

    profile: str
    seed: int
    source: str
    target: str
    data_root: str
    output_dir: Path

    @property
    def spec(self) -> DatasetSpec:
        """Classes, colours for learners, and thing ids; source and target share them.

        `get_spec(kit.target)` has the data set's own colours.
        """
        return for_learners(scored_spec(self.target, self.source))

    def experiment(self, row: str, steps: Mapping[str, int] | None = None) -> Experiment:
        """`steps`: its length by profile, as `train --steps`, where it is not the profile's own."""
        data = self.source, self.target, self.data_root
        found = recipes.experiment(row, self.profile, self.seed, *data)
        length = (steps or {}).get(self.profile)
        return with_settings(found, length_settings(found, self.profile, length))

    def prepare(self) -> None:
        """Draw and convert what is missing."""
        with Progress(None, "data") as bar:
            prepare(self.experiment("daformer").data, self.profile, bar)

    def run(self, experiment: Experiment) -> Run:
        """A run of any experiment, trained unless it exists."""
        return self.trained(experiment)[0]

    def runs(self, *rows: str) -> dict[str, Run]:
        """Runs by row name; those that are missing are trained now, `jobs_here()` at a time."""
        return dict(zip(rows, self.trained(*(self.experiment(row) for row in rows))))

    def trained(self, *experiments: Experiment, jobs: int = 1) -> list[Run]:
        """Runs of any experiments; those that are missing are trained now, `jobs_here()` at a
        time, or `jobs` where that is more."""
        jobs = max(jobs, jobs_here())
        with Progress(None, "train") as bar:
            return run_all(experiments, self.output_dir, jobs, report=bar, begun=note_data)

    def network(self, run: Run, model: str = "student") -> nn.Module:
        """The trained network of a run, in eval mode; model is "student" or "teacher"."""
        return load_network(run, model)

    def dataset(self, domain: str = "target", split: str = "train") -> LabelledSet:
        """A split with its labels; a source of several sets ("a+b") is one set of all images."""
        data = self.experiment("daformer").data
        if domain == "source":
            return open_source(get_specs(data.source), data.data_root, split)
        return SegmentationDataset(get_spec(data.target), data.data_root, split)

    def scenes(self, domain: str, split: str, indices: list[int]) -> list[Scene]:
        """Chosen images with their labels, at training size."""
        dataset = self.dataset(domain, split)
        found = []
        for index in indices:
            image, label = dataset.load(index % len(dataset))
            tensors = to_tensors(image, label)
            found.append(Scene(dataset.stems[index % len(dataset)], tensors[0], label))
        return found

    def predict(self, run: Run, scenes: list[Scene], model: str = "student") -> np.ndarray:
        """(N, H, W) uint8 labels of the scenes by a run's network."""
        return label_scenes(self.network(run, model), scenes)

    @cached_property
    def study(self) -> dict[str, RowResult]:
        """The committed multi-seed results on the mini domains, by row; empty before a study."""
        path = results() / STUDY
        return {r.row: r for r in read_results(path)} if path.exists() else {}


def label_scenes(network: nn.Module, scenes: list[Scene]) -> np.ndarray:
    """(N, H, W) uint8 labels of the scenes by any network in eval mode."""
    label, _ = predict(network, torch.stack([scene.image for scene in scenes]))
    return label.byte().numpy()


def start(
    profile: str = "demo",
    seed: int = 0,
    source: str = "minigta",
    target: str = "minicityscapes",
    data_root: str | None = None,
    output_dir: str = "runs/course",
) -> Kit:
    """Settings of a chapter. The environment's DAFORMER_PROFILE overrides `profile`.

    Relative folders and spec files are meant from the project's root, wherever the notebook runs.
    Without a `data_root` the profile's own is taken.
    """
    profile = os.environ.get("DAFORMER_PROFILE", profile)
    source, target = from_root(source), from_root(target)
    root = str(project_root() / (data_root or recipes.default_root(profile)))
    recipes.experiment("daformer", profile, seed, source, target, root)  # checks the names
    torch.manual_seed(seed)
    return Kit(profile, seed, source, target, root, project_root() / output_dir)


def from_root(names: str) -> str:
    """Data set names, "a+b" included, with the spec files among them found from the root."""
    named = [str(project_root() / n) if is_file_name(n) else n for n in source_names(names)]
    return JOIN.join(named)
