"""Images and truth of a data set's split, by stem; any of them may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from daformer_lib.data.class_stats import read_class_stats
from daformer_lib.data.on_disk import conversion_command
from daformer_lib.data.transforms import resize_image, resize_label
from daformer_lib.files import read_gray, read_image
from daformer_lib.specs import DatasetSpec


@dataclass(frozen=True)
class GroundTruth:
    """What a data set's folders know about an image."""

    spec: DatasetSpec
    data_root: Path
    split: str

    def __post_init__(self) -> None:
        self.spec.require_split(self.split)

    @cached_property
    def _usable(self) -> frozenset[str] | None:
        """What the conversion did not skip; of other images an older train-id file may remain."""
        stats = read_class_stats(self.spec, self.data_root, self.split)
        return None if stats is None else frozenset(stats.stems)

    def has_truth(self, stem: str) -> bool:
        there = self.path("train_id_file", stem).is_file()
        return there and (self._usable is None or stem in self._usable)

    def path(self, kind: str, stem: str) -> Path:
        """`kind`: "image_file" or "train_id_file"."""
        return getattr(self.spec, kind)(self.data_root, self.split, stem)

    @property
    def stems(self) -> list[str]:
        """Of the images and converted labels on disk; empty where there are none."""
        keys = ("image_pattern", "train_id_pattern")
        found = (self.spec.listing(self.data_root, self.split, key).files for key in keys)
        return sorted(set().union(*found))

    @property
    def remedy(self) -> str:
        """What to do where truth is missing."""
        place = self.spec.root(self.data_root)
        command = conversion_command(self.spec, self.data_root)
        return (
            f"Looked in {place} for the split {self.split}; another place: --data-root, --split; "
            f"labels that are not converted: {command}"
        )

    def image(self, stem: str, size: tuple[int, int]) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB at (width, height); None where there is no such file."""
        path = self.path("image_file", stem)
        return resize_image(read_image(path), size) if path.is_file() else None

    def truth(self, stem: str, size: tuple[int, int]) -> np.ndarray | None:
        """(H, W) uint8 train ids at (width, height); None where there is no such file."""
        path = self.path("train_id_file", stem)
        return resize_label(read_gray(path), size) if self.has_truth(stem) else None
