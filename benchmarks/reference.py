"""A training step shaped like the authors', to compare ours with; same losses, same arithmetic.

Like theirs (facts sheet, 1 and 6-9; mmseg 0.16): source cross-entropy and feature distance are
walked back one after the other, over a graph that is kept in between; the teacher is averaged
tensor by tensor; the optimizer visits one parameter at a time; attention is softmax(q k) v in three
operations; resizing is PyTorch's interpolation, forward and backward; labels are scaled down over a
one-hot tensor; every loss also measures the accuracy of the resized logits; the memory layout is
(B, C, H, W).

Not like theirs, which makes this reference faster than their code if anything: ClassMix and its
colour jitter are ours (kornia's are theirs), batches come without mmseg's containers, nothing is
logged, and the memory between a MiT's stages is not copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from daformer_lib.batch import Labelled, TrainBatch
from daformer_lib.config import Experiment
from daformer_lib.models import resize
from daformer_lib.models.decoders import daformer
from daformer_lib.models.decoders.layers import DilatedDepthwise, LinearEmbedding, Pointwise
from daformer_lib.models.encoders.mit import PatchConv
from daformer_lib.specs import IGNORE
from daformer_lib.train.optim import parameter_groups, set_learning_rates
from daformer_lib.train.step import Learner
from daformer_lib.uda.classmix import classmix, draw_plan
from daformer_lib.uda.feature_distance import ImageNetAnchor, masked_distance
from daformer_lib.uda.losses import cross_entropy
from daformer_lib.uda.method import MIX, step_rng
from daformer_lib.uda.teacher import ema_alpha


def as_theirs(learner: Learner) -> Learner:
    """The same networks without fused attention and without our layouts, in place."""
    for model in (learner.network, learner.method.teacher.model, learner.method.anchor.encoder):
        model.to(memory_format=torch.contiguous_format)
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False
            if isinstance(module, PatchConv | DilatedDepthwise | Pointwise):
                module.__class__ = nn.Conv2d
            if isinstance(module, LinearEmbedding):
                module.__class__ = CopiedEmbedding
    return learner


class CopiedEmbedding(LinearEmbedding):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).contiguous()


@contextmanager
def plainly() -> Iterator[None]:
    """PyTorch's own resizing, and (B, C, H, W) in the decoder."""
    with (
        mock.patch.object(resize, "_by_products", return_value=False),
        mock.patch.object(daformer, "channels_last_on_cpu", side_effect=Tensor.contiguous),
    ):
        yield


def reference_optimizer(learner: Learner, experiment: Experiment) -> torch.optim.AdamW:
    groups = parameter_groups(learner.network, experiment.optim)
    return torch.optim.AdamW(groups, lr=experiment.optim.lr, foreach=False, fused=False)


@plainly()
def reference_step(
    learner: Learner,
    optimizer: torch.optim.AdamW,
    experiment: Experiment,
    step: int,
    batch: TrainBatch,
) -> None:
    config, device = experiment.uda, next(learner.network.parameters()).device
    source, target = batch.source.to(device), batch.target.to(device)
    set_learning_rates(optimizer, step, experiment.train.steps, experiment.optim)
    optimizer.zero_grad()
    average_teacher(learner, step)
    source_backward(learner, source, config.fd_weight)
    rows = (config.ignore_top, config.ignore_bottom)
    pseudo = learner.method.teacher.label(target.image, config.threshold, *rows)
    plan = draw_plan(source.label, config, step_rng(experiment.train.seed, step, MIX))
    mixed_backward(learner, classmix(source, pseudo, plan))
    optimizer.step()


@plainly()
def source_backward(learner: Learner, source: Labelled, fd_weight: float) -> None:
    logits, features = learner.student(source.image)
    measured_loss(logits, source).backward(retain_graph=True)
    (fd_weight * their_distance(learner.method.anchor, features, source)).backward()


@plainly()
def mixed_backward(learner: Learner, mixed: Labelled) -> None:
    measured_loss(learner.student(mixed.image)[0], mixed).backward()


@plainly()
def label(learner: Learner, image: Tensor, threshold: float) -> Labelled:
    return learner.method.teacher.label(image, threshold)


def measured_loss(logits: Tensor, batch: Labelled) -> Tensor:
    """Cross-entropy, and the share of right pixels that mmseg's heads compute beside it."""
    logits = F.interpolate(logits, batch.label.shape[-2:], mode="bilinear", align_corners=False)
    loss = cross_entropy(logits, batch)
    with torch.no_grad():
        logits.topk(1, dim=1).indices.transpose(0, 1).eq(batch.label[None]).float().sum()
    return loss


def their_distance(anchor: ImageNetAnchor, features: list[Tensor], source: Labelled) -> Tensor:
    with torch.no_grad():
        reference = anchor.encoder(source.image)[-1]
    factor = source.label.shape[-1] // reference.shape[-1]
    small = one_hot_downscale(source.label, factor, anchor.min_share, anchor.num_classes)
    mask = sum((small == wanted) for wanted in anchor.classes).bool()
    return masked_distance(features[-1], reference, mask)


def one_hot_downscale(label: Tensor, factor: int, min_share: float, num_classes: int) -> Tensor:
    known = torch.where(label == IGNORE, num_classes, label)
    one_hot = F.one_hot(known, num_classes + 1).permute(0, 3, 1, 2).float()  # (B, K+1, H, W)
    share, winner = F.avg_pool2d(one_hot, factor).max(dim=1)
    return torch.where((share < min_share) | (winner == num_classes), IGNORE, winner)


@torch.no_grad()
def average_teacher(learner: Learner, step: int) -> None:
    teacher = learner.method.teacher
    alpha = ema_alpha(step, teacher.ema_decay)
    for ours, theirs in zip(teacher.model.parameters(), learner.network.parameters()):
        ours.copy_(alpha * ours + (1 - alpha) * theirs)
