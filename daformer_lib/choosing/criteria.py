"""Criteria that need no target label: each as its paper says, on pixels of target training images.

Soft neighbourhood density: Saito et al., ICCV 2021, arXiv:2108.10860. MixVal: Hu et al., NeurIPS
2023; its two parts, within and between clusters, stand by themselves here, since how its paper
joins their ranks could not be looked up. Source validation needs held-out source images, which the
drawn source has not: the source's loss at the end of training stands in for it, by that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from daformer_lib.evaluate import in_eval_mode, whole
from daformer_lib.means import known_mean
from daformer_lib.uda.health import measures
from daformer_lib.uda.health.look import mixed_label, steadiness

GRID = 64  # pixels of each image that measures of single pixels see: 50 images are 3200


@dataclass(frozen=True)
class Criterion:
    """One number of a run."""

    text: str
    high: bool  # is more better?

    def order(self, values: Sequence[float]) -> np.ndarray:
        """Best first; where there is no number, last."""
        known = np.asarray(values, dtype=float)
        signed = np.where(np.isnan(known), np.inf, -known if self.high else known)
        return np.argsort(signed, kind="stable")


CRITERIA: Mapping[str, Criterion] = {
    "entropy": Criterion("mean entropy of the predictions", high=False),
    "information": Criterion("mutual information of pixel and prediction", high=True),
    "density": Criterion("soft neighbourhood density (Saito et al., 2021)", high=True),
    "mix_within": Criterion("MixVal within clusters (Hu et al., 2023)", high=True),
    "mix_between": Criterion("MixVal between clusters (Hu et al., 2023)", high=True),
    "agreement": Criterion("agreement with itself under a flip and other colours", high=True),
    "near_source": Criterion("distance of its class shares from the source's", high=False),
    "near_source_only": Criterion("agreement with the source-only network", high=True),
    "source_loss": Criterion("the source's loss at the end of training", high=False),
}


@torch.no_grad()
def label_free(network: nn.Module, images: Iterable[Tensor], source_shares: np.ndarray) -> dict:
    """The criteria that one network has by itself, and its labels (N pixels) under "labels".

    Args:
        images: (3, H, W) each, normalised; of one size where they are mixed with the one before.
        source_shares: (K,) of the source's pixels.
    """
    grids, labels, flips, colours = [], [], [], []
    within, between = [], []
    before: tuple[Tensor, Tensor] | None = None
    shares = np.zeros(len(source_shares))
    device = next(network.parameters()).device
    with in_eval_mode(network):
        for image in images:
            batch = image[None].to(device)
            logits = whole(network, batch)
            label = logits.argmax(1)
            for kept, share in zip((flips, colours), steadiness(network, batch, label)):
                kept.append(share)
            grids.append(measures.pixels(logits, GRID))
            labels.append(label[:, ::4, ::4].flatten())
            shares += measures.class_shares(label, len(shares)).cpu().numpy()
            if before is not None and before[0].shape == batch.shape:
                mixed = mixed_label(network, batch, before[0])
                within.append(measures.mixed_accuracy(label, before[1], mixed, True))
                between.append(measures.mixed_accuracy(label, before[1], mixed, False))
            before = batch, label
    p = torch.cat(grids)
    distance = measures.share_distance(
        torch.from_numpy(shares / shares.sum()), torch.from_numpy(source_shares)
    )
    return {
        "entropy": measures.mean_entropy(p),
        "information": measures.mutual_information(p),
        "density": measures.neighbourhood_density(p),
        "mix_within": float(known_mean(within)),
        "mix_between": float(known_mean(between)),
        "agreement": float(known_mean(flips) + known_mean(colours)) / 2,
        "near_source": distance,
        "labels": torch.cat(labels).cpu(),
    }
