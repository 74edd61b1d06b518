"""One run, and what it takes: train, train-run, pretrain-mini, probe."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from daformer_lib.cli.options import (
    Classes,
    DataRoot,
    Profile,
    Recheck,
    Row,
    Seed,
    Settings,
    Source,
    Target,
    prepare_with_bar,
    pretrain_with_bar,
    with_common_classes,
)
from daformer_lib.means import percent
from daformer_lib.progress import Progress, duration
from daformer_lib.ranks import Ranks
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.recipes.lengths import length_settings
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.stopping import end_with_parent


def train(
    row: Row = "daformer",
    profile: Profile = "demo",
    seed: Seed = 0,
    source: Source = None,
    target: Target = None,
    classes: Classes = "own",
    data_root: DataRoot = None,
    output_dir: Path = Path("runs/train"),
    start_from: Path | None = None,
    steps: int | None = None,
    stop_after: int | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    recheck: Recheck = False,
    settings: Settings = (),
) -> None:
    """Train one row of the course or the paper; started again, it goes on where it stopped.

    Curves are written as it goes, in groups (loss/, lr/, pseudo-label/, score/, health/):
    tensorboard --logdir runs

    Args:
        classes: common: of --source and --target only the classes that both have; the rest is
            ignored. What meets what is printed first (docs/use/public-data.md).
        output_dir: gets a folder for the run, named after row, seed and key.
        start_from: folder of a finished run. Student and teacher begin with its teacher's weights
            (its student's, where it has no teacher); optimizer and schedule begin anew.
        steps: length of the run; warm-up, memory and evaluations follow it, where neither the row
            nor --set says otherwise (docs/use/short-runs.md). By default the profile's.
        stop_after: save and end at this step, as if stopped there; by default none.
        devices: GPUs (without one: processes) on each machine; by default what torchrun says, else
            one (docs/use/scaling.md).
        nodes: machines; by default what torchrun says, else one.
        settings: part.field=value of the configuration, such as train.precision=bf16-mixed.
    """
    from daformer_lib import train as training
    from daformer_lib.runs.folder import is_finished, run_folder
    from daformer_lib.train.engine import (
        default_fabric,
        prepare_lock,
        require_even_parts,
        start_processes,
    )
    from daformer_lib.train.loop import require_steps
    from daformer_lib.train.trainable import find_start, require_trainable

    if classes == "common":
        root = data_root or recipes.default_root(profile)
        source, target = with_common_classes(source, target, root, output_dir / "specs")
    experiment = recipes.experiment(row, profile, seed, source, target, data_root)
    start = None if start_from is None else Run(start_from)
    if start:
        experiment = experiment.changed(train={"start_from": start.experiment.key})
    lengths = length_settings(experiment, profile, steps)
    experiment = with_settings(experiment, (*lengths, *settings))
    # All that can be wrong is looked at before data are drawn or converted, which may take hours.
    require_steps(stop_after)
    counts = {}
    if not is_finished(experiment, output_dir):
        counts = require_trainable(experiment)
        find_start(experiment, run_folder(experiment, output_dir), start)
    fabric = default_fabric(experiment, devices, nodes)
    # Before the start a launcher's environment knows the number of processes, or the options do.
    world = max(fabric.world_size, (devices or 1) * (nodes or 1))
    require_even_parts(experiment, Ranks(0, world))
    with prepare_lock(output_dir):
        prepare_with_bar(experiment, profile, recheck)
    folder = run_folder(experiment, output_dir)
    start_processes(fabric)
    if counts and fabric.global_rank == 0:
        print(f"{counts['trained']:,} of {counts['all']:,} parameters learn")
    with Progress(experiment.train.steps, row, look="quiet" if fabric.global_rank else None) as bar:
        run = training.train(
            experiment, folder, start_from=start, stop_after=stop_after, report=bar, fabric=fabric
        )
    if fabric.global_rank == 0:
        print_scores(run)


def train_run(folder: Path, with_parent: bool = False) -> None:
    """Train the run that a folder's config.json describes (what studies start).

    Args:
        folder: of the run.
        with_parent: end when standard input does, which is a pipe that the parent holds open.
    """
    from daformer_lib import train as training
    from daformer_lib.runs.batch import progress_file

    if with_parent:
        end_with_parent()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    training.train(Run(folder).experiment, folder, report=progress_file(folder))


def print_scores(run: Run) -> None:
    from daformer_lib.uda.health.findings import Finding

    if not run.is_complete:
        print(f"stopped; start again to go on: {run.folder}")
        return
    for where, scores in run.last_scores().items():
        why = f"  ({scores.reason})" if scores.reason else ""
        print(f"{where:16s} mIoU {percent(scores.miou()):>5s}{why}")
    for found in run.findings:
        print(f"finding: {Finding(**found).line()}")
    print(f"run: {run.folder}")


def pretrain_mini(
    encoder: Literal[
        "tiny_mit",
        "tiny_mit_half",
        "tiny_mit_quarter",
        "tiny_resnet",
        "tiny_resnet_half",
        "tiny_resnet_quarter",
        "tiny_vit",
    ],
    strength: Literal["weak", "strong"] = "weak",
    steps: int | None = None,
    seed: int = 0,
    folder: Path = Path("daformer_lib/weights"),
) -> None:
    """Pretrain a tiny encoder on drawn objects: the stand-in for ImageNet.

    Args:
        encoder: which network; half and quarter, for the study of table3, have a strong prior only.
        strength: weak, the first one, or strong: 40,000 images instead of 12,000, 9,000 steps
            instead of 2,500 (tiny_resnet: 2,000).
        steps: by default those of the strength.
        seed: of weights and drawn objects.
        folder: where the weights and their log go.
    """
    from daformer_lib.train.pretrain import PRETRAININGS

    if (encoder, strength) not in PRETRAININGS:
        raise ValueError(f"{encoder} has one prior only, the strong one: --strength strong")
    config = replace(PRETRAININGS[encoder, strength], seed=seed)
    config = config if steps is None else replace(config, steps=steps)
    pretrain_with_bar(config, folder)


def probe(
    row: Row = "daformer",
    profile: Profile = "full",
    memory: float | None = None,
    steps: int = 3,
    settings: Settings = (),
) -> int:
    """Try settings for a few steps on noise: milliseconds, peak memory, and what fits.

    Args:
        memory: GB that there are; every setting that runs fits when left out.
        steps: per setting, after a first one that is not timed.
        settings: part.field=value for all of them, such as data.batch_size=1.
    """
    from daformer_lib.train import probe as probing
    from daformer_lib.train.trainable import require_trainable

    if steps < 1:
        raise ValueError(f"steps {steps} must be at least 1")
    experiment = with_settings(recipes.experiment(row, profile), settings)
    # Weights are random in a probe, and data are noise.
    require_trainable(experiment.changed(model={"pretrained": None}))
    fitting = []
    print(f"{'settings':22s} {'ms per step':>12s} {'peak MiB':>10s}  fits  train with --set")
    for tried in probing.probe(experiment, steps):
        fits = tried.fits(memory)
        if tried.problem:
            print(f"{tried.name:22s} {'failed':>12s} {'':10s}  no    {tried.problem}", flush=True)
            continue
        if fits:
            fitting.append(tried)
        numbers = f"{tried.milliseconds:12.0f} {tried.mib:10.0f}"
        said = " ".join(tried.settings) or "(the default)"
        print(f"{tried.name:22s} {numbers}  {'yes' if fits else 'no':5s} {said}", flush=True)
    if not fitting:
        return 1
    fastest = min(fitting, key=lambda tried: tried.milliseconds)
    spent = duration(experiment.train.steps * fastest.milliseconds / 1000)
    print(f"{experiment.train.steps} steps: about {spent} with {fastest.name}, scoring not counted")
    return 0
