"""Decode and resize a split once, and refuse where the disk has no room for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from daformer_lib import files
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.prepared import PreparedSplit
from daformer_lib.data.transforms import fit_size
from daformer_lib.progress import Report, silent

SPARE = 2**30  # bytes of the disk that stay free


class PreparedSummary(NamedTuple):
    """What `prepare_split` did."""

    made: int  # images, each with its label where the set is labelled
    kept: int  # that an earlier call made
    gigabytes: float  # of all of them, on disk


def prepare_split(
    dataset: SegmentationDataset,
    workers: int = 2,
    report: Report = silent,
    recheck: bool = False,
) -> PreparedSummary:
    """Decode and resize what is not there or has changed; killed, it goes on where it stopped.

    Args:
        recheck: compare the content of every original, not only of those that look changed.

    Raises:
        OSError: the disk has too little room; nothing was written.
    """
    prepared = PreparedSplit(dataset.spec, dataset.data_root, dataset.split)
    missing = [
        i
        for i, stem in enumerate(dataset.stems)
        if not prepared.is_current(stem, dataset.labelled, recheck)
    ]
    require_space(prepared, needed_bytes(dataset, len(missing)))

    def make(index: int) -> None:
        prepared.write(dataset.stems[index], lambda: dataset.decode(index))

    label = f"prepare {dataset.spec.name}/{dataset.split}"
    with ThreadPoolExecutor(workers) as pool:  # OpenCV decodes outside Python's lock
        for done, _ in enumerate(_in_order(pool, make, missing, 4 * workers), start=1):
            report(done, len(missing), label)
    total = needed_bytes(dataset, len(dataset)) / 1e9
    return PreparedSummary(len(missing), len(dataset) - len(missing), total)


def _in_order(pool: ThreadPoolExecutor, work, items: Sequence[int], ahead: int) -> Iterator[None]:
    """A few calls under way at a time: an error stops the rest, and memory stays small."""
    waiting = []
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= ahead:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()


def needed_bytes(dataset: SegmentationDataset, count: int) -> int:
    """Disk for that many images, by the size of the first."""
    if not count:
        return 0
    first = dataset.spec.image_file(dataset.data_root, dataset.split, dataset.stems[0])
    spec = dataset.spec
    width, height = fit_size(files.image_size(first), spec.size, spec.keep_ratio)
    return count * (width * height * (4 if dataset.labelled else 3) + 352)


def require_space(prepared: PreparedSplit, needed: int) -> None:
    free = shutil.disk_usage(prepared.spec.root(prepared.data_root)).free
    if needed + SPARE > free:
        raise OSError(
            f"the prepared images of {prepared.spec.name}/{prepared.split} need "
            f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {prepared.data_root}; "
            "free some, choose another --data-root, or train without data.prepared"
        )
