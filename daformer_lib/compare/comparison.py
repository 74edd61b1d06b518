"""Several sources of predictions on their common images, with truth and picture where there are.

Nothing is loaded before it is asked for, one image at a time: memory does not grow with the number
of images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from daformer_lib.compare.sources import Source, step_at
from daformer_lib.compare.truth import GroundTruth
from daformer_lib.data.transforms import resize_label
from daformer_lib.specs import DatasetSpec

Size = tuple[int, int]  # (width, height)


@dataclass(frozen=True)
class View:
    """One image at one step: everything that a picture of it needs."""

    stem: str
    step: int
    image: np.ndarray | None  # (H, W, 3) uint8 RGB
    truth: np.ndarray | None  # (H, W) uint8 train ids, 255 = ignore
    labels: tuple[np.ndarray, ...]  # of each source, (H, W) uint8 train ids
    confidences: tuple[np.ndarray | None, ...]  # of each source, (H, W) uint8, probability x 255


@dataclass(frozen=True)
class Comparison:
    """Sources, their common images, and what is known about these."""

    sources: tuple[Source, ...]
    spec: DatasetSpec
    stems: tuple[str, ...]  # common images, named as the data set names them (else the first does)
    own_stems: tuple[Mapping[str, str], ...]  # of each source: its own names of these images
    size: Size  # (width, height) of every array
    resized: bool = False  # predictions of other sizes are brought to `size`, else refused
    ground: GroundTruth | None = None  # images and truth

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(source.name for source in self.sources)

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """All steps at which some source has a state, ascending."""
        return tuple(sorted({step for source in self.sources for step in source.steps}))

    @cached_property
    def has_truth(self) -> bool:
        return self.ground is not None and any(map(self.ground.has_truth, self.stems))

    @cached_property
    def has_images(self) -> bool:
        ground = self.ground
        return ground is not None and any(
            ground.path("image_file", stem).is_file() for stem in self.stems
        )

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Sentences: what is not known here, and what is left out because of it."""
        said = []
        if not self.has_truth:
            said.append(
                "No truth for these images: IoU, precision, recall, errors, calibration and who "
                "wins are left out. " + ("" if self.ground is None else self.ground.remedy)
            )
        if not self.has_images:
            said.append("The images themselves were not found: no picture behind the labels.")
        unsure = [source.name for source in self.sources if not source.has_confidence]
        if unsure:
            said.append(f"No confidence for {', '.join(unsure)}: no coverage, weight, calibration.")
        if len(self.sources) == 1:
            said.append("One source alone: nothing to disagree with.")
        return tuple(text.strip() for text in said)

    def step_at(self, step: int | None) -> int:
        """The last step that is not after the one wanted, else the first; None: the last."""
        known = (s for s in self.steps if step is None or s <= step)
        return max(known, default=self.steps[0])

    def source(self, name: str) -> Source:
        if name not in self.names:
            raise KeyError(f"no source {name!r}; there are {list(self.names)}")
        return self.sources[self.names.index(name)]

    def label(self, name: str, step: int, stem: str) -> np.ndarray:
        """(H, W) uint8 train ids of a source's state at the step."""
        source = self.source(name)
        label = source.label(step_at(source, step), self._own_stem(source, stem))
        return self._sized(label, f"{name}'s label of {stem}")

    def confidence(self, name: str, step: int, stem: str) -> np.ndarray | None:
        source = self.source(name)
        sure = source.confidence(step_at(source, step), self._own_stem(source, stem))
        return None if sure is None else self._sized(sure, f"{name}'s confidence of {stem}")

    def image(self, stem: str) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB at the common size."""
        return None if self.ground is None else self.ground.image(stem, self.size)

    def truth(self, stem: str) -> np.ndarray | None:
        """(H, W) uint8 train ids at the common size."""
        return None if self.ground is None else self.ground.truth(stem, self.size)

    def view(self, stem: str, step: int | None = None, images: bool = True) -> View:
        """Everything about one image; without `images` the picture is left out (and not read)."""
        step = self.step_at(step)
        return View(
            stem,
            step,
            self.image(stem) if images else None,
            self.truth(stem),
            tuple(self.label(name, step, stem) for name in self.names),
            tuple(self.confidence(name, step, stem) for name in self.names),
        )

    def views(self, step: int | None = None, images: bool = False) -> Iterator[View]:
        """Every image in turn."""
        return (self.view(stem, step, images) for stem in self.stems)

    def _require(self, stem: str) -> None:
        if stem not in self.stems:
            some = ", ".join(self.stems[:5])
            raise KeyError(f"no image {stem!r} among the {len(self.stems)} common ones ({some}, …)")

    def _own_stem(self, source: Source, stem: str) -> str:
        self._require(stem)
        return self.own_stems[self.sources.index(source)][stem]

    def _sized(self, array: np.ndarray, what: str) -> np.ndarray:
        size = (array.shape[1], array.shape[0])
        if size == self.size:
            return array
        if not self.resized:
            raise ValueError(
                f"{what} is {size[0]}x{size[1]}, but others are {self.size[0]}x{self.size[1]}; "
                f"bring all to one size (--size {self.size[0]} {self.size[1]}, or size=(w, h))"
            )
        return resize_label(array, self.size)
