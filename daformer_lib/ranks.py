"""The processes that share each batch, and what they tell one another.

Rank r of `world` holds the r-th slice of every batch. Three things of the method are taken over the
whole batch, and all three are small: the pool of classes to paste (256 counts), the share of
confident pixels and the number of positions that the feature distance compares (a scalar each).
They are exchanged here, so that the method's own code names what it needs and not how it travels.
Alone, every method returns what it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among those that share a batch. Every rank must make the same calls."""

    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise ValueError(f"rank {self.rank} must lie in 0..{self.world - 1}")

    def sum(self, value: Tensor) -> Tensor:
        """The sum over all ranks, without gradient."""
        if self.world == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all ranks, without gradient."""
        return value if self.world == 1 else self.sum(value) / self.world

    def gather(self, rows: Tensor) -> Tensor:
        """The rows (N, ...) of all ranks, rank by rank; of each as many as the least has."""
        if self.world == 1:
            return rows
        fewest = torch.tensor(len(rows), device=rows.device)
        dist.all_reduce(fewest, dist.ReduceOp.MIN)
        parts = [torch.empty_like(rows[:fewest]) for _ in range(self.world)]
        dist.all_gather(parts, rows[:fewest].contiguous())
        return torch.cat(parts)

    @torch.no_grad()
    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Each tensor becomes its mean over the ranks, in place and in one exchange."""
        if self.world == 1 or not tensors:
            return
        flat = self.mean(torch.cat([tensor.flatten() for tensor in tensors]))
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors])):
            tensor.copy_(part.view_as(tensor))

    def own(self, items: Sequence[T]) -> Sequence[T]:
        """Of one item for each sample of the batch, those of this rank's samples."""
        size = len(items) // self.world
        return items[self.rank * size : (self.rank + 1) * size]


ALONE = Ranks()


def share_of(batch_size: int, world: int) -> int:
    """Images of a batch on each of `world` ranks."""
    if batch_size % world:
        raise ValueError(
            f"batch_size {batch_size} cannot be shared evenly by {world} processes; take a number "
            f"of processes that divides it, or batch_size {-(-batch_size // world) * world} "
            "(another experiment: the learning rate is not scaled)"
        )
    return batch_size // world
