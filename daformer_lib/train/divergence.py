"""Why a loss became NaN or infinite: the weights, the images, the labels or the learning rate.

Looked at only when it happened, in the order in which one explains the other: weights that are no
numbers make every loss NaN, whatever the batch holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from daformer_lib.batch import TrainBatch
from daformer_lib.specs import IGNORE

HUGE = 1e4  # weights of a network that learns stay far below


def likely_cause(
    models: Mapping[str, nn.Module], batch: TrainBatch, num_classes: int, step: int, lr: float
) -> str:
    """What to blame for a loss of this step that is no finite number, and what to do.

    Args:
        models: by name: "student", "teacher", "ImageNet encoder".
        lr: the encoder's learning rate at this step.
    """
    causes = [*_weight_causes(models, step, lr), *_batch_causes(batch, num_classes)]
    if causes:
        return "; ".join(causes)
    return (
        f"weights, images and labels are finite and in range, so the learning rate is likely too "
        f"high ({lr:.1e} at this step): lower optim.lr or lengthen optim.warmup_steps; under "
        "bf16-mixed, try precision 32-true"
    )


def broken_weights(models: Mapping[str, nn.Module]) -> dict[str, list[str]]:
    """Model -> its parameters and buffers that hold NaN or infinity; only models that have any."""
    found = {name: _not_finite(model) for name, model in models.items()}
    return {name: tensors for name, tensors in found.items() if tensors}


def _not_finite(model: nn.Module) -> list[str]:
    state = {n: t for n, t in model.state_dict().items() if t.is_floating_point()}
    if not state:
        return []
    finite = torch.stack([torch.isfinite(t).all() for t in state.values()])  # one wait for a GPU
    return [name for name, good in zip(state, finite.tolist(), strict=True) if not good]


def _weight_causes(models: Mapping[str, nn.Module], step: int, lr: float) -> Iterator[str]:
    for model, tensors in broken_weights(models).items():
        what = f"{len(tensors)} weight tensors of the {model} are not finite (first: {tensors[0]})"
        if step == 0:
            yield f"{what} before any step: the file they came from is damaged; fetch it again"
        else:
            yield (
                f"{what}: the steps before made them so, mostly by a learning rate that is too "
                f"high ({lr:.1e} now); lower optim.lr or lengthen optim.warmup_steps"
            )
        return  # one broken model breaks the others
    largest, where = _largest(models)
    if largest > HUGE:
        yield (
            f"the largest weight has grown to {largest:.1e} ({where}): the learning rate is too "
            f"high ({lr:.1e} now); lower optim.lr or lengthen optim.warmup_steps"
        )


def _largest(models: Mapping[str, nn.Module]) -> tuple[float, str]:
    sizes = [
        (float(p.detach().abs().max()), f"{model}, {name}")
        for model, network in models.items()
        for name, p in network.named_parameters()
        if p.numel()
    ]
    return max(sizes, default=(0.0, ""))


def _batch_causes(batch: TrainBatch, num_classes: int) -> Iterator[str]:
    labelled = batch.stems[: len(batch.source.image)]
    yield from _image_causes(batch.source.image, labelled)
    if batch.target is not None:
        yield from _image_causes(batch.target.image, batch.stems[len(labelled) :])
    for label, file in zip(batch.source.label, labelled, strict=False):
        wrong = label[(label != IGNORE) & ((label < 0) | (label >= num_classes))]
        if wrong.numel():
            yield (
                f"the label of {file} holds {sorted(set(wrong.tolist()))[:5]}, allowed are "
                f"0..{num_classes - 1} and {IGNORE}: convert the labels again"
            )


def _image_causes(images: Tensor, files: Sequence[str]) -> Iterator[str]:
    for image, file in zip(images, files, strict=False):
        bad = int((~torch.isfinite(image)).sum())
        if bad:
            yield f"the image {file} holds {bad:,} values that are not finite: fetch it again"
