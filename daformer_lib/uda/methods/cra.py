"""CRA: Cross-Region Adaptation. Wang, Liu, Suganuma, Okatani, arXiv:2109.06422.

A second stage after any finished run. Its network, frozen, splits each target image into a region
that it is sure of and one that it is not. A discriminator learns, class by class, to tell the
features of the two; the student learns the labels of the first, and to make features of the second
look like the first's. Follows the authors' code where that differs from the figure; departs from it
in what it labels: the crops that the student sees, not whole images once (docs/method/cra.md).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from daformer_lib.batch import Labelled
from daformer_lib.config import CRAConfig, Experiment
from daformer_lib.models.resize import resize_bilinear
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.specs import IGNORE
from daformer_lib.uda.method import Method, Objective, Survey, Trained, Turn

NOWHERE = -1.0  # the entropy of pixels that belong to neither region
Resize = Callable[[Tensor, tuple[int, int]], Tensor]


def mean_entropy(probability: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H, W): the mean over classes of -p log p / log C, from 0 to 1 / C."""
    return torch.special.entr(probability).mean(1) / math.log(probability.shape[1])


def rare_classes(counts: Tensor, share: float) -> Tensor:
    """(C,) predicted pixels -> (C,) bool: a class that is never predicted is rare too."""
    return counts / counts.sum() < share


class Regions(NamedTuple):
    """A target image in two parts; pixels can be in neither."""

    label: Tensor  # (B, H, W) int64, 255 where not trusted
    trusted: Tensor  # (B, H, W) bool
    untrusted: Tensor  # (B, H, W) bool

    def split(self, parts: int) -> list[Regions]:
        return [Regions(*part) for part in zip(*(t.chunk(parts) for t in self), strict=True)]


def split_regions(
    label: Tensor, entropy: Tensor, threshold: float, rare: Tensor, rare_factor: float
) -> Regions:
    """Trusted up to `threshold`, itself included, in units of `mean_entropy`.

    Args:
        label: (B, H, W) int64 train ids or 255. entropy: (B, H, W), `NOWHERE` in neither region.
        rare: (C,) bool: classes whose entropy is first multiplied by `rare_factor`.
    """
    inside = entropy != NOWHERE  # before the factor: half of NOWHERE would be trusted
    is_rare = F.pad(rare, (0, IGNORE + 1 - len(rare)))[label]  # 255 is no class
    sure = torch.where(is_rare, entropy * rare_factor, entropy) <= threshold
    trusted = sure & inside
    return Regions(label.where(trusted, IGNORE), trusted, ~sure & inside)


class Labeller:
    """The network that a run starts from, as it was; what it says of an image never changes."""

    def __init__(self, network: nn.Module, num_classes: int) -> None:
        self.model = copy.deepcopy(network).requires_grad_(False).eval()
        self.counts = torch.zeros(num_classes, dtype=torch.float64)  # of `survey`

    @torch.no_grad()
    def label(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) -> labels (B, H, W) and their `mean_entropy` (B, H, W)."""
        logits, _ = self.model(image)
        probability = resize_bilinear(logits, image.shape[-2:]).softmax(1)
        return probability.argmax(1), mean_entropy(probability)

    def survey(self, images: Iterable[Tensor], ranks: Ranks = ALONE) -> None:
        """Count the predicted pixels of each class in this rank's share of images (3, H, W)."""
        device, classes = next(self.model.parameters()).device, len(self.counts)
        counts = torch.zeros(classes, dtype=torch.int64, device=device)
        for image in images:
            label, _ = self.label(image[None].to(device))
            counts += label.flatten().bincount(minlength=classes)
        self.counts = ranks.sum(counts).double().cpu()

    def regions(self, turn: Turn) -> Regions:
        """Of a turn's target images; the rows that DAFormer ignores are in neither region."""
        config, uda = turn.experiment.methods["cra"], turn.experiment.uda
        seen = [self.label(part) for part in turn.target.image.chunk(turn.parts)]
        label, entropy = (torch.cat(part) for part in zip(*seen, strict=True))
        entropy[:, : uda.ignore_top] = NOWHERE
        entropy[:, entropy.shape[1] - uda.ignore_bottom :] = NOWHERE
        rare = rare_classes(self.counts, config.rare_share).to(label.device)
        threshold = config.threshold / len(self.counts)
        return split_regions(label, entropy, threshold, rare, config.rare_factor)


class Discriminator(nn.Module):
    """Final features (B, channels, h, w) -> logits (B, 2 C, h, w): C classes where trusted, then
    the same C where not."""

    def __init__(self, channels: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.D = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, width // 2, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.cls1 = nn.Conv2d(width // 2, num_classes, 3, padding=1)
        self.cls2 = nn.Conv2d(width // 2, num_classes, 3, padding=1)

    def forward(self, feature: Tensor) -> Tensor:
        x = self.D(feature)
        return torch.cat([self.cls1(x), self.cls2(x)], dim=1)

    def without_learning(self, feature: Tensor) -> Tensor:
        """The same, with a gradient for the feature alone."""
        own = {name: parameter.detach() for name, parameter in self.named_parameters()}
        return functional_call(self, own, feature)


def class_logs(logits: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 2 C, H, W) -> log-probabilities "class c, trusted" and "class c, untrusted", which are
    alternatives: one softmax over all 2 C; (B, C, H, W) each."""
    return logits.log_softmax(1).chunk(2, dim=1)


def soft_label(logits: Tensor, clip: float) -> Tensor:
    """The student's own softmax, cut off at `clip`: nothing flows back, sums may fall below 1."""
    return logits.detach().softmax(1).clamp(max=clip)


def region_loss(logs: Tensor, soft: Tensor, region: Tensor) -> Tensor:
    """-mean over ALL pixels of sum_c q_c log D_c, where pixels outside the region count as 0.

    Args:
        logs: one half of `class_logs`. soft: q. Both (B, C, H, W).
        region: (B, H, W) bool, or the pixels' weights.
    """
    return -((soft * logs).sum(1) * region).mean()


def trusted_loss(logits: Tensor, label: Tensor, count: Tensor) -> Tensor:
    """Cross-entropy of the labels that are not 255, over `count` pixels; 0 where there are none."""
    return F.cross_entropy(logits, label, ignore_index=IGNORE, reduction="sum") / count.clamp(min=1)


def discriminator_loss(logits: Tensor, soft: Tensor, trusted: Tensor, untrusted: Tensor) -> Tensor:
    """What the discriminator learns: which class, and which of the two regions."""
    in_trusted, in_untrusted = class_logs(logits)
    told = region_loss(in_trusted, soft, trusted), region_loss(in_untrusted, soft, untrusted)
    return 0.5 * told[0] + 0.5 * told[1]


def poly_rate(base: float, step: int, steps: int, power: float = 0.9) -> float:
    return base * (1 - step / steps) ** power


def cra_losses(
    turn: Turn, labeller: Labeller, discriminator: Discriminator, resize: Resize = resize_bilinear
) -> Iterator[dict[str, Tensor]]:
    """One pass for all: student and discriminator each get the gradient of their own losses."""
    config = turn.experiment.methods["cra"]
    regions: Regions = turn.replay.get("regions") or labeller.regions(turn)
    turn.seen.update(regions=regions, said=[])
    count = turn.ranks.mean((regions.label != IGNORE).sum() / turn.parts)
    size = turn.target.image.shape[-2:]
    for image, own in zip(turn.target.image.chunk(turn.parts), regions.split(turn.parts)):
        logits, feature = turn.student.with_final_feature(image)
        logits = resize(logits / config.temperature, size)
        soft = soft_label(logits, config.clip)
        turn.seen["said"].append(logits.detach().argmax(1))
        fooled, _ = class_logs(resize(discriminator.without_learning(feature), size))
        told = resize(discriminator(feature.detach()), size)
        yield {
            "trusted": trusted_loss(logits, own.label, count),
            "adversarial": config.weight * region_loss(fooled, soft, own.untrusted),
            "discriminator": discriminator_loss(told, soft, own.trusted, own.untrusted),
        }


def beside_daformer(turn: Turn, losses: Callable) -> Iterator[dict[str, Tensor]]:
    """The mix has taken the place of the trusted region's labels."""
    for named in losses(turn):
        named.pop("trusted")
        yield named


def as_pseudo_labels(turn: Turn, losses: Callable) -> Iterator[dict[str, Tensor]]:
    """For logs and health: what the student says of the target now, since the labels that it learns
    never change; with the trusted share in place of the confident one."""
    yield from losses(turn)
    regions: Regions = turn.seen["regions"]
    share = turn.ranks.mean(regions.trusted.float().mean())
    said = torch.cat(turn.seen["said"])
    turn.seen["pseudo"] = Labelled(turn.target.image, said, share.expand(said.shape))


def add_cra(method: Method, experiment: Experiment, network: nn.Module) -> None:
    """A labeller and a discriminator; its objective alone, or one more after DAFormer's."""
    config: CRAConfig = experiment.methods["cra"]
    classes, steps = experiment.model.num_classes, experiment.train.steps
    labeller = Labeller(network, classes)
    discriminator = Discriminator(network.decoder.width, config.width, classes)
    method.kept["labeller"] = labeller.model
    method.surveys.append(Survey(lambda images, step, ranks: labeller.survey(images, ranks)))
    method.trained["discriminator"] = Trained(
        discriminator,
        torch.optim.Adam(discriminator.parameters(), config.lr, betas=(0.9, 0.99)),
        lambda step: poly_rate(config.lr, step, round(config.horizon * steps)),
    )
    losses = partial(cra_losses, labeller=labeller, discriminator=discriminator)
    if config.step == "daformer":
        method.objectives += (Objective(partial(beside_daformer, losses=losses)),)
    else:
        method.objectives = (Objective(partial(as_pseudo_labels, losses=losses)),)
        method.teacher.labels_nothing()
