"""What an encoder's features hold: linear probes, distances, differences over the same pictures.

A linear probe (Alain and Bengio, arXiv:1610.01644) is a multinomial logistic regression on frozen
features: what it gets right was there to be read off, whatever the network's own head makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from daformer_lib.config import ModelConfig
from daformer_lib.data.transforms import stack_images
from daformer_lib.evaluate import in_eval_mode
from daformer_lib.models import build_segmentor

BATCH = 100  # pictures that pass through an encoder together
FIT = 500  # added to a seed for the pictures that a probe is fitted to
DECAY = 1e-3  # of a probe's weights: half its factor times the sum of squares joins the mean loss


@dataclass(frozen=True)
class Effort:
    """How much is looked at; about four minutes on one core."""

    vehicles: int = 200  # drawn pictures of each of three classes, to fit and again to test
    objects: int = 80  # drawn pictures of each of all classes to fit; half as many to test
    steps: int = 100  # training steps, the first
    scenes: int = 16  # target scenes whose features are compared
    pixels: int = 50  # of each class, in all scenes


FULL = Effort()


@torch.no_grad()
def deepest(encoder: nn.Module, images: Tensor) -> Tensor:
    """Last-stage features (N, C, h, w) of normalised images (N, 3, H, W)."""
    with in_eval_mode(encoder):
        return torch.cat([encoder(part)[-1] for part in images.split(BATCH)])


def pooled(encoder: nn.Module, pictures: Sequence[np.ndarray]) -> Tensor:
    """Mean last-stage feature (N, C) of pictures (H, W, 3) uint8 RGB of one size."""
    return deepest(encoder, stack_images(pictures, pictures[0].shape[:2])).mean((2, 3))


def relative_distance(features: Tensor, start: Tensor) -> float:
    """Mean over cells of |f - f0| / |f0|, over channels; both (N, C, h, w)."""
    return float(((features - start).norm(dim=1) / start.norm(dim=1)).mean())


@dataclass(frozen=True)
class Probe:
    """A linear classifier of standardised features."""

    mean: Tensor  # (C,)
    scale: Tensor  # (C,)
    weight: Tensor  # (K, C)
    bias: Tensor  # (K,)

    def __call__(self, features: Tensor) -> Tensor:
        """The class (N,) of features (N, C)."""
        return F.linear((features - self.mean) / self.scale, self.weight, self.bias).argmax(1)


def fit_probe(features: Tensor, labels: Tensor, classes: int, steps: int = 200) -> Probe:
    """Multinomial logistic regression from zero weights, by L-BFGS: nothing in it is random.

    Args:
        features: (N, C). labels: (N,) int64 below `classes`. steps: of L-BFGS at most.
    """
    mean, scale = features.mean(0), features.std(0).clamp_min(1e-6)
    inputs = (features - mean) / scale
    weight = torch.zeros(classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.cross_entropy(F.linear(inputs, weight, bias), labels)
        value = value + DECAY / 2 * weight.square().sum()
        value.backward()
        return value

    solver.step(loss)
    return Probe(mean, scale, weight.detach(), bias.detach())


class Paired(NamedTuple):
    """A mean difference over the same pictures, and its standard error."""

    mean: float
    error: float

    @property
    def is_clear(self) -> bool:
        """Above zero by more than twice its standard error."""
        return self.mean > 2 * self.error


def paired(high: Tensor, low: Tensor) -> Paired:
    """Of values (N,) in the same order: how much `high` lies above `low`."""
    gain = high.double() - low.double()
    return Paired(float(gain.mean()), float(gain.std() / len(gain) ** 0.5))


def fresh_encoder(model: ModelConfig) -> nn.Module:
    """A fresh encoder in eval mode; random weights are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_segmentor(model).encoder.eval()


def as_dict(one: Paired) -> dict[str, float]:
    return {"mean": rounded(one.mean), "error": rounded(one.error)}


def rounded(value: float | Tensor) -> float:
    return round(float(value), 4)


def lacks(row: str) -> dict[str, str]:
    """What stands in place of numbers that take a run."""
    return {"not_measured": f"needs a run of row {row}"}
