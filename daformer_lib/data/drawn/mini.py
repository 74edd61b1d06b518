"""Writes the mini domains to disk, in the layout and label encoding of the sets they stand for.

`minigta` has palette label files with GTA's ids, `minisynthia` 16-bit PNGs whose red channel is the
class, `minicityscapes` cities, splits and labelIds: the real readers and converters work on them.
Drawing is seeded, so an interrupted run goes on where it stopped and ends with the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from daformer_lib.data.drawn.drawn_folder import Drawing, draw_missing
from daformer_lib.data.drawn.scenes import draw_scene
from daformer_lib.files import (
    folder_lock,
    write_label_png,
    write_palette_png,
    write_png,
)
from daformer_lib.progress import Report, silent
from daformer_lib.specs import IGNORE, MINI_SIZE, DatasetSpec, get_spec

MINI_NAMES = (
    "minigta", "minigta_green", "minisynthia", "minicityscapes", "minicityscapes_wide",
)  # fmt: skip
# Drawn where they are asked for: in fog, and at twice the size.
NAMED_ONLY = ("minicityscapes_fog", "minigta_hd", "minicityscapes_hd")
CITIES = {"train": ("kleinstadt", "altdorf"), "val": ("neuhausen",), "test": ("seeburg",)}
UNLABELLED_ID, EGO_ID = 0, 1  # label ids of Cityscapes and GTA
EGO_ROWS = 20  # px of 128: what is ignored so near to the bottom is the camera's own car


@dataclass(frozen=True)
class MiniCounts:
    """Images per set and split."""

    minigta: int = 2000
    minisynthia: int = 1000
    minicityscapes_train: int = 600
    minicityscapes_val: int = 200
    minicityscapes_test: int = 300

    def splits(self, name: str) -> dict[str, int]:
        if name.startswith("minicityscapes"):
            return {split: getattr(self, f"minicityscapes_{split}") for split in CITIES}
        return {"train": self.minisynthia if name == "minisynthia" else self.minigta}


SMOKE_COUNTS = MiniCounts(128, 16, 16, 8, 8)  # scene 125 is the first with a rider


class MiniScene(NamedTuple):
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
    report: Report = silent,
) -> dict[str, Path]:
    """Draw what is missing of those sets; returns each set's folder.

    A complete set with the same seed, counts and drawing version is kept as it is; one of another
    seed or version is deleted and drawn anew.

    Raises:
        FileExistsError: a folder holds files that are not drawn, or a set of another size.
    """
    known = (*MINI_NAMES, *NAMED_ONLY)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"{unknown} are no mini domains; choose from {list(known)}")
    roots = {}
    for name in names:
        roots[name] = get_spec(name).root(data_root)
        with folder_lock(roots[name]):
            _make_set(Path(data_root), name, counts, seed, workers, report)
    return roots


def _make_set(
    data_root: Path, name: str, counts: MiniCounts, seed: int, workers: int, report: Report
) -> None:
    wanted = {
        "set": name, "seed": seed, "counts": counts.splits(name), "drawing": get_spec(name).version,
        "size": list(get_spec(name).size),
    }  # fmt: skip
    scenes = list(_scenes(data_root, name, counts, seed))
    drawing = Drawing(_draw_files, _paths, name)
    draw_missing(get_spec(name).root(data_root), wanted, scenes, drawing, workers, report)


def _scenes(data_root: Path, name: str, counts: MiniCounts, seed: int) -> Iterator[MiniScene]:
    for split, number in counts.splits(name).items():
        for index in range(number):
            yield MiniScene(name, split, index, seed, str(data_root))


def mini_stem(name: str, split: str, index: int) -> str:
    """File name without suffix, as the real set numbers its images."""
    if name.startswith("minigta"):
        return f"{index + 1:05d}"
    if name == "minisynthia":
        return f"{index + 1:07d}"
    cities = CITIES[split]
    city = cities[index % len(cities)]
    return f"{city}/{city}_{index // len(cities):06d}_000019"


def _paths(scene: MiniScene) -> tuple[Path, Path]:
    """Its image and its label."""
    spec, stem = get_spec(scene.name), mini_stem(scene.name, scene.split, scene.index)
    place = (scene.data_root, scene.split, stem)
    return spec.image_path(*place), spec.label_path(*place)


def _draw_files(scene: MiniScene) -> None:
    image_path, label_path = _paths(scene)
    image, label = draw_scene(scene.name, scene.split, scene.index, scene.seed)
    write_png(image_path, image, level=1)
    _write_label(label_path, get_spec(scene.name), label)


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
        rows = EGO_ROWS * len(label) // MINI_SIZE[1]
        bottom = ids[-rows:]
        bottom[label[-rows:] == IGNORE] = EGO_ID
    return ids


def _id_palette(spec: DatasetSpec) -> np.ndarray:
    """(256, 3) uint8: each id in its class's colour, everything else black."""
    palette = np.zeros((256, 3), np.uint8)
    for label_id, train_id in spec.id_map.items():
        palette[label_id] = spec.palette[train_id]
    return palette
