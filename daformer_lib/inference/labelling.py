"""Using a trained network: open a run or a model file, label images of any size.

Two ways to look at an image, of which `NetworkView` is the choice:

whole (the authors'): the image is stretched to the spec's size, the logits are resized to that
    size and then to the image's own.
slide: the image keeps its shape; scaled by `scale`, it is covered with windows, `stride` apart,
    the last ones touching its border. Logits are averaged where windows overlap, then resized to
    the image's own size. A window that is larger than the image shrinks to it; sides under 32
    pixels, too small for the encoders, are filled up to the right and below with the mean colour,
    and the filling is cut off again.

Labels are decided at the image's own size, one class after the other. Only under windows do the
logits of all classes exist, at the scaled image's size: 4 bytes x classes x pixels of memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from daformer_lib.data.transforms import resize_image, stack_images, to_tensors
from daformer_lib.evaluate import decide_by_class, require_stride, slide, whole
from daformer_lib.files import read_image
from daformer_lib.specs import DatasetSpec

ViewMode = Literal["whole", "slide"]
SMALLEST_SIDE = 32  # the largest stride of an encoder


@dataclass(frozen=True)
class NetworkView:
    """How the network sees an image; see the module's text."""

    size: tuple[int, int]  # (width, height) that whole images are stretched to
    window: tuple[int, int] | None = None  # (height, width) in pixels; None = whole images
    stride: tuple[int, int] | None = None  # (down, right) in pixels; None = 2/3 of the window
    scale: float = 1.0  # of the image under the windows
    batch: int = 1  # images, or windows of one image, that pass through the network together

    def __post_init__(self) -> None:
        if self.window is not None:
            if min(self.window) < SMALLEST_SIDE:
                raise ValueError(
                    f"window {self.window[0]}x{self.window[1]} must be at least "
                    f"{SMALLEST_SIDE}x{SMALLEST_SIDE}"
                )
            require_stride(self.window, self.steps)
        elif self.stride is not None or self.scale != 1:
            raise ValueError("stride and scale belong to a sliding window; choose --mode slide")
        if not self.scale > 0:
            raise ValueError(f"scale {self.scale} must be positive")
        if self.batch < 1:
            raise ValueError(f"batch {self.batch} must be at least 1")

    @property
    def steps(self) -> tuple[int, int]:
        """(down, right): the stride, or two thirds of the window."""
        height, width = self.window or self.size[::-1]
        return self.stride or (height * 2 // 3, width * 2 // 3)


class Prediction(NamedTuple):
    """What the network sees in one image, at the image's own size."""

    label: np.ndarray  # (H, W) uint8 train ids
    confidence: np.ndarray  # (H, W) float32, the probability of that class


def make_view(
    spec: DatasetSpec,
    mode: ViewMode = "whole",
    window: tuple[int, int] | None = None,
    stride: tuple[int, int] | None = None,
    scale: float = 1.0,
    batch: int = 1,
) -> NetworkView:
    """The spec's view: whole images at its size, or windows (height, width) of that size."""
    if mode == "whole" and window is not None:
        raise ValueError("a window belongs to --mode slide")
    if mode == "slide" and window is None:
        window = (spec.size[1], spec.size[0])
    return NetworkView(spec.size, window, stride, scale, batch)


@torch.no_grad()
def label_images(
    network: nn.Module, images: Sequence[np.ndarray], view: NetworkView
) -> Iterator[Prediction]:
    """Label images (H, W, 3) uint8 of any sizes, on the network's device."""
    device = next(network.parameters()).device
    if view.window is not None:
        for image in images:
            yield _decided(_slid(network, image, view, device), image)
        return
    for first in range(0, len(images), view.batch):
        group = images[first : first + view.batch]
        small = stack_images([resize_image(i, view.size) for i in group], view.size[::-1])
        logits = whole(network, small.to(device))  # (B, K, h, w)
        for image, one in zip(group, logits.split(1)):
            yield _decided(one, image)


def _slid(network: nn.Module, image: np.ndarray, view: NetworkView, device: torch.device) -> Tensor:
    """Logits (1, K, h, w) of an image under a sliding window, at the scaled image's size."""
    height, width = (max(1, round(view.scale * side)) for side in image.shape[:2])
    pixels = to_tensors(resize_image(image, (width, height)), None)[0][None].to(device)
    missing = [max(0, SMALLEST_SIDE - side) for side in (width, height)]  # right, below
    filled = F.pad(pixels, (0, missing[0], 0, missing[1]))  # 0 is the mean colour
    logits = slide(network, filled, view.window, view.steps, view.batch)
    return logits[..., :height, :width]


def _decided(logits: Tensor, image: np.ndarray) -> Prediction:
    label, confidence = decide_by_class(logits, image.shape[:2])
    return Prediction(label[0].byte().cpu().numpy(), confidence[0].float().cpu().numpy())


def label_file(
    network: nn.Module, path: str | Path, spec: DatasetSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 and label (H, W) uint8 train ids, at the file's own size.

    The network sees the image at the spec's training size, as in the authors' evaluation.
    """
    image = read_image(path)
    return image, next(label_images(network, [image], NetworkView(spec.size))).label
