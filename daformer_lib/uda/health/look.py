"""What a network thinks of a few of the target's *training* images; their labels stay unread.

Asked at every evaluation of who labels the target (the teacher, else the student): as in use, of
mirrored images, of recoloured ones, of two images in one, and normalised with the statistics of
each few images, as the teacher labels. The student beside a teacher is asked once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from daformer_lib.evaluate import in_eval_mode, whole
from daformer_lib.means import json_values
from daformer_lib.models.statistics import batch_norms, batch_statistics
from daformer_lib.uda.augment import Jitter, color_jitter
from daformer_lib.uda.health import measures

MIX = 0.55  # weight of the heavier image, as in MixVal
IMAGES = 4  # seven passes of these an evaluation: one more where there is a teacher
DIGITS = 6  # of what is kept
# A fixed change of colours that leaves what is in the picture: brighter, flatter, paler, a hue off.
RECOLOUR = Jitter(1.1, 0.9, 0.8, 0.02, (0, 1, 2, 3))


@torch.no_grad()
def look(
    labeller: nn.Module,
    images: Tensor,  # (B, 3, H, W), normalised
    num_classes: int,
    threshold: float,
    batch_size: int,
    student: nn.Module | None = None,
) -> dict[str, Any]:
    """Plain values: see the names. Nothing of the networks changes, nothing random is drawn.

    Args:
        threshold: a pixel is confident from this probability on.
        batch_size: so many images share the statistics when the labels depend on the batch.
        student: the one beside a teacher.
    """
    with in_eval_mode(labeller):
        logits = whole(labeller, images)
        label = logits.argmax(1)
        values = _of(logits, num_classes, threshold)
        values["flip"], values["colour"] = steadiness(labeller, images, label)
        mixed = mixed_label(labeller, images, images.roll(1, 0))
        for name, same in {"mix_within": True, "mix_between": False}.items():
            values[name] = measures.mixed_accuracy(label, label.roll(1, 0), mixed, same)
        if batch_norms(labeller):
            with batch_statistics(labeller):
                parts = [whole(labeller, part).argmax(1) for part in images.split(batch_size)]
            of_batch = torch.cat(parts)
            values["batch"] = measures.agreement(label, of_batch)
            values["batch_shares"] = _rounded(measures.class_shares(of_batch, num_classes))
    if student is not None:
        with in_eval_mode(student):
            own = whole(student, images)
        values["student"] = _of(own, num_classes, threshold)
        values["student_agrees"] = measures.agreement(label, own.argmax(1))
    return json_values(values, DIGITS)


def steadiness(network: nn.Module, images: Tensor, label: Tensor) -> tuple[float, float]:
    """Share of pixels whose label (B, H, W) stays in the mirror, and in other colours."""
    mirrored = whole(network, images.flip(-1)).argmax(1).flip(-1)
    recoloured = whole(network, color_jitter(images, [RECOLOUR] * len(images))).argmax(1)
    return measures.agreement(label, mirrored), measures.agreement(label, recoloured)


def mixed_label(network: nn.Module, heavier: Tensor, lighter: Tensor) -> Tensor:
    """(B, H, W) labels of images laid over others, as MixVal does."""
    return whole(network, MIX * heavier + (1 - MIX) * lighter).argmax(1)


def _of(logits: Tensor, num_classes: int, threshold: float) -> dict[str, Any]:
    confidence, label = logits.softmax(1).max(1)
    grid = measures.pixels(logits)
    return {
        "shares": _rounded(measures.class_shares(label, num_classes)),
        "confident": float((confidence >= threshold).double().mean()),
        "confidence": float(confidence.double().mean()),
        "entropy": measures.mean_entropy(grid),
        "information": measures.mutual_information(grid),
        "density": measures.neighbourhood_density(grid),
    }


def _rounded(shares: Tensor) -> list[float]:
    return [round(v, 6) for v in shares.tolist()]
