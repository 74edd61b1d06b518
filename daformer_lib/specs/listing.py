"""The files of one split of a data set: which are read, which are left out, and why.

A stem stands for a file by the spec's pattern; a file whose name differs from that only in how its
ending is spelled (.JPG, .jpeg) or how its letters are stored is read as well (`folders.canonical`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from daformer_lib.folders import (
    HEIC,
    HEIC_SUFFIXES,
    IMAGE_SUFFIXES,
    NO_IMAGE,
    LeftOut,
    Why,
    canonical,
    contents,
    folder_on_disk,
    on_disk,
)
from daformer_lib.specs.patterns import compiled, pieces, stem_of

PatternKey = Literal["image_pattern", "label_pattern", "train_id_pattern"]
PATTERNS: tuple[PatternKey, ...] = ("image_pattern", "label_pattern", "train_id_pattern")
# What the kit itself writes into a data set's folder, besides train ids.
OWN_FILES = (
    ".prepared/*", ".conversion_*", "sample_class_stats*.json", ".sample_class_stats*", ".*.part",
    ".*.lock",
)  # fmt: skip

TWICE = Why(
    "files whose names differ from another's only in the ending or in how letters are stored",
    "rename them, with their labels, or remove them",
)
ENDING = Why(
    "images with another ending than the pattern's",
    "convert them, or give the pattern their ending if all have it",
)
COPY = Why("files that differ from an image in the ending", "right if they are copies", False)
NAME = Why("images whose names do not fit the pattern", "right if they are not meant", False)


class Patterns(Protocol):
    """Of a `DatasetSpec`: where its files lie."""

    image_pattern: str
    label_pattern: str
    train_id_pattern: str
    include: str
    splits: tuple[str, ...]

    def root(self, data_root: str | Path) -> Path: ...


@dataclass(frozen=True)
class Listing:
    """All that lies in the folder of one pattern; paths are below the data set's folder."""

    files: Mapping[str, str] = field(default_factory=dict)  # stem -> file, sorted: what is read
    respelled: tuple[str, ...] = ()  # of these, what the pattern spells otherwise
    left_out: tuple[LeftOut, ...] = ()
    others: tuple[str, ...] = ()  # labels beside images, other splits, what `include` leaves out


def list_files(spec: Patterns, data_root: str | Path, split: str, key: PatternKey) -> Listing:
    """What the folder of a pattern holds for a split; nothing where there is no such folder."""
    root = folder_on_disk(spec.root(data_root))
    before = pieces(getattr(spec, key), split)[0]
    folder = folder_on_disk(root / before.rpartition("/")[0])
    found = contents(folder)
    place = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
    own, left_out = [], []
    for one in found.left_out:
        path = one.path if Path(one.path).is_absolute() else place + one.path.removeprefix("./")
        if _is_own(path):
            own.append(path)
        else:
            left_out.append(LeftOut(path, one.why))
    spelled, rest, twice = _by_stem(spec, split, key, root, [place + p for p in found.files])
    stems = _wanted(spec, split, {stem: name for stem, (name, _) in spelled.items()})
    files = {stem: spelled[stem][1] for stem in stems}
    others = [path for stem, (_, path) in spelled.items() if stem not in files]
    for path in rest:
        why = None if _is_own(path) else _why_not(spec, key, split, path, files)
        (others.append(path) if why is None else left_out.append(LeftOut(path, why)))
    return Listing(
        files,
        tuple(path for stem, path in files.items() if path != spelled[stem][0]),
        (*left_out, *(LeftOut(path, TWICE) for path in twice)),
        (*own, *others),
    )


def _by_stem(
    spec: Patterns, split: str, key: PatternKey, root: Path, paths: list[str]
) -> tuple[dict[str, tuple[str, str]], list[str], list[str]]:
    """stem -> (path as the pattern spells it, path on disk); what does not fit; what is double."""
    by_stem: dict[str, list[str]] = {}
    names, rest = {}, []
    for path in paths:
        name, stem = _read_as(getattr(spec, key), split, path)
        if stem is None:
            rest.append(path)
        else:
            by_stem.setdefault(stem, []).append(path)
            names[stem] = name
    found, twice = {}, []
    for stem in sorted(names, key=lambda stem: names[stem].split("/")):
        kept = by_stem[stem][0]
        if len(by_stem[stem]) > 1:  # the one that will be opened
            kept = on_disk(root / names[stem]).relative_to(root).as_posix()
            twice += [path for path in by_stem[stem] if path != kept]
        found[stem] = (names[stem], kept)
    return found, rest, twice


def _read_as(pattern: str, split: str, path: str) -> tuple[str, str | None]:
    """The path as the pattern spells it, and its stem; None where it does not fit."""
    regex, ending = compiled(pattern, split)
    name = canonical(path, ending)
    match = regex.fullmatch(name)
    return name, match and stem_of(match)


def _wanted(spec: Patterns, split: str, found: Mapping[str, str]) -> list[str]:
    """Stems that `include` takes and that are no labels of others.

    Where all files lie in one folder, the label a_mask.png looks like an image a_mask.
    """
    labels = set()
    for other in (spec.label_pattern, spec.train_id_pattern):
        stems = ((stem, _read_as(other, split, path)[1]) for stem, path in found.items())
        labels |= {stem for stem, of in stems if of is not None and of != stem and of in found}
    return [s for s in found if s not in labels and fnmatchcase(s, spec.include)]


def _is_own(path: str) -> bool:
    return any(fnmatchcase(part, own) for own in OWN_FILES for part in (path, path.split("/")[-1]))


def _why_not(
    spec: Patterns, key: PatternKey, split: str, path: str, files: Mapping[str, str]
) -> Why | None:
    """Why a file is not read; None where it is something else of this data set.

    Beside labels many sets keep previews and outlines: an image without a label is named instead.
    """
    if key != "image_pattern" or any(
        _read_as(getattr(spec, other), each, path)[1] for other in PATTERNS for each in spec.splits
    ):
        return None
    around = pieces(spec.image_pattern, split)
    if len(around) == 3 and around[1].rpartition("/")[0] not in path:
        return None  # of another folder between the scenes and their frames
    wanted = compiled(spec.image_pattern, split)[1]
    suffix = PurePosixPath(path).suffix
    if suffix.lower() not in IMAGE_SUFFIXES:
        return HEIC if suffix.lower() in HEIC_SUFFIXES else NO_IMAGE
    if PurePosixPath(canonical(path, wanted)).suffix == wanted:
        return NAME
    same = _read_as(spec.image_pattern, split, path.removesuffix(suffix) + wanted)[1]
    return COPY if same in files else ENDING
