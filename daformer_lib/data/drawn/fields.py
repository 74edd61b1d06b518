"""Fields from the air in two seasons, on disk: the worked example of "your own data".

As own data usually lie: JPEG photos, and label files in sibling folders. The same photos have two
kinds of labels: masks of trees (0 and 255) and a map of the land (six classes, ids that count
nothing). Each is described by YAML files of its own, written beside the folders. Autumn's training
photos have no labels at all, since nobody has drawn them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np

from daformer_lib.data.drawn.drawn_folder import Drawing, draw_missing
from daformer_lib.data.drawn.land.fields import draw_fields
from daformer_lib.data.drawn.land.land import SIDE, TREES
from daformer_lib.files import write_jpeg, write_label_png
from daformer_lib.progress import Report, silent
from daformer_lib.specs import DatasetSpec, save_spec

VERSION = "2"  # raise it with every change of the drawing
FOLDER = "fields"
LAND_IDS = {10: 0, 20: 1, 31: 2, 40: 3, 55: 4, 70: 5}  # value in the land maps -> train id
TREE_CLASSES, LAND_CLASSES = (
    ("open land", "trees"),
    ("field", "trees", "track", "building", "water", "solar park"),
)
TREE_COLOURS, LAND_COLOURS = (
    ((214, 196, 150), (30, 110, 60)),
    ((214, 196, 150), (30, 110, 60), (240, 236, 224), (200, 60, 50), (60, 130, 200), (96, 66, 160)),
)


@dataclass(frozen=True)
class FieldCounts:
    """Photos per season and split."""

    summer_train: int = 180
    autumn_train: int = 120
    autumn_val: int = 40

    def splits(self, season: str) -> dict[str, int]:
        if season == "summer":
            return {"train": self.summer_train}
        return {"train": self.autumn_train, "val": self.autumn_val}


SMOKE_FIELDS = FieldCounts(12, 8, 4)


class Photo(NamedTuple):
    """One photo to draw, with its labels."""

    season: str
    split: str
    index: int
    seed: int
    root: str  # the season's folder

    @property
    def stem(self) -> str:
        return f"{self.season}_{self.index:04d}"

    @property
    def has_labels(self) -> bool:
        return (self.season, self.split) != ("autumn", "train")

    def paths(self) -> dict[str, Path]:
        """The files of this photo by folder: photos, masks, land."""
        folders = ("photos", "masks", "land") if self.has_labels else ("photos",)
        ending = {"photos": ".jpg"}
        return {
            folder: Path(self.root) / folder / self.split / (self.stem + ending.get(folder, ".png"))
            for folder in folders
        }


def _spec(season: str, kind: str) -> DatasetSpec:
    trees = kind == "trees"
    return DatasetSpec(
        name=f"{season}_{kind}",
        classes=TREE_CLASSES if trees else LAND_CLASSES,
        palette=TREE_COLOURS if trees else LAND_COLOURS,
        things=(1,) if trees else (1, 3, 4, 5),
        id_map={0: 0, 255: 1} if trees else LAND_IDS,
        image_pattern="photos/{split}/{stem}.jpg",
        label_pattern=("masks" if trees else "land") + "/{split}/{stem}.png",
        train_id_pattern=f"train_ids/{kind}/{{split}}/{{stem}}.png",
        splits=("train",) if season == "summer" else ("train", "val"),
        size=(SIDE, SIDE),
        folder=f"{FOLDER}/{season}",
        rare=() if trees else (3, 4, 5),
        version=VERSION,
    )


FIELD_SPECS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (_spec(s, k) for k in ("trees", "land") for s in ("summer", "autumn"))
}


def write_field_specs(data_root: str | Path) -> dict[str, Path]:
    """The YAML files of the four specs, in `<data_root>/fields`; returns their paths by name."""
    folder = Path(data_root) / FOLDER
    return {name: save_spec(spec, folder / f"{name}.yaml") for name, spec in FIELD_SPECS.items()}


def make_fields(
    data_root: str | Path,
    counts: FieldCounts = FieldCounts(),
    seed: int = 0,
    workers: int = 2,
    report: Report = silent,
) -> Path:
    """Draw what is missing of both seasons, and write the YAML files; returns the folder.

    A complete season with the same seed, counts and version is kept; one of another seed or version
    is deleted and drawn anew, one of another size is refused (FileExistsError).
    """
    for season in ("summer", "autumn"):
        _make_season(Path(data_root) / FOLDER / season, season, counts, seed, workers, report)
    write_field_specs(data_root)
    return Path(data_root) / FOLDER


def _make_season(
    root: Path, season: str, counts: FieldCounts, seed: int, workers: int, report: Report
) -> None:
    splits = counts.splits(season)
    wanted = {"set": season, "seed": seed, "counts": splits, "drawing": VERSION}
    photos = list(_photos(root, season, splits, seed))
    drawing = Drawing(_draw_photo, lambda photo: photo.paths().values(), f"{season} fields")
    draw_missing(root, wanted, photos, drawing, workers, report)


def _photos(root: Path, season: str, splits: dict[str, int], seed: int) -> Iterator[Photo]:
    for split, count in splits.items():
        for index in range(count):
            yield Photo(season, split, index, seed, str(root))


def _draw_photo(photo: Photo) -> None:
    rng = np.random.default_rng(
        [photo.seed, crc32(f"{photo.season}/{photo.split}".encode()), photo.index]
    )
    image, label = draw_fields(photo.season, rng)
    paths = photo.paths()
    write_jpeg(paths["photos"], image)
    if photo.has_labels:
        write_label_png(paths["masks"], np.where(label == TREES, 255, 0).astype(np.uint8))
        write_label_png(paths["land"], np.array(list(LAND_IDS), np.uint8)[label])
