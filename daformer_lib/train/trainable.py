"""What can be wrong with an experiment, found before the first slow thing: no data are read."""

from __future__ import annotations

import warnings

import torch

from daformer_lib.config import Experiment
from daformer_lib.models import build_segmentor
from daformer_lib.specs import check_same_classes, get_spec, get_specs


def require_trainable(experiment: Experiment) -> None:
    """Data sets, splits, network and its pretrained weights fit one another.

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
    with torch.device("meta"), warnings.catch_warnings():  # shapes alone: quick, whatever its size
        warnings.filterwarnings("ignore", "for .* a meta parameter in the current model")
        build_segmentor(experiment.model, experiment.methods.get("hrda"))
