"""Inference and the metric: confusion matrix, IoU, mIoU.

The authors' protocol (facts sheet, 24-25): the whole image at the training size, logits resized to
the input and then to the label's own size, softmax, argmax; a class that is absent from the truth
but predicted counts as IoU 0, one absent from both is NaN and left out of the mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from daformer_lib.means import known_mean
from daformer_lib.specs import IGNORE


@dataclass(frozen=True)
class Scores:
    """What a network got right, from its confusion matrix."""

    confusion: np.ndarray  # (K, K) int64 pixels: rows = truth, columns = prediction
    evaluated: tuple[int, ...] = ()  # train ids in the mean (a spec's `mean_ids`); all by default

    @property
    def iou(self) -> np.ndarray:
        """(K,) float64 in [0, 1]; NaN where a class is in neither truth nor prediction."""
        hit = np.diag(self.confusion).astype(np.float64)
        union = self.confusion.sum(0) + self.confusion.sum(1) - np.diag(self.confusion)
        return _ratio(hit, union)

    @property
    def recall(self) -> np.ndarray:
        """(K,) share of each class's true pixels that were found."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(1))

    @property
    def precision(self) -> np.ndarray:
        """(K,) share of each class's predicted pixels that are right."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(0))

    @property
    def accuracy(self) -> float:
        """Share of labelled pixels that are right; NaN where none is labelled."""
        return float(_ratio(np.trace(self.confusion), self.confusion.sum()))

    @property
    def absent(self) -> tuple[int, ...]:
        """Classes in neither truth nor prediction: left out of the mean."""
        return tuple(np.flatnonzero(self._true + self._predicted == 0).tolist())

    @property
    def only_predicted(self) -> tuple[int, ...]:
        """Classes that are predicted where none is true: they count as 0."""
        return tuple(np.flatnonzero((self._true == 0) & (self._predicted > 0)).tolist())

    @property
    def _true(self) -> np.ndarray:
        return self.confusion.sum(1)

    @property
    def _predicted(self) -> np.ndarray:
        return self.confusion.sum(0)

    def miou(self, classes: Sequence[int] | None = None) -> float:
        """Mean IoU in [0, 1] over `classes` (by default those evaluated); NaN if none has one."""
        ids = classes if classes is not None else self.evaluated or range(len(self.confusion))
        return float(known_mean(self.iou[list(ids)]))

    @property
    def reason(self) -> str:
        """Why there is no mean IoU; empty where there is one."""
        if not self.confusion.any():
            return "no labelled pixel, so there is no score"
        if np.isnan(self.miou()):
            return "no evaluated class is in truth or prediction, so there is no score"
        return ""


def absence_notes(
    scores: Scores, classes: Sequence[str], ids: Sequence[int] | None = None
) -> list[str]:
    """Sentences that name the classes without true pixels and say how they count.

    Args:
        ids: train ids that enter the mean; all by default.
    """
    if not scores.confusion.any():
        return [scores.reason]
    kinds = {
        "in neither truth nor prediction, left out of the mean": scores.absent,
        "predicted, but nowhere true: counted as 0, as in the authors' metric": (
            scores.only_predicted
        ),
    }
    wanted = range(len(classes)) if ids is None else ids
    named = {text: [classes[i] for i in found if i in wanted] for text, found in kinds.items()}
    return [f"{text}: {', '.join(names)}" for text, names in named.items() if names]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    nan = np.full(np.shape(part), np.nan)
    return np.divide(part, whole, out=nan, where=whole > 0, dtype=np.float64)


def confusion_matrix(prediction: np.ndarray, truth: np.ndarray, num_classes: int) -> np.ndarray:
    """(K, K) int64; pixels whose truth is 255 do not count."""
    known = truth != IGNORE
    pairs = truth[known].astype(np.int64) * num_classes + prediction[known]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


@torch.no_grad()
def predict(
    model: nn.Module,
    image: Tensor,
    size: tuple[int, int] | None = None,
    window: tuple[int, int] | None = None,
    stride: tuple[int, int] | None = None,
) -> tuple[Tensor, Tensor]:
    """Label and confidence of images (B, 3, H, W), at `size` (height, width).

    Args:
        window, stride: slide a window of this (height, width) and average the logits where windows
            overlap; the whole image at once when None.

    Returns:
        (B, h, w) int64 train ids and (B, h, w) float32 probabilities of these.
    """
    if window is None:
        logits = whole(model, image)
    else:
        logits = slide(model, image, window, stride or window)
    return decide(logits, size or image.shape[-2:])


def whole(model: nn.Module, image: Tensor) -> Tensor:
    """Logits (B, K, H, W) of images (B, 3, H, W) that the network sees at once."""
    return _resize(model(image)[0], image.shape[-2:])


def decide(logits: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Label (B, h, w) and its probability (B, h, w), at `size` (height, width)."""
    confidence, label = _resize(logits, size).softmax(1).max(1)
    return label, confidence


def decide_by_class(logits: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The same in little memory, and equal but for rounding: one class is resized after the other.

    A photograph of 12 megapixels with 19 classes would need 0.9 GB for its logits alone, and as
    much again for a softmax.
    """
    best = _resize(logits[:, :1], size)[:, 0]
    label = torch.zeros_like(best, dtype=torch.uint8)
    total = torch.ones_like(best)  # of exp(logit - best), over the classes so far
    for train_id in range(1, logits.shape[1]):
        one = _resize(logits[:, train_id : train_id + 1], size)[:, 0]
        lead = one - best
        better = lead > 0
        label.masked_fill_(better, train_id)
        ratio = lead.abs_().neg_().exp_()  # in place: at that size memory is the cost
        total = torch.where(better, total * ratio + 1, total + ratio)
        best = torch.maximum(best, one)
    return label.long(), total.reciprocal()


def slide(
    model: nn.Module,
    image: Tensor,
    window: tuple[int, int],
    stride: tuple[int, int],
    batch: int = 1,
) -> Tensor:
    """Average logits (B, K, H, W) of overlapping windows of images (B, 3, H, W).

    The last windows touch the border, so they overlap more; a window that is larger than the image
    shrinks to it. `batch`: windows that pass through the network together.
    """
    require_stride(window, stride)
    boxes = [
        (..., slice(top, top + window[0]), slice(left, left + window[1]))
        for top in window_starts(image.shape[-2], window[0], stride[0])
        for left in window_starts(image.shape[-1], window[1], stride[1])
    ]
    total, count = None, image.new_zeros(image.shape[-2:])
    for first in range(0, len(boxes), batch):
        group = boxes[first : first + batch]
        logits = whole(model, torch.cat([image[box] for box in group]))  # (n * B, K, h, w)
        if total is None:
            total = logits.new_zeros(len(image), logits.shape[1], *image.shape[-2:])
        for box, part in zip(group, logits.split(len(image))):
            total[box] += part
            count[box[1:]] += 1
    return total.div_(count)


def require_stride(window: tuple[int, int], stride: tuple[int, int]) -> None:
    """Raises ValueError where windows would leave a gap or not move on."""
    if not all(0 < step <= side for step, side in zip(stride, window, strict=True)):
        raise ValueError(
            f"stride {stride[0]}x{stride[1]} must lie between 1x1 and the window "
            f"{window[0]}x{window[1]}, or pixels between windows stay without a label; "
            f"try {max(1, window[0] * 2 // 3)}x{max(1, window[1] * 2 // 3)}"
        )


def window_starts(size: int, window: int, stride: int) -> list[int]:
    """Where windows begin along one side; the last one touches its end."""
    last = max(size - window, 0)
    return sorted({*range(0, last, stride), last})


def _resize(logits: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, tuple(size), mode="bilinear", align_corners=False)


def evaluate(
    model: nn.Module,
    samples: Iterable[tuple[Tensor, np.ndarray]],
    num_classes: int,
    device: torch.device | str = "cpu",
    batch_size: int = 1,
    evaluated: Sequence[int] = (),
) -> Scores:
    """Scores of `model` over (image (3, H, W) normalised, truth (h, w) train ids) pairs.

    Streams: memory does not grow with the number of samples. BatchNorm and dropout are in eval mode
    meanwhile and get their modes back. `evaluated`: train ids in the mean IoU, all by default; of a
    data set its spec's `mean_ids`.
    """
    confusion = np.zeros((num_classes, num_classes), dtype=np.int64)
    with in_eval_mode(model):
        for batch in _batched(samples, batch_size):
            images = torch.stack([image for image, _ in batch]).to(device)
            labels, _ = predict(model, images, batch[0][1].shape)
            for label, (_, truth) in zip(labels.cpu().numpy(), batch):
                confusion += confusion_matrix(label, truth, num_classes)
    return Scores(confusion, tuple(evaluated))


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """BatchNorm and dropout as in use; every module gets its own mode back, whatever happens."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _batched(samples: Iterable, size: int) -> Iterable[list]:
    """Up to `size` neighbours whose images and truths have the same shapes."""
    batch: list = []
    for image, truth in samples:
        same = not batch or (batch[0][0].shape, batch[0][1].shape) == (image.shape, truth.shape)
        if len(batch) == size or not same:
            yield batch
            batch = []
        batch.append((image, truth))
    if batch:
        yield batch
