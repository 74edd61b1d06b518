"""Finished runs scored on another target than theirs, as a file of results like any study's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from daformer_lib.data.datasets import evaluation_samples
from daformer_lib.evaluate import evaluate
from daformer_lib.inference import load_network
from daformer_lib.means import json_number
from daformer_lib.progress import Report, silent
from daformer_lib.runs import Run
from daformer_lib.runs.results import add_entries, entry_of
from daformer_lib.specs import check_same_classes, scored_spec

NOT_ELSEWHERE = ("curves", "class_curves", "findings", "miou", "iou")  # of the run's own target


def scored_on(
    run: Run, target: str, split: str, data_root: str | None, device: torch.device
) -> dict[str, Any]:
    """What a file of results has of a run, with the student's scores on another target."""
    spec = scored_spec(target, run.experiment.data.source)
    check_same_classes([run.spec, spec])
    data = {"target": target} | ({} if data_root is None else {"data_root": data_root})
    experiment = run.experiment.changed(data=data)
    network = load_network(run).to(device)
    samples = evaluation_samples(experiment, split, None)
    scores = evaluate(network, samples, spec.num_classes, device, evaluated=spec.mean_ids)
    entry = {key: value for key, value in entry_of(run).items() if key not in NOT_ELSEWHERE}
    trained_for, where = entry["config"]["data"]["target"], f"student/{split}"
    entry["config"]["data"]["target"] = target
    return entry | {
        "trained_for": trained_for,
        "versions": experiment.versions,
        "miou": {where: json_number(scores.miou(), 6)},
        "iou": {where: [json_number(value, 4) for value in scores.iou]},
    }


def score_all(
    runs: Sequence[Run], target: str, split: str, results: Path, command: str, device: torch.device,
    data_root: str | None = None, report: Report = silent,
) -> Path:  # fmt: skip
    """Add each run's scores to a file of results, as `add_entries`.

    Raises:
        ValueError: a run is not finished, its classes are not the target's, or the file is of
        another target.
    """
    for run in runs:
        if not run.is_complete:
            raise ValueError(f"{run.folder} is not finished; train it to its end, then score it")
    entries = []
    for done, run in enumerate(runs, 1):
        entries.append(scored_on(run, target, split, data_root, device))
        report(done, len(runs), run.name)
    return add_entries(entries, results, command)
