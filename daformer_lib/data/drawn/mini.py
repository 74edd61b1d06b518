"""Writes the mini domains to disk, in the layout and label encoding of the sets they stand for.

`minigta` has palette label files with GTA's ids, `minisynthia` 16-bit PNGs whose red channel is the
class, `minicityscapes` cities, splits and labelIds: the real readers and converters work on them.
Drawing is seeded, so an interrupted run goes on where it stopped and ends with the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from daformer_lib.data.drawn.scenes import draw_scene
from daformer_lib.files import (
    BrokenImage,
    folder_lock,
    read_json,
    remove_leftovers,
    verify_image,
    write_json,
    write_label_png,
    write_palette_png,
    write_png,
)
from daformer_lib.specs import IGNORE, MINI_SIZE, MINI_VERSION, DatasetSpec, get_spec
from daformer_lib.stopping import process_pool

MARKER = "mini.json"  # in each set's folder: what was drawn, and whether all of it is there
MINI_NAMES = ("minigta", "minisynthia", "minicityscapes")
CITIES = {"train": ("kleinstadt", "altdorf"), "val": ("neuhausen",), "test": ("seeburg",)}
UNLABELLED_ID, EGO_ID = 0, 1  # label ids of Cityscapes and GTA
EGO_ROWS = 20  # px: what is ignored below this many rows from the bottom is the camera's own car
CHUNK = 8  # scenes that a worker draws before it reports

Progress = Callable[[int, int, str], None]  # done, total, label
T = TypeVar("T")


@dataclass(frozen=True)
class MiniCounts:
    """Images per set and split."""

    minigta: int = 2000
    minisynthia: int = 1000
    minicityscapes_train: int = 600
    minicityscapes_val: int = 200
    minicityscapes_test: int = 300

    def splits(self, name: str) -> dict[str, int]:
        if name == "minicityscapes":
            return {split: getattr(self, f"{name}_{split}") for split in CITIES}
        return {"train": getattr(self, name)}


SMOKE_COUNTS = MiniCounts(128, 16, 16, 8, 8)  # scene 125 is the first with a rider


class Scene(NamedTuple):
    """One pair of files to draw."""

    name: str
    split: str
    index: int
    seed: int
    data_root: str


def make_mini(
    data_root: str | Path,
    names: Sequence[str] = ("minigta", "minicityscapes"),
    counts: MiniCounts = MiniCounts(),
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Draw what is missing of those sets; returns each set's folder.

    A complete set with the same seed, counts and drawing version is kept as it is; one of another
    seed or version is deleted and drawn anew.

    Raises:
        FileExistsError: a folder holds files that are not drawn, or a set of another size.
    """
    unknown = sorted(set(names) - set(MINI_NAMES))
    if unknown:
        raise ValueError(f"{unknown} are no mini domains; choose from {list(MINI_NAMES)}")
    roots = {}
    for name in names:
        roots[name] = get_spec(name).root(data_root)
        with folder_lock(roots[name]):
            _make_set(Path(data_root), name, counts, seed, workers, progress)
    return roots


def _make_set(
    data_root: Path, name: str, counts: MiniCounts, seed: int, workers: int,
    progress: Progress | None,
) -> None:  # fmt: skip
    marker = get_spec(name).root(data_root) / MARKER
    wanted = {
        "set": name, "seed": seed, "counts": counts.splits(name), "drawing": MINI_VERSION,
        "size": list(MINI_SIZE),
    }  # fmt: skip
    prepare_folder(marker, wanted)
    scenes = list(_scenes(data_root, name, counts, seed))
    marked_complete = read_json(marker)["complete"]
    missing = [scene for scene in scenes if not _exists(scene, check=not marked_complete)]
    if missing or not marked_complete:
        write_json(marker, wanted | {"complete": False})
        remove_leftovers(marker.parent)
        draw_all(_draw_files, missing, len(scenes), name, workers, progress)
        write_json(marker, wanted | {"complete": True, "files": 2 * len(scenes)})
    elif progress:
        progress(len(scenes), len(scenes), name)


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


def _scenes(data_root: Path, name: str, counts: MiniCounts, seed: int) -> Iterator[Scene]:
    for split, number in counts.splits(name).items():
        for index in range(number):
            yield Scene(name, split, index, seed, str(data_root))


def mini_stem(name: str, split: str, index: int) -> str:
    """File name without suffix, as the real set numbers its images."""
    if name == "minigta":
        return f"{index + 1:05d}"
    if name == "minisynthia":
        return f"{index + 1:07d}"
    cities = CITIES[split]
    city = cities[index % len(cities)]
    return f"{city}/{city}_{index // len(cities):06d}_000019"


def _paths(scene: Scene) -> tuple[DatasetSpec, Path, Path]:
    spec, stem = get_spec(scene.name), mini_stem(scene.name, scene.split, scene.index)
    place = (scene.data_root, scene.split, stem)
    return spec, spec.image_path(*place), spec.label_path(*place)


def _exists(scene: Scene, check: bool) -> bool:
    """Whether both files are there; after an interruption also whether they are whole."""
    return all(is_there(path, check) for path in _paths(scene)[1:])


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


def draw_all(
    draw: Callable[[T], None],  # a function of a module, since worker processes look it up
    missing: list[T],
    total: int,
    label: str,
    workers: int,
    progress: Progress | None,
) -> None:
    """Draw every scene of `missing`, several processes at a time."""
    chunks = [missing[i : i + CHUNK] for i in range(0, len(missing), CHUNK)]
    done = total - len(missing)
    for drawn in _run(partial(_draw_chunk, draw), chunks, workers):
        done += drawn
        if progress:
            progress(done, total, label)


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


def _draw_files(scene: Scene) -> None:
    spec, image_path, label_path = _paths(scene)
    image, label = draw_scene(scene.name, scene.split, scene.index, scene.seed)
    write_png(image_path, image, level=1)
    _write_label(label_path, spec, label)


def _write_label(path: Path, spec: DatasetSpec, label: np.ndarray) -> None:
    """Train ids to the set's own label file."""
    ids = encode_ids(spec, label)
    if spec.label_encoding == "palette":
        write_palette_png(path, ids, _id_palette(spec))
    elif spec.label_encoding == "red16":
        pixels = np.zeros((*ids.shape, 3), np.uint16)  # red: class; green: instance; blue: unused
        pixels[..., 0] = ids
        write_png(path, pixels, level=3)
    else:
        write_label_png(path, ids)


def encode_ids(spec: DatasetSpec, label: np.ndarray) -> np.ndarray:
    """Train ids (H, W) to the ids of the set's label files; what is ignored becomes 0, or 1 (the
    camera's own car) in the bottom rows."""
    table = np.full(256, UNLABELLED_ID, np.uint8)
    for train_id, label_id in spec.own_ids.items():
        table[train_id] = label_id
    ids = table[label]
    if spec.label_encoding != "red16":
        bottom = ids[-EGO_ROWS:]
        bottom[label[-EGO_ROWS:] == IGNORE] = EGO_ID
    return ids


def _id_palette(spec: DatasetSpec) -> np.ndarray:
    """(256, 3) uint8: each id in its class's colour, everything else black."""
    palette = np.zeros((256, 3), np.uint8)
    for label_id, train_id in spec.id_map.items():
        palette[label_id] = spec.palette[train_id]
    return palette
