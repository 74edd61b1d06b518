"""What a run is trained towards: losses in the order of their backward passes, and networks.

Methods differ in three things, and each has one place: which networks there are (models/, and a
`Method`'s teacher, anchor and further models), how one forward pass is scored (a `Supervision`),
and which forward passes there are (the `Objective`s). DAFormer itself is stated here like any
other; those that build on it are in `uda/methods`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from daformer_lib.batch import Labelled, Unlabelled
from daformer_lib.config import Experiment
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.specs import get_spec
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.losses import Supervision, daformer_losses, source_parts, supervise
from daformer_lib.uda.teacher import Teacher

MIX = 1  # streams of random numbers; 2 is the dropout of several processes (train/engine.py)
WATCHED = {  # fd_on -> train ids whose cells the feature distance compares
    "things": lambda spec: spec.things,
    "all": lambda spec: range(spec.num_classes),
    "everywhere": lambda spec: None,
}


def step_rng(seed: int, step: int, stream: int) -> np.random.Generator:
    """What is random about one thing in a step: any step can be replayed alone, and no method
    shifts the draws of another."""
    return np.random.default_rng([seed, step, stream])


@dataclass
class Turn:
    """One step as an objective sees it: made by the trainer, filled by the objectives in order."""

    student: nn.Module
    source: Labelled
    target: Unlabelled | None  # None where the mode has no use for it
    experiment: Experiment
    step: int
    teacher: Teacher | None = None
    anchor: ImageNetAnchor | None = None
    supervise: Supervision = supervise
    ranks: Ranks = ALONE
    parts: int = 1  # pieces in which the batch passes through the networks
    replay: dict[str, Any] = field(default_factory=dict)  # plans to use in place of drawn ones
    seen: dict[str, Any] = field(default_factory=dict)  # plan, pseudo, mixed: for later objectives

    def rng(self, stream: int) -> np.random.Generator:
        return step_rng(self.experiment.train.seed, self.step, stream)


@dataclass(frozen=True)
class Objective:
    """Forward passes with a purpose; each dict of named losses is one backward pass."""

    losses: Callable[[Turn], Iterator[dict[str, Tensor]]]
    passes: int = 1  # how many dicts for each part of the batch


@dataclass
class Trained:
    """A network that learns beside the student, by an optimizer of its own.

    Its losses are named beside the student's, in the same passes; what a loss must not teach is
    detached where it is made.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    rate: Callable[[int], float]  # the learning rate at a step


@dataclass(frozen=True)
class Survey:
    """What a method wants to see of a domain's training images, apart from its batches.

    Attributes:
        see: called with this rank's share of the images (3, H, W), the step and the ranks.
        domain: "target": whole images; "source": crops as a batch has them, without RCS.
        every: steps from one survey to the next, the first before step 0; what it finds has to be
            `noted`. None = once, before the first step of each start.
        limit: images at most; None = all.
    """

    see: Callable[[Iterable[Tensor], int, Ranks], None]
    domain: Literal["source", "target"] = "target"
    every: int | None = None
    limit: int | None = None


@dataclass
class Method:
    """All that a step must know of a method; made once, from an experiment and its network.

    Attributes:
        teacher: labels the target; scored and saved under that name.
        anchor: the frozen pretrained encoder of the feature distance.
        models: further networks by name, scored and saved as the teacher is.
        trained: networks that learn beside the student by name: saved, not scored.
        kept: frozen copies of the network that the run starts from, by name.
        starts_fresh: only what is kept takes the weights of `train.start_from`.
        noted: buffers that are kept from step to step by name: saved, neither scored nor trained.
        surveys: what it is shown beside the batches.
        before: called with the network and the step, before the step's first forward pass.
        supervision: the `Supervision` of a turn's forward passes, which may draw from the turn.
    """

    objectives: tuple[Objective, ...]
    teacher: Teacher | None = None
    anchor: ImageNetAnchor | None = None
    models: dict[str, nn.Module] = field(default_factory=dict)
    trained: dict[str, Trained] = field(default_factory=dict)
    kept: dict[str, nn.Module] = field(default_factory=dict)
    starts_fresh: bool = False
    noted: dict[str, nn.Module] = field(default_factory=dict)
    surveys: list[Survey] = field(default_factory=list)
    before: list[Callable[[nn.Module, int], None]] = field(default_factory=list)
    supervision: Callable[[Turn], Supervision] = lambda turn: supervise

    @property
    def scored(self) -> dict[str, nn.Module]:
        """What is scored, saved and averaged over the processes, beside the student."""
        teacher = {} if self.teacher is None else {"teacher": self.teacher.model}
        return {**teacher, **self.models}

    @property
    def frozen(self) -> dict[str, nn.Module]:
        """What losses are made with and no step changes."""
        anchor = {} if self.anchor is None else {"ImageNet encoder": self.anchor.encoder}
        return {**anchor, **self.kept}

    def passes(self, parts: int) -> int:
        return parts * sum(objective.passes for objective in self.objectives)

    def losses(self, turn: Turn) -> Iterator[dict[str, Tensor]]:
        """Of all objectives in order; each dict is walked back before the next is made."""
        turn.supervise = self.supervision(turn)
        for objective in self.objectives:
            yield from objective.losses(turn)


def source_objective(turn: Turn) -> Iterator[dict[str, Tensor]]:
    """Labelled images alone: the rows "source only" and "oracle"."""
    fd_weight = turn.experiment.uda.fd_weight
    shared = turn.ranks, turn.parts, turn.supervise
    yield from source_parts(turn.student, turn.anchor, turn.source, fd_weight, *shared)


def daformer_objective(turn: Turn) -> Iterator[dict[str, Tensor]]:
    """Source, then the mix with pseudo-labels: `daformer_losses`."""
    networks = turn.student, turn.teacher, turn.anchor
    plan, rng = turn.replay.get("plan"), turn.rng(MIX)
    yield from daformer_losses(
        *networks, turn.source, turn.target, turn.experiment.uda, rng, plan, turn.seen,
        turn.ranks, turn.parts, turn.supervise,
    )  # fmt: skip


def source_method(experiment: Experiment, network: nn.Module) -> Method:
    """What "source_only" and "oracle" are trained towards; they differ in their data."""
    return Method((Objective(source_objective),), anchor=build_anchor(experiment, network))


def daformer_method(experiment: Experiment, network: nn.Module) -> Method:
    """DAFormer: a teacher that follows the student, its labels on mixed images, and an anchor."""
    uda, anchor = experiment.uda, build_anchor(experiment, network)
    teacher = Teacher(network, uda.ema_decay, uda.teacher_statistics)
    objective = Objective(daformer_objective, passes=2)
    return Method((objective,), teacher, anchor, before=[teacher.update])


def build_anchor(experiment: Experiment, network: nn.Module) -> ImageNetAnchor | None:
    uda, spec = experiment.uda, get_spec(experiment.data.target)
    if uda.fd_weight == 0:
        return None
    classes = WATCHED[uda.fd_on](spec)
    return ImageNetAnchor(network.encoder, classes, spec.num_classes, uda.fd_min_share)
