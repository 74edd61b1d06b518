"""Thing-class ImageNet Feature Distance: do not forget what pretraining knew about things.

DAFormer, Sec. 3.3, Eq. 8-11. Departs from the paper: an empty mask gives 0, where the authors'
code logs NaN (with zero gradient).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from daformer_lib.batch import Labelled
from daformer_lib.models.resize import scaled
from daformer_lib.ranks import Ranks
from daformer_lib.specs import IGNORE


def downscale_label(
    label: Tensor, factor: int, min_share: float, num_classes: int, ignore: int = IGNORE
) -> Tensor:
    """The class that covers at least `min_share` of each factor x factor cell, else `ignore`.

    Args:
        label: (B, H, W) int64 train ids, `ignore` where unknown; ignored pixels count as one class.

    Returns:
        (B, H // factor, W // factor) int64.
    """
    b, h, w = len(label), label.shape[1] // factor, label.shape[2] // factor
    known = torch.where(label == ignore, num_classes, label)[:, : h * factor, : w * factor]
    cells = known.reshape(b, h, factor, w, factor).transpose(2, 3)  # (B, h, w, factor, factor)
    cells = cells.reshape(b * h * w, factor**2)
    counts = torch.zeros(len(cells), num_classes + 1, device=label.device)
    counts.scatter_add_(1, cells, counts.new_ones(()).expand_as(cells))  # pixels of each class
    share, winner = (counts / factor**2).max(dim=1)
    small = torch.where((share < min_share) | (winner == num_classes), ignore, winner)
    return small.view(b, h, w)


def masked_distance(
    features: Tensor, reference: Tensor, mask: Tensor, count: Tensor | None = None
) -> Tensor:
    """Eq. 9 without its weight: mean L2 distance over channels where `mask` holds; 0 for none.

    Args:
        features, reference: (B, C, h, w). mask: (B, h, w) bool.
        count: what the sum is divided by in place of the mask's own count (see `mean_positions`).
    """
    # Selecting before the norm keeps the gradient of unused positions exactly zero.
    difference = (features - reference).movedim(1, -1)[mask]  # (N, C)
    if difference.shape[0] == 0:
        return features.sum() * 0
    distance = difference.norm(dim=-1)
    return distance.mean() if count is None else distance.sum() / count


class ImageNetAnchor:
    """The frozen pretrained encoder and the distance of the student's features from it.

    Args:
        encoder: the student's encoder before any training; forward returns a list of features.
        classes: train ids whose cells are compared (thing classes, or all); None compares every
            cell, labelled or not, as the authors' row "all classes" of Table 5 does.
        min_share: share of a cell that its class must cover.
        scale: of the image that the features are of; labels have the image's full size.
    """

    def __init__(
        self,
        encoder: nn.Module,
        classes: Sequence[int] | None,
        num_classes: int,
        min_share: float,
        scale: float = 1.0,
    ) -> None:
        self.encoder = copy.deepcopy(encoder).requires_grad_(False).eval()
        self.scale = scale
        self.classes = None if classes is None else tuple(classes)
        self.num_classes = num_classes
        self.min_share = min_share
        self.acted: tuple[Tensor, Tensor] | None = None  # cells compared last, and all of them

    def mask(self, label: Tensor, width: int) -> Tensor:
        """Cells of a `width` wide feature map that one of `classes` covers; (B, h, w) bool."""
        small = downscale_label(label, label.shape[-1] // width, self.min_share, self.num_classes)
        if self.classes is None:
            return torch.ones_like(small, dtype=torch.bool)
        wanted = torch.tensor(self.classes, dtype=torch.int64, device=label.device)
        return torch.isin(small, wanted)

    def mean_positions(self, label: Tensor, ranks: Ranks, parts: int) -> Tensor | None:
        """Compared cells per part of the batch, in the mean; None where the batch is one part.

        A part's distance divided by it and then averaged over the parts, as gradients are, is the
        whole batch's distance divided by the whole batch's count.
        """
        if ranks.world * parts == 1:
            return None
        width = math.ceil(label.shape[-1] * self.scale / self.encoder.strides[-1])
        return ranks.mean(self.mask(label, width).sum().float()) / parts

    def __call__(
        self, features: list[Tensor], source: Labelled, count: Tensor | None = None
    ) -> Tensor:
        """Distance in the last stage only, as in the paper. `count`: see `masked_distance`.

        Features of several versions of the batch, one after the other, are all compared with the
        one reference.
        """
        with torch.no_grad():
            reference = self.encoder(scaled(source.image, self.scale))[-1]
        mask = self.mask(source.label, reference.shape[-1])
        if mask.shape[-2:] != reference.shape[-2:]:
            raise ValueError(
                f"feature distance: of a crop {tuple(source.label.shape[-2:])} there are "
                f"{tuple(reference.shape[-2:])} features, and labels for {tuple(mask.shape[-2:])} "
                "of them; make both sides of data.crop (times hrda.scale) multiples of the "
                f"encoder's stride {self.encoder.strides[-1]}, or set uda.fd_weight=0"
            )
        self.acted = mask.sum(), mask.new_tensor(mask.numel(), dtype=torch.int64)
        if (versions := len(features[-1]) // len(reference)) > 1:
            reference, mask = reference.repeat(versions, 1, 1, 1), mask.repeat(versions, 1, 1)
            count = None if count is None else count * versions
        return masked_distance(features[-1], reference, mask, count)
