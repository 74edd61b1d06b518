"""Class statistics of a converted data set: pixels per class in every label file.

Rare Class Sampling draws from them, and they are the list of usable files: a broken or mismatched
pair that the conversion skipped is not in them, so training never sees it.
The form is the authors' (lhoyer/DAFormer): a JSON list of {"file": ..., "<train id>": pixels, ...}.
Departs from it: "file" is the stem, and there is one file per split; theirs is read as well.
Specs of a part of a folder (`include`: the fog images of ACDC) have files of their own, and read
the whole folder's where they have none. So do specs from a YAML file, by where their train ids lie:
several may describe the same photos.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import cv2
import numpy as np

from daformer_lib import files
from daformer_lib.data.changes.inputs import stamp
from daformer_lib.specs import DatasetSpec
from daformer_lib.specs.dataset_spec import is_below
from daformer_lib.specs.patterns import fill

AUTHORS_FILE = "sample_class_stats.json"  # of the split `train`
MANY = 10_000  # files; from here on the JSON is kept as arrays too, which open far faster


@dataclass(frozen=True)
class ClassStats:
    """Pixels of each class in each label file, counted at the file's own size."""

    stems: tuple[str, ...]
    counts: np.ndarray  # (N, K) int64

    def of(self, stems: list[str]) -> ClassStats:
        """The rows of ``stems``, in that order."""
        row = {stem: i for i, stem in enumerate(self.stems)}
        return ClassStats(tuple(stems), self.counts[[row[stem] for stem in stems]])

    def equals(self, other: ClassStats | None) -> bool:
        """Whether both say the same; None says nothing."""
        return (
            other is not None
            and self.stems == other.stems
            and np.array_equal(self.counts, other.counts)
        )

    @property
    def totals(self) -> np.ndarray:
        """(K,) int64 pixels of each class in all files."""
        return self.counts.sum(axis=0)


def count_pixels(ids: np.ndarray) -> np.ndarray:
    """(H, W) uint8 -> (256,) int64 pixels per value."""
    if ids.size < 2**24:  # OpenCV counts in float32: three times faster, exact up to here
        return cv2.calcHist([ids], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return np.bincount(ids.ravel(), minlength=256)


def stats_path(spec: DatasetSpec, data_root: str | Path, split: str) -> Path:
    return spec.root(data_root) / f"sample_class_stats_{spec.part_mark}{split}.json"


def write_class_stats(
    spec: DatasetSpec, data_root: str | Path, split: str, stats: ClassStats
) -> Path:
    """Write the statistics; classes without pixels are left out, as in the authors' file."""
    entries = [
        {"file": stem, **{str(c): int(row[c]) for c in np.flatnonzero(row)}}
        for stem, row in zip(stats.stems, stats.counts, strict=True)
    ]
    lines = ",\n".join(json.dumps(entry) for entry in entries)  # one line per file reads well
    return files.write_atomic(stats_path(spec, data_root, split), f"[\n{lines}\n]\n".encode())


def read_class_stats(spec: DatasetSpec, data_root: str | Path, split: str) -> ClassStats | None:
    """The statistics of a split, ours or the authors'; None where neither exists."""
    for path in _candidates(spec, data_root, split):
        if path.is_file():
            return _kept(spec, split, path) or _parse_and_keep(spec, split, path)
    return None


def _candidates(spec: DatasetSpec, data_root: str | Path, split: str) -> list[Path]:
    whole = dataclasses.replace(spec, include="*")
    ours = [stats_path(spec, data_root, split), stats_path(whole, data_root, split)]
    return [*ours, spec.root(data_root) / AUTHORS_FILE] if split == "train" else ours


def _kept(spec: DatasetSpec, split: str, path: Path) -> ClassStats | None:
    """The arrays made from the JSON file as it is now and for this spec, if there are any."""
    try:
        with np.load(_arrays_path(path), allow_pickle=False) as kept:
            if str(kept["made_from"]) != _made_from(spec, split, path):
                return None
            stems = tuple(kept["stems"].tobytes().decode().split("\n"))
            return ClassStats(stems, kept["counts"].astype(np.int64))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _parse_and_keep(spec: DatasetSpec, split: str, path: Path) -> ClassStats:
    stats = _parse(spec, split, path)
    if len(stats.stems) >= MANY and not any("\n" in stem for stem in stats.stems):
        stems = np.frombuffer("\n".join(stats.stems).encode(), np.uint8)
        counts = stats.counts.astype(np.uint32)  # an image has at most 2**26 pixels
        data = io.BytesIO()
        np.savez(data, made_from=_made_from(spec, split, path), stems=stems, counts=counts)
        with contextlib.suppress(OSError):  # a read-only data set only opens more slowly
            files.write_atomic(_arrays_path(path), data.getvalue())
    return stats


def _arrays_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.npz")


def _made_from(spec: DatasetSpec, split: str, path: Path) -> str:
    """Everything that `_parse` depends on."""
    pattern = fill(spec.train_id_pattern, split, "*")
    return f"{stamp(path)} {spec.num_classes} {spec.include} {pattern}"


def _parse(spec: DatasetSpec, split: str, path: Path) -> ClassStats:
    entries = files.read_json(path)
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and isinstance(e.get("file"), str) for e in entries
    ):
        raise ValueError(
            f"{path} is no list of class statistics, one entry per file; delete it and convert the "
            "data set again"
        )
    stem_of = _stem_reader(spec, split)
    counts = np.zeros((len(entries), spec.num_classes), dtype=np.int64)
    stems = []
    for row, entry in zip(counts, entries, strict=True):
        for key, value in entry.items():
            if key == "file":
                stems.append(_inside(stem_of(value), path))
            elif key.isdecimal() and int(key) < spec.num_classes and _is_count(value):
                row[int(key)] = value
            else:
                raise ValueError(
                    f"{path}: class {key!r} of {entry['file']} is not a train id of {spec.name} "
                    f"(0..{spec.num_classes - 1}) with its pixels; convert the data set again"
                )
    wanted = [i for i, stem in enumerate(stems) if fnmatchcase(stem, spec.include)]
    order = sorted(wanted, key=stems.__getitem__)
    return ClassStats(tuple(stems[i] for i in order), counts[order])


def _is_count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 2**63


def _inside(stem: str, path: Path) -> str:
    if is_below(stem):
        return stem
    raise ValueError(
        f"{path} names the file {stem!r}, which leads out of the data set's folder; delete the "
        "statistics and convert the data set again"
    )


def _stem_reader(spec: DatasetSpec, split: str):
    """Our entries are stems; the authors' end in the path of the train-id file."""
    pattern = re.escape(fill(spec.train_id_pattern, split, "\0"))
    authors = re.compile("(?:.*/)?" + pattern.replace(re.escape("\0"), "(.+)"))

    def stem_of(name: str) -> str:
        match = authors.fullmatch(name)
        return match.group(1) if match else name

    return stem_of


def largest_covers(label: np.ndarray, classes: Sequence[int], side: int) -> list[float]:
    """Of each class the largest share of one cell of side x side px that it covers.

    Args:
        label: (H, W) train ids; what is left over at the right and at the bottom is not looked at.
    """
    rows, columns = (pixels // side for pixels in label.shape)
    cells = label[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return [float((cells == one).mean(axis=(1, 3)).max(initial=0)) for one in classes]
