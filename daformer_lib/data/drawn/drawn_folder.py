"""A folder that the kit draws: only what is missing, marked complete at the end.

The marker says what was drawn. A folder with another seed or drawing version is drawn anew; one
that holds files of somebody else is never touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import cv2

from daformer_lib.files import BrokenImage, read_json, remove_leftovers, verify_image, write_json
from daformer_lib.progress import Report
from daformer_lib.stopping import process_pool

MARKER = "mini.json"  # in the folder: what was drawn, and whether all of it is there
CHUNK = 8  # scenes that a worker draws before it reports
T = TypeVar("T")


@dataclass(frozen=True)
class Drawing(Generic[T]):
    """How one kind of scene gets to disk."""

    draw: Callable[[T], None]  # a function of a module, since worker processes look it up
    paths: Callable[[T], Iterable[Path]]  # the files that it writes
    label: str  # in the progress bar


def draw_missing(
    root: Path,
    wanted: dict[str, Any],  # what the marker says: set, seed, counts, version
    scenes: Sequence[T],
    drawing: Drawing[T],
    workers: int,
    report: Report,
) -> None:
    """Draw the scenes whose files are not there, or not whole after an interruption.

    Raises:
        FileExistsError: `prepare_folder`.
    """
    marker = root / MARKER
    prepare_folder(marker, wanted)
    check = not read_json(marker)["complete"]
    missing = [s for s in scenes if not all(is_there(path, check) for path in drawing.paths(s))]
    if not missing and not check:
        report(len(scenes), len(scenes), drawing.label)
        return
    write_json(marker, wanted | {"complete": False})
    remove_leftovers(root)
    _draw_all(drawing.draw, missing, len(scenes), drawing.label, workers, report)
    files = sum(len(list(drawing.paths(scene))) for scene in scenes)
    write_json(marker, wanted | {"complete": True, "files": files})


def prepare_folder(marker: Path, wanted: dict) -> None:
    """Keep a folder that was drawn with these settings, delete one that was drawn with others.

    Raises FileExistsError where a user may miss what would go: profiles that share a data root.
    """
    root = marker.parent
    if marker.exists():
        found = read_json(marker)
        differing = [key for key, value in wanted.items() if found.get(key) != value]
        if not differing:
            return
        if differing == ["counts"]:
            raise FileExistsError(
                f"{root} was drawn with {_images(found)} images, and {_images(wanted)} are asked "
                "for: another profile's; choose another data root, or delete this folder"
            )
        shutil.rmtree(root)
    elif root.exists() and any(not _is_leftover(path) for path in root.iterdir()):
        raise FileExistsError(
            f"{root} holds files but no {MARKER}, so this program did not draw it; "
            "move it away or choose another data root"
        )
    write_json(marker, wanted | {"complete": False})


def _images(drawn: dict) -> int:
    return sum(drawn["counts"].values())


def _is_leftover(path: Path) -> bool:
    """Of a process that was killed while it wrote the marker, before anything else."""
    return path.name.startswith(f".{MARKER}.")


def is_there(path: Path, check: bool) -> bool:
    """Whether an image file exists; with `check` also whether it is whole."""
    if not path.exists():
        return False
    if check:
        try:
            verify_image(path)
        except BrokenImage:
            return False
    return True


def _draw_all(
    draw: Callable[[T], None],  # a function of a module, since worker processes look it up
    missing: list[T],
    total: int,
    label: str,
    workers: int,
    report: Report,
) -> None:
    """Draw every scene of `missing`, several processes at a time."""
    chunks = [missing[i : i + CHUNK] for i in range(0, len(missing), CHUNK)]
    done = total - len(missing)
    for drawn in _run(partial(_draw_chunk, draw), chunks, workers):
        done += drawn
        report(done, total, label)


def _run(work: Callable[[list[T]], int], chunks: list[list[T]], workers: int) -> Iterator[int]:
    if workers <= 1 or len(chunks) <= 1:
        yield from map(work, chunks)
        return
    with process_pool(min(workers, len(chunks))) as pool:
        yield from pool.map(work, chunks)


def _draw_chunk(draw: Callable[[T], None], scenes: list[T]) -> int:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # workers are the parallelism; OpenCV's threads only get in their way
    try:
        for scene in scenes:
            draw(scene)
    finally:
        cv2.setNumThreads(threads)
    return len(scenes)
