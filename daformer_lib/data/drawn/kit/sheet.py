"""Contact sheets: images beside their labels in the data set's colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from daformer_lib.specs import CITYSCAPES_PALETTE

GAP = 4  # px between tiles


def label_colours(
    label: np.ndarray, palette: Sequence[Sequence[int]] = CITYSCAPES_PALETTE
) -> np.ndarray:
    """Train ids (H, W) to RGB (H, W, 3) uint8; what has no class is black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    return table[label]


def tile(pictures: list[np.ndarray], columns: int) -> np.ndarray:
    """Equal pictures (H, W, 3) in rows of `columns` on white."""
    height, width, _ = pictures[0].shape
    rows = -(-len(pictures) // columns)
    shape = (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3)
    sheet = np.full(shape, 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = (GAP + (i // columns) * (height + GAP), GAP + (i % columns) * (width + GAP))
        sheet[top : top + height, left : left + width] = picture
    return sheet
