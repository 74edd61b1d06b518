"""MIC: Masked Image Consistency. Hoyer, Dai, Wang, Van Gool, CVPR 2023, arXiv:2212.01322.

The student labels an image of which most is hidden; what it is asked for is what the teacher said
of the whole image, so it must learn to infer from context. Departs from the paper as the authors'
code does: the image is jittered and blurred before it is masked, and `weight` (lambda) multiplies
the main logits' loss alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from daformer_lib.batch import Labelled
from daformer_lib.config import Experiment, MICConfig, UDAConfig
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.uda.augment import Jitter, color_jitter, draw_jitter, gaussian_blur
from daformer_lib.uda.method import Method, Objective, Turn
from daformer_lib.uda.teacher import Teacher

MASK = 3  # its stream of random numbers


class MaskPlan(NamedTuple):
    """Everything random about a masked batch."""

    keep: np.ndarray  # (B, h, w) bool: cells of the grid that stay visible
    jitter: tuple[Jitter, ...] | None = None  # per image; the order of the four steps is one
    blur: float | None = None  # sigma in pixels, one for the batch


def draw_keep(
    size: tuple[int, int, int], config: MICConfig, rng: np.random.Generator
) -> np.ndarray:
    """(B, h, w) bool for images (B, H, W): each cell is hidden with probability `ratio`."""
    count, *sides = size
    grid = [round(side / config.block) for side in sides]
    return rng.random((count, *grid), np.float32) > np.float32(config.ratio)


def draw_mask_plan(
    images: Tensor, config: MICConfig, uda: UDAConfig, rng: np.random.Generator,
    ranks: Ranks = ALONE,
) -> MaskPlan:  # fmt: skip
    """Every rank draws for the whole batch, from equal generators, and keeps its own images'."""
    count = len(images) * ranks.world
    keep = draw_keep((count, *images.shape[-2:]), config, rng)
    jitters = blur = None
    if config.augment and rng.random() > uda.jitter_above:
        drawn = [draw_jitter(uda.jitter_strength, rng) for _ in range(count)]
        jitters = ranks.own([one._replace(order=drawn[0].order) for one in drawn])
    if config.augment and rng.random() > uda.blur_above:
        blur = float(rng.uniform(0.15, 1.15))
    return MaskPlan(ranks.own(keep), jitters, blur)


def enlarge(keep: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(B, h, w) cells to (B, H, W) pixels: pixel i lies in cell floor(i h / H), where h / H is a
    float32, as PyTorch has it."""
    cells = torch.from_numpy(keep)[:, None].float()
    return F.interpolate(cells, size=size, mode="nearest")[:, 0].bool().numpy()


@torch.no_grad()
def masked(batch: Labelled, plan: MaskPlan) -> Labelled:
    """Colours and blur as planned, then the mask: hidden pixels are 0, ImageNet's mean colour."""
    image = batch.image
    if plan.jitter is not None:
        image = color_jitter(image, plan.jitter)
    if plan.blur is not None:
        image = torch.cat([gaussian_blur(one[None], plan.blur) for one in image])
    mask = torch.from_numpy(enlarge(plan.keep, image.shape[-2:])).to(image.device)
    return batch._replace(image=image * mask[:, None])


def unmasked(turn: Turn, config: MICConfig, second: Teacher | None) -> Labelled:
    """Which images are masked, and what is asked of them."""
    if config.where == "source":
        return turn.source
    pseudo = turn.seen["pseudo"]
    if second is not None:
        uda = turn.experiment.uda
        threshold = uda.threshold if config.threshold is None else config.threshold
        rows = uda.ignore_top, uda.ignore_bottom
        shared = turn.ranks, turn.parts, turn.target.valid
        pseudo = second.label(turn.target.image, threshold, *rows, *shared)
    if config.where == "target":
        return pseudo
    half = len(turn.source.image) // 2  # the authors': the first image of each of two
    pairs = zip(turn.source, pseudo, strict=True)
    return Labelled(*(torch.cat([ours[:half], theirs[:half]]) for ours, theirs in pairs))


def masked_losses(turn: Turn, second: Teacher | None = None) -> Iterator[dict[str, Tensor]]:
    config = turn.experiment.methods["mic"]
    batch = unmasked(turn, config, second)
    plan = turn.replay.get("mask") or draw_mask_plan(
        batch.image, config, turn.experiment.uda, turn.rng(MASK), turn.ranks
    )
    batch = masked(batch, plan)
    turn.seen.update(mask=plan, masked=batch)
    for part in batch.split(turn.parts):
        named, _ = turn.supervise(turn.student, part)
        yield {"masked": config.weight * named.pop("main") + sum(named.values())}


def add_mic(method: Method, experiment: Experiment, network: nn.Module) -> None:
    """One more objective; a second teacher where threshold or memory are not the first one's."""
    config, second = experiment.methods["mic"], None
    if config.where != "source" and (config.ema_decay, config.threshold) != (None, None):
        uda = experiment.uda
        decay = uda.ema_decay if config.ema_decay is None else config.ema_decay
        second = Teacher(network, decay, uda.teacher_statistics)
        method.models["mask_teacher"] = second.model
        method.before.append(second.update)
    method.objectives += (Objective(partial(masked_losses, second=second)),)
