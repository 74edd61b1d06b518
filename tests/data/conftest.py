"""Tiny data sets in the real folder layouts and label encodings: a few images of 64x32."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.data.class_stats import ClassStats, write_class_stats
from daformer_lib.specs import CITYSCAPES_PALETTE, DatasetSpec, get_spec

SIZE = (64, 32)  # (width, height)


def id_image(spec: DatasetSpec, seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W) uint8 own ids in 8x8 blocks, two of them ignored, train ids 0..18 otherwise."""
    width, height = size
    rng = np.random.default_rng(seed)
    own = np.array(sorted(spec.id_map), dtype=np.uint8)
    blocks = rng.choice(own, (height // 8, width // 8))
    blocks[0, :2] = 0  # an id that no data set maps to a class
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


def write_label(path: Path, spec: DatasetSpec, ids: np.ndarray) -> None:
    if spec.label_encoding == "palette":
        palette = np.zeros((256, 3), dtype=np.uint8)
        for own, train in spec.id_map.items():
            palette[own] = CITYSCAPES_PALETTE[train]
        files.write_palette_png(path, ids, palette)
    elif spec.label_encoding == "red16":
        instance = np.arange(ids.size, dtype=np.uint16).reshape(ids.shape) + 300
        files.write_png(path, np.stack([ids, instance, np.zeros_like(instance)], axis=-1))
    else:
        files.write_png(path, ids)


def write_pair(root: Path, spec: DatasetSpec, split: str, stem: str, seed: int) -> np.ndarray:
    """One image and its label file; returns the own ids."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    ids = id_image(spec, seed)
    files.write_png(spec.image_path(root, split, stem), image)
    write_label(spec.label_path(root, split, stem), spec, ids)
    return ids


def stems_of(spec: DatasetSpec, count: int) -> list[str]:
    if spec.label_encoding == "id":
        return [f"town{i % 2}/town{i % 2}_{i:06d}_000019" for i in range(count)]
    return [f"{i:05d}" for i in range(1, count + 1)]


def make_tree(root: Path, name: str, split: str = "train", count: int = 4) -> DatasetSpec:
    """A tiny data set with its own label files, not converted."""
    spec = get_spec(name)
    for i, stem in enumerate(stems_of(spec, count)):
        write_pair(root, spec, split, stem, seed=i)
    return spec


def convert_by_hand(root: Path, spec: DatasetSpec, split: str = "train", count: int = 4) -> None:
    """Train ids and statistics, made without the code under test."""
    table = np.full(256, 255, dtype=np.uint8)
    for own, train in spec.id_map.items():
        table[own] = train
    stems, rows = sorted(stems_of(spec, count)), []
    for stem in stems:
        ids = table[id_image(spec, stems_of(spec, count).index(stem))]
        files.write_png(spec.train_id_path(root, split, stem), ids)
        rows.append([(ids == c).sum() for c in range(spec.num_classes)])
    write_class_stats(spec, root, split, ClassStats(tuple(stems), np.array(rows)))


@pytest.fixture
def tiny_pair(tmp_path: Path) -> tuple[Path, DatasetSpec, DatasetSpec]:
    """(data root, minigta, minicityscapes), both converted, train split only."""
    specs = [make_tree(tmp_path, name) for name in ("minigta", "minicityscapes")]
    for spec in specs:
        convert_by_hand(tmp_path, spec)
    return tmp_path, *specs


@pytest.fixture(scope="session")
def tiny() -> SimpleNamespace:
    """The builders above, for tests that make their own sets."""
    return SimpleNamespace(
        size=SIZE, ids=id_image, make=make_tree, stems=stems_of, write_label=write_label
    )
