"""Opening a trained network: a run, a model file, a model of the hub; and the device it goes to."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from daformer_lib.inference import finished
from daformer_lib.inference.exchange import TrainedModel, load_model
from daformer_lib.machine import keep_memory
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_own
from daformer_lib.models.checkpoints.huggingface import HUB_PREFIX, fetch
from daformer_lib.runs import Run
from daformer_lib.specs import get_spec


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" takes CUDA where there is one; else "cpu", "cuda", "cuda:1", "mps"."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(
            f"device {name!r} is unknown; try auto, cpu, cuda, cuda:1 or mps"
        ) from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r}: this PyTorch finds no CUDA device; try cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {name!r}: there are {torch.cuda.device_count()}, counted from 0")
    return device


def working_device(name: str = "auto") -> torch.device:
    """The same, for a process that is about to work there: on a CPU it keeps its memory."""
    device = choose_device(name)
    keep_memory(device)
    return device


def load_network(run: Run, model: str = "student") -> nn.Module:
    """The trained network of a run in eval mode; model is "student" or "teacher"."""
    experiment = run.experiment.changed(model={"pretrained": None})
    network = build_segmentor(experiment.model, experiment.methods.get("hrda"))
    weights = run.student_weights() if model == "student" else run.teacher_weights()
    load_own(network, weights, f"the {model} of {run.folder}")
    return network.eval()


def open_run(run: Run, model: str = "student") -> TrainedModel:
    """A run's network with its config and the spec of its target."""
    experiment = run.experiment
    spec, hrda = get_spec(experiment.data.target), experiment.methods.get("hrda")
    return TrainedModel(load_network(run, model), experiment.model, spec, hrda)


def open_model(run: str | Path | None, model: str = "student") -> TrainedModel:
    """The student or teacher of a run; or, without a run, a model file.

    Args:
        model: "student" or "teacher" of the run; else a .safetensors file, a folder with one, or
            hf:<owner>/<repository>@<40-digit commit>; or study:<row>, a network of the kit's own.
    """
    of_a_run = model in ("student", "teacher")
    if run is not None and not of_a_run:
        raise ValueError(f"--model {model} of a run must be student or teacher; leave out one")
    if run is not None:
        return open_run(Run(run), model)
    if of_a_run:
        raise ValueError("name a trained network: --run FOLDER, or --model FILE.safetensors")
    if model.startswith(finished.PREFIX):
        return finished.open_finished(model.removeprefix(finished.PREFIX))
    return load_model(fetch(model) if model.startswith(HUB_PREFIX) else model)
