"""Which files of a data set exist, and what to do when they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from daformer_lib.folders import SEEN, LeftOut, few, in_words
from daformer_lib.specs import DatasetSpec
from daformer_lib.specs.listing import PatternKey
from daformer_lib.specs.public.table import PUBLIC

T = TypeVar("T")
SCRIPTS = Path(__file__).parents[2] / "data_scripts"  # of a clone


def image_stems(spec: DatasetSpec, data_root: str | Path, split: str) -> list[str]:
    """Sorted stems of the images on disk; an error says what was expected where."""
    listing = spec.listing(data_root, split)
    if not listing.files:
        expected = spec.image_path(data_root, split, "<name>")
        there = f" Not read: {in_words(listing.left_out)}." if listing.left_out else ""
        raise FileNotFoundError(
            f"no images of {spec.name}/{split}: expected files like {expected}.{there} "
            f"{remedy(spec)}"
        )
    return list(listing.files)


def label_stems(spec: DatasetSpec, data_root: str | Path, split: str) -> list[str]:
    """Sorted stems of the data set's own label files on disk, without converted ones."""
    listing = spec.listing(data_root, split, "label_pattern")
    stems = list(listing.files)
    if any(one.why is SEEN for one in listing.left_out):
        # Images of several folders may share the labels of one, by links: a folder is listed once.
        others = (s for s in spec.stems(data_root, split) if s not in listing.files)
        shared = [s for s in others if spec.label_file(data_root, split, s).is_file()]
        stems = sorted(stems + shared, key=lambda stem: stem.split("/"))
    if spec.label_pattern == spec.train_id_pattern:
        return stems
    # In GTA's folder, 00001_labelTrainIds.png looks like the label of an image of that name.
    results = set(spec.listing(data_root, split, "train_id_pattern").files.values())
    return [stem for stem in stems if listing.files.get(stem) not in results]


@dataclass(frozen=True)
class Notes:
    """How the folders of a split are read, where that needs a word."""

    left_out: tuple[LeftOut, ...]
    respelled: tuple[str, ...]  # read, though the patterns spell the names otherwise

    @property
    def problems(self) -> list[str]:
        """What is not read, though it may be meant."""
        lost = in_words(one for one in self.left_out if one.why.lost)
        return [f"not read: {lost}"] if lost else []

    @property
    def remarks(self) -> list[str]:
        """What is rightly not read, and what is read under another spelling."""
        rest = in_words(one for one in self.left_out if not one.why.lost)
        remarks = [f"not read: {rest}"] if rest else []
        if self.respelled:
            remarks.append(
                f"read: {len(self.respelled):,} files whose names the patterns spell otherwise "
                f"({few(self.respelled)})"
            )
        return remarks


def reading_notes(spec: DatasetSpec, data_root: str | Path, split: str) -> Notes:
    """What in the folders of images and labels is not read as the patterns say."""
    keys: tuple[PatternKey, ...] = ("image_pattern", "label_pattern")
    found = [spec.listing(data_root, split, key) for key in keys]
    left_out: dict[str, LeftOut] = {}
    for one in (one for listing in found for one in listing.left_out):
        left_out.setdefault(one.path, one)  # in a folder of both, by what it is as an image
    respelled = tuple(path for listing in found for path in listing.respelled)
    return Notes(tuple(left_out.values()), respelled)


def conversion_command(spec: DatasetSpec, data_root: str | Path) -> str:
    """The command that makes train ids and statistics of this data set."""
    if spec.origin:
        return f"python -m daformer_lib inspect-data {spec.origin} --data-root {data_root}"
    name = spec.stand_in_for or spec.name
    if name in PUBLIC:
        return f"python -m daformer_lib data {name} --root {data_root}"
    script = name if name in ("gta", "synthia") else "cityscapes"
    option = "" if spec.name == script else f" --spec {spec.name}"
    if SCRIPTS.is_dir():
        return f"python data_scripts/convert_{script}.py --data-root {data_root}{option}"
    return f"python -m daformer_lib data {spec.name} --root {data_root}"


def remedy(spec: DatasetSpec) -> str:
    """What to do when a data set is not there."""
    if spec.stand_in_for:
        return "Draw it with: python -m daformer_lib make-mini"
    if spec.origin:
        page = "docs/start/your-own-data.md"
        return f"Mend {spec.origin} or move the files; {page} says what its keys mean"
    if spec.name in PUBLIC:
        return f"python -m daformer_lib data {spec.name} says where it comes from and belongs"
    page = "docs/start/real-data.md"
    return f"{page} says where {spec.name} comes from and how its folders look"


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """At most ``limit`` of them, evenly spaced: neighbours are often frames of one drive."""
    if limit is None or limit >= len(items):
        return list(items)
    if limit < 1:
        raise ValueError(f"max_images {limit} must be at least 1, or None for all")
    return [items[i * len(items) // limit] for i in range(limit)]
