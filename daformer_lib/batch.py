"""The nouns that flow through a training step, with their shapes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB in [0, 1]; every image is normalised with these
IMAGENET_STD = (0.229, 0.224, 0.225)


class Labelled(NamedTuple):
    """Images with (pseudo-)labels: a source batch, a pseudo-labelled target batch, a mix."""

    image: Tensor  # (B, 3, H, W) float32, ImageNet-normalised
    label: Tensor  # (B, H, W) int64 train id, 255 = ignore
    weight: Tensor  # (B, H, W) float32 in [0, 1]; 1 where the label is certain

    @classmethod
    def certain(cls, image: Tensor, label: Tensor) -> Labelled:
        return cls(image, label, torch.ones(label.shape, device=image.device))

    def split(self, parts: int) -> list[Labelled]:
        """The same samples in `parts` batches, in order."""
        return [Labelled(*part) for part in zip(*(t.chunk(parts) for t in self), strict=True)]

    def to(self, device: torch.device | str) -> Labelled:
        return Labelled(*(t.to(device, non_blocking=True) for t in self))


class Unlabelled(NamedTuple):
    """Target images: nothing is known about them."""

    image: Tensor  # (B, 3, H, W) float32, ImageNet-normalised
    valid: Tensor | None = None  # (B, H, W) bool: whose pseudo-labels count; None = all

    def to(self, device: torch.device | str) -> Unlabelled:
        return Unlabelled(*(t if t is None else t.to(device, non_blocking=True) for t in self))


class TrainBatch(NamedTuple):
    """One step's data, on the CPU."""

    source: Labelled  # the target's own labelled images in mode "oracle"
    target: Unlabelled | None  # None where the mode has no use for it (`config.NEEDS`)
    stems: tuple[str, ...]  # the labelled ones, then the target's
    wanted: tuple[int, ...] = ()  # with Rare Class Sampling: the class each source crop was for
