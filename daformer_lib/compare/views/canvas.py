"""Titled panels in one RGB array, quickly: a moving control cannot wait for a figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH = 1160  # pixels
GAP, TITLE = 8, 24
WIDEST = TALLEST = 560  # of one panel: a narrow region must not become a tower
INK, MUTED = (31, 41, 51), (95, 108, 121)


class Panel(NamedTuple):
    """A picture with a title and, at the right, a number."""

    title: str
    pixels: np.ndarray  # (H, W, 3) uint8
    note: str = ""


def arrange(panels: Sequence[Panel], columns: int | None = None, width: int = WIDTH) -> np.ndarray:
    """Rows of panels, all at one size, at most four beside each other."""
    columns = columns or balanced(len(panels))
    wide = min(WIDEST, (width - GAP * (columns - 1)) // columns)
    steepest = max(p.pixels.shape[0] / p.pixels.shape[1] for p in panels)
    tall = min(TALLEST, round(wide * steepest))
    rows = -(-len(panels) // columns)
    size = (columns * (wide + GAP) - GAP, rows * (TITLE + tall + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for place, panel in enumerate(panels):
        x, y = (place % columns) * (wide + GAP), (place // columns) * (TITLE + tall + GAP)
        sheet.paste(Image.fromarray(fitted(panel.pixels, wide, tall)), (x, y + TITLE))
        taken = pen.textlength(panel.note, font=_font("DejaVuSans", 12))
        pen.text((x + wide - taken, y + 4), panel.note, MUTED, _font("DejaVuSans", 12))
        title = _shortened(pen, panel.title, wide - taken - 10)
        pen.text((x, y + 3), title, INK, _font("DejaVuSans-Bold", 13))
    return np.asarray(sheet)


def balanced(count: int) -> int:
    """Columns: up to four in one row, else three or four, whichever leaves fewer places empty."""
    return count if count <= 4 else min((4, 3), key=lambda columns: -count % columns)


def fitted(pixels: np.ndarray, wide: int, tall: int) -> np.ndarray:
    """As large as fits, in its own proportions: sharp when enlarged, averaged when reduced."""
    height, width = pixels.shape[:2]
    scale = min(wide / width, tall / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_NEAREST if scale >= 1 else cv2.INTER_AREA
    return cv2.resize(np.ascontiguousarray(pixels), size, interpolation=way)


def cross(pixels: np.ndarray, x: float, y: float) -> np.ndarray:
    """A copy with a thin cross at shares of its width and height."""
    marked = pixels.copy()
    row = min(int(y * pixels.shape[0]), pixels.shape[0] - 1)
    column = min(int(x * pixels.shape[1]), pixels.shape[1] - 1)
    reach = max(3, pixels.shape[1] // 24)
    for line in (
        np.s_[row, max(column - reach, 0) : column + reach + 1],
        np.s_[max(row - reach, 0) : row + reach + 1, column],
    ):
        marked[line] = 255 if pixels[line].mean() < 128 else 0
    return marked


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Matplotlib's own fonts: the same on every machine."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / f"fonts/ttf/{name}.ttf", size)


def _shortened(pen: ImageDraw.ImageDraw, text: str, room: float) -> str:
    font = _font("DejaVuSans-Bold", 13)
    if pen.textlength(text, font=font) <= room:
        return text
    while text and pen.textlength(text + "…", font=font) > room:
        text = text[:-1]
    return text + "…"


def png(pixels: np.ndarray) -> bytes:
    """PNG bytes, packed lightly: a kernel sends them once."""
    done, data = cv2.imencode(".png", pixels[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert done
    return data.tobytes()
