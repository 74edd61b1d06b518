"""Commands that look at data sets: what is there, and what is in it; the work is done in data/."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from daformer_lib.data.intake.inspect import (
    SAMPLE,
    SplitInspection,
    co_occurrence,
    contact_sheet,
    inspect_split,
    rcs_outlook,
)
from daformer_lib.data.on_disk import spread
from daformer_lib.files import write_atomic, write_png
from daformer_lib.progress import Progress
from daformer_lib.specs import DatasetSpec, get_spec
from daformer_lib.texts import printable

SHOWN = 12  # label values, sizes and problems that are listed one by one
SHEET = 8  # pairs on the contact sheet
TEMPERATURE = 0.01  # of Rare Class Sampling, as in the paper


def check_data_command(
    datasets: tuple[str, ...] = ("gta", "cityscapes"),
    data_root: Path = Path("data"),
    recheck: bool = False,
) -> int:
    """Say per split what of a data set is there, what is missing, and what to do.

    Args:
        recheck: read every file to see whether it has changed since it was converted, not only
            those whose size or times differ.
    """
    from daformer_lib.data.intake.check import check_data

    checks = [
        check for name in datasets for check in check_data(get_spec(name), data_root, recheck)
    ]
    for check in checks:
        name, images, labels, converted, statistics = check.row()
        print(f"{name:18s} images {images:17s} labels {labels:11s} ", end="")
        print(f"train ids {converted:8s} statistics {statistics}")
        for problem in check.problems:
            print(printable(f"  - {problem}"))
        for remark in check.remarks:
            print(printable(f"  {remark}"))
    if all(check.ok for check in checks):
        print("all there")
        return 0
    return 1


def make_fields_command(
    data_root: str | None = None, profile: Literal["smoke", "demo"] = "demo"
) -> None:
    """Draw the worked example of your own data: fields from the air in two seasons, with specs."""
    from daformer_lib.data.drawn.fields import FIELD_SPECS, make_fields
    from daformer_lib.data.intake.prepare import WORKERS, field_counts
    from daformer_lib.runs.recipes import default_root

    root = data_root or default_root(profile)
    with Progress(None, "draw") as bar:
        folder = make_fields(root, field_counts(profile), workers=WORKERS, progress=bar)
    for name in FIELD_SPECS:
        print(f"wrote {folder / f'{name}.yaml'}")


def inspect_data_command(
    spec: Annotated[str, tyro.conf.Positional],
    data_root: Path = Path("data"),
    split: tuple[str, ...] = (),
    crop: tuple[int, int] = (512, 512),
    sample: int = SAMPLE,
    workers: int = 2,
    output_dir: Path = Path("runs/inspect"),
    recheck: bool = False,
) -> int:
    """Look at a data set before training on it; the status is 1 where something looks wrong.

    Args:
        spec: its name, or the .yaml file that describes it.
        split: by default every split that has images.
        crop: (height, width) of the training crop, for the thresholds of Rare Class Sampling.
        sample: label files whose values are read one by one.
        output_dir: where the contact sheet goes, and the list of problems where it is long.
        recheck: read every file to see whether it has changed since it was converted, not only
            those whose size or times differ.
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


def report_lines(seen: SplitInspection, crop: tuple[int, int]) -> Iterator[str]:
    """What was found in a split, as text."""
    counts = f"{seen.images:,} images, {seen.labels:,} labels, {len(seen.pairs):,} pairs"
    yield f"{seen.spec.name}/{seen.split}: {counts}"
    yield from _size_lines(seen)
    yield from _value_lines(seen)
    if seen.stats is not None and seen.stats.stems:
        yield from _class_lines(seen, crop)
        yield from _company_lines(seen)
    yield from _shortened("  ", seen.remarks)
    yield from _shortened("  - ", seen.problems)
    for mistake in seen.mistakes:
        yield f"  ! {mistake.what}"
        yield f"    -> {mistake.remedy}"
    if not seen.problems and not seen.mistakes:
        yield "  nothing looks wrong"


def _shortened(mark: str, lines: Sequence[str]) -> Iterator[str]:
    yield from (f"{mark}{line}" for line in lines[:SHOWN])
    if len(lines) > SHOWN:
        yield f"{mark}... and {len(lines) - SHOWN} more"


def _size_lines(seen: SplitInspection) -> Iterator[str]:
    for what, sizes in (("image", seen.image_sizes), ("label", seen.label_sizes)):
        if sizes:
            listed = ", ".join(f"{w}x{h} ({n:,})" for (w, h), n in sizes.most_common(SHOWN))
            more = f" and {len(sizes) - SHOWN} other sizes" if len(sizes) > SHOWN else ""
            yield f"  {what} sizes: {listed}{more}"
    width, height = seen.spec.size
    yield f"  trained at {width}x{height}" + (", ratio kept" if seen.spec.keep_ratio else "")


def _value_lines(seen: SplitInspection) -> Iterator[str]:
    """Label values against the id map, the largest first."""
    values = seen.values
    if not values:
        return
    yield f"  values in {len(seen.samples)} label files:"
    for value, pixels in values.most_common(SHOWN):
        train = seen.spec.id_map.get(value)
        name = "ignored" if train is None else f"{train} {seen.spec.classes[train]}"
        yield f"    {value:5d} -> {name:24s} {pixels / values.total():7.2%}"
    if len(values) > SHOWN:
        yield f"    and {len(values) - SHOWN} smaller ones"


def _class_lines(seen: SplitInspection, crop: tuple[int, int]) -> Iterator[str]:
    """Pixels per class, and what Rare Class Sampling makes of them."""
    stats, size = seen.stats, seen.label_size or seen.spec.size
    rcs = rcs_outlook(stats, size, crop, TEMPERATURE)
    yield (
        f"  Rare Class Sampling: an image shows a class with more than {rcs.min_pixels} px on "
        f"{size[0]}x{size[1]} (rcs_min_pixels; 3000 on 1914x1052),"
    )
    yield (
        f"  a crop with more than {rcs.min_crop_pixels} px of {crop[0]}x{crop[1]} "
        f"(rcs_min_crop_pixels; 1500 on 512x512); P at T = {TEMPERATURE}"
    )
    yield f"    {'class':24s} {'pixels':>8s} {'images':>8s} {'enough':>8s} {'P':>7s}"
    share = stats.totals / max(1, stats.totals.sum())
    images = (stats.counts > 0).sum(axis=0)
    for i, name in enumerate(seen.spec.classes):
        line = f"    {name:24s} {share[i]:8.2%} {images[i]:8,d} {rcs.images[i]:8,d} "
        yield line + f"{rcs.probabilities[i]:7.1%}"


def _company_lines(seen: SplitInspection) -> Iterator[str]:
    """For each class those that share its images most and least often."""
    together = co_occurrence(seen.stats)  # (K, K)
    names, own = seen.spec.classes, together.diagonal()
    present = [i for i in range(len(names)) if own[i]]
    if len(present) < 2:
        return
    yield "  of the images that show a class, how many also show another:"
    for i in present:
        others = sorted((j for j in present if j != i), key=lambda j: -together[i, j])
        most, least = others[0], others[-1]
        line = f"    {names[i]:24s} most {names[most]} {together[i, most] / own[i]:.0%}"
        yield line + f", least {names[least]} {together[i, least] / own[i]:.0%}"
