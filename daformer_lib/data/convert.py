"""Own label files -> train-id PNGs and class statistics; the first step with any data set.

The result is that of the conversion scripts of lhoyer/DAFormer. Departs from them: one table
look-up instead of a mask per class; a killed run goes on where it stopped; a broken or mismatched
pair is named, skipped and left out of the statistics, so that training never sees it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
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
from daformer_lib.data.class_stats import (
    ClassStats,
    count_pixels,
    results_mark,
    write_class_stats,
)
from daformer_lib.data.on_disk import image_stems, label_stems, reading_notes, remedy
from daformer_lib.progress import Progress, Report, silent
from daformer_lib.specs import DatasetSpec, get_spec
from daformer_lib.stopping import process_pool
from daformer_lib.texts import complaint, printable

WORTH_A_PROCESS = 50  # pairs; starting a process costs as much as converting about so many


class Unusable(Exception):
    """A pair that training must not see; the text says why."""


class Outcome(NamedTuple):
    """What became of one pair."""

    stem: str
    counts: np.ndarray | None  # (K,) int64 pixels per class; None if the pair was skipped
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
    progress: Report = silent,
) -> ConversionSummary:
    """Write every train-id PNG of a split and its class statistics; run it again to go on."""
    start = time.monotonic()
    images = image_stems(spec, data_root, split)
    labels = label_stems(spec, data_root, split)
    if not labels:
        expected = spec.label_path(data_root, split, "<name>")
        raise FileNotFoundError(
            f"no labels of {spec.name}/{split}: expected files like {expected}; {remedy(spec)}"
        )
    orphans = sorted(set(labels) - set(images))
    outcomes = [Outcome(stem, None, problem="the label has no image") for stem in orphans]
    with files.folder_lock(spec.root(data_root)):
        files.remove_leftovers(spec.root(data_root))
        outcomes += _convert_pairs(spec, data_root, split, images, workers, progress)
        outcomes.sort(key=lambda outcome: outcome.stem)
        stats = _collect(spec, outcomes)
        write_class_stats(spec, data_root, split, stats)
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


def _convert_pairs(
    spec: DatasetSpec,
    data_root: str | Path,
    split: str,
    images: list[str],
    workers: int,
    progress: Report,
) -> Iterator[Outcome]:
    since = _settings_time(spec, data_root, split)
    job = partial(convert_pair, spec, data_root, split, since=since)
    label = f"convert {spec.name}/{split}"
    progress(0, len(images), label)
    with _mapper(min(workers, len(images) // WORTH_A_PROCESS)) as run:
        for done, outcome in enumerate(run(job, images), start=1):
            yield outcome
            progress(done, len(images), label)


def convert_pair(
    spec: DatasetSpec, data_root: str | Path, split: str, stem: str, since: int = 0
) -> Outcome:
    """Convert one pair, or keep a result that is newer than its label and than ``since`` (ns)."""
    own = spec.label_file(data_root, split, stem)
    result = spec.train_id_file(data_root, split, stem)
    try:
        size = _checked_size(spec.image_file(data_root, split, stem))
        if own == result:  # ACDC's label files are train ids: only count
            ids, kept = _read_own(spec, own, size), True
        else:
            ids, kept = _earlier_result(own, result, size, since), True
            if ids is None:
                ids, kept = _read_own(spec, own, size), False
    except Unusable as problem:
        return Outcome(stem, None, problem=str(problem))
    if not kept:
        files.write_label_png(result, ids)
    return Outcome(stem, count_pixels(ids)[: spec.num_classes], kept)


def train_ids(spec: DatasetSpec, label_path: str | Path) -> np.ndarray:
    """(H, W) uint8 train ids of an own label file, at its own size; 255 where no class is."""
    if spec.label_encoding == "red16":
        return _look_up16(files.read_red16(label_path), id_table(spec, 2**16))
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
    """(H, W, 3) uint8 RGB -> (H, W) uint8 train ids by the spec's palette; others are ignored."""
    ids = np.full(image.shape[:2], spec.ignore, dtype=np.uint8)
    packed = image.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)  # (H, W)
    for train, (red, green, blue) in enumerate(spec.palette):
        ids[packed == red * 65536 + green * 256 + blue] = train
    return ids


def _checked_size(image: Path) -> tuple[int, int]:
    try:
        return files.verify_image(image)
    except (files.BrokenImage, OSError) as error:
        raise Unusable(f"broken image: {complaint(error)}") from None


def _read_own(spec: DatasetSpec, path: Path, image_size: tuple[int, int]) -> np.ndarray:
    try:
        ids = train_ids(spec, path)
    except FileNotFoundError:
        raise Unusable(f"the image has no label: {path} is missing") from None
    except (files.BrokenImage, OSError) as error:
        raise Unusable(f"broken label: {complaint(error)}") from None
    width, height = image_size
    if ids.shape != (height, width):
        raise Unusable(f"sizes differ: image {width}x{height}, label {ids.shape[1]}x{ids.shape[0]}")
    return ids


def _earlier_result(
    own: Path, result: Path, image_size: tuple[int, int], since: int
) -> np.ndarray | None:
    """The train ids of an earlier run if they are current, whole and of the image's size."""
    try:
        if result.stat().st_mtime_ns <= max(since, own.stat().st_mtime_ns):
            return None
        ids = files.read_gray(result)
    except (files.BrokenImage, FileNotFoundError):
        return None
    return ids if ids.shape[::-1] == image_size else None


def is_current(spec: DatasetSpec, data_root: str | Path, split: str) -> bool:
    """Whether the last conversion here, if any of ours, had the same id map and encoding."""
    path = _settings_path(spec, data_root, split)
    return not path.is_file() or files.read_json(path) == _settings(spec)


def _settings(spec: DatasetSpec) -> dict[str, str]:
    settings = [sorted(spec.id_map.items()), spec.label_encoding, spec.ignore, spec.palette]
    return {"id_map": hashlib.sha256(json.dumps(settings).encode()).hexdigest()}


def _settings_path(spec: DatasetSpec, data_root: str | Path, split: str) -> Path:
    return spec.root(data_root) / f".conversion_{results_mark(spec)}{split}.json"


def _settings_time(spec: DatasetSpec, data_root: str | Path, split: str) -> int:
    """When the present id map was first used here (ns): older results come from another one."""
    path = _settings_path(spec, data_root, split)
    if not path.is_file() or files.read_json(path) != _settings(spec):
        files.write_json(path, _settings(spec))
        time.sleep(0.02)  # file times tick every few ms: the first result must be later than this
    return path.stat().st_mtime_ns


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
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(16, usable or 1)


def main(default_spec: str, arguments: Sequence[str] | None = None) -> int:
    """The command line of data_scripts/convert_*.py; 1 if a split has no usable pair."""
    parser = argparse.ArgumentParser(description="Own label files to train ids, with statistics.")
    parser.add_argument("--data-root", type=Path, default=Path("data"), help="default: data")
    parser.add_argument("--spec", default=default_spec, help=f"data set, default: {default_spec}")
    parser.add_argument("--split", nargs="+", help="default: every split that has images")
    parser.add_argument("--workers", type=int, default=default_workers(), help="processes")
    options = parser.parse_args(arguments)
    try:
        spec = get_spec(options.spec)
        found = [s for s in spec.splits if spec.stems(options.data_root, s)]
        splits = options.split or found or spec.splits[:1]
        summaries = [
            convert(spec, options.data_root, split, options.workers, Progress()) for split in splits
        ]
    except (KeyError, ValueError, OSError) as error:
        print(f"error: {complaint(error)}", file=sys.stderr)
        return 1
    for summary in summaries:
        notes = reading_notes(spec, options.data_root, summary.split)
        print(printable("\n  ".join([summary.text(), *notes.problems, *notes.remarks])))
    return 0 if all(summary.usable for summary in summaries) else 1
