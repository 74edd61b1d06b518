"""The commands about speed and memory: probe, prepare-cache; named in `cli/main.py`."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro

from daformer_lib.progress import Progress
from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.specs import get_spec

Profile = Literal["smoke", "demo", "study", "full"]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set")]


def probe_command(
    row: str = "daformer",
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
    from daformer_lib.train.probe import probe
    from daformer_lib.train.trainable import require_trainable

    if steps < 1:
        raise ValueError(f"steps {steps} must be at least 1")
    experiment = with_settings(recipes.experiment(row, profile), settings)
    # Weights are random in a probe, and data are noise.
    require_trainable(experiment.changed(model={"pretrained": None}))
    fitting = 0
    print(f"{'settings':22s} {'ms per step':>12s} {'peak MiB':>10s}  fits  train with --set")
    for tried in probe(experiment, steps):
        fits = tried.fits(memory)
        fitting += fits
        if tried.problem:
            print(f"{tried.name:22s} {'failed':>12s} {'':10s}  no    {tried.problem}", flush=True)
            continue
        numbers = f"{tried.milliseconds:12.0f} {tried.mib:10.0f}"
        said = " ".join(tried.settings) or "(the default)"
        print(f"{tried.name:22s} {numbers}  {'yes' if fits else 'no':5s} {said}", flush=True)
    return 0 if fitting else 1


def prepare_cache_command(
    datasets: tuple[str, ...] = ("gta", "cityscapes"),
    data_root: str = "data",
    split: str = "train",
    unlabelled: bool = False,
    workers: int = 2,
    recheck: bool = False,
) -> None:
    """Decode and resize the images of a split once; training reads them with data.prepared=true.

    Args:
        unlabelled: images only: enough for a target, and its labels need not be converted.
        workers: threads.
        recheck: read every file to see whether it has changed since, not only those whose size or
            times differ.
    """
    from daformer_lib.data.datasets import SegmentationDataset
    from daformer_lib.data.intake.prepare import bring_up_to_date
    from daformer_lib.data.intake.prepare_cache import prepare_split

    for name in datasets:
        if not unlabelled:
            with Progress(None, "data") as bar:
                bring_up_to_date(get_spec(name), data_root, split, report=bar, recheck=recheck)
        dataset = SegmentationDataset(get_spec(name), data_root, split, not unlabelled)
        with Progress(None, "prepare") as bar:
            made, kept, size = prepare_split(dataset, workers, bar, recheck)
        print(f"{name}/{split}: {made} made, {kept} were there; {size:.1f} GB on disk")
