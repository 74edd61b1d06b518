"""A data set in one dataclass: class names, colours, label encoding and folder layout.

Everything that depends on the classes (head, metric, Rare Class Sampling, feature distance,
figures) reads it from here; the number 19 appears only in the Cityscapes entry.

Label encodings and folder layouts are those of the data sets' own documentation
(Cityscapes, Cordts et al. 2016; GTA, Richter et al. 2016; SYNTHIA, Ros et al. 2016).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

IGNORE = 255  # the field's usual "no label here"

LabelEncoding = Literal["id", "palette", "red16"]


@dataclass(frozen=True)
class DatasetSpec:
    """How one data set looks on disk and what its labels mean.

    Patterns hold ``{split}`` and ``{stem}``; a stem may contain folders (``aachen/aachen_000``).
    """

    name: str
    classes: tuple[str, ...]  # position = train id
    palette: tuple[tuple[int, int, int], ...]  # RGB 0-255, one per class
    things: tuple[int, ...]  # train ids of countable objects (feature distance looks at these)
    id_map: Mapping[int, int]  # value in the label file -> train id; what is missing is ignored
    image_pattern: str
    label_pattern: str  # the data set's own label files
    train_id_pattern: str  # what data_scripts/ writes: uint8 PNG of train ids, 255 = ignore
    splits: tuple[str, ...]
    size: tuple[int, int]  # (width, height) that images are resized to for training
    keep_ratio: bool = False  # fit into `size` instead of stretching to it
    label_encoding: LabelEncoding = "id"
    folder: str = ""  # under data_root; the name by default
    include: str = "*"  # only stems like this one (shell wildcards; * also crosses folders)
    ignore: int = IGNORE
    evaluated: tuple[int, ...] = field(default=())  # train ids in the mean IoU; all by default
    stand_in_for: str = ""  # the real data set that a drawn mini domain imitates
    version: str = ""  # of the files: runs on another version are other runs

    def __post_init__(self) -> None:
        if len(self.palette) != len(self.classes):
            raise ValueError(
                f"spec {self.name!r}: {len(self.palette)} colours for {len(self.classes)} classes; "
                "give one RGB triple per class"
            )
        outside = [i for i in (*self.things, *self.evaluated) if not 0 <= i < self.num_classes]
        if outside:
            raise ValueError(
                f"spec {self.name!r}: train ids {outside} are outside 0..{self.num_classes - 1}"
            )
        wrong = sorted({t for t in self.id_map.values() if not 0 <= t < self.num_classes})
        if wrong:
            raise ValueError(
                f"spec {self.name!r}: id_map maps to {wrong}; allowed are "
                f"0..{self.num_classes - 1} (leave an id out to ignore it)"
            )
        if self.ignore < self.num_classes:
            raise ValueError(f"spec {self.name!r}: ignore id {self.ignore} is also a train id")

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def mean_ids(self) -> tuple[int, ...]:
        """Train ids that enter the mean IoU."""
        return self.evaluated or tuple(range(self.num_classes))

    def root(self, data_root: str | Path) -> Path:
        return Path(data_root) / (self.folder or self.name)

    def image_path(self, data_root: str | Path, split: str, stem: str) -> Path:
        return self.root(data_root) / self.image_pattern.format(split=split, stem=stem)

    def label_path(self, data_root: str | Path, split: str, stem: str) -> Path:
        return self.root(data_root) / self.label_pattern.format(split=split, stem=stem)

    def train_id_path(self, data_root: str | Path, split: str, stem: str) -> Path:
        return self.root(data_root) / self.train_id_pattern.format(split=split, stem=stem)

    def stems(self, data_root: str | Path, split: str) -> list[str]:
        """Sorted stems of the images that exist on disk."""
        if split not in self.splits:
            raise ValueError(f"{self.name} has no split {split!r}; it has {list(self.splits)}")
        before, after = self.image_pattern.format(split=split, stem="\0").split("\0")
        root = self.root(data_root)
        pattern = re.compile(re.escape(before) + "(.+)" + re.escape(after))
        suffix = Path(after).suffix
        files = sorted((root / before).rglob(f"*{suffix}"))
        found = (pattern.fullmatch(f.relative_to(root).as_posix()) for f in files)
        stems = (match.group(1) for match in found if match)
        return [stem for stem in stems if fnmatchcase(stem, self.include)]


CITYSCAPES_CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
CITYSCAPES_PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
    (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
    (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
    (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip
THINGS = (6, 7, 11, 12, 13, 14, 15, 16, 17, 18)  # the authors' thing classes (facts sheet, 9)
RARE = (12, 14, 15, 16, 17, 18)  # rider, truck, bus, train, motorcycle, bicycle
SYNTHIA_16 = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18)  # no terrain, truck, train
SYNTHIA_13 = (0, 1, 2, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18)  # nor wall, fence, pole

# Cityscapes labelIds, which GTA shares.
CITYSCAPES_IDS = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12,
    26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip
SYNTHIA_IDS = {
    3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 16: 9, 1: 10, 10: 11, 17: 12, 8: 13,
    18: 14, 19: 15, 20: 16, 12: 17, 11: 18,
}  # fmt: skip

CITYSCAPES = DatasetSpec(
    name="cityscapes",
    classes=CITYSCAPES_CLASSES,
    palette=CITYSCAPES_PALETTE,
    things=THINGS,
    id_map=CITYSCAPES_IDS,
    image_pattern="leftImg8bit/{split}/{stem}_leftImg8bit.png",
    label_pattern="gtFine/{split}/{stem}_gtFine_labelIds.png",
    train_id_pattern="gtFine/{split}/{stem}_gtFine_labelTrainIds.png",
    splits=("train", "val", "test"),
    size=(1024, 512),
)
GTA = replace(
    CITYSCAPES,
    name="gta",
    image_pattern="images/{stem}.png",
    label_pattern="labels/{stem}.png",
    train_id_pattern="labels/{stem}_labelTrainIds.png",
    splits=("train",),
    size=(1280, 720),
    keep_ratio=True,
    label_encoding="palette",
)
SYNTHIA = replace(
    CITYSCAPES,
    name="synthia",
    id_map=SYNTHIA_IDS,
    image_pattern="RGB/{stem}.png",
    label_pattern="GT/LABELS/{stem}.png",
    train_id_pattern="GT/LABELS/{stem}_labelTrainIds.png",
    splits=("train",),
    size=(1280, 760),
    label_encoding="red16",
    evaluated=SYNTHIA_16,
)
ACDC = replace(
    CITYSCAPES,
    name="acdc",
    image_pattern="rgb_anon/{split}/{stem}_rgb_anon.png",
    label_pattern="gt/{split}/{stem}_gt_labelTrainIds.png",
    train_id_pattern="gt/{split}/{stem}_gt_labelTrainIds.png",
    id_map={i: i for i in range(len(CITYSCAPES_CLASSES))},
    size=(960, 540),
)
DARK_ZURICH = replace(ACDC, name="darkzurich", folder="dark_zurich", include="night/*")

MINI_SIZE = (256, 128)
MINI_VERSION = "4"  # raise it with every change that alters a drawn pixel: sets are redrawn
MINIGTA = replace(
    GTA,
    name="minigta",
    size=MINI_SIZE,
    keep_ratio=False,
    stand_in_for="gta",
    version=MINI_VERSION,
)
MINISYNTHIA = replace(
    SYNTHIA, name="minisynthia", size=MINI_SIZE, stand_in_for="synthia", version=MINI_VERSION
)
MINICITYSCAPES = replace(
    CITYSCAPES,
    name="minicityscapes",
    size=MINI_SIZE,
    stand_in_for="cityscapes",
    version=MINI_VERSION,
)

SPECS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        GTA, SYNTHIA, CITYSCAPES, ACDC, DARK_ZURICH, MINIGTA, MINISYNTHIA, MINICITYSCAPES,
    )
}  # fmt: skip


def get_spec(name: str) -> DatasetSpec:
    """The built-in spec of that name; raises KeyError with the known names."""
    if name not in SPECS:
        raise KeyError(f"unknown data set {name!r}; known: {sorted(SPECS)}")
    return SPECS[name]
