"""What a step runs on; training in several processes: who starts them, who writes, who draws what.

Started by torchrun, `fabric run`, SLURM (one torchrun a node) or Fabric's own launcher
(`train --devices 2`). Each process holds a student in DistributedDataParallel, a teacher and an
optimizer; rank 0 alone writes, and all read the run's folder, which must be the same for all.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.distributed as dist
from filelock import FileLock
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from daformer_lib.config import Experiment
from daformer_lib.ranks import ALONE, Ranks, share_of
from daformer_lib.runs import RunWriter
from daformer_lib.stopping import StopRequest


class Engine(Protocol):
    """What a training step asks of the machinery around it."""

    device: torch.device
    ranks: Ranks  # the processes that share each batch

    def setup(
        self, network: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The network as the student is called, and the optimizer that steps it."""

    def backward(self, loss: Tensor) -> None:
        """Add the loss's gradient to the parameters'."""

    def hold_sync(self, student: nn.Module, on: bool) -> AbstractContextManager:
        """While it is on, backward passes keep their gradients to this process."""


class FabricEngine:
    """Lightning Fabric's: any device and precision, one process or many."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric, self.device, self.ranks = fabric, fabric.device, ranks_of(fabric)

    def setup(
        self, network: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        student, optimizer = self.fabric.setup(network, optimizer)
        for beside in ("auxiliary", "with_final_feature"):  # the student's calls beside forward
            student.mark_forward_method(beside)
        return student, optimizer

    def backward(self, loss: Tensor) -> None:
        self.fabric.backward(loss)

    def hold_sync(self, student: nn.Module, on: bool) -> AbstractContextManager:
        return self.fabric.no_backward_sync(student, enabled=on)


class PlainEngine:
    """PyTorch alone, in one process and float32: for tests, and to embed a step elsewhere."""

    ranks = ALONE

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    def setup(
        self, network: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        return network.to(self.device), optimizer

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def hold_sync(self, student: nn.Module, on: bool) -> AbstractContextManager:
        return nullcontext()


def default_fabric(
    experiment: Experiment, devices: int | None = None, nodes: int | None = None
) -> Fabric:
    """One process by default; under a launcher, as many as its environment says.

    Args:
        devices: processes on each node, one for each GPU. nodes: machines.
    """
    world = int(os.environ.get("WORLD_SIZE", 1))
    devices = devices or int(os.environ.get("LOCAL_WORLD_SIZE", world))
    nodes = nodes or max(1, world // devices)
    return Fabric(
        accelerator="auto",
        devices=devices,
        num_nodes=nodes,
        strategy=data_parallel() if devices * nodes > 1 else "auto",
        precision=experiment.train.precision,
    )


def data_parallel() -> DDPStrategy:
    """DDP without its copying of rank 0's running statistics before each forward pass: they are
    averaged once a step (`average_statistics`)."""
    known = inspect.signature(DistributedDataParallel).parameters
    # Newer versions of PyTorch have renamed the option.
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    return DDPStrategy(gradient_as_bucket_view=True, **{name: False})


def start_processes(fabric: Fabric) -> None:
    """Start the other processes, or meet those that a launcher has started."""
    if "LT_CLI_USED" not in os.environ:  # `fabric run` has done both already
        fabric.launch()


def ranks_of(fabric: Fabric) -> Ranks:
    return Ranks(fabric.global_rank, fabric.world_size)


def require_even_parts(experiment: Experiment, ranks: Ranks) -> None:
    """Raises ValueError where parts of a batch would differ in size: their mean would be wrong."""
    size, parts = experiment.data.batch_size, experiment.train.accumulate
    own = share_of(size, ranks.world)
    if own % parts:
        raise ValueError(
            f"accumulate {parts} must divide the {own} images of each step that a process has "
            f"(batch_size {size} on {ranks.world}); try accumulate {own} or 1"
        )


def prepare_lock(folder: Path) -> FileLock:
    """The processes of a training look for their data one after another; the first draws it.

    A barrier would do on small data only: converting a large set outlasts its time limit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "prepare.lock")


@contextmanager
def run_lock(folder: Path, fabric: Fabric) -> Iterator[None]:
    """One training at a time in a folder; rank 0 waits for its turn, and the others for rank 0."""
    if fabric.global_rank:
        fabric.barrier()
        yield
        return
    with FileLock(folder / "lock"):
        fabric.barrier()
        yield


def asked_to_stop(stop: StopRequest, fabric: Fabric) -> bool:
    """Whether a signal came to any rank by now; all of them then end after the same step."""
    if fabric.world_size == 1:
        return stop.requested
    number = torch.tensor(stop.number or 0, device=fabric.device)
    dist.all_reduce(number, dist.ReduceOp.MAX)
    agreed = int(number)
    if agreed:
        stop.number = stop.number or agreed
    return bool(agreed)  # a signal that came meanwhile is one for the next step


class Muted:
    """A `RunWriter` on the ranks that must not write: values are read, methods do nothing."""

    def __init__(self, writer: RunWriter) -> None:
        self._writer = writer

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._writer, name)
        return (lambda *args, **kwargs: None) if callable(value) else value


def open_writer(folder: Path, experiment: Experiment, fabric: Fabric) -> RunWriter | Muted:
    """Rank 0 first: it writes config.json, which the others then only compare."""
    if fabric.global_rank == 0:
        writer = RunWriter(folder, experiment)
        fabric.barrier()
        return writer
    fabric.barrier()
    return Muted(RunWriter(folder, experiment))


def require_same_start(step: int, folder: Path, fabric: Fabric) -> None:
    """Raises ValueError on a rank that has found another checkpoint than rank 0."""
    first = fabric.broadcast(step)
    if first != step:
        raise ValueError(
            f"rank {fabric.global_rank} goes on from step {step}, rank 0 from step {first}: all "
            f"processes must see the same {folder}; put the run on a file system that nodes share"
        )


def seed_dropout(seed: int, step: int, ranks: Ranks) -> None:
    """With several ranks, dropout is drawn from (seed, step, rank), so no state need be kept.

    Alone, the global generator runs on and its state is in the checkpoint.
    """
    if ranks.world > 1:
        sequence = np.random.SeedSequence([seed, step, 2, ranks.rank])
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0]))


def share_batchnorm(network: nn.Module, ranks: Ranks, device: torch.device) -> nn.Module:
    """BatchNorm over the whole batch where PyTorch can: on GPUs. On the CPU each rank has its own.

    Names, parameters and so checkpoints stay what they are.
    """
    if ranks.world > 1 and device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return network


def average_statistics(networks: list[nn.Module], ranks: Ranks) -> None:
    """Running statistics, the one state in which ranks can differ, become their mean."""
    if ranks.world > 1:
        buffers = [b for network in networks for b in network.buffers() if b.is_floating_point()]
        ranks.average_(buffers)


def average_losses(losses: dict[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
    """Over the ranks, so that all log the same, and all stop where one of them diverges."""
    if ranks.world == 1:
        return losses
    return dict(zip(losses, ranks.mean(torch.stack(list(losses.values()))), strict=True))
