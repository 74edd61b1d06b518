"""Images and labels decoded and resized once, so that a loader only cuts crops out of them.

One uncompressed .npy file per image and per label, under `.prepared` beside the data set's folders;
a crop maps its rows from the disk's cache and decodes nothing. A file counts as long as its
modification time equals that of the file it was made from: when that changes, or the training size
does, the loader reads the original again until `prepare-cache` has run once more.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from daformer_lib import files
from daformer_lib.data.transforms import fit_size
from daformer_lib.progress import Report, silent
from daformer_lib.specs import DatasetSpec

if TYPE_CHECKING:
    from daformer_lib.data.datasets import SegmentationDataset

SPARE = 2**30  # bytes of the disk that stay free


@dataclass(frozen=True)
class PreparedSplit:
    """Where the arrays of one split lie, and which of them are current."""

    spec: DatasetSpec
    data_root: Path
    split: str

    @property
    def folder(self) -> Path:
        width, height = self.spec.size
        size = f"{width}x{height}" + ("-fit" if self.spec.keep_ratio else "")
        return self.spec.root(self.data_root) / ".prepared" / f"{self.split}-{size}"

    def image(self, stem: str) -> np.ndarray | None:
        """(H, W, 3) uint8, not in memory until it is looked at; None where it must be read."""
        return self._current(self.folder / f"{stem}.npy", self._image_source(stem))

    def label(self, stem: str) -> np.ndarray | None:
        """(H, W) uint8 train ids; None where they must be read."""
        return self._current(self.folder / f"{stem}.label.npy", self._label_source(stem))

    def write(self, stem: str, image: np.ndarray, label: np.ndarray | None) -> None:
        self._write(self.folder / f"{stem}.npy", image, self._image_source(stem))
        if label is not None:
            self._write(self.folder / f"{stem}.label.npy", label, self._label_source(stem))

    def _image_source(self, stem: str) -> Path:
        return self.spec.image_file(self.data_root, self.split, stem)

    def _label_source(self, stem: str) -> Path:
        return self.spec.train_id_file(self.data_root, self.split, stem)

    def _current(self, path: Path, source: Path) -> np.ndarray | None:
        try:
            if os.stat(path).st_mtime_ns != os.stat(source).st_mtime_ns:
                return None
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):  # not made, or cut off
            return None

    def _write(self, path: Path, array: np.ndarray, source: Path) -> None:
        made_from = os.stat(source).st_mtime_ns
        data = io.BytesIO()
        np.save(data, np.ascontiguousarray(array), allow_pickle=False)
        files.write_atomic(path, data.getvalue())
        os.utime(path, ns=(made_from, made_from))  # only now is it current


class PreparedSummary(NamedTuple):
    """What `prepare_split` did."""

    made: int  # images, each with its label where the set is labelled
    kept: int  # that an earlier call made
    gigabytes: float  # of all of them, on disk


def prepare_split(
    dataset: SegmentationDataset, workers: int = 2, report: Report = silent
) -> PreparedSummary:
    """Decode and resize what is not there yet; killed, it goes on where it stopped.

    Raises:
        OSError: the disk has too little room; nothing was written.
    """
    prepared = PreparedSplit(dataset.spec, dataset.data_root, dataset.split)
    missing = [i for i, stem in enumerate(dataset.stems) if not _is_there(prepared, dataset, stem)]
    require_space(prepared, needed_bytes(dataset, len(missing)))

    def make(index: int) -> None:
        prepared.write(dataset.stems[index], *dataset.decode(index))

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


def _is_there(prepared: PreparedSplit, dataset: SegmentationDataset, stem: str) -> bool:
    label_there = not dataset.labelled or prepared.label(stem) is not None
    return label_there and prepared.image(stem) is not None


def needed_bytes(dataset: SegmentationDataset, count: int) -> int:
    """Disk for that many images, by the size of the first."""
    if not count:
        return 0
    first = dataset.spec.image_file(dataset.data_root, dataset.split, dataset.stems[0])
    spec = dataset.spec
    width, height = fit_size(files.image_size(first), spec.size, spec.keep_ratio)
    return count * (width * height * (4 if dataset.labelled else 3) + 256)


def require_space(prepared: PreparedSplit, needed: int) -> None:
    free = shutil.disk_usage(prepared.spec.root(prepared.data_root)).free
    if needed + SPARE > free:
        raise OSError(
            f"the prepared images of {prepared.spec.name}/{prepared.split} need "
            f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free in {prepared.data_root}; "
            "free some, choose another --data-root, or train without data.prepared"
        )
