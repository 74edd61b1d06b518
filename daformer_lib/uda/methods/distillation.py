"""Self-distillation, the last stage of CRA (arXiv:2109.06422) and of ProDA before it.

A fresh network, pretrained as any, learns every label that a finished run's network gives the
target images: no threshold, no mix, no source. The teacher follows the student as always, to be
scored; it labels nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import Tensor, nn

from daformer_lib.batch import Labelled
from daformer_lib.config import Experiment
from daformer_lib.uda.losses import segmentation_loss
from daformer_lib.uda.method import Method, Objective, Turn
from daformer_lib.uda.methods.cra import Labeller


def distillation_losses(turn: Turn, labeller: Labeller) -> Iterator[dict[str, Tensor]]:
    for image in turn.target.image.chunk(turn.parts):
        label, _ = labeller.label(image)
        batch = Labelled.certain(image, label)
        yield {"distilled": segmentation_loss(turn.student, batch, turn.supervise)}


def add_distillation(method: Method, experiment: Experiment, network: nn.Module) -> None:
    """In place of all objectives; the student keeps the weights that it has."""
    labeller = Labeller(network, experiment.model.num_classes)
    method.kept["labeller"], method.starts_fresh = labeller.model, True
    method.objectives = (Objective(partial(distillation_losses, labeller=labeller)),)
    method.teacher.labels_nothing()
