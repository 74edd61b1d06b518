"""`python -m benchmarks.counts`: operations, bytes and kernels of a step, without running it.

Networks on the meta device: shapes flow, nothing is computed, so MiT-B5 takes seconds anywhere.
Bytes are those of eager execution: each operator reads its inputs from memory and writes its
outputs, views excepted. A fused kernel moves less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import tyro
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from daformer_lib.models import build_segmentor
from daformer_lib.runs import recipes

ADAMW_TENSORS = 7  # weight, gradient and two moments read; weight and moments written
EMA_TENSORS = 5  # teacher scaled in place, then student added: two reads, two writes, one read


@dataclass(frozen=True)
class Cost:
    """What some part of the step takes."""

    flops: float  # two for each multiplication with its addition
    moved: float  # bytes
    kernels: int  # operators that are no views

    def times(self, n: float) -> Cost:
        return Cost(self.flops * n, self.moved * n, round(self.kernels * n))

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.flops + other.flops, self.moved + other.moved, self.kernels + other.kernels
        )


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of every operator's tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.moved, self.kernels = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.split("::")[-1]
        if not func.is_view and name not in ("detach", "_unsafe_view", "empty", "empty_like"):
            tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
            self.moved += sum(t.numel() * t.element_size() for t in tensors)
            self.kernels += 1
        return out


def forward_cost(work: Callable[[], object]) -> Cost:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    with _Traffic() as traffic, torch.no_grad():
        work()
    return Cost(counter.get_total_flops(), traffic.moved, traffic.kernels)


def training_cost(network: nn.Module, image: Tensor) -> Cost:
    """Forward and backward. The backward's operations are twice the forward's: PyTorch's counter
    takes the gradient of a depthwise convolution's weight for a dense one."""
    forward = forward_cost(lambda: network(image))
    with _Traffic() as traffic:
        logits, features = network(image)
        torch.autograd.backward([logits.sum(), features[-1].sum()])
    return Cost(3 * forward.flops, traffic.moved, traffic.kernels)


def kept_bytes(network: nn.Module, image: Tensor) -> int:
    """Bytes that the forward pass keeps for the backward pass, weights not counted."""
    weights = {p.untyped_storage()._cdata for p in network.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(image)
    return sum(t.untyped_storage().nbytes() for key, t in kept.items() if key not in weights)


def step_costs(encoder: str, decoder: str, crop: int, batch: int) -> tuple[dict[str, Cost], int]:
    """The parts of a DAFormer step, and the bytes that one of its graphs keeps."""
    config = recipes.experiment("daformer", "full").model
    with torch.device("meta"):
        network = build_segmentor(
            type(config)(encoder=encoder, decoder=decoder, num_classes=config.num_classes)
        ).train()
        image = torch.empty(batch, 3, crop, crop)
    weights = sum(p.numel() for p in network.parameters())
    walked = training_cost(network, image)
    parts = {
        "student, source: forward and backward": walked,
        "student, mixed: forward and backward": walked,
        "teacher: forward": forward_cost(lambda: network(image)),
        "ImageNet encoder: forward": forward_cost(lambda: network.encoder(image)),
        "AdamW": Cost(12.0 * weights, 4.0 * ADAMW_TENSORS * weights, 0),
        "EMA": Cost(3.0 * weights, 4.0 * EMA_TENSORS * weights, 0),
    }
    return parts, kept_bytes(network, image)


def main(encoder: str = "mit_b5", decoder: str = "daformer", crop: int = 512, batch: int = 2):
    parts, kept = step_costs(encoder, decoder, crop, batch)
    parts["step"] = sum(parts.values(), Cost(0, 0, 0))
    print("| part | TFLOP | GB moved, float32 | operators |\n|---|---|---|---|")
    for name, cost in parts.items():
        print(f"| {name} | {cost.flops / 1e12:.2f} | {cost.moved / 1e9:.1f} | {cost.kernels} |")
    print(f"kept by one graph: {kept / 2**30:.2f} GiB in float32")


if __name__ == "__main__":
    tyro.cli(main)
