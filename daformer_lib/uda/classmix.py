"""ClassMix: paste half of a source image's classes onto a target image.

Olsson et al., arXiv:2007.07936, in the cross-domain form of DACS (Tranheden et al.,
arXiv:2007.08702). Departs from the papers as the authors' code does: classes are drawn from the
whole batch, ignored pixels included, and both colour jitter and blur act on the whole mixed image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from daformer_lib.batch import Labelled
from daformer_lib.config import UDAConfig
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.specs import IGNORE
from daformer_lib.uda.augment import Jitter, color_jitter, draw_jitter, gaussian_blur


class MixPlan(NamedTuple):
    """Everything random about a mix: pass it in to replay a step, read it out to record one."""

    classes: tuple[tuple[int, ...], ...]  # per sample, the pasted train ids
    jitter: tuple[Jitter, ...] | None = None  # per sample
    blur: tuple[float, ...] | None = None  # per sample, sigma in pixels


def class_pool(label: Tensor, ranks: Ranks = ALONE) -> list[int]:
    """The labels that occur in the whole batch, `ignore` included, ascending."""
    counts = torch.bincount(label.flatten(), minlength=IGNORE + 1)
    return ranks.sum(counts).nonzero().flatten().tolist()


def draw_classes(
    label: Tensor, rng: np.random.Generator, ranks: Ranks = ALONE
) -> tuple[tuple[int, ...], ...]:
    """For each sample of the batch half (rounded up) of the labels that occur in it.

    Args:
        label: (B, H, W), this rank's; drawn are the classes of all B * world samples.
    """
    pool = class_pool(label, ranks)
    half, samples = math.ceil(len(pool) / 2), range(len(label) * ranks.world)
    return tuple(tuple(int(c) for c in rng.choice(pool, half, replace=False)) for _ in samples)


def draw_plan(
    label: Tensor, config: UDAConfig, rng: np.random.Generator, ranks: Ranks = ALONE
) -> MixPlan:
    """Whether to jitter and blur is drawn once for the batch, how much once per sample.

    Every rank draws for the whole batch, from equal generators, and keeps its own samples' part.
    Without ClassMix classes are drawn as well, and none is pasted: jitter and blur stay the same.
    """
    classes = draw_classes(label, rng, ranks)
    samples = range(len(classes))
    if not config.classmix:
        classes = tuple(() for _ in samples)
    jitters = blurs = None
    if rng.random() > config.jitter_above:
        jitters = tuple(draw_jitter(config.jitter_strength, rng) for _ in samples)
    if rng.random() > config.blur_above:
        blurs = tuple(float(rng.uniform(0.15, 1.15)) for _ in samples)
    drawn = (classes, jitters, blurs)
    return MixPlan(*(None if part is None else ranks.own(part) for part in drawn))


def class_mask(label: Tensor, classes: Sequence[Sequence[int]]) -> Tensor:
    """Pixels that are pasted: (B, H, W) bool."""
    masks = [
        torch.isin(one, torch.tensor(chosen, device=label.device))
        for one, chosen in zip(label, classes, strict=True)
    ]
    return torch.stack(masks)


def paste(mask: Tensor, source: Labelled, pseudo: Labelled) -> Labelled:
    """Source where `mask` (B, H, W) holds, the pseudo-labelled target elsewhere."""
    return Labelled(
        torch.where(mask[:, None], source.image, pseudo.image),
        torch.where(mask, source.label, pseudo.label),
        torch.where(mask, source.weight, pseudo.weight),
    )


@torch.no_grad()
def classmix(source: Labelled, pseudo: Labelled, plan: MixPlan) -> Labelled:
    """Paste, then jitter and blur as planned."""
    mixed = paste(class_mask(source.label, plan.classes), source, pseudo)
    image = mixed.image
    if plan.jitter is not None:
        image = color_jitter(image, plan.jitter)
    if plan.blur is not None:
        image = torch.cat(
            [gaussian_blur(one[None], s) for one, s in zip(image, plan.blur, strict=True)]
        )
    return mixed._replace(image=image)
