"""What lies below a folder: every file once, links followed, and by name what is left out and why.

The one reader of folders of images and labels: conversion, checks, inspection, loaders, `predict`
and the comparison see the same files. `Contents.files` and `Contents.left_out` together are all
that is there.
"""

from __future__ import annotations

import os
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
HEIC_SUFFIXES = (".heic", ".heif")
SAME_FORMAT = ((".jpg", ".jpeg"), (".tif", ".tiff"))  # two endings of one format
# Left by systems, synchronisation and archives; some hold small copies of the images beside them.
SYSTEM_FOLDERS = (
    "__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found",
)  # fmt: skip
SYSTEM_FILES = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
NAMED = 3  # files that a sentence names one by one


@dataclass(frozen=True)
class Why:
    """A reason to leave a file out."""

    what: str  # of several files
    remedy: str
    lost: bool = True  # it may be an image that is meant


SYSTEM = Why("hidden or system files", "nothing to do: these are no images", lost=False)
NO_TARGET = Why("links that lead nowhere", "mend or remove them")
SEEN = Why("links to folders that are read already", "nothing to do", lost=False)
CLOSED = Why("folders that cannot be opened", "ask for the right to read them")
SPECIAL = Why("neither files nor folders", "move them away", lost=False)
AGAIN = Why("links to images that are read already", "nothing to do", lost=False)
NO_IMAGE = Why("files that are no images", "nothing to do", lost=False)
HEIC = Why(
    "photographs in HEIC, which is not read",
    'save them as JPEG (on a phone: camera format "most compatible"), or convert them',
)
EMPTY = Why("empty folders that are named like images", "put the image in their place")


@dataclass(frozen=True)
class LeftOut:
    """A file, or a folder with all below it, that is not read."""

    path: str  # below the folder that was asked for, with "/"; that of a folder ends in "/"
    why: Why


@dataclass(frozen=True)
class Contents:
    """All that lies below a folder."""

    files: tuple[str, ...]  # paths below it, with "/"
    left_out: tuple[LeftOut, ...]


def is_system(name: str) -> bool:
    """Whether a file or folder of this name is the system's, not the user's."""
    return (name.startswith(".") and name != "..") or name.lower() in (
        *SYSTEM_FOLDERS,
        *SYSTEM_FILES,
    )


def contents(folder: str | Path) -> Contents:
    """Every file below a folder, in order of names; none where there is no folder.

    Real folders come first, then what links lead to. Each folder is read once, under the first
    name: so links that lead round in a circle end, and no file comes twice through them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return Contents((), tuple(_broken_way(folder)))
    files: list[str] = []
    left_out: list[LeftOut] = []
    start = os.path.realpath(folder)
    waiting, links, seen = deque([("", start)]), deque(), {start}
    while waiting or links:
        if not waiting:
            below, real, place = links.popleft()
            if real in seen or _is_above(real, place) or _is_above(real, start):
                left_out.append(LeftOut(below, SEEN))
                continue
            waiting.append((below, real))
            seen.add(real)
        below, real = waiting.popleft()
        for kind, name, target in _entries(below, real):
            if kind == "file":
                files.append(name)
            elif kind == "link":
                links.append((name, target, real))
            elif kind != "folder":
                left_out.append(LeftOut(name, kind))
            elif target in seen:  # a link led to a folder that holds one that was read before
                left_out.append(LeftOut(name, SEEN))
            else:
                seen.add(target)
                waiting.append((name, target))
    return Contents(
        tuple(sorted(files, key=_parts)), tuple(sorted(left_out, key=lambda o: _parts(o.path)))
    )


def _parts(path: str) -> list[str]:
    return path.split("/")


def _is_above(folder: str, other: str) -> bool:
    return Path(other).is_relative_to(folder)


def _broken_way(folder: Path) -> Iterator[LeftOut]:
    """A link on the way to a folder that leads nowhere is why the folder seems to be missing."""
    for place in (folder, *folder.parents):
        if place.is_symlink() and not place.exists():
            yield LeftOut(str(place), NO_TARGET)


def _entries(below: str, real: str) -> Iterator[tuple[str | Why, str, str]]:
    """(kind, path below, real path) of what lies in one folder, in order of names."""
    try:
        with os.scandir(real) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:
        yield CLOSED, below or "./", real
        return
    if not entries and PurePosixPath(below).suffix.lower() in IMAGE_SUFFIXES:
        yield EMPTY, below, real
    for entry in entries:
        name, path = below + entry.name, os.path.join(real, entry.name)
        if is_system(entry.name):
            yield SYSTEM, name + ("/" if _is_folder(entry) else ""), path
        elif not entry.is_symlink():
            yield _kind(entry), name + ("/" if _is_folder(entry) else ""), path
        elif _is_folder(entry):
            yield "link", f"{name}/", os.path.realpath(path)
        else:
            yield (_kind(entry) if os.path.exists(path) else NO_TARGET), name, path


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _kind(entry: os.DirEntry) -> str | Why:
    if _is_folder(entry):
        return "folder"
    return "file" if entry.is_file() else SPECIAL


def canonical(path: str, ending: str) -> str:
    """The path as a pattern that ends in `ending` spells it.

    Letters with marks are composed (NFC), as most systems store them (macOS may not), and an
    ending that is another spelling of `ending` becomes it. Anything else stays as it is.
    """
    if not path.isascii():
        path = "/".join(map(_composed, path.split("/")))
    suffix = _suffix(path)
    return path.removesuffix(suffix) + ending if suffix in _endings(ending) else path


def _suffix(path: str) -> str:
    """That of `PurePath`, in a sixth of its time: it is asked for each of tens of thousands."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:] if 0 < dot < len(name) - 1 else ""


def _composed(name: str) -> str:
    # A name in neither form (such as one with an ohm sign) would not be found again by its NFC.
    composed = unicodedata.normalize("NFC", name)
    return composed if name in _forms(composed) else name


def _forms(name: str) -> tuple[str, ...]:
    return (name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))


@cache
def _endings(ending: str) -> tuple[str, ...]:
    """Spellings of an ending that mean the same format, the ending itself first."""
    family = next((f for f in SAME_FORMAT if ending.lower() in f), (ending.lower(),))
    spelled = (case for e in family for case in (e, e.upper(), "." + e[1:].capitalize()))
    return tuple(dict.fromkeys((ending, *spelled))) if ending else ("",)


def on_disk(path: Path) -> Path:
    """The file of that name, or one whose name is another spelling of it (see `canonical`).

    The path itself where there is none.
    """
    if os.path.isfile(path):
        return path
    for folder in _spelled_folders(path.parent):
        for ending in _endings(path.suffix):
            for name in _forms(path.name.removesuffix(path.suffix) + ending):
                if os.path.isfile(folder / name):
                    return folder / name
    return path


def folder_on_disk(folder: Path) -> Path:
    """The same for a folder."""
    return next(_spelled_folders(folder), folder)


def _spelled_folders(folder: Path) -> Iterator[Path]:
    """All folders whose names, or those above them, are spellings of this one, itself first."""
    if str(folder).isascii():
        yield folder
        return
    for above in _spelled_folders(folder.parent):
        spelled = (above / name for name in dict.fromkeys(_forms(folder.name)))
        yield from (place for place in spelled if os.path.isdir(place))


def in_words(left_out: Iterable[LeftOut]) -> str:
    """What is left out: of each reason how many, the first names, the remedy; "" for nothing.

    >>> in_words([LeftOut("a/._x.jpg", SYSTEM), LeftOut("Thumbs.db", SYSTEM)])
    "2 hidden or system files (a/._x.jpg, Thumbs.db): nothing to do: these are no images"
    """
    reasons: dict[Why, list[str]] = {}
    for one in left_out:
        reasons.setdefault(one.why, []).append(one.path)
    return "; ".join(_sentence(why, names) for why, names in reasons.items())


def _sentence(why: Why, names: list[str]) -> str:
    return f"{len(names):,} {why.what} ({few(names)}): {why.remedy}"


def matches(path: str, pattern: Sequence[str]) -> bool:
    """Whether a path fits the parts of a glob, of which "**" stands for any number of folders."""
    return _fit(path.split("/"), pattern)


def _fit(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fit(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fit(parts[1:], pattern[1:])


def few(names: Sequence[str]) -> str:
    """The first names, and how many there are where that is not all."""
    shown = ", ".join(name.replace("\n", "\\n") for name in names[:NAMED])
    return shown + (f", ... {len(names):,} in all" if len(names) > NAMED else "")
