"""Look at a data set before training on it: pairs, sizes, label values, classes, likely mistakes.

Nothing is printed here; `inspect-data` of the command line prints. Class statistics and train ids
are brought up to date first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from daformer_lib import files
from daformer_lib.config import UDAConfig
from daformer_lib.data.class_stats import ClassStats, largest_covers, read_class_stats
from daformer_lib.data.drawn.kit.sheet import label_colours, tile
from daformer_lib.data.intake.check import check_split
from daformer_lib.data.intake.convert import convert, train_ids
from daformer_lib.data.intake.mistakes import (
    LabelSample,
    Mistake,
    find_mistakes,
    sample_label,
    total_values,
)
from daformer_lib.data.intake.photos import (
    labels_lie,
    orientation_mistake,
    orientation_remark,
    pixel_remarks,
)
from daformer_lib.data.on_disk import label_stems, reading_notes, spread
from daformer_lib.data.rare_class import (
    rcs_probabilities,
    scaled_min_crop_pixels,
    scaled_min_pixels,
)
from daformer_lib.data.transforms import fit_size, resize_label
from daformer_lib.image_rules import Header, as_shown, require_photo
from daformer_lib.progress import Report, silent
from daformer_lib.specs import DatasetSpec
from daformer_lib.texts import complaint

SAMPLE = 50  # label files whose values are read one by one
TILE = 320  # px: width of a picture on the contact sheet

FD_CELL = 32  # px: a cell of the last feature map of MiT and ResNet, at the training size

Size = tuple[int, int]  # (width, height)


@dataclass(frozen=True)
class ThingCover:
    """Whether a thing is ever large enough for the feature distance to act on it."""

    class_id: int
    largest: float  # share of a feature cell that it covers at most, in the sampled labels
    labels: int  # sampled labels in which it covers enough of one


@dataclass(frozen=True)
class SplitInspection:
    """What was found in one split."""

    spec: DatasetSpec
    split: str
    images: int
    labels: int  # own label files
    pairs: tuple[str, ...]  # stems of images that have a label
    image_sizes: Counter[Size]  # all images that can be read
    label_sizes: Counter[Size]  # of the samples
    samples: tuple[LabelSample, ...]
    stats: ClassStats | None  # None where there are no labels
    problems: tuple[str, ...]  # of folders and files: what is wrong and what to do
    remarks: tuple[str, ...]  # what is wrong only if it is not meant
    mistakes: tuple[Mistake, ...]  # of the labels' content
    covers: tuple[ThingCover, ...] = ()  # of each thing class, at the training size

    @property
    def values(self) -> Counter[int]:
        """Pixels of each own id in the samples."""
        return total_values(self.samples)

    @property
    def label_size(self) -> Size | None:
        """The commonest size of a label file."""
        return self.label_sizes.most_common(1)[0][0] if self.label_sizes else None


@dataclass(frozen=True)
class RcsOutlook:
    """What Rare Class Sampling will do with a split."""

    min_pixels: int  # on a label file
    min_crop_pixels: int  # in a crop
    images: np.ndarray  # (K,) images with more than min_pixels of the class
    probabilities: np.ndarray  # (K,) float32; all 0 where no class can be drawn


def inspect_split(
    spec: DatasetSpec,
    data_root: str | Path,
    split: str,
    sample: int = SAMPLE,
    workers: int = 1,
    report: Report = silent,
    recheck: bool = False,
) -> SplitInspection:
    """Look at one split; converts its labels first where that is due (`recheck`: see `convert`)."""
    stems = spec.stems(data_root, split)
    labels = label_stems(spec, data_root, split)
    pairs = tuple(sorted(set(stems) & set(labels)))
    problems: list[str] = []
    stats, skipped = None, {}
    if pairs:
        done = convert(spec, data_root, split, workers, report, recheck)
        skipped = dict(done.problems)
        problems += [f"skipped {stem}: {why}" for stem, why in skipped.items()]
        stats = read_class_stats(spec, data_root, split)
    images = {stem: spec.image_file(data_root, split, stem) for stem in stems}
    photos, broken = _headers(images)
    pixel_notes, refused = pixel_remarks(photos, images, sample)
    problems += [why for stem, why in (broken | refused).items() if stem not in skipped]
    chosen = spread(pairs, sample)
    samples = tuple(_samples(spec, data_root, split, chosen))
    own = {stem: spec.label_file(data_root, split, stem) for stem in pairs}
    label_headers, _ = _headers({stem: own[stem] for stem in chosen}, photo=False)
    lies = labels_lie(photos, own)
    notes = reading_notes(spec, data_root, split)
    remarks = [*notes.remarks, *pixel_notes, *orientation_remark(photos, lies)]
    if stems and not labels:
        # Training images come first in `splits`; a split that is there to be scored needs labels.
        training = split == spec.splits[0]
        (remarks if training else problems).append(_unlabelled(spec, data_root, split))
        problems += notes.problems
    else:
        problems += check_split(spec, data_root, split).problems
    mistakes = (
        *find_mistakes(spec, samples),
        *orientation_mistake(lies),
        *_absent(spec, stats),
    )
    return SplitInspection(
        spec, split, len(stems), len(labels), pairs, _sizes(photos), _sizes(label_headers), samples,
        stats, tuple(dict.fromkeys(problems)), tuple(remarks), mistakes,
        thing_covers(spec, data_root, split, chosen),
    )  # fmt: skip


def thing_covers(
    spec: DatasetSpec, data_root: str | Path, split: str, stems: Sequence[str]
) -> tuple[ThingCover, ...]:
    """How much of a feature cell each of the spec's things covers, in the labels of `stems`."""
    covers = []
    for stem in stems if spec.things else ():
        label = _label_beside(spec, data_root, split, stem)
        if label is not None:
            size = fit_size(label.shape[::-1], spec.size, spec.keep_ratio)
            covers.append(largest_covers(resize_label(label, size), spec.things, FD_CELL))
    if not covers:
        return ()
    found = np.array(covers)  # (N, things)
    enough = (found >= UDAConfig.fd_min_share).sum(axis=0)
    largest = found.max(axis=0)
    return tuple(
        ThingCover(*one) for one in zip(spec.things, largest.tolist(), enough.tolist(), strict=True)
    )


def co_occurrence(stats: ClassStats) -> np.ndarray:
    """(K, K) images that show both classes; the diagonal counts those that show the class."""
    shown = (stats.counts > 0).astype(np.int64)  # (N, K)
    return shown.T @ shown


def rcs_outlook(
    stats: ClassStats, label_size: Size, crop: tuple[int, int], temperature: float
) -> RcsOutlook:
    """The authors' thresholds scaled to these label files and this crop, and what they do."""
    least = scaled_min_pixels(label_size)
    images = (stats.counts > least).sum(axis=0)
    drawable = images > 0
    probabilities = np.zeros(len(images), np.float32)
    if drawable.any():
        probabilities = rcs_probabilities(stats.totals, temperature, drawable)
    return RcsOutlook(least, scaled_min_crop_pixels(crop), images, probabilities)


def contact_sheet(
    spec: DatasetSpec, data_root: str | Path, split: str, stems: Sequence[str], columns: int = 4
) -> np.ndarray | None:
    """Images, each beside its label in the spec's colours where it has one (black = ignored).

    None where no image can be read.
    """
    pictures: list[np.ndarray] = []
    shape: Size | None = None
    for stem in stems:
        try:
            image = files.read_image(spec.image_file(data_root, split, stem))
        except (files.BrokenImage, OSError):  # named among the problems
            continue
        shape = shape or (TILE, max(1, round(TILE * image.shape[0] / image.shape[1])))
        pictures.append(cv2.resize(image, shape, interpolation=cv2.INTER_AREA))
        ids = _label_beside(spec, data_root, split, stem)
        if ids is not None:
            small = cv2.resize(ids, shape, interpolation=cv2.INTER_NEAREST)
            pictures.append(label_colours(small, spec.palette))
    return tile(pictures, columns) if pictures else None


def _label_beside(
    spec: DatasetSpec, data_root: str | Path, split: str, stem: str
) -> np.ndarray | None:
    """(H, W) uint8 train ids, lying as training sees them; None where there is no good label."""
    try:
        ids = train_ids(spec, spec.label_file(data_root, split, stem))
        return as_shown(ids, files.image_header(spec.image_file(data_root, split, stem)))
    except (files.BrokenImage, OSError):  # named among the problems
        return None


def _headers(
    paths: Mapping[str, Path], photo: bool = True
) -> tuple[dict[str, Header], dict[str, str]]:
    """(stem -> header, stem -> why it cannot be read); nothing is decoded."""
    headers, broken = {}, {}
    for stem, path in paths.items():
        try:
            headers[stem] = files.image_header(path)
            if photo:
                require_photo(headers[stem], path)
        except (files.BrokenImage, OSError) as error:
            broken[stem] = complaint(error)
    return headers, broken


def _sizes(headers: Mapping[str, Header]) -> Counter[Size]:
    return Counter(header.size for header in headers.values())


def _samples(
    spec: DatasetSpec, data_root: str | Path, split: str, stems: Sequence[str]
) -> Iterator[LabelSample]:
    for stem in stems:
        try:
            yield sample_label(spec, stem, spec.label_file(data_root, split, stem))
        except (files.BrokenImage, OSError):  # the conversion has named it
            continue


def _absent(spec: DatasetSpec, stats: ClassStats | None) -> Iterator[Mistake]:
    """Classes that no pair shows."""
    if stats is None or not stats.stems:
        return
    absent = [name for name, total in zip(spec.classes, stats.totals) if total == 0]
    if absent:
        yield Mistake(
            f"no pixel of {', '.join(absent)} in any label",
            "check the ids that id_map gives them; if they are truly absent here, nothing can be "
            "learned of them from this set",
        )


def _unlabelled(spec: DatasetSpec, data_root: str | Path, split: str) -> str:
    expected = spec.label_path(data_root, split, "<name>")
    return (
        f"no labels: expected files like {expected}. Fine for a target's training images; a source "
        "needs them to train, and a target's val split to be scored"
    )
