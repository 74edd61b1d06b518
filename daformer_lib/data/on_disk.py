"""Which files of a data set exist, and what to do when they do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from daformer_lib.specs import DatasetSpec

T = TypeVar("T")


def image_stems(spec: DatasetSpec, data_root: str | Path, split: str) -> list[str]:
    """Sorted stems of the images on disk; an error says what was expected where."""
    stems = spec.stems(data_root, split)
    if not stems:
        expected = spec.image_path(data_root, split, "<name>")
        raise FileNotFoundError(
            f"no images of {spec.name}/{split}: expected files like {expected}. {remedy(spec)}"
        )
    return stems


def label_stems(spec: DatasetSpec, data_root: str | Path, split: str) -> list[str]:
    """Sorted stems of the data set's own label files on disk, without converted ones."""
    of_labels = dataclasses.replace(spec, image_pattern=spec.label_pattern)
    stems = of_labels.stems(data_root, split)
    if spec.label_pattern == spec.train_id_pattern:
        return stems
    # In GTA's folder, 00001_labelTrainIds.png looks like the label of an image of that name.
    of_results = dataclasses.replace(spec, image_pattern=spec.train_id_pattern)
    results = {
        spec.train_id_path(data_root, split, stem) for stem in of_results.stems(data_root, split)
    }
    return [stem for stem in stems if spec.label_path(data_root, split, stem) not in results]


def conversion_command(spec: DatasetSpec, data_root: str | Path) -> str:
    """The command that makes train ids and statistics of this data set."""
    if spec.origin:
        return f"python -m daformer_lib inspect-data {spec.origin} --data-root {data_root}"
    name = spec.stand_in_for or spec.name
    script = name if name in ("gta", "synthia") else "cityscapes"
    option = "" if spec.name == script else f" --spec {spec.name}"
    return f"python data_scripts/convert_{script}.py --data-root {data_root}{option}"


def remedy(spec: DatasetSpec) -> str:
    """What to do when a data set is not there."""
    if spec.stand_in_for:
        return "Draw it with: python -m daformer_lib make-mini"
    if spec.origin:
        return (
            f"Mend {spec.origin} or move the files; docs/your-own-data.md says what its keys mean"
        )
    return f"docs/real-data.md says where {spec.name} comes from and how its folders look"


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """At most ``limit`` of them, evenly spaced: neighbours are often frames of one drive."""
    if limit is None or limit >= len(items):
        return list(items)
    if limit < 1:
        raise ValueError(f"max_images {limit} must be at least 1, or None for all")
    return [items[i * len(items) // limit] for i in range(limit)]
