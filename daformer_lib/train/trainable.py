"""What can be wrong with an experiment, found before the first slow thing: no data are read."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from daformer_lib.config import ADAPTERS, Experiment
from daformer_lib.models import build_segmentor
from daformer_lib.runs import Run
from daformer_lib.runs.folder import START, run_with_key
from daformer_lib.specs import check_same_classes, get_spec, get_specs
from daformer_lib.train.optim import parameter_groups


def require_trainable(experiment: Experiment) -> dict[str, int]:
    """Data sets, splits, network, its pretrained weights and its learning rates fit one another.

    Returns:
        How many parameters there are, and how many of them learn (`Segmentor.parameter_counts`).

    Raises:
        KeyError: an unknown data set, encoder or decoder. FileNotFoundError: no such weights.
        ValueError: a split that there is not, other classes, weights that do not fit.
    """
    sources, target = get_specs(experiment.data.source), get_spec(experiment.data.target)
    check_same_classes([*sources, target])
    config = experiment.train
    for spec in sources if experiment.needs.labels == "source" else ():
        spec.require_split("train")
    for split in ("train", config.eval_split, *config.final_splits):
        target.require_split(split)
    if experiment.model.num_classes != target.num_classes:
        raise ValueError(
            f"model.num_classes is {experiment.model.num_classes}, but {target.name} has "
            f"{target.num_classes} classes; leave the setting out: it follows the data set"
        )
    model = experiment.model
    if model.frozen_norm and model.pretrained is None and not experiment.train.start_from:
        raise ValueError(
            "frozen_norm keeps the statistics of pretrained weights, and model.pretrained is None: "
            "name a weight file, or leave frozen_norm off"
        )
    with torch.device("meta"), warnings.catch_warnings():  # shapes alone: quick, whatever its size
        warnings.filterwarnings("ignore", "for .* a meta parameter in the current model")
        network = build_segmentor(experiment.model, experiment.methods.get("hrda"))
    parameter_groups(network, experiment.optim)
    return network.parameter_counts()


def find_start(experiment: Experiment, folder: Path, start_from: Run | None = None) -> Run | None:
    """The finished run whose weights an experiment in `folder` begins with; None where it needs
    none, or has them already.

    Args:
        start_from: by default the run of that key beside `folder`.

    Raises:
        ValueError: no run is named where a method needs one; or it is not finished, another one
        than the experiment's, or does not fit. FileNotFoundError: it is not there.
    """
    key = experiment.train.start_from
    if key is None:
        if experiment.needs_start:
            raise ValueError(
                f"{experiment.name} goes on from a finished run: name its folder with --start-from"
            )
        return None
    if (folder / START).exists() or (folder / "result.json").exists():
        return None
    run = start_from or run_with_key(key, folder.parent)
    require_fitting_start(experiment, run)
    return run


def require_fitting_start(experiment: Experiment, run: Run) -> None:
    """Raises ValueError unless the run is finished and its networks are like the experiment's."""
    key = experiment.train.start_from
    if run.experiment.key != key:
        raise ValueError(
            f"{run.folder} has key {run.experiment.key}, and train.start_from says {key}; name the "
            "folder of that run"
        )
    if not run.is_complete:
        raise ValueError(f"{run.folder} is not finished; train it to its end, then start from it")
    theirs = _shape(run.experiment) | {"classes": ", ".join(run.classes)}
    classes = get_spec(experiment.data.target).classes
    for what, ours in (_shape(experiment) | {"classes": ", ".join(classes)}).items():
        if theirs[what] != ours:
            raise ValueError(
                f"{run.folder} has {what} {theirs[what]}, not {ours}: start from a run of the same "
                "encoder, decoder and classes, with or without adapters and HRDA as this one is"
            )


def _shape(experiment: Experiment) -> dict[str, str]:
    """What the names and shapes of a network's weights depend on, beside its classes."""
    model = experiment.model
    return {
        "encoder": model.encoder,
        "decoder": model.decoder,
        "model.blocks": str(model.blocks),
        "adapter": model.tune if model.tune in ADAPTERS else "none",
        "HRDA": "yes" if "hrda" in experiment.methods else "no",
    }
