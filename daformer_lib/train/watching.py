"""What is written down while a network trains: means of the losses, scores, snapshots."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from lightning_fabric.loggers import TensorBoardLogger
from torch import Tensor, nn

from daformer_lib.config import Experiment
from daformer_lib.data.datasets import (
    SegmentationDataset,
    evaluation_samples,
    has_labels,
    target_dataset,
)
from daformer_lib.data.transforms import to_tensors
from daformer_lib.evaluate import Scores, evaluate, in_eval_mode, predict
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.runs import Evaluation, RunWriter, Snapshot
from daformer_lib.specs import scored_spec


@contextmanager
def tensorboard(writer: RunWriter) -> Iterator[TensorBoardLogger]:
    """A run's TensorBoard; one that goes on starts a new file with what `metrics.csv` and
    `evals.json` keep.

    Old files would be read in the order of their names, by the second and the process number of
    each start: two starts within a second may come the wrong way round, and curves get lost.
    """
    writer.remove_board()
    board = TensorBoardLogger(writer.folder, name="tb", version="")
    for step, values in writer.history:
        board.log_metrics(values, step=step)
    try:
        yield board
    finally:
        board.finalize("closed")


class LossLog:
    """Means of the losses over `every` steps."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.line = ""
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def state(self) -> dict[str, Any]:
        return {"sums": {k: torch.as_tensor(v) for k, v in self._sums.items()}, "n": self._count}

    def load(self, state: dict[str, Any]) -> None:
        self._sums, self._count = dict(state["sums"]), state["n"]

    def add(self, done: int, losses: dict[str, Tensor], lr: float) -> dict[str, Any] | None:
        """A row for metrics.csv every `every` steps, else None."""
        for name, loss in losses.items():
            self._sums[name] = self._sums.get(name, 0) + loss
        self._count += 1
        if done % self.every:
            return None
        means = {name: round(float(total) / self._count, 6) for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        self.line = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        return {"step": done, "lr": lr, **means}


class Evaluator:
    """Scores and snapshots of student and teacher on the target's images, at the chosen steps."""

    def __init__(
        self,
        experiment: Experiment,
        models: Mapping[str, nn.Module],  # "student", and "teacher" where there is one
        writer: RunWriter,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.experiment, self.models, self.writer, self.device = experiment, models, writer, device
        self.ranks = ranks
        self._known: dict[str, bool] = {}  # split -> whether it has labels
        self._void: set[str] = set()  # splits whose labels have not one labelled pixel
        # A wrong split and labels of which some are missing are named now, not after the last step.
        data, config = experiment.data, experiment.train
        self.spec = scored_spec(data.target, data.source)
        for split in dict.fromkeys((config.eval_split, *config.final_splits)):
            self.spec.require_split(split)
            dataset = target_dataset(experiment, split, self._labelled(split))
            if self._labelled(split):
                self._look_at(dataset)

    def _look_at(self, dataset: SegmentationDataset) -> None:
        """Say before the first step what of a labelled split will have no score."""
        spec, split = self.spec, dataset.split
        if dataset.unlabelled():
            self._void.add(split)
            warnings.warn(
                f"no labelled pixel in {spec.name}/{split}: its labels hold only {spec.ignore} "
                "(ignored), as published test labels do, so its scores will be null in JSON and a "
                "dash in tables; choose another split with train.eval_split or train.final_splits",
                stacklevel=3,
            )
        elif dataset.stats is not None and not dataset.stats.totals[list(spec.mean_ids)].any():
            named = ", ".join(spec.classes[i] for i in spec.mean_ids)
            warnings.warn(
                f"no pixel of what the spec evaluates ({named}) in {spec.name}/{split}: its mean "
                "IoU will be 0 where such a class is predicted, else null; does `evaluated` name "
                "the right train ids?",
                stacklevel=3,
            )

    def after(self, done: int, board: TensorBoardLogger) -> None:
        config = self.experiment.train
        last = done == config.steps
        if last or done % config.eval_every == 0:
            splits = config.final_splits if last else (config.eval_split,)
            for split in filter(self._labelled, splits):
                self._score(done, split, None if last else config.max_eval_images, board)
        if self.ranks.rank:
            return
        if config.snapshot_every and (last or done % config.snapshot_every == 0):
            self.writer.save_snapshot(self._snapshot(done))

    def _labelled(self, split: str) -> bool:
        """Whether a split can be scored; a target may come without a single label."""
        if split not in self._known:
            self._known[split] = has_labels(self.experiment, split)
            if not self._known[split]:
                warnings.warn(f"no labels in {split}: not scored, only watched", stacklevel=2)
        return self._known[split]

    def _score(self, done: int, split: str, limit: int | None, board: TensorBoardLogger) -> None:
        spec = self.spec
        for name, model in self.models.items():
            samples = evaluation_samples(self.experiment, split, limit, self.ranks)
            samples = () if split in self._void else samples  # a generator: nothing is read
            own = evaluate(
                model, samples, spec.num_classes, self.device, 8, evaluated=spec.mean_ids
            )
            scores = joined(own, self.ranks, self.device)
            evaluation = Evaluation(done, name, split, scores)
            self.writer.add_evaluation(evaluation)
            board.log_metrics(evaluation.curve_point(), step=done)

    def _snapshot(self, done: int) -> Snapshot:
        config = self.experiment.train
        labelled = self._labelled(config.eval_split)
        dataset = target_dataset(self.experiment, config.eval_split, labelled)
        chosen = np.linspace(0, len(dataset) - 1, min(config.snapshot_images, len(dataset)))
        images = {dataset.stems[i]: to_tensors(*dataset.load(i))[0] for i in map(round, chosen)}
        # A snapshot holds arrays: where sizes differ (keep_ratio), those of the first one's size.
        size = next(iter(images.values())).shape
        images = {stem: image for stem, image in images.items() if image.shape == size}
        batch, stems = torch.stack(list(images.values())).to(self.device), tuple(images)
        seen = {name: label_snapshot(model, batch) for name, model in self.models.items()}
        student, sure = seen["student"]
        if "teacher" not in seen:
            return Snapshot(done, stems, student, None, sure)
        return Snapshot(done, stems, student, *seen["teacher"], sure)


def joined(scores: Scores, ranks: Ranks, device: torch.device) -> Scores:
    """The scores over all ranks' images, from the sum of their confusion matrices."""
    confusion = ranks.sum(torch.from_numpy(scores.confusion).to(device)).cpu().numpy()
    return replace(scores, confusion=confusion)


def label_snapshot(model: nn.Module, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(N, H, W) uint8 labels and uint8 confidence (probability x 255), in eval mode."""
    with in_eval_mode(model):
        label, confidence = predict(model, images)
    return label.byte().cpu().numpy(), (confidence * 255).round().byte().cpu().numpy()
