"""Data sets: data, check-data, inspect-data, make-mini, make-fields, prepare-cache."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import tyro

from daformer_lib.cli.options import Classes, DataRoot, Profile, Recheck
from daformer_lib.data.drawn import mini
from daformer_lib.data.intake import check
from daformer_lib.data.intake.convert import convert
from daformer_lib.data.intake.inspect import (
    SAMPLE,
    SplitInspection,
    contact_sheet,
    inspect_split,
)
from daformer_lib.data.intake.prepare import (
    WORKERS,
    bring_up_to_date,
    field_counts,
    mini_counts,
)
from daformer_lib.data.intake.report import SHOWN, report_lines
from daformer_lib.data.on_disk import label_stems, spread
from daformer_lib.data.public.getting import how_to_get
from daformer_lib.data.public.repeats import LIMIT, find_repeats
from daformer_lib.data.public.shared import common_lines
from daformer_lib.files import write_atomic, write_png
from daformer_lib.progress import Progress
from daformer_lib.runs.recipes import default_root
from daformer_lib.specs import ABOUT, DatasetSpec, get_spec, get_specs
from daformer_lib.texts import printable

SHEET = 8  # pairs on the contact sheet


def public_data(
    names: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    root: Annotated[Path, tyro.conf.arg(aliases=["--data-root"])] = Path("data"),
    classes: Classes = "own",
    repeats: int = LIMIT,
    workers: int = WORKERS,
    recheck: Recheck = False,
) -> int:
    """Say what of a data set is missing and how to get it; check it, convert it, find repeats.

    Nothing is fetched. Without a name, all that are known are listed. The status is 1 where
    something is missing or wrong.

    Args:
        names: one data set, or with --classes common a source and a target.
        root: the folder that holds the data set's own folder.
        classes: common prints which classes two sets share, and the share of pixels each loses.
        repeats: images of a split that are looked at for near-duplicates in others; 0 for none.
        workers: processes that convert.
    """
    if workers < 1 or repeats < 0:
        raise ValueError(f"workers {workers} must be at least 1, repeats {repeats} at least 0")
    if classes == "common":
        return _print_common(names, root)
    if not names:
        for name, about in ABOUT.items():
            print(f"{name:24s} {get_spec(name).num_classes:3d} classes  {about.title}")
        return 0
    return max(_one_set(get_spec(name), root, repeats, workers, recheck) for name in names)


def _print_common(names: tuple[str, ...], root: Path) -> int:
    if len(names) != 2:
        raise ValueError(
            f"--classes common needs a source and a target, {len(names)} sets are named; write: "
            "data <source> <target> --classes common"
        )
    target = get_spec(names[1])
    print("\n".join(common_lines(get_specs(names[0], same=False), target, root)))
    print(f"train: --source {names[0]} --target {names[1]} --classes common")
    if "val" not in target.splits:
        split = target.splits[-1]
        print(
            f"{target.name} has no val split; to score on what it adapts to, add: "
            f"--set train.eval_split={split} train.final_splits={split}"
        )
    return 0


def _one_set(spec: DatasetSpec, root: Path, repeats: int, workers: int, recheck: bool) -> int:
    """Convert what is there, print what is not; 1 if anything is missing or wrong."""
    there = [split for split in spec.splits if spec.stems(root, split)]
    for split in there:
        if label_stems(spec, root, split):
            with Progress(None, "data") as bar:
                summary = convert(spec, root, split, workers, bar, recheck)
            print(printable(summary.text()))
    checks = check.check_data(spec, root)
    _print_checks(checks)
    if any(one.images < (one.expected or 1) for one in checks):
        print("\n".join(map(printable, how_to_get(spec, root))))
    if repeats and len(there) > 1:
        with Progress(None, "repeats") as bar:
            found = find_repeats(spec, root, repeats, bar)
        print("\n".join(printable(f"{spec.name}: {one.text()}") for one in found))
    return 0 if all(one.ok for one in checks) else 1


def check_data(
    datasets: tuple[str, ...] = ("gta", "cityscapes"),
    data_root: Path = Path("data"),
    recheck: Recheck = False,
) -> int:
    """Say per split what of a data set is there, what is missing, and what to do.

    Args:
        datasets: names, or .yaml files.
        data_root: folder that holds the data sets' folders.
    """
    checks = [
        one for name in datasets for one in check.check_data(get_spec(name), data_root, recheck)
    ]
    _print_checks(checks)
    if all(one.ok for one in checks):
        print("all there")
        return 0
    return 1


def _print_checks(checks: Iterable[check.SplitCheck]) -> None:
    for one in checks:
        name, images, labels, converted, statistics = one.row()
        print(f"{name:18s} images {images:17s} labels {labels:11s} ", end="")
        print(f"train ids {converted:8s} statistics {statistics}")
        for problem in one.problems:
            print(printable(f"  - {problem}"))
        for remark in one.remarks:
            print(printable(f"  {remark}"))


def make_fields(data_root: DataRoot = None, profile: Literal["smoke", "demo"] = "demo") -> None:
    """Draw the worked example of your own data: fields from the air in two seasons, with specs.

    Args:
        profile: smoke: a handful of images; demo: those of chapter 09.
    """
    from daformer_lib.data.drawn import fields

    root = data_root or default_root(profile)
    with Progress(None, "draw") as bar:
        folder = fields.make_fields(root, field_counts(profile), workers=WORKERS, report=bar)
    for name in fields.FIELD_SPECS:
        print(f"wrote {folder / f'{name}.yaml'}")


def inspect_data(
    spec: Annotated[str, tyro.conf.Positional],
    data_root: Path = Path("data"),
    split: tuple[str, ...] = (),
    crop: tuple[int, int] = (512, 512),
    sample: int = SAMPLE,
    workers: int = 2,
    output_dir: Path = Path("runs/inspect"),
    recheck: Recheck = False,
) -> int:
    """Look at a data set before training on it; the status is 1 where something looks wrong.

    Args:
        spec: its name, or the .yaml file that describes it.
        data_root: folder that holds the data sets' folders.
        split: by default every split that has images.
        crop: height and width of the training crop in pixels, for the thresholds of Rare Class
            Sampling.
        sample: label files whose values are read one by one.
        workers: processes.
        output_dir: where the contact sheet goes, and the list of problems where it is long.
    """
    found = get_spec(spec)
    for name, value in {"sample": sample, "workers": workers, "crop": min(crop)}.items():
        if value < 1:
            raise ValueError(f"{name} {value} must be at least 1")
    splits = split or tuple(s for s in found.splits if _is_there(found, data_root, s))
    wrong = 0
    for name in splits or found.splits[:1]:
        with Progress(None, "inspect") as bar:
            seen = inspect_split(found, data_root, name, sample, workers, bar, recheck)
        print("\n".join(map(printable, report_lines(seen, crop))))
        wrong += len(seen.problems) + len(seen.mistakes)
        path = output_dir / f"{found.name}-{name.replace('/', '-')}.png"
        if max(len(seen.problems), len(seen.remarks)) > SHOWN:
            print(f"  all of them: {_write_all(path.with_suffix('.txt'), seen)}")
        usable = seen.stats.stems if seen.stats else ()
        shown = spread(usable or tuple(found.stems(data_root, name)), SHEET)
        sheet = contact_sheet(found, data_root, name, shown)
        if sheet is not None:
            print(f"  contact sheet: {write_png(path, sheet)}")
    return min(wrong, 1)


def _is_there(spec: DatasetSpec, data_root: Path, split: str) -> bool:
    """Whether there is something to say about a split: images, or what might have been some."""
    listing = spec.listing(data_root, split)
    return bool(listing.files) or any(one.why.lost for one in listing.left_out)


def _write_all(path: Path, seen: SplitInspection) -> Path:
    """Every remark and problem of a split, one a line."""
    lines = [printable(line) for line in (*seen.remarks, *seen.problems)]
    return write_atomic(path, ("\n".join(lines) + "\n").encode())


def make_mini(
    data_root: DataRoot = None,
    profile: Profile = "demo",
    names: tuple[str, ...] = mini.MINI_NAMES,
) -> None:
    """Draw the mini domains to disk, in the layouts of GTA, SYNTHIA and Cityscapes.

    Args:
        names: of the domains.
    """
    with Progress(None, "draw") as bar:
        mini.make_mini(
            data_root or default_root(profile),
            names,
            mini_counts(profile),
            workers=WORKERS,
            report=bar,
        )


def prepare_cache(
    datasets: tuple[str, ...] = ("gta", "cityscapes"),
    data_root: str = "data",
    split: str = "train",
    unlabelled: bool = False,
    workers: int = 2,
    recheck: Recheck = False,
) -> None:
    """Decode and resize the images of a split once; training reads them with data.prepared=true.

    Args:
        datasets: names, or .yaml files.
        data_root: folder that holds the data sets' folders.
        split: of each.
        unlabelled: images only: enough for a target, and its labels need not be converted.
        workers: threads.
    """
    from daformer_lib.data.datasets import SegmentationDataset
    from daformer_lib.data.intake.prepare_cache import prepare_split

    for name in datasets:
        if not unlabelled:
            with Progress(None, "data") as bar:
                bring_up_to_date(get_spec(name), data_root, split, report=bar, recheck=recheck)
        dataset = SegmentationDataset(get_spec(name), data_root, split, not unlabelled)
        with Progress(None, "prepare") as bar:
            made, kept, size = prepare_split(dataset, workers, bar, recheck)
        print(f"{name}/{split}: {made} made, {kept} were there; {size:.1f} GB on disk")
