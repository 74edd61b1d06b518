"""The training step of DAFormer on one screen. Paper: Sec. 3; authors' order: facts sheet, 1.

Departs from the authors' code: source loss and feature distance share one backward pass (their sum
has the same gradient), so no graph is kept and the encoder is walked back once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from daformer_lib.batch import Labelled, Unlabelled
from daformer_lib.config import UDAConfig
from daformer_lib.models.resize import resize_bilinear
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.specs import IGNORE
from daformer_lib.uda.classmix import MixPlan, classmix, draw_plan
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.teacher import Teacher

# How one forward pass is scored: (student, batch) -> named losses, the main one under "main", and
# the features that the feature distance reads.
Supervision = Callable[[nn.Module, Labelled], tuple[dict[str, Tensor], list[Tensor]]]


def supervise(student: nn.Module, batch: Labelled) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Cross-entropy of one forward pass (Eq. 1, 4), and of the decoder's further logits, if any."""
    logits, features = student(batch.image)
    losses = {"main": cross_entropy(logits, batch), **auxiliary_losses(student, features, batch)}
    return losses, features


def daformer_losses(
    student: nn.Module,
    teacher: Teacher,
    anchor: ImageNetAnchor | None,
    source: Labelled,
    target: Unlabelled,
    config: UDAConfig,
    rng: np.random.Generator,
    plan: MixPlan | None = None,
    seen: dict[str, Any] | None = None,
    ranks: Ranks = ALONE,
    parts: int = 1,
    supervise: Supervision = supervise,
) -> Iterator[dict[str, Tensor]]:
    """Yields dicts of named losses; sum and backward each one before asking for the next.

    Args:
        plan: the mix to replay; drawn from `rng` when None.
        seen: filled with `plan`, `pseudo` and `mixed` for figures, records and tests.
        ranks: the processes that share the batch.
        parts: in how many pieces the batch passes through the student; each gives a dict of
            "source" and later one of "mixed", and the gradient is their mean over the parts.
        supervise: how each forward pass of the student is scored.
    """
    yield from source_parts(student, anchor, source, config.fd_weight, ranks, parts, supervise)
    ignored = config.ignore_top, config.ignore_bottom
    pseudo = teacher.label(target.image, config.threshold, *ignored, ranks, parts, target.valid)
    plan = plan or draw_plan(source.label, config, rng, ranks)
    mixed = classmix(source, pseudo, plan)
    if seen is not None:
        seen.update(plan=plan, pseudo=pseudo, mixed=mixed)
    for part in mixed.split(parts):
        yield {"mixed": segmentation_loss(student, part, supervise)}


def source_parts(
    student: nn.Module,
    anchor: ImageNetAnchor | None,
    source: Labelled,
    fd_weight: float,
    ranks: Ranks = ALONE,
    parts: int = 1,
    supervise: Supervision = supervise,
) -> Iterator[dict[str, Tensor]]:
    """`source_losses` of each part of the batch."""
    count = None if anchor is None else anchor.mean_positions(source.label, ranks, parts)
    for part in source.split(parts):
        yield source_losses(student, anchor, part, fd_weight, count, supervise)


def source_losses(
    student: nn.Module,
    anchor: ImageNetAnchor | None,
    source: Labelled,
    fd_weight: float,
    count: Tensor | None = None,
    supervise: Supervision = supervise,
) -> dict[str, Tensor]:
    """Cross-entropy on the source (Eq. 1) and, with an anchor, feature distance (Eq. 9)."""
    named, features = supervise(student, source)
    losses = {"source": named.pop("main"), **named}
    if anchor is not None:
        losses["fd"] = fd_weight * anchor(features, source, count)
    return losses


def segmentation_loss(
    student: nn.Module, batch: Labelled, supervise: Supervision = supervise
) -> Tensor:
    """All that one forward pass is scored by, as one loss."""
    named, _ = supervise(student, batch)
    return named.pop("main") + sum(named.values())


def auxiliary_losses(
    student: nn.Module, features: list[Tensor], batch: Labelled
) -> dict[str, Tensor]:
    """Further losses of decoders that have them (DANet's two branches)."""
    auxiliary = getattr(student, "auxiliary", None)
    if auxiliary is None:
        return {}
    return {name: cross_entropy(logits, batch) for name, logits in auxiliary(features).items()}


def cross_entropy(logits: Tensor, batch: Labelled) -> Tensor:
    """Weighted mean over ALL pixels, ignored ones in the denominator (facts sheet, 6).

    Args:
        logits: (B, K, h, w), resized to the label's size here.
    """
    logits = resize_bilinear(logits, batch.label.shape[-2:])
    loss = F.cross_entropy(logits, batch.label, ignore_index=IGNORE, reduction="none")
    return (loss * batch.weight).mean()
