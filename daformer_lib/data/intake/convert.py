"""Own label files -> train-id PNGs and class statistics; the first step with any data set.

The result is that of the conversion scripts of lhoyer/DAFormer. Departs from them: one table
look-up instead of a mask per class; a killed run goes on where it stopped; a broken or mismatched
pair is named, skipped and left out of the statistics, so that training never sees it; run again, it
converts what has changed since (`inputs.py`), which is quick where nothing has.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from daformer_lib import files
from daformer_lib.data.changes.conversion_record import (
    Record,
    read_record,
    record_path,
    write_record,
)
from daformer_lib.data.changes.inputs import ABSENT, Seen, look, same_content, stamp
from daformer_lib.data.class_stats import (
    ClassStats,
    count_pixels,
    read_class_stats,
    write_class_stats,
)
from daformer_lib.data.on_disk import image_stems, label_stems, reading_notes, remedy
from daformer_lib.image_rules import Header, as_shown
from daformer_lib.progress import Progress, Report, silent
from daformer_lib.specs import DatasetSpec, get_spec
from daformer_lib.specs.patterns import joined, pieces
from daformer_lib.stopping import process_pool, usable_cores
from daformer_lib.texts import complaint, printable

WORTH_A_PROCESS = 50  # pairs; starting a process costs as much as converting about so many


class Unusable(Exception):
    """A pair that training must not see; the text says why."""


class Outcome(NamedTuple):
    """What became of one pair."""

    stem: str
    counts: np.ndarray | None  # (K,) int64 pixels per class; None if the pair was skipped
    seen: tuple[Seen, ...] = ()  # image, own label, train ids
    kept: bool = False  # an earlier run's result was good
    problem: str = ""


@dataclass(frozen=True)
class ConversionSummary:
    """What a conversion did."""

    dataset: str
    split: str
    converted: int  # pairs
    kept: int  # pairs whose result of an earlier run was good
    problems: tuple[tuple[str, str], ...]  # (stem, why it was skipped)
    totals: tuple[int, ...]  # (K,) pixels per class
    seconds: float

    @property
    def usable(self) -> int:
        return self.converted + self.kept

    def text(self) -> str:
        """A line of counts, then one line per skipped pair."""
        head = (
            f"{self.dataset}/{self.split}: {self.usable} usable pairs ({self.converted} converted, "
            f"{self.kept} kept), {len(self.problems)} skipped, {self.seconds:.1f} s"
        )
        return "\n".join([head, *(f"  skipped {stem}: {why}" for stem, why in self.problems)])


def convert(
    spec: DatasetSpec,
    data_root: str | Path,
    split: str,
    workers: int = 1,
    report: Report = silent,
    recheck: bool = False,
) -> ConversionSummary:
    """Bring every train-id PNG of a split and its class statistics up to date.

    Args:
        recheck: compare the content of every file with what is known, not only of those whose
            size, times or number on the disk differ.
    """
    start = time.monotonic()
    images = image_stems(spec, data_root, split)
    labels = label_stems(spec, data_root, split)
    if not labels:
        expected = spec.label_path(data_root, split, "<name>")
        raise FileNotFoundError(
            f"no labels of {spec.name}/{split}: expected files like {expected}; {remedy(spec)}"
        )
    outcomes = [*_partnerless(spec, data_root, split, images, labels)]
    bare = {outcome.stem for outcome in outcomes}
    images = [stem for stem in images if stem not in bare]
    with files.folder_lock(spec.root(data_root)):
        record = read_record(spec, data_root, split)
        current, due = _sorted_out(spec, data_root, split, images, record, recheck)
        if due:
            files.remove_leftovers(spec.root(data_root))
        outcomes += [*current, *_convert_pairs(spec, data_root, split, due, workers, report)]
        outcomes.sort(key=lambda outcome: outcome.stem)
        stats = _collect(spec, outcomes)
        _keep(spec, data_root, split, outcomes, stats, record)
    good = [o for o in outcomes if o.counts is not None]
    return ConversionSummary(
        dataset=spec.name,
        split=split,
        converted=sum(not o.kept for o in good),
        kept=sum(o.kept for o in good),
        problems=tuple((o.stem, o.problem) for o in outcomes if o.counts is None),
        totals=tuple(int(n) for n in stats.totals),
        seconds=time.monotonic() - start,
    )


def _partnerless(
    spec: DatasetSpec, data_root: str | Path, split: str, images: list[str], labels: list[str]
) -> Iterator[Outcome]:
    """Labels without an image, and images without a label."""
    for stem in set(labels) - set(images):
        yield Outcome(stem, None, problem="the label has no image")
    for stem in set(images) - set(labels):
        path = spec.label_path(data_root, split, stem)
        if not os.path.lexists(path):
            yield Outcome(stem, None, problem=f"the image has no label: {path} is missing")


def outdated(
    spec: DatasetSpec, data_root: str | Path, split: str, recheck: bool = False
) -> list[str] | None:
    """Usable pairs of the last conversion whose files now hold something else.

    None where it is not known: nothing was converted, or with another id map or an earlier version.
    """
    record = read_record(spec, data_root, split)
    if record is None:
        return None
    stems = [stem for stem in spec.stems(data_root, split) if stem in record.row]
    _, due = _sorted_out(spec, data_root, split, stems, record, recheck)
    return [known.stem for known in due if _unchanged(spec, data_root, split, known) is None]


def taken_as_they_are(spec: DatasetSpec, data_root: str | Path, split: str) -> bool:
    """Whether train ids can only be believed: converted by others, where nothing can be recorded.

    Never if a label file is newer than its train ids.
    """
    recorded = record_path(spec, data_root, split).is_file()
    if recorded or os.access(spec.root(data_root), os.W_OK):
        return False
    stats = read_class_stats(spec, data_root, split)
    paths = partial(_paths, spec, data_root, split)
    return stats is not None and all(_is_newer(*paths(stem)[1:]) for stem in stats.stems)


def _is_newer(own: Path, result: Path) -> bool:
    return stamp(own)[1] <= stamp(result)[1]


def only_train_ids_are_left(spec: DatasetSpec, data_root: str | Path, split: str) -> bool:
    """Whether images have train ids by the present id map, as far as known, but no own labels."""
    if label_stems(spec, data_root, split) or not spec.stems(data_root, split):
        return False
    by_another_map = (
        record_path(spec, data_root, split).is_file()
        and read_record(spec, data_root, split) is None
    )
    return not by_another_map and read_class_stats(spec, data_root, split) is not None


def _sorted_out(
    spec: DatasetSpec,
    data_root: str | Path,
    split: str,
    images: list[str],
    record: Record | None,
    recheck: bool,
) -> tuple[list[Outcome], list[Outcome]]:
    """Pairs whose files have the stamps that are known, and those to look into, as far as known."""
    current: list[Outcome] = []
    due: list[Outcome] = []
    row = record.row if record else {}
    patterns = (spec.image_pattern, spec.label_pattern, spec.train_id_pattern)
    root = spec.root(data_root)
    around = [pieces(pattern, split) for pattern in patterns]
    for stem in images:
        if stem not in row:
            due.append(Outcome(stem, None))
            continue
        known = Outcome(stem, record.counts[row[stem]], record.seen[row[stem]], kept=True)
        # Text is put together far faster than a path, which counts for tens of thousands of pairs.
        now = [stamp(f"{root}/{joined(texts, stem)}") for texts in around]
        if ABSENT in now:  # gone, or its name is another spelling
            now = [stamp(path) for path in _paths(spec, data_root, split, stem)]
        changed = recheck or now != [file.stamp for file in known.seen]
        (due if changed else current).append(known)
    return current, due


def _paths(
    spec: DatasetSpec, data_root: str | Path, split: str, stem: str
) -> tuple[Path, Path, Path]:
    """Image, own label, train ids."""
    place = (data_root, split, stem)
    return spec.image_file(*place), spec.label_file(*place), spec.train_id_file(*place)


def _look_at(paths: tuple[Path, Path, Path]) -> tuple[Seen, ...]:
    """Train ids are written under the folder's lock, and so have settled when they are there."""
    image, own, result = paths
    return look(image), look(own), look(result, settled=True)


def _unchanged(
    spec: DatasetSpec, data_root: str | Path, split: str, known: Outcome
) -> Outcome | None:
    """The pair with its files' present stamps, if they hold what they held; else None."""
    if not known.seen:
        return None
    now = _look_at(_paths(spec, data_root, split, known.stem))
    return known._replace(seen=now) if same_content(now, known.seen) else None


def _convert_pairs(
    spec: DatasetSpec,
    data_root: str | Path,
    split: str,
    due: list[Outcome],
    workers: int,
    report: Report,
) -> Iterator[Outcome]:
    if not due:
        return
    job = partial(convert_pair, spec, data_root, split)
    label = f"convert {spec.name}/{split}"
    report(0, len(due), label)
    with _mapper(min(workers, len(due) // WORTH_A_PROCESS)) as run:
        for done, outcome in enumerate(run(job, due), start=1):
            yield outcome
            report(done, len(due), label)


def convert_pair(spec: DatasetSpec, data_root: str | Path, split: str, known: Outcome) -> Outcome:
    """Convert one pair, or keep a result that holds what its label says now."""
    if unchanged := _unchanged(spec, data_root, split, known):
        return unchanged
    image, own, result = paths = _paths(spec, data_root, split, known.stem)
    seen = _look_at(paths)  # before they are read: a change from here on will be noticed
    try:
        photo = _checked_photo(image)
        read = _read_in_place if own == result else _read_own  # ACDC's label files are train ids
        ids = read(spec, own, photo)
    except Unusable as problem:
        return Outcome(known.stem, None, problem=str(problem))
    kept = own == result or _holds(result, ids)
    if not kept:
        files.write_label_png(result, ids)
        seen = (*seen[:2], look(result, settled=True))
    return Outcome(known.stem, count_pixels(ids)[: spec.num_classes], seen, kept)


def _holds(result: Path, ids: np.ndarray) -> bool:
    """Whether an earlier conversion wrote just these train ids."""
    try:
        return np.array_equal(files.read_gray(result), ids)
    except (files.BrokenImage, OSError):
        return False


def train_ids(spec: DatasetSpec, label_path: str | Path) -> np.ndarray:
    """(H, W) uint8 train ids of an own label file, at its own size; 255 where no class is."""
    if spec.label_encoding == "red16":
        return _look_up16(files.read_red16(label_path), id_table(spec, 2**16))
    if spec.label_encoding == "red8":
        return cv2.LUT(files.read_red8(label_path), id_table(spec, 2**8))
    mode = files.color_mode(label_path) if spec.label_encoding == "palette" else "L"
    if mode in ("RGB", "RGBA"):  # a palette file that some program saved as colours
        return _from_colours(spec, files.read_image(label_path))
    ids = files.read_palette(label_path)[0] if mode == "P" else files.read_gray(label_path)
    return cv2.LUT(ids, id_table(spec, 2**8))


def id_table(spec: DatasetSpec, size: int) -> np.ndarray:
    """(size,) uint8: entry i is the train id of own id i, or the ignore id."""
    table = np.full(size, spec.ignore, dtype=np.uint8)
    for own, train in spec.id_map.items():
        if 0 <= own < size:  # Cityscapes' licence plate is -1, and in no file
            table[own] = train
    return table


def _look_up16(ids: np.ndarray, table: np.ndarray) -> np.ndarray:
    """(H, W) uint16 -> (H, W) uint8; by OpenCV's 8-bit table where no class has a larger id."""
    if (table[255:] != table[255]).any():
        return table[ids]
    return cv2.LUT(np.minimum(ids, 255).astype(np.uint8), table[:256])


def _from_colours(spec: DatasetSpec, image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (H, W) uint8 train ids by the spec's colours; others are ignored."""
    ids = np.full(image.shape[:2], spec.ignore, dtype=np.uint8)
    packed = image.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)  # (H, W)
    for (red, green, blue), train in spec.train_id_of.items():
        ids[packed == red * 65536 + green * 256 + blue] = train
    return ids


def _checked_photo(image: Path) -> Header:
    try:
        return files.verify_photo(image)
    except (files.BrokenImage, OSError) as error:
        raise Unusable(f"broken image: {complaint(error)}") from None


def _read_own(spec: DatasetSpec, path: Path, photo: Header) -> np.ndarray:
    """Train ids of a label file, the same way up as its photo is read."""
    return _fitting(as_shown(_readable(spec, path), photo), photo)


def _read_in_place(spec: DatasetSpec, path: Path, photo: Header) -> np.ndarray:
    """The same for labels that are used as they are, without a converted copy to be turned."""
    ids = _readable(spec, path)
    if as_shown(ids, photo) is not ids:
        raise Unusable(
            f"the photo is turned by its EXIF orientation {photo.orientation}, its label {path} is "
            "not: give train_id_pattern another name than label_pattern, and labels are turned "
            "along; or remove the orientation (exiftool -Orientation= FILE)"
        )
    return _fitting(ids, photo)


def _readable(spec: DatasetSpec, path: Path) -> np.ndarray:
    try:
        return train_ids(spec, path)
    except FileNotFoundError:
        raise Unusable(f"the image has no label: {path} is missing") from None
    except (files.BrokenImage, OSError) as error:
        raise Unusable(f"broken label: {complaint(error)}") from None


def _fitting(ids: np.ndarray, photo: Header) -> np.ndarray:
    width, height = photo.size
    if ids.shape != (height, width):
        raise Unusable(f"sizes differ: image {width}x{height}, label {ids.shape[1]}x{ids.shape[0]}")
    return ids


def _keep(
    spec: DatasetSpec,
    data_root: str | Path,
    split: str,
    outcomes: list[Outcome],
    stats: ClassStats,
    before: Record | None,
) -> None:
    """Write statistics and record where they say something new."""
    if not stats.equals(_readable_stats(spec, data_root, split)):
        write_class_stats(spec, data_root, split, stats)
    seen = tuple(o.seen for o in outcomes if o.counts is not None)
    if before is not None and (before.stems, before.seen) == (stats.stems, seen):
        return
    try:
        write_record(spec, data_root, split, Record(stats.stems, stats.counts, seen))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        # All else was there already: a set that nobody may change is used as it is.


def _readable_stats(spec: DatasetSpec, data_root: str | Path, split: str) -> ClassStats | None:
    """What is there, unless it is damaged or of another list of classes."""
    try:
        return read_class_stats(spec, data_root, split)
    except ValueError:
        return None


def _collect(spec: DatasetSpec, outcomes: list[Outcome]) -> ClassStats:
    good = [o for o in outcomes if o.counts is not None]
    counts = np.array([o.counts for o in good], dtype=np.int64).reshape(len(good), spec.num_classes)
    return ClassStats(tuple(o.stem for o in good), counts)


@contextmanager
def _mapper(workers: int) -> Iterator:
    """``map`` in this process, or over new ones."""
    if workers <= 1:
        yield map
        return
    with process_pool(workers, _start_worker) as pool:
        yield partial(pool.map, chunksize=8)


def _start_worker() -> None:
    cv2.setNumThreads(0)  # one thread per process is enough


def default_workers() -> int:
    """The cores that this process may use, at most 16."""
    return min(16, usable_cores())


def main(default_spec: str, arguments: Sequence[str] | None = None) -> int:
    """The command line of data_scripts/convert_*.py; 1 if a split has no usable pair."""
    parser = argparse.ArgumentParser(description="Own label files to train ids, with statistics.")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="default: data")
    parser.add_argument("--spec", default=default_spec, help=f"data set, default: {default_spec}")
    parser.add_argument("--split", nargs="+", help="default: every split that has images")
    parser.add_argument("--recheck", action="store_true", help="compare every file's content")
    parser.add_argument("--workers", type=int, default=default_workers(), help="processes")
    asked = parser.parse_args(arguments)
    try:
        spec = get_spec(asked.spec)
        return convert_splits(
            spec, asked.data_root, asked.split or (), asked.workers, asked.recheck
        )
    except (KeyError, ValueError, OSError) as error:
        print(f"error: {complaint(error)}", file=sys.stderr)
        return 1


def convert_splits(
    spec: DatasetSpec, data_root: Path, splits: Sequence[str], workers: int, recheck: bool
) -> int:
    """Convert splits (every one that has images, where none is named) and say what came of it.

    Returns 1 if a split has no usable pair.
    """
    found = [split for split in spec.splits if spec.stems(data_root, split)]
    summaries = [
        convert(spec, data_root, split, workers, Progress(), recheck)
        for split in splits or found or spec.splits[:1]
    ]
    for summary in summaries:
        notes = reading_notes(spec, data_root, summary.split)
        print(printable("\n  ".join([summary.text(), *notes.problems, *notes.remarks])))
    return 0 if all(summary.usable for summary in summaries) else 1
