"""One split of one data set on disk: images at training size, with or without labels.

Sizes follow the authors (lhoyer/DAFormer): GTA is fitted into 1280x720, which makes 1914x1052 into
1280x704; SYNTHIA stays 1280x760, Cityscapes becomes 1024x512, ACDC and Dark Zurich 960x540.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from daformer_lib import files
from daformer_lib.config import Experiment
from daformer_lib.data import transforms
from daformer_lib.data.class_stats import ClassStats, read_class_stats
from daformer_lib.data.on_disk import conversion_command, image_stems, label_stems, spread
from daformer_lib.data.prepared import PreparedSplit
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.specs import IGNORE, DatasetSpec, get_spec

_IGNORE_AS_0 = np.where(np.arange(256) == IGNORE, 0, np.arange(256)).astype(np.uint8)

Sample = tuple[np.ndarray, np.ndarray | None]  # (H, W, 3) uint8 RGB, (H, W) uint8 train id


class SegmentationDataset:
    """Images (and labels) of a split, by number; decoded ones stay in memory while they fit."""

    def __init__(
        self,
        spec: DatasetSpec,
        data_root: str | Path,
        split: str,
        labelled: bool = True,
        max_images: int | None = None,  # evenly spaced over the sorted names
        cache_bytes: int = 0,
        prepared: bool = False,  # take what `prepare_split` made, where it is current
    ) -> None:
        self.spec, self.data_root, self.split = spec, Path(data_root), split
        self.labelled = labelled
        self.stats = read_class_stats(spec, data_root, split) if labelled else None
        stems = _labelled_stems(spec, data_root, split, self.stats) if labelled else None
        self.stems = spread(stems or image_stems(spec, data_root, split), max_images)
        self._cache: dict[int, Sample] = {}
        self._cache_left = cache_bytes
        self._prepared = PreparedSplit(spec, self.data_root, split) if prepared else None
        if prepared and self._ready(0) is None:
            warnings.warn(self._unprepared(), stacklevel=2)

    def __len__(self) -> int:
        return len(self.stems)

    def load(self, index: int) -> Sample:
        """Image and train ids at the spec's training size. Do not write into them: cached."""
        if index in self._cache:
            return self._cache[index]
        if (ready := self._ready(index)) is not None:
            return ready
        sample = self.decode(index)
        need = sum(array.nbytes for array in sample if array is not None)
        if need <= self._cache_left:
            self._cache[index] = sample
            self._cache_left -= need
        return sample

    def full_label(self, index: int) -> np.ndarray:
        """(H, W) uint8 train ids at the label file's own size, which evaluation compares at."""
        path = self.spec.train_id_file(self.data_root, self.split, self.stems[index])
        try:
            return self._known_ids(files.read_gray(path), path)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{path} is missing: the labels of {self.spec.name} are not converted; "
                f"run: {self._command}"
            ) from None

    def _known_ids(self, label: np.ndarray, path: Path) -> np.ndarray:
        """The label, if it holds train ids only: others would end in an index error, or worse."""
        count = self.spec.num_classes
        if cv2.LUT(label, _IGNORE_AS_0).max(initial=0) >= count:
            wrong = sorted(set(np.unique(label).tolist()) - {*range(count), IGNORE})
            raise ValueError(
                f"{path} holds {wrong[:5]}, train ids of {self.spec.name} are 0..{count - 1} and "
                f"{IGNORE}; convert the labels again: {self._command}"
            )
        return label

    def load_for_evaluation(self, index: int) -> tuple[Tensor, np.ndarray]:
        """Image (3, h, w) float32 normalised at training size, and `full_label` (H, W) uint8."""
        image, _ = self._image(index)
        return transforms.to_tensors(image, None)[0], self.full_label(index)

    def class_stats(self) -> ClassStats:
        """Pixels of each class in each of ``stems``; needs the conversion's statistics."""
        if self.stats is None:
            raise FileNotFoundError(
                f"no class statistics for {self.spec.name}/{self.split} in "
                f"{self.spec.root(self.data_root)}; run: {self._command}"
            )
        return self.stats.of(self.stems)

    def unlabelled(self) -> list[str]:
        """The set's name, if not one of its pixels has a label; empty otherwise."""
        return [] if self.has_labelled_pixel(range(len(self))) else [self.spec.name]

    def has_labelled_pixel(self, chosen: Sequence[int]) -> bool:
        """Whether the images at these numbers show a class: by the statistics, which cost nothing;
        without them label files are read, up to the first that does."""
        if self.stats is not None:
            return bool(self.class_stats().counts[list(chosen)].any())
        return any((self.full_label(i) != IGNORE).any() for i in chosen)

    def label_size(self) -> tuple[int, int]:
        """(width, height) of the first label file: what its pixels are counted on."""
        path = self.spec.train_id_file(self.data_root, self.split, self.stems[0])
        return files.image_size(path)

    @property
    def _command(self) -> str:
        return conversion_command(self.spec, self.data_root)

    def _image(self, index: int) -> tuple[np.ndarray, tuple[int, int]]:
        """The image at training size, and the (width, height) of its file."""
        path = self.spec.image_file(self.data_root, self.split, self.stems[index])
        try:
            image = files.read_image(path)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{path} is gone, though it is in the list of {self.spec.name}/{self.split}; "
                f"put it back, or make the list again: {self._command}"
            ) from None
        own = (image.shape[1], image.shape[0])
        size = transforms.fit_size(own, self.spec.size, self.spec.keep_ratio)
        return transforms.resize_image(image, size), own

    def _ready(self, index: int) -> Sample | None:
        """The prepared image with its label, if both are current."""
        if self._prepared is None:
            return None
        image = self._prepared.image(self.stems[index])
        label = self._prepared.label(self.stems[index]) if self.labelled else None
        return None if image is None or (self.labelled and label is None) else (image, label)

    def _unprepared(self) -> str:
        name = self.spec.origin or self.spec.name
        only_images = "" if self.labelled else " --unlabelled"
        return (
            f"{self.spec.name}/{self.split} has no current prepared image of {self.stems[0]}, so "
            "originals are decoded, which is slower; run: python -m daformer_lib prepare-cache "
            f"--datasets {name} --data-root {self.data_root} --split {self.split}{only_images}"
        )

    def decode(self, index: int) -> Sample:
        """What `load` returns, from the files of the data set."""
        image, own = self._image(index)
        if not self.labelled:
            return image, None
        label = self.full_label(index)
        if label.shape[::-1] != own:
            raise ValueError(
                f"{self.spec.name} {self.stems[index]}: image {_wh(own)} and label "
                f"{_wh(label.shape[::-1])} differ in size; convert again, which leaves such pairs "
                f"out: {self._command}"
            )
        return image, transforms.resize_label(label, image.shape[1::-1])


class JoinedDataset:
    """Several labelled sets as one: the images of the first, then those of the next, and so on.

    Every image counts the same, whichever set it is from, as if the folders were thrown together;
    so do its pixels in the class statistics. A stem starts with its set's name.
    """

    def __init__(
        self,
        parts: Sequence[SegmentationDataset],
        max_images: int | None = None,  # evenly spaced over all of them
    ) -> None:
        self.parts, self.spec = tuple(parts), parts[0].spec
        places = [(part, i) for part in range(len(parts)) for i in range(len(parts[part]))]
        self._places = spread(places, max_images)
        self.stems = [f"{parts[p].spec.name}/{parts[p].stems[i]}" for p, i in self._places]

    def __len__(self) -> int:
        return len(self._places)

    def load(self, index: int) -> Sample:
        part, i = self._places[index]
        return self.parts[part].load(i)

    def class_stats(self) -> ClassStats:
        """Those of all sets, one below the other."""
        counts = [part.class_stats().counts for part in self.parts]
        return ClassStats(tuple(self.stems), np.array([counts[p][i] for p, i in self._places]))

    def unlabelled(self) -> list[str]:
        """Names of the sets whose images here have not one labelled pixel."""
        chosen = [[i for p, i in self._places if p == part] for part in range(len(self.parts))]
        return [
            part.spec.name
            for part, own in zip(self.parts, chosen)
            if own and not part.has_labelled_pixel(own)
        ]

    def label_size(self) -> tuple[int, int]:
        """The smallest of the sets' own: no set falls below thresholds that are scaled to it."""
        return min((part.label_size() for part in self.parts), key=lambda size: size[0] * size[1])


LabelledSet = SegmentationDataset | JoinedDataset


def open_source(
    specs: Sequence[DatasetSpec],
    data_root: str | Path,
    split: str = "train",
    max_images: int | None = None,
    cache_bytes: int = 0,
    prepared: bool = False,
) -> LabelledSet:
    """The labelled images to learn from: one set, or several as one."""
    if len(specs) == 1:
        return SegmentationDataset(
            specs[0], data_root, split, True, max_images, cache_bytes, prepared
        )
    share = cache_bytes // len(specs)
    parts = [
        SegmentationDataset(spec, data_root, split, cache_bytes=share, prepared=prepared)
        for spec in specs
    ]
    return JoinedDataset(parts, max_images)


def _labelled_stems(
    spec: DatasetSpec, data_root: str | Path, split: str, stats: ClassStats | None
) -> list[str]:
    if stats is not None:
        if not stats.stems:
            raise ValueError(
                f"the class statistics of {spec.name}/{split} name no file: its conversion found "
                f"no usable pair; see its messages: {conversion_command(spec, data_root)}"
            )
        return list(stats.stems)
    stems = image_stems(spec, data_root, split)
    missing = [s for s in stems if not spec.train_id_file(data_root, split, s).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(stems)} images of {spec.name}/{split} have no train-id label "
            f"(first: {spec.train_id_path(data_root, split, missing[0])}); "
            f"run: {conversion_command(spec, data_root)}"
        )
    return stems


def _wh(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"


def target_dataset(
    experiment: Experiment, split: str, labelled: bool = True
) -> SegmentationDataset:
    data = experiment.data
    return SegmentationDataset(get_spec(data.target), data.data_root, split, labelled)


def has_labels(experiment: Experiment, split: str) -> bool:
    """False where no image has a label file, be it converted or the data set's own."""
    spec, root = get_spec(experiment.data.target), experiment.data.data_root
    converted = (spec.train_id_file(root, split, stem) for stem in image_stems(spec, root, split))
    return any(path.is_file() for path in converted) or bool(label_stems(spec, root, split))


def evaluation_samples(
    experiment: Experiment, split: str, limit: int | None, ranks: Ranks = ALONE
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Images and truths, `limit` of them spread over the split; of these every rank's own share."""
    dataset = target_dataset(experiment, split)
    count = len(dataset) if limit is None else min(limit, len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    for i in chosen[ranks.rank :: ranks.world]:
        yield dataset.load_for_evaluation(int(i))


def unlabelled_images(
    experiment: Experiment, limit: int | None, ranks: Ranks = ALONE
) -> Iterator[Tensor]:
    """The target's training images (3, h, w) without a look at a label, up to `limit` and to what
    the run may see of them; of these every rank's own share."""
    data = experiment.data
    limit = min((n for n in (limit, data.max_target_images) if n is not None), default=None)
    dataset = SegmentationDataset(get_spec(data.target), data.data_root, "train", False, limit)
    for i in range(ranks.rank, len(dataset), ranks.world):
        yield transforms.to_tensors(dataset.load(i)[0], None)[0]
