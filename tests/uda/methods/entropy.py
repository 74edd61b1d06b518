"""Entropy minimisation on target images (ADVENT's L_ent, Vu et al., CVPR 2019), as a new method.

All that it takes to add one: settings, losses, its lines in the tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from daformer_lib.config import METHOD_SETTINGS, Experiment
from daformer_lib.runs.recipes import ROWS, TITLES
from daformer_lib.uda.method import Method, Objective, Turn
from daformer_lib.uda.methods import METHODS


@dataclass(frozen=True)
class EntropyConfig:
    weight: float = 0.01


def entropy_losses(turn: Turn) -> Iterator[dict[str, Tensor]]:
    weight = turn.experiment.methods["entropy"].weight
    for image in turn.target.image.chunk(turn.parts):
        logs = turn.student(image)[0].log_softmax(dim=1)  # (B, K, h, w)
        entropy = -(logs.exp() * logs).sum(dim=1).mean() / math.log(logs.shape[1])
        yield {"entropy": weight * entropy}


def add_entropy(method: Method, experiment: Experiment, network: nn.Module) -> None:
    method.objectives += (Objective(entropy_losses),)


def add_to_tables() -> None:
    METHOD_SETTINGS["entropy"], METHODS["entropy"] = EntropyConfig, add_entropy
    ROWS["entropy"], TITLES["entropy"] = {"entropy": {"weight": 0.1}}, "entropy minimisation"
