"""Images and labels decoded and resized once, so that a loader only cuts crops out of them.

One uncompressed .npy file per image and per label, under `.prepared` beside the data set's folders;
a crop maps its rows from the disk's cache and decodes nothing. Behind the array stands which file
it was made from (`inputs.py`): when that file holds something else, or the training size changes,
the loader reads the original again until `prepare-cache` has run once more.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from daformer_lib import files
from daformer_lib.data.changes.inputs import CONTENT_BYTES, Seen, Stamp, content, look, stamp
from daformer_lib.specs import DatasetSpec

MADE_FROM = struct.Struct(f"<4q{CONTENT_BYTES}s")  # the last bytes of a file: a `Seen`


@dataclass(frozen=True)
class PreparedSplit:
    """Where the arrays of one split lie, and which of them are current."""

    spec: DatasetSpec
    data_root: Path
    split: str
    # Files of other stamps that hold what they held; a process asks for a content only once.
    _same: dict[Path, Stamp] = field(default_factory=dict, compare=False, repr=False)

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

    def is_current(self, stem: str, labelled: bool, recheck: bool = False) -> bool:
        """Whether nothing needs to be made; what a copied or touched file now looks like is kept.

        Args:
            recheck: compare the content even of files that look as they did.
        """
        label = self.folder / f"{stem}.label.npy"
        return self._kept(self.folder / f"{stem}.npy", self._image_source(stem), recheck) and (
            not labelled or self._kept(label, self._label_source(stem), recheck)
        )

    def write(self, stem: str, make: Callable[[], tuple[np.ndarray, np.ndarray | None]]) -> None:
        """Keep what `make` gives."""
        image_seen, label_seen = look(self._image_source(stem)), look(self._label_source(stem))
        image, label = make()
        self._write(self.folder / f"{stem}.npy", image, image_seen)
        if label is not None:
            self._write(self.folder / f"{stem}.label.npy", label, label_seen)

    def _image_source(self, stem: str) -> Path:
        return self.spec.image_file(self.data_root, self.split, stem)

    def _label_source(self, stem: str) -> Path:
        return self.spec.train_id_file(self.data_root, self.split, stem)

    def _current(self, path: Path, source: Path) -> np.ndarray | None:
        try:
            made_from, now = _made_from(path), stamp(source)
            if now not in (made_from.stamp, self._same.get(source)):
                if content(source) != made_from.content:
                    return None
                self._same[source] = now
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):  # not made, or cut off
            return None

    def _kept(self, path: Path, source: Path, recheck: bool) -> bool:
        if self._current(path, source) is None:
            return False
        if recheck or stamp(source) != _made_from(path).stamp:
            now = look(source)
            if now.content != _made_from(path).content:
                return False
            _note(path, now)
        return True

    def _write(self, path: Path, array: np.ndarray, made_from: Seen) -> None:
        data = io.BytesIO()
        np.save(data, np.ascontiguousarray(array), allow_pickle=False)
        data.write(MADE_FROM.pack(*made_from.stamp, made_from.content))
        files.write_atomic(path, data.getvalue())


def _made_from(path: Path) -> Seen:
    """What stands behind the array. Raises ValueError where the file is too short."""
    with open(path, "rb") as file:
        length = file.seek(0, os.SEEK_END)
        if length < MADE_FROM.size:
            raise ValueError(f"{path} is cut off")
        file.seek(length - MADE_FROM.size)
        *numbers, held = MADE_FROM.unpack(file.read())
    return Seen(tuple(numbers), held)


def _note(path: Path, made_from: Seen) -> None:
    """In place: half of it would be like no file's stamp, and the content would decide again."""
    with open(path, "r+b") as file:
        file.seek(-MADE_FROM.size, os.SEEK_END)
        file.write(MADE_FROM.pack(*made_from.stamp, made_from.content))
