"""The paper's numbers as data, each with the number of its table.

Hoyer, Dai, Van Gool: DAFormer: Improving Network Architectures and Training Strategies for
Domain-Adaptive Semantic Segmentation, CVPR 2022 (arXiv:2111.14887). mIoU in percent on the
Cityscapes validation set, GTA to Cityscapes where nothing else is said, mean over three seeds
(Table 3: one seed). None = not printed there, or not at hand. Show them as the paper's, with the
table's number, and never in one column with numbers from the mini domains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from daformer_lib.specs import CITYSCAPES_CLASSES, SYNTHIA_13, SYNTHIA_16, DatasetSpec

Column = Literal["source_only", "uda", "oracle", "relative"]


@dataclass(frozen=True)
class PaperRow:
    """A row of one of the paper's tables; scores are mIoU in percent."""

    table: int
    name: str
    source_only: float | None = None
    uda: float | None = None
    oracle: float | None = None
    spread: float | None = None  # standard deviation of `uda` over seeds, where the paper prints it

    @property
    def relative(self) -> float | None:
        """UDA in percent of the oracle: what share of a labelled target it reaches."""
        if self.uda is None or self.oracle is None:
            return None
        return round(100 * self.uda / self.oracle, 1)

    @property
    def label(self) -> str:
        return f"Table {self.table}"


TITLES: Mapping[int, str] = {
    1: "Segmentation architectures",
    2: "SegFormer's encoder and decoder, each swapped for a CNN's",
    3: "Encoders (one seed)",
    4: "Learning rate warm-up",
    5: "Rare class sampling, feature distance, and what else DAFormer adds",
    6: "Comparison with the state of the art, per class",
    7: "Decoders on the MiT-B5 encoder",
}

TABLES: Mapping[int, tuple[PaperRow, ...]] = {
    1: (
        PaperRow(1, "DeepLabV2", 34.3, 54.2, 72.1),
        PaperRow(1, "DANet", 30.9, 53.7, 72.6),
        PaperRow(1, "ISANet", 32.2, 53.3, 72.0),
        PaperRow(1, "DeepLabV3+", 31.7, 53.7, 75.6),
        PaperRow(1, "SegFormer", 45.6, 58.2, 76.4),
    ),
    2: (
        PaperRow(2, "SegFormer encoder + SegFormer decoder", None, 58.2, 76.4),
        PaperRow(2, "SegFormer encoder + DeepLabV3+ decoder", None, 56.8, 75.5),
        PaperRow(2, "ResNet-101 + SegFormer decoder", None, 50.9, 71.3),
        PaperRow(2, "ResNet-101 + DeepLabV3+ decoder", None, 53.7, 75.6),
    ),
    3: (
        PaperRow(3, "ResNet-50", 29.3, 52.1, 70.8),
        PaperRow(3, "ResNet-101", 34.3, 54.2, 72.1),
        PaperRow(3, "ResNeSt-50", 27.9, 48.0, 67.7),
        PaperRow(3, "ResNeSt-101", 35.5, 53.5, 72.2),
        PaperRow(3, "ResNeSt-200", 35.9, 56.9, 73.5),
        PaperRow(3, "MiT-B3", 42.2, 50.8, 76.5),
        PaperRow(3, "MiT-B4", 44.7, 57.5, 77.1),
        PaperRow(3, "MiT-B5", 46.2, 58.8, 76.2),
    ),
    4: (
        PaperRow(4, "SegFormer without warm-up", None, 51.8, 72.9),
        PaperRow(4, "SegFormer with warm-up", None, 58.2, 76.4),
        PaperRow(4, "ResNet-101"),
    ),
    5: (
        PaperRow(5, "SegFormer", uda=58.2, spread=0.9),
        PaperRow(5, "RCS, T = ∞", uda=62.0, spread=1.5),
        PaperRow(5, "RCS, T = 0.01", uda=64.0, spread=2.4),
        PaperRow(5, "FD, all classes", uda=58.8, spread=0.4),
        PaperRow(5, "FD, things", uda=61.7, spread=2.6),
        PaperRow(5, "RCS + FD", uda=66.2, spread=1.0),
        PaperRow(5, "RCS + FD + crop and alpha", uda=67.0, spread=0.4),
        PaperRow(5, "DeepLabV2 with all of it", uda=56.0, spread=0.5),
    ),
    7: (
        PaperRow(7, "SegFormer, 768 channels", None, 67.0, 76.8),
        PaperRow(7, "SegFormer, 256 channels", None, 67.1, 76.5),
        PaperRow(7, "UPerNet, 512 channels", None, 67.4, 78.0),
        PaperRow(7, "UPerNet, 256 channels", None, 66.7, 77.4),
        PaperRow(7, "ISA fusion", None, 66.3, 76.3),
        PaperRow(7, "context only at F4", None, 67.0, 76.6),
        PaperRow(7, "DAFormer without depthwise separable convolutions", None, 67.0, 76.7),
        PaperRow(7, "DAFormer", None, 68.3, 77.6),
    ),
}  # fmt: skip

# Table 6, DAFormer's IoU by train id.
GTA_IOU = (
    95.7, 70.2, 89.4, 53.5, 48.1, 49.6, 55.8, 59.4, 89.9, 47.9, 92.5, 72.2, 44.7, 92.3, 74.5, 78.2,
    65.1, 55.9, 61.8,
)  # fmt: skip
SYNTHIA_IOU = (  # of the 16 classes that SYNTHIA has, in the order of SYNTHIA_16
    84.5, 40.7, 88.4, 41.5, 6.5, 50.0, 55.0, 54.6, 86.0, 89.8, 73.2, 48.2, 87.2, 53.2, 53.9, 61.7,
)  # fmt: skip
PER_CLASS: Mapping[str, Mapping[int, float]] = {
    "gta": dict(enumerate(GTA_IOU)),
    "synthia": dict(zip(SYNTHIA_16, SYNTHIA_IOU, strict=True)),
}
DAFORMER_MIOU: Mapping[str, float] = {  # the method's headline results, by adaptation
    "gta → cityscapes": 68.3,
    "synthia → cityscapes": 60.9,  # 16 classes
    "cityscapes → acdc": 55.4,  # test server
    "cityscapes → darkzurich": 53.8,  # test server
}
SYNTHIA_MIOU_13 = 67.4  # without wall, fence and pole


def paper_row(table: int, name: str) -> PaperRow:
    """One row; an unknown table or name raises with what there is."""
    rows = {row.name: row for row in _rows(table)}
    if name not in rows:
        raise KeyError(f"Table {table} has no row {name!r}; it has {sorted(rows)}")
    return rows[name]


def paper_scores(table: int, column: Column = "uda") -> dict[str, float | None]:
    """A column of a table, by row name."""
    return {row.name: getattr(row, column) for row in _rows(table)}


def _rows(table: int) -> tuple[PaperRow, ...]:
    if table not in TABLES:
        raise KeyError(f"no rows of Table {table}; there are tables {sorted(TABLES)}")
    return TABLES[table]


def paper_iou(source: str, spec: DatasetSpec) -> np.ndarray:
    """Table 6: DAFormer's IoU (K,) in percent, nan for classes without a number.

    `source`: "gta" or "synthia"; `spec`: any data set with the Cityscapes classes.
    """
    if source not in PER_CLASS:
        raise KeyError(f"no per-class numbers from {source!r}; known: {sorted(PER_CLASS)}")
    if spec.classes != CITYSCAPES_CLASSES:
        raise ValueError(f"{spec.name} has other classes than Cityscapes; Table 6 has no numbers")
    values = PER_CLASS[source]
    return np.array([values.get(i, np.nan) for i in range(spec.num_classes)])


def synthia_means() -> tuple[float, float]:
    """Mean IoU over SYNTHIA's 16 and 13 classes, from the per-class numbers."""
    values = PER_CLASS["synthia"]
    sixteen = float(np.mean([values[i] for i in SYNTHIA_16]))
    return sixteen, float(np.mean([values[i] for i in SYNTHIA_13]))
