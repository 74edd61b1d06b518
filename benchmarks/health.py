"""What watching a run costs: the counts of each step, and the look at each evaluation."""

from __future__ import annotations

import torch

from benchmarks.steps import Bench
from benchmarks.timing import Timed, best_ms
from daformer_lib.runs import recipes
from daformer_lib.train.probe import noise_batch
from daformer_lib.uda.health.look import IMAGES, look
from daformer_lib.uda.health.tally import Tally


def health_benchmark(turns: int) -> list[Timed]:
    """DAFormer of the course, watched and unwatched by turns; a profile's evaluation interval."""
    bench = Bench("tiny", "cpu")
    experiment, learner = bench.experiment, bench.learner
    classes, size = experiment.model.num_classes, (128, 256)
    device = torch.device("cpu")
    tally = Tally(classes, experiment.data.rcs_min_crop_pixels, device)
    images = noise_batch(experiment.changed(data={"crop": size, "batch_size": IMAGES})).target.image
    models = learner.models
    shared = classes, experiment.uda.threshold, experiment.data.batch_size

    def watched() -> None:
        learner.observers.append(tally.add)
        bench.ours()
        learner.observers.pop()

    found = best_ms(
        {
            "plain": bench.ours,
            "watched": watched,
            "look": lambda: look(models["teacher"], images, *shared, models["student"]),
        },
        turns,
    )
    rows = [Timed("health", "a step with its counts", found["watched"], "ms", found["plain"])]
    for profile in ("demo", "study"):
        steps = recipes.PROFILES[profile].train.eval_every
        whole = steps * found["watched"] + found["look"]
        name = f"{steps} steps and a look ({profile})"
        rows.append(Timed("health", name, whole, "ms", steps * found["plain"]))
    return rows
