"""What a conversion found and which files it found it in, beside the data set's class statistics.

With it a later start knows by a look at three stamps per pair that nothing has changed
(`inputs.py`). Without one, as after a conversion by an earlier version or by the authors' scripts,
every pair is compared once.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from daformer_lib import files
from daformer_lib.data.changes.inputs import CONTENT_BYTES, Seen
from daformer_lib.specs import DatasetSpec

READING = 1  # raise it when label files are read or mapped by other rules: all are compared again


@dataclass(frozen=True)
class Record:
    """The usable pairs of a split, each with its image, its own label file and its train ids."""

    stems: tuple[str, ...]
    counts: np.ndarray  # (N, K) int64 pixels per class
    seen: tuple[tuple[Seen, ...], ...]  # per pair: image, label, train ids

    @cached_property
    def row(self) -> dict[str, int]:
        return {stem: i for i, stem in enumerate(self.stems)}

    @property
    def fingerprint(self) -> str:
        """Of names, images and train ids: equal wherever the same data lie."""
        found = hashlib.sha256()
        for stem, (image, _, ids) in zip(self.stems, self.seen, strict=True):
            found.update(stem.encode(errors="surrogateescape") + b"\0")
            found.update(image.content + ids.content)
        return found.hexdigest()[:16]


def record_path(spec: DatasetSpec, data_root: str | Path, split: str) -> Path:
    return spec.root(data_root) / f".conversion_{spec.part_mark}{split}.npz"


def write_record(spec: DatasetSpec, data_root: str | Path, split: str, record: Record) -> None:
    pairs = len(record.stems)
    stamps = [[seen.stamp for seen in pair] for pair in record.seen]
    contents = b"".join(seen.content for pair in record.seen for seen in pair)
    data = io.BytesIO()
    np.savez(
        data,
        settings=settings(spec),
        stems=np.frombuffer("\0".join(record.stems).encode(errors="surrogateescape"), np.uint8),
        counts=record.counts,
        stamps=np.array(stamps, np.int64).reshape(pairs, 3, 4),
        contents=np.frombuffer(contents, np.uint8).reshape(pairs, 3, CONTENT_BYTES),
    )
    files.write_atomic(record_path(spec, data_root, split), data.getvalue())


def read_record(spec: DatasetSpec, data_root: str | Path, split: str) -> Record | None:
    """What was written for the spec as it is now; None where it says something else, or nothing."""
    try:
        with np.load(record_path(spec, data_root, split), allow_pickle=False) as kept:
            if str(kept["settings"]) != settings(spec):
                return None
            names = kept["stems"].tobytes().decode(errors="surrogateescape")
            stems = tuple(names.split("\0")) if names else ()
            seen = _seen(kept["stamps"].tolist(), kept["contents"].tobytes())
            return Record(stems, kept["counts"], seen)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _seen(stamps: Sequence, contents: bytes) -> tuple[tuple[Seen, ...], ...]:
    places = range(0, len(contents), CONTENT_BYTES)
    each = iter([contents[i : i + CONTENT_BYTES] for i in places])
    return tuple(tuple(Seen(tuple(stamp), next(each)) for stamp in pair) for pair in stamps)


def settings(spec: DatasetSpec) -> str:
    """A hash of what the train ids depend on besides the label files."""
    values = [
        READING, sorted(spec.id_map.items()), spec.label_encoding, spec.ignore, spec.palette,
        spec.num_classes,
    ]  # fmt: skip
    if spec.label_colours:  # sets without it were converted before there was such a key
        values.append(sorted(spec.label_colours.items()))
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
