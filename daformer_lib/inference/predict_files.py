"""Labelling image files: which ones are meant, what is written for each, what is skipped.

For an image `a.jpg` three files appear, each written whole or not at all: `a_overlay.png` (class
colours over the image), `a_confidence.png` (8 bits, probability x 255) and, last, `a_labels.png`
(ids; its presence says that the image is done), all lying as a viewer shows the photo. Files found
in a folder or by a glob keep their place below it.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from daformer_lib.files import (
    BrokenImage,
    pixel_note,
    read_image,
    write_label_png,
    write_png,
)
from daformer_lib.folders import (
    AGAIN,
    HEIC,
    HEIC_SUFFIXES,
    IMAGE_SUFFIXES,
    NO_IMAGE,
    NO_TARGET,
    SYSTEM,
    Why,
    contents,
    is_system,
    matches,
)
from daformer_lib.inference.exchange import TrainedModel
from daformer_lib.inference.gallery import Gallery
from daformer_lib.inference.labelling import NetworkView, Prediction, label_images
from daformer_lib.progress import Report, silent
from daformer_lib.specs import DatasetSpec
from daformer_lib.specs.dataset_spec import is_below
from daformer_lib.texts import complaint
from daformer_lib.viz import overlay

WrittenIds = Literal["train", "original"]
LONGEST_NAME = 255  # bytes, on nearly every file system
OUTPUTS = ("_overlay.png", "_confidence.png", "_labels.png")


@dataclass(frozen=True)
class ImageFile:
    """An image to label."""

    path: Path
    name: str  # of its outputs below the output folder, without ending: "a" or "night/a"


@dataclass
class Summary:
    """What became of the images."""

    written: list[Path] = field(default_factory=list)  # the label files
    skipped: dict[Path, str] = field(default_factory=dict)  # unreadable image -> reason
    notes: dict[Path, str] = field(default_factory=dict)  # unusual image -> what reading changes


def find_images(
    inputs: Sequence[str | Path],
    output_dir: str | Path,
    left_out: dict[str, Why] | None = None,
) -> list[ImageFile]:
    """The images that files, folders (with all below them) and globs name, in that order.

    Outputs of an earlier call that lie in `output_dir` are no images.

    Args:
        left_out: is filled with the other files that were met, each with the reason.

    Raises:
        FileNotFoundError: an input that names nothing. ValueError: two images whose outputs would
            be the same files.
    """
    found: dict[Path, ImageFile] = {}
    for entry in inputs:
        met: dict[str, Why] = {} if left_out is None else left_out
        for image in _expand(str(entry), Path(output_dir), met):
            found.setdefault(image.path, image)
    names: dict[str, Path] = {}
    for image in found.values():
        _require_possible(image)
        other = names.setdefault(image.name, image.path)
        if other != image.path:
            raise ValueError(
                f"{other} and {image.path} would both be written as {image.name}{OUTPUTS[-1]}; "
                "rename one, or label them into two output folders"
            )
    return list(found.values())


def _expand(entry: str, output_dir: Path, left_out: dict[str, Why]) -> list[ImageFile]:
    """The images of one input; a file that is named itself may have any ending."""
    if Path(entry).is_file():
        return [ImageFile(Path(entry), Path(entry).stem)]
    if Path(entry).is_dir():
        base, candidates = Path(entry), _below(Path(entry), ("**",), left_out)
    elif glob.has_magic(entry):
        base, candidates = _fixed_part(entry), _globbed(entry, left_out)
    else:
        raise FileNotFoundError(f"no file or folder {entry}")
    images: dict[Path, Path] = {}  # what a path leads to -> the path
    for path in sorted(candidates):
        if _is_output(path, output_dir):
            continue
        why = _why_not(path, base)
        if why is None and images.setdefault(path.resolve(), path) != path:
            why = AGAIN
        if why is not None:
            left_out[str(path)] = why
    if not images:
        raise FileNotFoundError(f"no image ({', '.join(IMAGE_SUFFIXES)}) in {entry}")
    return [ImageFile(p, p.relative_to(base).with_suffix("").as_posix()) for p in images.values()]


def _below(folder: Path, pattern: Sequence[str], left_out: dict[str, Why]) -> list[Path]:
    """The files below a folder that fit the parts of a glob."""
    found = contents(folder)
    left_out |= {os.path.join(folder, one.path): one.why for one in found.left_out}
    return [folder / path for path in found.files if matches(path, pattern)]


def _globbed(pattern: str, left_out: dict[str, Why]) -> list[Path]:
    """The files that a glob names; below its "**", those that a folder would name."""
    parts = Path(pattern).parts
    if "**" not in parts:
        return [path for path in map(Path, glob.glob(pattern)) if not path.is_dir()]
    start = parts.index("**")
    folders = map(Path, glob.glob(str(Path(*parts[:start]))))
    return [path for below in folders for path in _below(below, parts[start:], left_out)]


def _why_not(path: Path, base: Path) -> Why | None:
    """Why a file is not labelled; None where it is."""
    if any(map(is_system, path.relative_to(base).parts)):
        return SYSTEM
    if not path.exists():
        return NO_TARGET
    if path.suffix.lower() in HEIC_SUFFIXES:
        return HEIC
    return None if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() else NO_IMAGE


def _require_possible(image: ImageFile) -> None:
    """Raises ValueError where its outputs would lie elsewhere or have names too long to write."""
    if not is_below(image.name):
        raise ValueError(
            f"{image.path} would be written outside the output folder, as {image.name}; name its "
            "folder without '..' after a wildcard"
        )
    longest = max(len(os.fsencode(Path(image.name).name + ending)) for ending in OUTPUTS)
    if longest > LONGEST_NAME:
        raise ValueError(
            f"{image.path}: its outputs would have names of {longest} bytes, and disks take "
            f"{LONGEST_NAME}; shorten the name"
        )


def _fixed_part(pattern: str) -> Path:
    """The folders before the first wildcard."""
    parts = Path(pattern).parts
    wild = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:wild])


def _is_output(path: Path, output_dir: Path) -> bool:
    return path.name.endswith(OUTPUTS) and path.resolve().is_relative_to(output_dir.resolve())


def predict_files(
    model: TrainedModel,
    images: Sequence[ImageFile],
    output_dir: str | Path,
    view: NetworkView,
    ids: WrittenIds = "train",
    report: Report = silent,
    gallery: Gallery | None = None,
) -> Summary:
    """Label every readable image; the others are named in the summary.

    Args:
        gallery: gets every image with its labels.
    """
    table = original_ids(model.spec) if ids == "original" else np.arange(256, dtype=np.uint8)
    summary = Summary()
    for group in _groups(images, 1 if view.window else view.batch):
        pixels = _read(group, summary)
        predictions = label_images(model.network, list(pixels.values()), view)
        for (image, picture), prediction in zip(pixels.items(), predictions):
            stem = f"{Path(output_dir) / image.name}"
            seen = overlay(picture, prediction.label, model.spec)
            summary.written.append(_write(stem, seen, prediction, table))
            if gallery is not None:
                gallery.add(image.name, picture, seen, prediction.label)
        report(len(summary.written) + len(summary.skipped), len(images), group[-1].path.name)
    return summary


def _groups(images: Sequence[ImageFile], size: int) -> Iterator[Sequence[ImageFile]]:
    for first in range(0, len(images), size):
        yield images[first : first + size]


def _read(images: Sequence[ImageFile], summary: Summary) -> dict[ImageFile, np.ndarray]:
    pixels = {}
    for image in images:
        try:
            pixels[image] = read_image(image.path)
            if note := pixel_note(image.path):
                summary.notes[image.path] = note
        except (BrokenImage, OSError) as error:
            summary.skipped[image.path] = complaint(error)
    return pixels


def _write(stem: str, seen: np.ndarray, prediction: Prediction, table: np.ndarray) -> Path:
    write_png(f"{stem}_overlay.png", seen)
    confidence = np.rint(255 * prediction.confidence).astype(np.uint8)
    write_png(f"{stem}_confidence.png", confidence)
    return write_label_png(f"{stem}_labels.png", table[prediction.label])


def original_ids(spec: DatasetSpec) -> np.ndarray:
    """(K,) the value that stands for each train id in the data set's own label files.

    Where several values mean one class, the smallest; uint16 if one of them needs it.
    """
    values = spec.own_ids
    missing = [spec.classes[t] for t in range(spec.num_classes) if t not in values]
    if missing:
        raise ValueError(f"{spec.name}'s id_map has no id for {missing}; use --ids train")
    ids = [values[t] for t in range(spec.num_classes)]
    return np.array(ids, dtype=np.uint8 if max(ids) < 256 else np.uint16)
