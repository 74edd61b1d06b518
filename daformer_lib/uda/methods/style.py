"""Domain generalisation: styles made up from the source's own, while no target image is ever seen.

Hoyer, Dai, Van Gool, TPAMI 2023, arXiv:2304.13615, with SHADE (Zhao et al., ECCV 2022,
arXiv:2204.02548). Behind the encoder's first stage each image goes on twice: as it is, and with the
channel means and deviations of a random mixture of base styles. Both halves learn the same labels
and the same feature distance, and what they say must agree. Base styles are the source crops whose
styles lie farthest apart; they are chosen anew every few thousand steps, since the encoder moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from daformer_lib.batch import Labelled
from daformer_lib.config import Experiment
from daformer_lib.evaluate import in_eval_mode
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.uda.losses import Supervision
from daformer_lib.uda.method import Method, Survey, Turn, step_rng

STYLE = 5  # its stream of random numbers
SMALLEST = 1e-7  # deviation, and probability, as the authors'
LEAST_LOG = -100.0  # of a probability: float32 knows none that is smaller


def style_of(feature: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, 2, C): mean and deviation of each channel over the image."""
    return torch.stack([feature.mean((2, 3)), feature.std((2, 3))], dim=1)


def restyled(feature: Tensor, style: Tensor) -> Tensor:
    """The feature (B, C, h, w) with another mean and deviation, (B, 2, C), of each channel.

    What is taken off has no gradient: the features learn as if their own style were fixed.
    """
    mean, deviation = style_of(feature.detach())[..., None, None].unbind(1)
    new_mean, new_deviation = style[..., None, None].unbind(1)
    return (feature - mean) / (deviation + SMALLEST) * new_deviation + new_mean


def farthest(points: Tensor, number: int, first: int) -> Tensor:
    """Indices (number,) of points (N, D): each the farthest from all that are chosen already."""
    chosen, distance = [first], points.new_full((len(points),), torch.inf)
    while len(chosen) < number:
        distance = torch.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(distance.argmax()))
    return torch.tensor(chosen)


def consistency(logits: Tensor) -> Tensor:
    """Jensen-Shannon divergence of the two halves of a doubled batch (2B, K, h, w), per pixel."""
    # Where a probability is 0 its term is 0, and has a finite gradient.
    logs = logits.log_softmax(1).clamp(min=LEAST_LOG).chunk(2)
    mean = (sum(log.exp() for log in logs) / 2).clamp(min=SMALLEST).log()
    return sum((log.exp() * (log - mean)).sum(1).mean() for log in logs) / 2


class Styles(nn.Module):
    """The base styles (K, 2, C); before the first survey all are mean 0 and deviation 1."""

    def __init__(self, number: int, channels: int) -> None:
        super().__init__()
        neutral = torch.stack([torch.zeros(channels), torch.ones(channels)])
        self.register_buffer("base", neutral.repeat(number, 1, 1))

    def mixed(self, weights: np.ndarray) -> Tensor:
        """(B, K) shares of the base styles -> (B, 2, C)."""
        return torch.einsum("bk,ksc->bsc", torch.from_numpy(weights).to(self.base), self.base)

    @torch.no_grad()
    def choose(
        self, encoder: nn.Module, images: Iterable[Tensor], rng: np.random.Generator,
        ranks: Ranks = ALONE,
    ) -> None:  # fmt: skip
        """Base styles from these images (3, H, W), this rank's share of them."""
        with in_eval_mode(encoder):
            found = [first_style(encoder, image[None].to(self.base.device)) for image in images]
        styles = ranks.gather(torch.cat(found))  # (N, 2, C)
        if len(styles) < len(self.base):
            raise ValueError(
                f"{len(self.base)} base styles cannot be chosen from {len(styles)} source images; "
                f"take style.base_styles={len(styles)} or more images"
            )
        first = int(rng.integers(len(styles)))
        self.base.copy_(styles[farthest(styles.flatten(1), len(self.base), first)])


@contextmanager
def behind_first_stage(encoder: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """What the encoder's first stage gives passes through `change`."""
    encoder.after_first = change
    try:
        yield
    finally:
        encoder.after_first = None


def first_style(encoder: nn.Module, image: Tensor) -> Tensor:
    """(1, 2, C), without a look at the later stages."""
    return style_of(encoder.first_stage(image))


def draw_weights(turn: Turn, base_styles: int) -> Iterator[np.ndarray]:
    """(B, K) for each forward pass of an encoder in this step: drawn for the whole batch."""
    concentration = turn.experiment.methods["style"].concentration
    rng, size = turn.rng(STYLE), len(turn.source.image) * turn.ranks.world
    while True:
        drawn = rng.dirichlet([concentration] * base_styles, size)
        yield turn.ranks.own(drawn.astype(np.float32))


def style_supervision(
    turn: Turn, inner: Supervision, encoder: nn.Module, styles: Styles
) -> Supervision:
    """`inner` on a doubled batch, and the agreement of its halves."""
    weight = turn.experiment.methods["style"].weight
    drawn = draw_weights(turn, len(styles.base))
    # One for each look of the encoder at the whole batch: HRDA takes two, context and detail.
    used = turn.seen["styles"] = list(turn.replay.get("styles", ()))
    parts = count()

    def supervise(student: nn.Module, batch: Labelled) -> tuple[dict[str, Tensor], list[Tensor]]:
        part, looks, heard = next(parts), count(), []

        def double(feature: Tensor) -> Tensor:
            look = next(looks)
            if look == len(used):
                used.append(next(drawn))
            weights = np.array_split(used[look], turn.parts)[part]
            return torch.cat([feature, restyled(feature, styles.mixed(weights))])

        def listening(*inputs: Any) -> Any:  # the student, whose logits the consistency needs
            heard.append(student(*inputs))
            return heard[-1]

        listening.auxiliary = getattr(student, "auxiliary", lambda features: {})
        twice = Labelled(batch.image, *(torch.cat([t, t]) for t in (batch.label, batch.weight)))
        with behind_first_stage(encoder, double):
            named, features = inner(listening, twice)
        return {**named, "style": weight * consistency(heard[0][0])}, features

    return supervise


def add_style(method: Method, experiment: Experiment, network: nn.Module) -> None:
    """A supervision around the one that is there, and base styles chosen from the source."""
    config, encoder, seed = experiment.methods["style"], network.encoder, experiment.train.seed
    if not hasattr(encoder, "after_first"):
        raise ValueError(
            f"style needs an encoder with stages, which {experiment.model.encoder} has not; take a "
            "MiT or a ResNet"
        )
    styles = Styles(config.base_styles or encoder.channels[0], encoder.channels[0])
    method.noted["styles"], inner = styles, method.supervision
    method.supervision = lambda turn: style_supervision(turn, inner(turn), encoder, styles)

    def see(images: Iterable[Tensor], step: int, ranks: Ranks) -> None:
        styles.choose(encoder, images, step_rng(seed, step, STYLE), ranks)

    method.surveys.append(Survey(see, "source", config.every, config.images))
