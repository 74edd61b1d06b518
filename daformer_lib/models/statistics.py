"""Which statistics BatchNorm normalises with: those that training kept, or those of the images.

A network that was trained on two domains has running statistics that are the mean of both and fit
neither. What it labels with changes its scores by several points, so it is a choice with a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from daformer_lib.evaluate import in_eval_mode

# running: as trained; target: estimated again on unlabelled target images; image: each image's own.
Statistics = Literal["running", "target", "image"]


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """Those that keep running statistics."""
    found = (m for m in network.modules() if isinstance(m, _BatchNorm))
    return [m for m in found if m.track_running_stats]


@contextmanager
def batch_statistics(network: nn.Module) -> Iterator[None]:
    """BatchNorm alone normalises with what passes through it, in whatever mode the network is;
    nothing that is kept changes. Give it one image at a time for each image's own statistics.
    """
    norms = batch_norms(network)
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    modes: dict[nn.Module, bool] = {}

    def begin(norm: nn.Module, _: object) -> None:
        modes[norm], norm.training = norm.training, True

    def end(norm: nn.Module, *_: object) -> None:
        norm.training = modes[norm]

    hooks = [norm.register_forward_pre_hook(begin) for norm in norms]
    hooks += [norm.register_forward_hook(end) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # running statistics stay
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)


def forget_statistics(network: nn.Module) -> None:
    """As before the first batch: what is followed next is not mixed with what was."""
    for norm in batch_norms(network):
        norm.reset_running_stats()


@contextmanager
def followed_statistics(network: nn.Module, batches: int) -> Iterator[None]:
    """BatchNorm in eval mode takes each batch into its running statistics before it normalises
    with them: the plain mean of the first `batches`, then a mean that forgets as fast.
    """

    def follow(norm: _BatchNorm, given: tuple[Tensor, ...]) -> None:
        norm.num_batches_tracked += 1
        share = max(1 / int(norm.num_batches_tracked), 1 / batches)
        axes = [axis for axis in range(given[0].ndim) if axis != 1]
        variance, mean = torch.var_mean(given[0].float(), axes)
        norm.running_mean.lerp_(mean, share)
        norm.running_var.lerp_(variance, share)

    hooks = [norm.register_forward_pre_hook(follow) for norm in batch_norms(network)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def estimate_statistics(network: nn.Module, images: Iterable[Tensor]) -> None:
    """Running statistics become the plain mean over these images (3, H, W), one at a time.

    The network is in eval mode but for its BatchNorm meanwhile, and weights stay.
    """
    norms, device = batch_norms(network), next(network.parameters()).device
    momenta = [norm.momentum for norm in norms]
    with in_eval_mode(network):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a cumulative mean
            norm.train()
        for image in images:
            network(image[None].to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
