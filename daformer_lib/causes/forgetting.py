"""What training does to a pretrained encoder: does it forget, and do the first steps shake it?

The causes behind feature distance (DAFormer, Sec. 3.3: training on the source loses what ImageNet
features tell apart) and learning rate warm-up (Sec. 3.3: the first steps distort them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from daformer_lib.causes.pictures import Pictures, cut_out, drawn_pictures
from daformer_lib.causes.probes import (
    FIT,
    Effort,
    Paired,
    as_dict,
    deepest,
    fit_probe,
    fresh_encoder,
    lacks,
    paired,
    pooled,
    relative_distance,
    rounded,
)
from daformer_lib.config import Experiment
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.transforms import stack_images
from daformer_lib.inference import load_network
from daformer_lib.runs import Run, recipes
from daformer_lib.specs import get_spec
from daformer_lib.train import batches
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.optim import learning_rate
from daformer_lib.train.step import build_learner, training_step

VEHICLES = ("bus", "truck", "train")


def feature_distance(
    runs: Mapping[str, Run], data_root: str | Path, seeds: Sequence[int], effort: Effort
) -> dict[str, Any]:
    """What linear probes tell apart of bus, truck and train, before and after training.

    drawn: objects as in pretraining. target: objects cut out of the target, the probe fitted to its
    training split; source to target, drawn to target: the probe fitted to the source's, to drawn
    ones. There: the prior is clearly better than the source-only student on drawn objects (that
    forgets) and from source to target (what it forgets would have helped).
    """
    if "source_only" not in runs:
        return lacks("source_only")
    experiment = runs["source_only"].experiment
    encoders = {
        "untrained": fresh_encoder(experiment.changed(model={"pretrained": None}).model),
        "prior": fresh_encoder(experiment.model),
    }
    alike = {row: run for row, run in runs.items()
             if run.experiment.model.encoder == experiment.model.encoder}  # fmt: skip
    encoders |= {row: load_network(run).encoder for row, run in alike.items()}
    tests = _vehicle_sets(experiment, data_root, seeds, effort)
    hits = {name: {test: _hits(encoder, *sets) for test, sets in tests.items()}
            for name, encoder in encoders.items()}  # fmt: skip
    lost = {t: paired(hits["prior"][t], hits["source_only"][t]) for t in tests}
    return {
        "prior": experiment.model.pretrained,
        "pictures": {test: len(sets[1].labels) for test, sets in tests.items()},
        "accuracy": {name: {t: rounded(h.mean()) for t, h in one.items()}
                     for name, one in hits.items()},
        "lost": {test: as_dict(one) for test, one in lost.items()},
        "there": lost["drawn"].is_clear and lost["source to target"].is_clear,
    }  # fmt: skip


def _vehicle_sets(
    experiment: Experiment, data_root: str | Path, seeds: Sequence[int], effort: Effort
) -> dict[str, tuple[Pictures, Pictures]]:
    """Name of a test -> what its probe is fitted to and what it is tried on."""
    cut = {
        (side, split): cut_out(
            SegmentationDataset(get_spec(getattr(experiment.data, side)), data_root, split),
            VEHICLES,
        )
        for side, split in (("source", "train"), ("target", "train"), ("target", "val"))
    }
    fit = drawn_pictures(VEHICLES, effort.vehicles, FIT)
    drawn = [drawn_pictures(VEHICLES, effort.vehicles, seed) for seed in seeds]
    target = [cut["target", "train"], cut["target", "val"]]
    return {
        "drawn": (fit, _joined(drawn)),
        "target": (target[0], target[1]),
        "source to target": (cut["source", "train"], _joined(target)),
        "drawn to target": (fit, _joined(target)),
    }


def _joined(sets: Sequence[Pictures]) -> Pictures:
    images = [image for one in sets for image in one.images]
    return Pictures(images, torch.cat([one.labels for one in sets]))


def _hits(encoder: nn.Module, fit: Pictures, test: Pictures) -> Tensor:
    """(N,) 1 where the probe is right."""
    probe = fit_probe(pooled(encoder, fit.images), fit.labels, len(VEHICLES))
    return (probe(pooled(encoder, test.images)) == test.labels).float()


def warmup(data_root: str | Path, seeds: Sequence[int], effort: Effort) -> dict[str, Any]:
    """How far the first self-training steps move the prior's features, with warm-up and without.

    distance: mean over the cells of fixed target scenes of |f - f0| / |f0|, one value for each
    seed. accuracy: of a probe of the moved features on drawn vehicles. "as much": without warm-up,
    after the steps whose rates sum to what they sum to with it. There, for the strong prior:
    without warm-up features move farther for every seed, and the probe has clearly lost more.
    """
    base = recipes.experiment("self_training", "study", data_root=str(data_root))
    scenes = SegmentationDataset(
        get_spec(base.data.target), data_root, "val", max_images=effort.scenes
    )
    images = [scenes.load(i)[0] for i in range(len(scenes))]
    views = stack_images(images, images[0].shape[:2])
    sets = tuple(drawn_pictures(VEHICLES, effort.vehicles, seed) for seed in (FIT, 0))
    short = base.changed(optim={"warmup_steps": 0})
    early = as_much(base, short, effort.steps)
    ways = {"with": (base, effort.steps), "without": (short, effort.steps),
            "as much": (short, early)}  # fmt: skip
    found: dict[str, Any] = {
        "steps": effort.steps,
        "as_much_steps": early,
        "warmup_steps": base.optim.warmup_steps,
        "rates": rounded(summed_rate(short, effort.steps) / summed_rate(base, effort.steps)),
    }
    for prior in ("strong", "weak"):
        start = fresh_encoder(base.changed(model={"pretrained": prior}).model)
        before = deepest(start, views)
        hits: dict[str, list[Tensor]] = {way: [] for way in ways}
        found[prior] = {"accuracy": rounded(_hits(start, *sets).mean())}
        for way, (experiment, steps) in ways.items():
            distances = []
            for seed in seeds:
                own = experiment.changed(model={"pretrained": prior}, train={"seed": seed})
                moved = first_steps(own, steps)
                distances.append(rounded(relative_distance(deepest(moved, views), before)))
                hits[way].append(_hits(moved, *sets))
            right = [rounded(one.mean()) for one in hits[way]]
            found[prior][way] = {"distance": distances, "accuracy": right}
        high, low = (sum(hits[way]) / len(seeds) for way in ("with", "without"))
        found[prior]["lost"] = as_dict(paired(high, low))
    near, far = (found["strong"][way]["distance"] for way in ("with", "without"))
    farther = all(one > other for one, other in zip(far, near))
    return found | {"there": farther and Paired(**found["strong"]["lost"]).is_clear}


def summed_rate(experiment: Experiment, steps: int) -> float:
    """Of the first steps, where the schedule's base is 1."""
    optim, length = experiment.optim, experiment.train.steps
    return sum(learning_rate(1.0, step, length, optim) for step in range(steps))


def as_much(slow: Experiment, fast: Experiment, steps: int) -> int:
    """After how many steps `fast` has at least the summed rate that `slow` has after `steps`."""
    wanted = summed_rate(slow, steps)
    return next(n for n in range(1, steps + 1) if summed_rate(fast, n) >= wanted)


def first_steps(experiment: Experiment, steps: int) -> nn.Module:
    """The encoder after so many real training steps; the global generator is left as it was."""
    engine = PlainEngine()
    with torch.random.fork_rng(devices=[]):
        learner = build_learner(experiment, engine)
        for step, batch in enumerate(batches(experiment, 0, steps)):
            training_step(learner, experiment, step, batch, engine)
    return learner.network.encoder
