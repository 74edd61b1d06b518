"""Numbers that need no label: shares, entropy, mutual information, density, agreement.

Each is stated over pixels; a test computes each by hand. `p` is always (N, K): a probability of
each class for N pixels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SND_TEMPERATURE = 0.05  # Saito et al., Sec. 4


def class_counts(label: Tensor, num_classes: int) -> Tensor:
    """(K,) float64: the pixels (any shape, int64 train ids) of each class; 255 counts for none."""
    return torch.bincount(label.flatten(), minlength=num_classes)[:num_classes].double()


def class_shares(label: Tensor, num_classes: int) -> Tensor:
    """(K,) float64: the share of the pixels of each class."""
    counts = class_counts(label, num_classes)
    return counts / max(1, int(counts.sum()))


def agreement(first: Tensor, second: Tensor) -> float:
    """Share of pixels of which two label maps say the same."""
    return float((first == second).double().mean())


def mean_entropy(p: Tensor) -> float:
    """Mean over pixels of -sum p ln p, in nats: low where a network is sure, right or wrong."""
    return float(torch.special.entr(p.double()).sum(1).mean())


def mutual_information(p: Tensor) -> float:
    """Entropy of the mean prediction less the mean entropy: sure *and* spread over classes.

    Bridle et al., NIPS 1991; as "IM" among the baselines of Saito et al. and Hu et al.
    """
    return float(torch.special.entr(p.double().mean(0)).sum()) - mean_entropy(p)


def neighbourhood_density(p: Tensor, temperature: float = SND_TEMPERATURE) -> float:
    """Soft neighbourhood density: Saito et al., ICCV 2021, arXiv:2108.10860, Sec. 4.

    Each pixel's predictions, as a vector of length 1, are compared with every other's; a softmax
    over the similarities (divided by the temperature, itself left out) is its distribution over
    neighbours, and the mean entropy of these is the density: high where many neighbours are alike.
    N x N numbers are made, so give it some hundreds of pixels.
    """
    unit = F.normalize(p.double(), dim=1)
    similarity = unit @ unit.T / temperature  # (N, N)
    similarity.fill_diagonal_(-torch.inf)
    return float(torch.special.entr(similarity.softmax(1)).sum(1).mean())


def mixed_accuracy(first: Tensor, second: Tensor, mixed: Tensor, same: bool) -> float:
    """Of pixels mixed from two images, the share labelled as the heavier part is: MixVal's score.

    Hu et al., NeurIPS 2023: mixing within a cluster (`same`: both parts have one pseudo-label) asks
    whether clusters hold together, mixing between clusters whether the border lies between them.

    Args:
        first, second, mixed: labels of the heavier image, of the other and of the mix, one shape.
    """
    chosen = (first == second) if same else (first != second)
    count = int(chosen.sum())
    return float((mixed == first)[chosen].double().mean()) if count else float("nan")


def share_distance(ours: Tensor, theirs: Tensor) -> float:
    """Total variation between two distributions over classes: 0 for the same, 1 for disjoint."""
    return float((ours.double() - theirs.double()).abs().sum() / 2)


def pixels(logits: Tensor, most: int = 1000) -> Tensor:
    """(B, K, h, w) -> (N, K) probabilities of at most about `most` pixels on a regular grid.

    Neighbouring pixels say nearly the same, and all of them are too many for a density.
    """
    batch, _, height, width = logits.shape
    every = max(1, math.ceil(math.sqrt(batch * height * width / most)))
    grid = logits[:, :, every // 2 :: every, every // 2 :: every]
    return grid.movedim(1, -1).flatten(0, -2).softmax(1)
