"""The networks among which to choose: students and teachers of runs, or the steps of one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch

from daformer_lib.choosing.criteria import CRITERIA, label_free
from daformer_lib.config import Experiment, UDAConfig
from daformer_lib.data.datasets import open_source, unlabelled_images
from daformer_lib.inference import load_network
from daformer_lib.progress import Report, silent
from daformer_lib.runs import Run
from daformer_lib.specs import data_names, get_spec, get_specs

IMAGES = 50  # of the target's training split
SCORED = "test"  # where a truth is there to tell, this split has it, else the last one scored
NAN = float("nan")
T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """One network with its criteria, and its true score where somebody knows it."""

    run: str  # the row and its seed
    row: str
    seed: int
    model: str
    step: int
    values: dict[str, float] = field(default_factory=dict)
    miou: float = NAN  # percent
    setting: str = ""  # the sets and the length: only networks of one are comparable
    key: str = ""  # of the run's configuration


def of_runs(
    runs: Sequence[Run],
    images: int = IMAGES,
    data_root: str | None = None,
    report: Report = silent,
) -> list[Candidate]:
    """Student and teacher of every run.

    Args:
        images: of the target's training split; their labels are not read.
        data_root: where the data lie, if not where the runs found them.

    Raises:
        ValueError: a run is not complete, or the runs have not one target.
    """
    require_one_target(runs)
    moved = {} if data_root is None else {"data": {"data_root": data_root}}
    seen = list(unlabelled_images(runs[0].experiment.changed(**moved), images))
    found: list[Candidate] = []
    labels: list[torch.Tensor] = []
    base: dict[int, torch.Tensor] = {}  # seed -> labels of its source-only student
    for done, run in enumerate(runs):
        report(done, len(runs), run.name)
        seed, shares = run.experiment.train.seed, source_shares(run.experiment.changed(**moved))
        for model in dict.fromkeys(where.split("/")[0] for where in run.last_scores()):
            values = label_free(load_network(run, model), seen, shares)
            labels.append(values.pop("labels"))
            if (run.name, model) == ("source_only", "student"):
                base[seed] = labels[-1]
            values["source_loss"] = _last_loss(run)
            found.append(
                Candidate(
                    title(run), run.name, seed, model, run.experiment.train.steps, values,
                    true_score(run, model), setting(run), run.experiment.key,
                )
            )  # fmt: skip
    report(len(runs), len(runs), "done")
    for one, own in zip(found, labels, strict=True):
        if one.seed in base:
            one.values["near_source_only"] = float((own == base[one.seed]).double().mean())
    return found


def title(run: Run) -> str:
    """The row and its seed; and whose statistics the teacher labels with, where not a batch's."""
    whose = run.experiment.uda.teacher_statistics
    other = "" if whose == UDAConfig.teacher_statistics else f" ({whose} statistics)"
    return f"{run.name}{other}, seed {run.experiment.train.seed}"


def setting(run: Run) -> str:
    """ "minigta → minicityscapes, 4000 steps"."""
    data = run.experiment.data
    names = (data_names(side) for side in (data.source, data.target))
    return f"{' → '.join(names)}, {run.experiment.train.steps} steps"


def grouped(found: Iterable[T], mark: Callable[[T], Hashable]) -> list[list[T]]:
    """Those of one mark together, such as the runs of one `setting`, which may be compared."""
    groups: dict[Hashable, list[T]] = {}
    for one in found:
        groups.setdefault(mark(one), []).append(one)
    return list(groups.values())


def require_one_target(runs: Sequence[Run]) -> None:
    if not runs:
        raise ValueError("name the folders of the runs to choose among")
    for run in runs:
        if not run.is_complete:
            raise ValueError(f"{run.folder} is not complete; train it to its end, or leave it out")
        if run.experiment.mode == "oracle":
            raise ValueError(
                f"{run.folder} is an oracle: it learned from the target's labels, so there is "
                "nothing to choose without them; leave it out"
            )
    first = get_spec(runs[0].experiment.data.target)  # two copies of one file are equal
    others = [run for run in runs if get_spec(run.experiment.data.target) != first]
    if others:
        named = ", ".join(f"{run.folder} ({run.spec.name})" for run in (runs[0], *others))
        raise ValueError(f"the runs have more than one target: {named}; choose among those of one")


def source_shares(experiment: Experiment) -> np.ndarray:
    """(K,) of the pixels of the source's training split."""
    data = experiment.data
    totals = open_source(get_specs(data.source), data.data_root).class_stats().counts.sum(0)
    return totals / max(1, totals.sum())


def true_score(run: Run, model: str) -> float:
    """mIoU in percent; NaN where the target has no labels."""
    last = run.last_scores()
    splits = [where.split("/")[1] for where in last if where.startswith(f"{model}/")]
    if not splits:
        return NAN
    split = SCORED if SCORED in splits else splits[-1]
    return 100 * last[f"{model}/{split}"].miou()


def _last_loss(run: Run) -> float:
    column = run.metrics().get("source")
    return NAN if column is None or not column.size else float(np.mean(column[-5:]))


def of_steps(run: Run) -> list[Candidate]:
    """The labeller of one run at each of its evaluations, by what its health says.

    Raises:
        ValueError: the run has no health.json.
    """
    if not run.health:
        raise ValueError(
            f"{run.folder} has no health.json: it was trained by earlier code, or with "
            "train.health=false; train it again to choose among its steps"
        )
    model = "teacher" if "student" in run.health[0] else "student"
    split = run.experiment.train.eval_split
    steps, scores = run.curve(model, split)
    truth = dict(zip(steps, scores, strict=True))
    losses = run.metrics()
    found = []
    for one in run.health:
        values = {name: one[name] for name in CRITERIA if one.get(name) is not None}
        values["agreement"] = (one["flip"] + one["colour"]) / 2
        if "source" in losses:
            recent = (losses["step"] <= one["step"]) & (losses["step"] > one["step"] - 250)
            values["source_loss"] = float(losses["source"][recent].mean()) if recent.any() else NAN
        found.append(
            Candidate(
                title(run), run.name, run.experiment.train.seed, model, one["step"], values,
                truth.get(one["step"], NAN), setting(run), run.experiment.key,
            )
        )  # fmt: skip
    return found
