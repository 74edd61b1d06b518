"""HRDA: context- and detail-aware adaptation at high resolution.

Hoyer, Dai, Van Gool, ECCV 2022, arXiv:2204.13132. A large crop at half resolution gives context, a
small one at full resolution gives detail, and an attention fuses what both say; each is trained on
its own image part, the teacher labels with overlapping detail crops. No pass is added to DAFormer's
step: each one is scored in another way. The network is in `models/multi_resolution.py`. Departs
from the paper as the authors' code does: one detail crop for the whole batch, new in every forward
pass, whose corner never lies in the last `divisible` pixels of its range.
"""

from __future__ import annotations

import copy

import numpy as np
from torch import Tensor, nn

from daformer_lib.batch import Labelled
from daformer_lib.config import Experiment, HRDAConfig, Sides
from daformer_lib.models.multi_resolution import Branches, Region, detail_image
from daformer_lib.ranks import Ranks
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.losses import Supervision, cross_entropy
from daformer_lib.uda.method import Method, Turn

REGIONS = 4  # its stream of random numbers


def draw_region(
    size: Sides, crop: Sides | None, divisible: int, rng: np.random.Generator
) -> Region:
    """One detail crop of images (height, width); nothing is drawn where it is all of them.

    The corner is a multiple of `divisible` below margin + 1, itself divided and rounded down: of 65
    places in 1024 - 512 pixels the last is never drawn, as by the authors.
    """
    if crop is None or tuple(crop) == tuple(size):
        return Region(0, size[0], 0, size[1])
    top, left = (
        int(rng.integers(0, (whole - part + 1) // divisible)) * divisible
        for whole, part in zip(size, crop, strict=True)
    )
    return Region(top, top + crop[0], left, left + crop[1])


def cut(batch: Labelled, region: Region) -> Labelled:
    """The images' part in a region, with its labels and weights."""
    return Labelled(*map(region.cut, batch))


def branch_losses(
    seen: Branches, batch: Labelled, region: Region, config: HRDAConfig
) -> dict[str, Tensor]:
    """Eq. 11: of the fused logits, and of each branch that has a weight of its own."""
    detail, context = config.weight, config.context_weight
    losses = {"main": (1 - context - detail) * cross_entropy(seen.logits, batch)}
    if context:
        losses["context"] = context * cross_entropy(seen.context, batch)
    if detail:
        losses["detail"] = detail * cross_entropy(seen.detail, cut(batch, region))
    return losses


class BothScales:
    """The feature distance of the context plus that of the detail crop; else as `ImageNetAnchor`.

    Departs from the authors' code, which logs NaN where one of the two has no cell to compare.
    """

    def __init__(self, context: ImageNetAnchor, config: HRDAConfig) -> None:
        self.context, self.detail, self.config = context, copy.copy(context), config
        self.detail.scale = 1.0  # the encoder is one
        self.region: Region | None = None  # of the source's detail crop in this turn

    @property
    def encoder(self) -> nn.Module:
        return self.context.encoder

    @property
    def acted(self) -> tuple[Tensor, Tensor] | None:
        return self.context.acted

    def mean_positions(self, label: Tensor, ranks: Ranks, parts: int) -> list[Tensor | None]:
        """Of the context and of the detail, each as `ImageNetAnchor.mean_positions`."""
        pairs = (self.context, label), (self.detail, self.region.cut(label))
        return [anchor.mean_positions(part, ranks, parts) for anchor, part in pairs]

    def __call__(
        self, features: list[Tensor], source: Labelled, count: list[Tensor | None] | None = None
    ) -> Tensor:
        """`features`: the context's, then as many of the detail crop."""
        half, count = len(features) // 2, count or [None, None]
        detailed = source._replace(image=detail_image(source.image, self.config))
        return self.context(features[:half], source, count[0]) + self.detail(
            features[half:], cut(detailed, self.region), count[1]
        )


def draw_regions(turn: Turn, passes: int) -> list[Region]:
    """One for each forward pass of the student, in order, whatever the parts of its batch."""
    config, rng = turn.experiment.methods["hrda"], turn.rng(REGIONS)
    size, crop = tuple(turn.source.image.shape[-2:]), config.detail_crop
    return [draw_region(size, crop, config.divisible, rng) for _ in range(passes)]


def branch_supervision(turn: Turn, passes: int) -> Supervision:
    """How each forward pass of the student is scored in this turn; see `losses.supervise`."""
    config = turn.experiment.methods["hrda"]
    regions = turn.replay.get("regions") or draw_regions(turn, passes)
    turn.seen["regions"] = regions
    if isinstance(turn.anchor, BothScales):
        turn.anchor.region = regions[0]  # the source comes first
    each_part = iter([region for region in regions for _ in range(turn.parts)])

    def supervise(student: nn.Module, batch: Labelled) -> tuple[dict[str, Tensor], list[Tensor]]:
        region = next(each_part)
        seen = student(batch.image, region)
        both = config.fd_scales == "both"
        features = [*seen.features, *seen.detail_features] if both else seen.features
        return branch_losses(seen, batch, region, config), features

    return supervise


def add_hrda(method: Method, experiment: Experiment, network: nn.Module) -> None:
    """Another supervision, and a feature distance at the context's scale."""
    config = experiment.methods["hrda"]
    if method.anchor is not None:
        method.anchor.scale = config.scale
        if config.fd_scales == "both":
            method.anchor = BothScales(method.anchor, config)
    method.supervision = lambda turn: branch_supervision(turn, method.passes(1))
