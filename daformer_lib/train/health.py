"""A run's health: a tally of its steps, a look at a few target images at each evaluation, and the
findings at its end. No target label is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning_fabric.loggers import TensorBoardLogger
from torch import nn

from daformer_lib.config import Experiment
from daformer_lib.data.class_stats import largest_covers
from daformer_lib.data.datasets import open_source, unlabelled_images
from daformer_lib.data.loaders import with_thresholds
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.runs import Run, RunWriter
from daformer_lib.runs.folder import health_points
from daformer_lib.specs import get_spec, get_specs
from daformer_lib.uda.health.findings import Course, find
from daformer_lib.uda.health.look import IMAGES, look
from daformer_lib.uda.health.tally import Tally
from daformer_lib.uda.method import WATCHED

COVER_IMAGES = 50  # label files read for the largest cover of a feature cell


class HealthWatch:
    """Keeps `health.json`; every process looks at the same images, rank 0 writes."""

    def __init__(
        self,
        experiment: Experiment,
        models: Mapping[str, nn.Module],
        writer: RunWriter,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.experiment, self.models, self.writer, self.device = experiment, models, writer, device
        self.ranks, self.classes = ranks, get_spec(experiment.data.target).classes
        data, labels = experiment.data, experiment.needs.labels
        specs = [get_spec(data.target)] if labels == "target" else get_specs(data.source)
        limit = data.max_target_images if labels == "target" else data.max_source_images
        self.source = open_source(specs, data.data_root, "train", limit)
        self.data = with_thresholds(data, self.source)
        self.tally = Tally(len(self.classes), self.data.rcs_min_crop_pixels, device)
        self._images: torch.Tensor | None = None

    def after(self, done: int, board: TensorBoardLogger) -> None:
        """At each evaluation of the run."""
        config = self.experiment.train
        if done % config.eval_every and done != config.steps:
            return
        labeller = self.models.get("teacher", self.models["student"])
        student = self.models["student"] if "teacher" in self.models else None
        found = look(
            labeller, self.images, len(self.classes), self.experiment.uda.threshold,
            self.experiment.data.batch_size, student,
        )  # fmt: skip
        record = {"step": done, **self.tally.take(self.ranks), **found}
        self.writer.add_health(record)
        board.log_metrics(health_points(record), step=done)

    @property
    def images(self) -> torch.Tensor:
        """(B, 3, H, W), evenly spread over the target's training split, of the first one's size."""
        if self._images is None:
            found = list(unlabelled_images(self.experiment, IMAGES))
            found = [image for image in found if image.shape == found[0].shape]
            self._images = torch.stack(found).to(self.device)
        return self._images

    def findings(self, run: Run) -> list[dict[str, Any]]:
        """What is wrong with a run whose last step is done, as plain values for result.json."""
        return [finding.to_dict() for finding in find(self.course(run))]

    def course(self, run: Run) -> Course:
        """All that the rules read: the run's records, and counts of its source."""
        counts, images = self._counts(), None
        if counts is not None and self.data.rcs_temperature is not None:
            images = (counts > self.data.rcs_min_pixels).sum(axis=0)
        acted = any(one.get("fd_cells") for one in run.health)
        return Course(
            self.experiment,
            self.classes,
            run.health,
            self._shares(run, counts),
            run.metrics(),
            images,
            {} if acted or not self.experiment.uda.fd_weight else self.largest_cover(),
        )

    def _counts(self) -> np.ndarray | None:
        """(images, K) pixels in the source's label files; None where they were not counted."""
        try:
            return self.source.class_stats().counts
        except FileNotFoundError:
            return None

    def _shares(self, run: Run, counts: np.ndarray | None) -> np.ndarray:
        if counts is None:  # what the crops showed
            return np.mean([one["source_shares"] for one in run.health], axis=0)
        totals = counts.sum(axis=0, dtype=np.int64)
        return totals / max(1, totals.sum())

    def largest_cover(self) -> dict[str, float]:
        """Watched class -> the largest share of a feature cell that it covers in source images."""
        spec, hrda = get_spec(self.experiment.data.target), self.experiment.methods.get("hrda")
        side = self.models["student"].encoder.strides[-1]
        if hrda is not None:  # its cells are those of the context image
            side = round(side / hrda.scale)
        watched = WATCHED[self.experiment.uda.fd_on](spec)
        ids = list(range(spec.num_classes) if watched is None else watched)
        count = min(COVER_IMAGES, len(self.source.stems))
        chosen = np.linspace(0, len(self.source.stems) - 1, count).astype(int)
        labels = (self.source.load(int(index))[1] for index in chosen)
        best = np.max([largest_covers(label, ids, side) for label in labels], axis=0)
        return dict(zip((spec.classes[i] for i in ids), best.tolist(), strict=True))
