"""Batches for training, as a function of (seed, step) alone.

Sample number n of a stream takes its generator from (seed, stream, n): the number of workers
changes nothing, and going on at step s is starting there. Which images meet follows the authors
(lhoyer/DAFormer, UDADataset): with Rare Class Sampling the class picks the source image and the
target image is uniform; without it, pairs run through the product of both sets, shuffled.
"""

from __future__ import annotations

import dataclasses
import signal
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from daformer_lib.batch import Labelled, TrainBatch, Unlabelled
from daformer_lib.config import NEEDS, DataConfig, Experiment, Mode
from daformer_lib.data import transforms
from daformer_lib.data.datasets import LabelledSet, SegmentationDataset, open_source
from daformer_lib.data.on_disk import conversion_command
from daformer_lib.data.order import PairOrder, generator
from daformer_lib.data.rare_class import (
    RareClassSampler,
    crop_until,
    scaled_min_crop_pixels,
    scaled_min_pixels,
)
from daformer_lib.ranks import ALONE, Ranks, share_of
from daformer_lib.specs import DatasetSpec, get_spec, get_specs

_NO_END = 2**40  # steps


class Drawn(NamedTuple):
    """One augmented sample."""

    image: np.ndarray  # (h, w, 3) uint8 RGB, the crop's size or smaller
    label: np.ndarray | None  # (h, w) uint8
    stem: str
    wanted: int | None = None  # the class that Rare Class Sampling drew
    valid: np.ndarray | None = None  # (h, w) bool: inside the target's margins, where it has any


class LabelledStream:
    """Draw number -> labelled crop."""

    def __init__(
        self,
        dataset: LabelledSet,
        config: DataConfig,
        seed: int,
        sampler: RareClassSampler | None = None,
    ) -> None:
        self.dataset, self.config, self.seed, self.sampler = dataset, config, seed, sampler

    def sample(self, draw: int, index: int) -> Drawn:
        """``index`` is the image without RCS; with it, the drawn class decides."""
        rng = generator(self.seed, "labelled", draw)
        if self.sampler is None:
            wanted = None
            image, label = self.dataset.load(index)
            box = self._box(label, rng)
        else:
            wanted, index = self.sampler.draw(rng)
            image, label = self.dataset.load(index)
            box = self._box_with(wanted, label, rng)
        drawn = self._augment(image, label, box, rng, self.dataset.stems[index])
        return drawn._replace(wanted=wanted)

    def _box(self, label: np.ndarray, rng: np.random.Generator) -> transforms.Box:
        return transforms.random_crop(label, self.config.crop, rng, self.config.cat_max_ratio)

    def _box_with(self, wanted: int, label: np.ndarray, rng: np.random.Generator) -> transforms.Box:
        """A crop that shows enough of the drawn class; the image is read once for all tries."""

        def draw() -> tuple[transforms.Box, np.ndarray]:
            box = self._box(label, rng)
            return box, box.cut(label)

        config = self.config
        return crop_until(draw, wanted, config.rcs_min_crop_pixels, config.rcs_max_loads)[0]

    def _augment(
        self,
        image: np.ndarray,
        label: np.ndarray,
        box: transforms.Box,
        rng: np.random.Generator,
        stem: str,
    ) -> Drawn:
        image, label = box.cut(image), box.cut(label)
        if transforms.random_flip(rng):
            image, label = transforms.flip(image), transforms.flip(label)
        if self.config.photometric:
            image = transforms.photometric_distortion(np.ascontiguousarray(image), rng)
        return Drawn(image, label, stem)


class UnlabelledStream:
    """Draw number -> target crop, without a label and without a look at one."""

    def __init__(self, dataset: SegmentationDataset, config: DataConfig, seed: int) -> None:
        self.dataset, self.config, self.seed = dataset, config, seed

    def sample(self, draw: int, index: int | None) -> Drawn:
        """``index`` None draws the image uniformly, as the authors do beside RCS."""
        rng = generator(self.seed, "unlabelled", draw)
        if index is None:
            index = int(rng.integers(len(self.dataset)))
        image = self.dataset.load(index)[0]
        if limits := self.config.target_scale:
            scale = transforms.draw_scale(image.shape[:2], self.config.crop, limits, rng)
            image = transforms.rescale_image(image, scale)
        size, margins, valid = image.shape[:2], self.config.target_margins, None
        box = transforms.draw_box(size, self.config.crop, rng)
        image = box.cut(image)
        if margins is not None:
            valid = transforms.inside_margins(size, margins, box)
        if transforms.random_flip(rng):
            image = transforms.flip(image)
            valid = None if valid is None else transforms.flip(valid)
        return Drawn(image, None, self.dataset.stems[index], valid=valid)


class BatchStream(Dataset):
    """Step number -> this rank's share of the batch.

    Draw numbers count images over all steps, and the ranks share each step's: what a step shows
    depends on the batch's size and not on how many processes divide it.
    """

    def __init__(
        self,
        labelled: LabelledStream,
        target: UnlabelledStream | None,
        seed: int,
        ranks: Ranks = ALONE,
    ) -> None:
        share_of(labelled.config.batch_size, ranks.world)
        self.labelled, self.target, self.ranks = labelled, target, ranks
        self.order = PairOrder(len(labelled.dataset), len(target.dataset) if target else 1, seed)

    def __getitem__(self, step: int) -> TrainBatch:
        size = self.labelled.config.batch_size
        draws = self.ranks.own(range(step * size, (step + 1) * size))
        pairs = [(draw, *self.order[draw]) for draw in draws]
        crop, ignore = self.labelled.config.crop, self.labelled.dataset.spec.ignore
        sources = [self.labelled.sample(draw, i) for draw, i, _ in pairs]
        labels = transforms.stack_labels([s.label for s in sources], crop, ignore)
        source = Labelled.certain(transforms.stack_images([s.image for s in sources], crop), labels)
        stems = tuple(s.stem for s in sources)
        wanted = tuple(s.wanted for s in sources if s.wanted is not None)
        if self.target is None:
            return TrainBatch(source, None, stems, wanted)
        uniform = self.labelled.sampler is not None
        targets = [self.target.sample(draw, None if uniform else j) for draw, _, j in pairs]
        valid = None
        if self.labelled.config.target_margins is not None:
            masks = [t.valid.astype(np.uint8) for t in targets]
            valid = transforms.stack_labels(masks, crop, 0).bool()
        target = Unlabelled(transforms.stack_images([t.image for t in targets], crop), valid)
        return TrainBatch(source, target, stems + tuple(t.stem for t in targets), wanted)


def training_stream(
    config: DataConfig,
    source_spec: DatasetSpec | Sequence[DatasetSpec],
    target_spec: DatasetSpec,
    seed: int,
    mode: Mode = "uda",
    ranks: Ranks = ALONE,
) -> BatchStream:
    """The batches of a run, by step number; what a mode needs is in `config.NEEDS`.

    Several source specs are one source: see `JoinedDataset`.
    """
    if mode not in NEEDS:
        raise ValueError(f"mode {mode!r} is unknown; known: {sorted(NEEDS)}")
    side, target_images = NEEDS[mode]
    cache = config.cache_bytes // max(1, config.workers) // (2 if target_images else 1)
    sources = [source_spec] if isinstance(source_spec, DatasetSpec) else list(source_spec)
    specs = [target_spec] if side == "target" else sources
    limit = config.max_target_images if side == "target" else config.max_source_images
    dataset = open_source(specs, config.data_root, "train", limit, cache, config.prepared)
    require_labels(dataset, specs, config, side)
    sampler = None
    if config.rcs_temperature is not None:
        config = with_thresholds(config, dataset)
        counts = dataset.class_stats().counts
        sampler = RareClassSampler(
            counts, config.rcs_temperature, config.rcs_min_pixels, specs[0].classes
        )
    labelled = LabelledStream(dataset, config, seed, sampler)
    target = None
    if target_images:
        images = SegmentationDataset(
            target_spec,
            config.data_root,
            "train",
            labelled=False,
            max_images=config.max_target_images,
            cache_bytes=cache,
            prepared=config.prepared,
        )
        target = UnlabelledStream(images, config, seed)
    return BatchStream(labelled, target, seed, ranks)


def require_labels(
    dataset: LabelledSet, specs: Sequence[DatasetSpec], config: DataConfig, side: str
) -> None:
    """Warns of a set to learn from that has not one labelled pixel; ValueError if none has any.

    Training would run to its end all the same, with a loss of 0 and nothing learned.
    """
    empty = dataset.unlabelled()
    if not empty:
        return
    spec = next(spec for spec in specs if spec.name == empty[0])
    said = (
        f"no labelled pixel in the {side} {' + '.join(f'{name}/train' for name in empty)}: every "
        f"label value there is ignored ({spec.ignore} as train id), so nothing can be learned from "
        "it; are these the right label files, and does id_map name their values? Mend them, then "
        f"run: {conversion_command(spec, config.data_root)}"
    )
    if len(empty) == len(specs):
        raise ValueError(said)
    warnings.warn(said, stacklevel=3)


def with_thresholds(config: DataConfig, dataset: LabelledSet) -> DataConfig:
    """Pixel thresholds that are None, scaled to the label files and to the crop."""
    changes = {}
    if config.rcs_min_pixels is None:
        changes["rcs_min_pixels"] = scaled_min_pixels(dataset.label_size())
    if config.rcs_min_crop_pixels is None:
        changes["rcs_min_crop_pixels"] = scaled_min_crop_pixels(config.crop)
    return dataclasses.replace(config, **changes)


def training_batches(
    config: DataConfig,
    source_spec: DatasetSpec | Sequence[DatasetSpec],
    target_spec: DatasetSpec,
    seed: int,
    start_step: int = 0,
    stop_step: int | None = None,
    mode: Mode = "uda",
    ranks: Ranks = ALONE,
) -> Iterator[TrainBatch]:
    """Batches of the steps start_step..stop_step-1 (without end by default), in order."""
    stream = training_stream(config, source_spec, target_spec, seed, mode, ranks)
    steps = range(start_step, _NO_END if stop_step is None else stop_step)
    if config.workers == 0:
        return map(stream.__getitem__, steps)
    loader = DataLoader(
        stream,
        batch_size=None,  # a sample already is a batch
        sampler=steps,
        num_workers=config.workers,
        pin_memory=torch.cuda.is_available(),
        collate_fn=_as_is,
        worker_init_fn=_one_thread,
        generator=torch.Generator(),  # else it draws from the global one, which dropout uses
    )
    return _with_plain_errors(loader)


def labelled_crops(
    experiment: Experiment, limit: int | None, ranks: Ranks = ALONE
) -> Iterator[Tensor]:
    """Each labelled training image once, up to `limit` spread over all, as a crop (3, h, w) that is
    drawn as for a batch without Rare Class Sampling; of these every rank's own share."""
    data = dataclasses.replace(experiment.data, rcs_temperature=None)
    specs = get_specs(data.source), get_spec(data.target)
    stream = training_stream(data, *specs, experiment.train.seed, experiment.mode).labelled
    total = len(stream.dataset)
    count = total if limit is None else min(limit, total)
    chosen = [i * total // count for i in range(count)]
    for index in chosen[ranks.rank :: ranks.world]:
        yield transforms.stack_images([stream.sample(index, index).image], data.crop)[0]


def _with_plain_errors(loader: DataLoader) -> Iterator[TrainBatch]:
    """A worker's error as it was raised there; the loader makes a traceback its text."""
    try:
        yield from loader
    except (OSError, ValueError) as error:
        kind, text = type(error), str(error)
        _, found, message = text.rpartition(f"{kind.__name__}: ")
        raise (kind(message.strip()) if found else error) from None


def _as_is(batch: TrainBatch) -> TrainBatch:
    return batch  # the default conversion would turn the tuple of names into a list


def _one_thread(worker: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to all: the training ends them, in order
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
