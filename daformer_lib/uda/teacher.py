"""The EMA teacher and its pseudo-labels. DAFormer, Sec. 3.1, Eq. 2-5.

Departs from the paper as the authors' code does: only parameters are averaged, BatchNorm buffers
are neither copied nor averaged, and the teacher normalises with the statistics of its own batch.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from timm.layers import DropPath
from torch import Tensor, nn

from daformer_lib.batch import Labelled
from daformer_lib.config import TeacherStatistics
from daformer_lib.models.statistics import batch_norms, followed_statistics, forget_statistics
from daformer_lib.ranks import ALONE, Ranks

FOLLOWED = 50  # batches of target images whose statistics a teacher with its own labels with
DROPOUTS = (nn.Dropout, nn.Dropout2d, DropPath)


def ema_alpha(step: int, decay: float) -> float:
    """Weight of the teacher's past at `step`: 0 at step 0, then rising until `decay` caps it."""
    return min(1 - 1 / (step + 1), decay)


class Teacher:
    """A copy of the student that follows it slowly.

    Args:
        student: the network to follow; its forward returns (logits, features).
        ema_decay: upper bound of the EMA weight, in [0, 1).
        statistics: what BatchNorm labels with: the "batch"'s, the "student"'s running ones, or
            their "average", or those of the "target" images that it labelled lately.
    """

    def __init__(
        self, student: nn.Module, ema_decay: float, statistics: TeacherStatistics = "batch"
    ) -> None:
        self.model = copy.deepcopy(student).requires_grad_(False)
        self.ema_decay, self.statistics = ema_decay, statistics
        # Only dropout and DropPath are switched off: BatchNorm still uses batch statistics and
        # keeps its own running ones, as the authors' teacher does (facts sheet, 3).
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, DROPOUTS):
                module.eval()
        if statistics != "batch":
            self._hold_statistics()
        if statistics == "target":
            forget_statistics(self.model)

    def _hold_statistics(self) -> None:
        for norm in batch_norms(self.model):
            norm.eval()

    def labels_nothing(self) -> None:
        """For methods that only score it: its statistics follow the student's from here on.

        Nobody shows it an image, so its own would stay what they are at the start.
        """
        if self.statistics in ("batch", "target"):
            self.statistics = "student"
            self._hold_statistics()

    @torch.no_grad()
    def update(self, student: nn.Module, step: int) -> None:
        """Eq. 5, before the forward passes of `step`, with the student's weights of step - 1.

        Weights that do not learn are the same in both, and stay so to the bit.
        """
        alpha = ema_alpha(step, self.ema_decay)
        pairs = zip(self.model.parameters(), student.parameters(), strict=True)
        ours, theirs = zip(*(pair for pair in pairs if pair[1].requires_grad), strict=True)
        torch._foreach_mul_(ours, alpha)
        torch._foreach_add_(ours, theirs, alpha=1 - alpha)
        if self.statistics in ("student", "average"):
            kept = alpha if self.statistics == "average" else 0.0
            for own, new in zip(batch_norms(self.model), batch_norms(student), strict=True):
                own.running_mean.lerp_(new.running_mean, 1 - kept)
                own.running_var.lerp_(new.running_var, 1 - kept)

    @torch.no_grad()
    def label(
        self,
        image: Tensor,
        threshold: float,
        ignore_top: int = 0,
        ignore_bottom: int = 0,
        ranks: Ranks = ALONE,
        parts: int = 1,
        valid: Tensor | None = None,
    ) -> Labelled:
        """Pseudo-labels (Eq. 2) and their weight (Eq. 3) for target images (B, 3, H, W).

        The images pass through the network in `parts` batches; their weight is taken over all.
        `valid`: (B, H, W) bool, pixels whose weight is not 0 in the end.
        """
        target = self.statistics == "target"
        with followed_statistics(self.model, FOLLOWED) if target else nullcontext():
            seen = [self._label(part) for part in image.chunk(parts)]
        label, confidence = (torch.cat(part) for part in zip(*seen, strict=True))
        weight = confidence_weight(confidence, threshold, ignore_top, ignore_bottom, ranks)
        weight = weight if valid is None else weight * valid
        return Labelled(image, label, weight)

    def _label(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logits, _ = self.model(image)
        logits = F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)
        confidence, label = logits.softmax(dim=1).max(dim=1)  # (B, K, H, W) -> 2 x (B, H, W)
        return label, confidence


def confidence_weight(
    confidence: Tensor,
    threshold: float,
    ignore_top: int = 0,
    ignore_bottom: int = 0,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Eq. 3: the share of confident pixels, as the weight of every pixel; (B, H, W) -> same.

    One share for the whole batch, taken before rows are cut (facts sheet, 7).
    """
    share = ranks.mean((confidence >= threshold).float().mean())
    weight = share.expand(confidence.shape).clone()
    weight[:, :ignore_top] = 0
    weight[:, confidence.shape[1] - ignore_bottom :] = 0
    return weight
