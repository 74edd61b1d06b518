"""What float32 rounding may change, and by how much: bounds that hold on any processor.

Which kernels a processor has, how many threads share a sum and what else is in the batch decide in
which order numbers are added, so two right ways of computing one thing differ. Tests compare with
the bounds below, which follow from the network or are measured in the test itself; none is the
largest difference that some machine happened to show.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

UNIT = 2.0**-24  # the relative error of one float32 operation is at most this
EXTREMES = 5.0  # standard deviations that none of a million values is expected to exceed
# How much farther apart than two runs of which one was nudged two right ways of computing may be: a
# nudge is one rounding for each weight, a step makes several, and what grows by chance at each step
# varies by a small factor from one start to the next.
APART = 10
# A rounding somewhere in a sum of K terms is relative to a partial sum; over the sum these add up,
# as a random walk, to UNIT * sqrt(K / 6) of the result's size (K / 2 for the partial sums' mean
# size, 1 / 3 for an error that is uniform within UNIT).
WALK = 1 / 6


def forward_bound(network: nn.Module) -> float:
    """How far two float32 forward passes may be apart, in standard deviations of the output.

    Each of the network's products adds the rounding of its own sums, independent of the others'.
    """
    terms = sum(parameter[0].numel() for parameter in _products(network))
    return EXTREMES * math.sqrt(2) * UNIT * math.sqrt(WALK * terms)  # sqrt(2): two passes


def _products(network: nn.Module) -> Iterator[Tensor]:
    return (p for p in network.parameters() if p.ndim >= 2)  # (outputs, terms of one sum...)


@torch.no_grad()
def nudge(network: nn.Module, seed: int) -> None:
    """Change about two thirds of the weights by one unit in the last place, up or down."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        steps = torch.randint(-1, 2, parameter.shape, generator=generator)
        parameter.mul_(1 + 2 * UNIT * steps)


def near_ties(logits: Tensor, network: nn.Module) -> np.ndarray:
    """Where rounding may decide the label: (B, K, H, W) logits -> (B, H, W) bool.

    There the two best logits are nearer than two passes through `network` may be apart.
    """
    best = logits.topk(2, dim=1).values
    apart = forward_bound(network) * float(logits.std())
    return (best[:, 0] - best[:, 1] <= 2 * apart).cpu().numpy()


def assert_same_labels(ours: np.ndarray, theirs: np.ndarray, ties: np.ndarray) -> None:
    """Equal but where rounding may decide, which must be rare."""
    assert ours.shape == theirs.shape
    assert ties.mean() < 0.02, f"{ties.mean():.1%} of the pixels are near ties: nothing is compared"
    wrong = (ours != theirs) & ~ties.reshape(ours.shape)
    assert not wrong.any(), f"{wrong.sum()} labels differ that rounding cannot explain"


def assert_same_confusion(ours: np.ndarray, theirs: np.ndarray, ties: int) -> None:
    """Confusion matrices of the same pixels: one that changes its label changes two counts."""
    assert ours.sum() == theirs.sum() and ties < 0.02 * ours.sum()
    assert np.abs(ours - theirs).sum() <= 2 * ties
