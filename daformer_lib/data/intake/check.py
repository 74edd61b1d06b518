"""Is a data set all there, in the right place, and converted? What is missing, and what to do.

Expected numbers are those that the data sets' own pages publish (docs/start/real-data.md), or that
stand beside the sources of a spec (`specs/public/`). Only
names are looked at, so this takes seconds; the conversion finds out whether files are whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from daformer_lib.data.class_stats import read_class_stats, stats_path
from daformer_lib.data.intake.convert import outdated
from daformer_lib.data.on_disk import conversion_command, label_stems, reading_notes, remedy
from daformer_lib.folders import contents
from daformer_lib.specs import SPECS, DatasetSpec
from daformer_lib.specs.patterns import HOLES


@dataclass(frozen=True)
class Expected:
    """What a split holds when it is complete."""

    images: int | None  # None: any number
    labelled: bool = True  # False: no labels are published, or (Cityscapes' test) empty ones


EXPECTED: dict[str, Mapping[str, Expected]] = {
    "gta": {"train": Expected(24_966)},
    "synthia": {"train": Expected(9_400)},
    "cityscapes": {
        "train": Expected(2_975),
        "val": Expected(500),
        "test": Expected(1_525, labelled=False),
    },
    "acdc": {"train": Expected(1_600), "val": Expected(406), "test": Expected(2_000, False)},
    "acdc_fog": {"train": Expected(400), "val": Expected(100), "test": Expected(500, False)},
    "acdc_night": {"train": Expected(400), "val": Expected(106), "test": Expected(500, False)},
    "acdc_rain": {"train": Expected(400), "val": Expected(100), "test": Expected(500, False)},
    "acdc_snow": {"train": Expected(400), "val": Expected(100), "test": Expected(500, False)},
    "bdd100k": {"train": Expected(7_000), "val": Expected(1_000), "test": Expected(2_000, False)},
    "mapillary": {
        "training": Expected(18_000),
        "validation": Expected(2_000),
        "testing": Expected(5_000, labelled=False),
    },
    # Of `train` the night images only: the authors adapt to these (day and twilight are beside).
    "darkzurich": {
        "train": Expected(2_416, labelled=False),
        "val": Expected(50),
        "test": Expected(151, labelled=False),
    },
    "camvid": {"train": Expected(367), "val": Expected(101), "test": Expected(233)},
    "camvid32": {"train": Expected(701)},
    "kitti": {"train": Expected(200)},
    "idd_lite": {
        "train": Expected(1_403),
        "val": Expected(None),
        "test": Expected(None, labelled=False),
    },
    "synscapes": {"train": Expected(25_000)},
}
CITYSCAPES_SPLITS = EXPECTED["cityscapes"]
EXPECTED |= {name: CITYSCAPES_SPLITS for name in SPECS if name.startswith("foggy_cityscapes")}


@dataclass(frozen=True)
class SplitCheck:
    """What was found of one split."""

    dataset: str
    split: str
    images: int
    expected: int | None  # None: any number will do (the drawn domains)
    labels: int  # own label files
    labelled: bool  # whether labels are needed
    converted: int  # train-id files
    listed: int | None  # usable pairs in the class statistics; None without statistics
    problems: tuple[str, ...]  # each says what is wrong and what to do
    remarks: tuple[str, ...] = ()  # what is wrong only if it is not meant

    @property
    def ok(self) -> bool:
        return not self.problems

    def row(self) -> tuple[str, ...]:
        """Name, images, labels, converted, statistics: short texts for a table."""
        images = f"{self.images:,}" + (f" of {self.expected:,}" if self.expected else "")
        name = f"{self.dataset}/{self.split}"
        if not self.labelled:
            return name, images, "not needed", "–", "–"
        listed = "none" if self.listed is None else f"{self.listed:,} pairs"
        return name, images, f"{self.labels:,}", f"{self.converted:,}", listed


def check_data(
    spec: DatasetSpec, data_root: str | Path, recheck: bool = False
) -> tuple[SplitCheck, ...]:
    """Every split of a data set."""
    return tuple(check_split(spec, data_root, split, recheck) for split in spec.splits)


def check_split(
    spec: DatasetSpec, data_root: str | Path, split: str, recheck: bool = False
) -> SplitCheck:
    """One split: images, labels, train ids and statistics, by names, and whether they are current.

    Args:
        recheck: by the content of every file, not only of those whose size or times differ.
    """
    known = EXPECTED.get(spec.name, {}).get(split)
    images = set(spec.stems(data_root, split))
    labels = set(label_stems(spec, data_root, split))
    converted = images & set(spec.listing(data_root, split, "train_id_pattern").files)
    stats = read_class_stats(spec, data_root, split)
    found = SplitCheck(
        dataset=spec.name,
        split=split,
        images=len(images),
        expected=known.images if known else None,
        labels=len(labels),
        labelled=known.labelled if known else True,
        converted=len(converted),
        listed=None if stats is None else len(stats.stems),
        problems=(),
    )
    notes = reading_notes(spec, data_root, split)
    problems = [*_image_problems(found, spec, data_root), *notes.problems]
    if images and found.labelled:
        problems += _label_problems(found, spec, data_root, images, labels)
        problems += _outdated(found, spec, data_root, recheck)
    return dataclasses.replace(found, problems=tuple(problems), remarks=tuple(notes.remarks))


def _image_problems(found: SplitCheck, spec: DatasetSpec, data_root: str | Path) -> Iterable[str]:
    if not found.images:
        expected = spec.image_path(data_root, found.split, "<name>")
        yield f"no images: expected files like {expected}. {remedy(spec)}"
        elsewhere = _misplaced(spec, data_root)
        if elsewhere:
            yield f"is it one folder too deep, or another order of folders? Found {elsewhere}"
    elif found.expected and found.images < found.expected:
        missing = found.expected - found.images
        yield f"{missing:,} images are missing: fetch or unpack the rest. {remedy(spec)}"
    elif found.expected and found.images > found.expected:
        extra = found.images - found.expected
        yield f"{extra:,} images too many: training would see them; move them out. {remedy(spec)}"


def _label_problems(
    found: SplitCheck, spec: DatasetSpec, data_root: str | Path, images: set[str], labels: set[str]
) -> Iterable[str]:
    command = conversion_command(spec, data_root)
    bare = sorted(images - labels)
    if bare:
        first = spec.label_path(data_root, found.split, bare[0])
        yield f"{len(bare):,} images have no label (first: {first}). {remedy(spec)}"
    orphans = sorted(labels - images)
    if orphans:
        first = spec.label_file(data_root, found.split, orphans[0])
        yield f"{len(orphans):,} labels have no image (first: {first}). {remedy(spec)}"
    usable = len(images & labels)
    if found.converted < usable:
        yield f"{usable - found.converted:,} labels are not converted; run: {command}"
    if found.listed is None:
        name = stats_path(spec, data_root, found.split).name
        yield f"no class statistics ({name}), which Rare Class Sampling needs; run: {command}"
    elif found.listed != usable:
        yield (
            f"the statistics list {found.listed:,} pairs, on disk are {usable:,}: files came or "
            f"went since, or were skipped as broken; for their names run: {command}"
        )


def _outdated(
    found: SplitCheck, spec: DatasetSpec, data_root: str | Path, recheck: bool
) -> Iterable[str]:
    if not (found.labels and found.converted and found.listed):
        return
    command = conversion_command(spec, data_root)
    changed = outdated(spec, data_root, found.split, recheck)
    if changed is None:
        yield (
            "train ids that were made with another id map, by an earlier version or by another "
            f"program are not compared with the labels yet; training does so, or run: {command}"
        )
    elif changed:
        first = spec.label_path(data_root, found.split, changed[0])
        yield (
            f"{len(changed):,} pairs have changed since they were converted (first: {first}); "
            f"training converts them again, or run: {command}"
        )


def _misplaced(spec: DatasetSpec, data_root: str | Path) -> Path | None:
    """Some image of this data set in a folder where nothing looks for it."""
    root = spec.root(data_root)
    before, *_, ending = HOLES.split(spec.image_pattern)
    folder = before.split("/")[0]
    right = {
        path for split in spec.splits for path in spec.listing(data_root, split).files.values()
    }
    for path in contents(root).files:
        if path.endswith(ending) and path not in right and folder in path.split("/")[:-1]:
            return root / path
    return None
