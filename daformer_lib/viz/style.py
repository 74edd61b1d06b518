"""One look for every figure: fonts, colours, sizes, and figures that show themselves as PNG.

Figures are made without pyplot, so nothing piles up in a global list, and a notebook cell that
ends in a figure shows it once. Colours follow Paul Tol's colour-blind safe schemes
(personal.sron.nl/~pault).
"""

from __future__ import annotations

import base64
import functools
import io
import sys
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

INK = "#1f2933"
MUTED = "#5f6c79"
GRID = "#e4e8ec"
GOOD = "#1f7a6c"  # teal: better, right
BAD = "#c24534"  # vermilion: worse, wrong
NEITHER = "#808a95"  # grey: a mark that is neither
WIDTH = 11.0  # inches; 1210 pixels, about a notebook's width
DPI = 110

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: the same on every machine
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#b8c0c8",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.labelsize": 9.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 2.0,
    "hatch.linewidth": 0.7,
    "text.parse_math": False,  # a class or a file may be named "$5"
}

RUN_COLOURS = {  # by lower-case name
    "source-only": NEITHER,
    "self-training": "#4477aa",
    "self-training + rcs": "#c26a00",
    "self-training + fd": "#a06fb0",
    "rcs": "#c26a00",
    "fd": "#a06fb0",
    "daformer": "#d1495b",
    "full": "#d1495b",
    "daformer + mic": GOOD,
    "mic": GOOD,
    "short memory": "#2f92b5",
    # Chapter 5: the same two colours in all its figures.
    "with warm-up": "#d1495b",
    "without warm-up": "#8a5aa5",
    "no warm-up": "#8a5aa5",
    "oracle": "#333a42",
    "source": "#b37d14",
    "minigta": "#b37d14",
    "minisynthia": "#a06fb0",
    "gta": "#b37d14",
    "synthia": "#a06fb0",
    "target": GOOD,
    "minicityscapes": GOOD,
    "cityscapes": GOOD,
}
OTHER_COLOURS = ("#4477aa", "#d1495b", GOOD, "#b37d14", "#8a5aa5", "#2f92b5", NEITHER)
KIND_COLOURS = {"paper": "#7a6a4f", "study": "#3f6f9f", "live": GOOD}
KIND_NAMES = {  # the three kinds of numbers, never mixed: title, what it was measured on
    "paper": ("The paper", "real data, full size"),
    "study": ("Our study", "mini domains, several seeds"),
    "live": ("This run", "mini domains, one seed"),
}

TEXT_CONTRAST, MARK_CONTRAST = 4.5, 3.0  # least against the ground: WCAG 2.1 AA, 1.4.3 and 1.4.11

P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorator: `draw` runs under STYLE and leaves matplotlib's settings as it found them."""

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapper


class Plate(Figure):
    """A figure that shows itself as a compact PNG; its text form is its description."""

    alt = "figure"
    keep: tuple[tuple[int, int, int], ...] = ()  # RGB that the PNG must keep exactly

    def __repr__(self) -> str:
        return f"<figure: {self.alt}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"image/png": figure_png(self), "text/plain": repr(self)}


def new_figure(width: float, height: float, alt: str) -> Plate:
    """An empty figure of that many inches; `alt` says in words what it shows."""
    figure = Plate(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.alt = alt
    return figure


def contrast(colour: Any, ground: Any = "white") -> float:
    """WCAG's contrast ratio of two matplotlib colours, from 1 to 21."""
    dark, light = sorted(_luminance(np.array(to_rgb(c))) for c in (colour, ground))
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: np.ndarray) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def readable(colour: Any, least: float = TEXT_CONTRAST) -> tuple[float, float, float]:
    """The colour, darkened until it has that contrast on white."""
    rgb = np.array(to_rgb(colour))
    while contrast(rgb) < least:
        rgb = 0.96 * rgb
    return tuple(float(v) for v in rgb)


def as_array(values: Any) -> np.ndarray:
    """A NumPy array from a tensor (on any device) or anything array-like."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


def run_colours(names: Sequence[str]) -> list[str]:
    """A colour per run: the same run has the same colour in every chapter."""
    known = [RUN_COLOURS.get(name.lower().replace("_", "-")) for name in names]
    free = iter([c for c in OTHER_COLOURS if c not in known] + ["#444444"] * len(names))
    return [colour or next(free) for colour in known]


@styled
def rgb_array(figure: Figure) -> np.ndarray:
    """The figure's pixels, (H, W, 3) uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _save_png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="png", compress_level=6)
    return buffer.getvalue()


def _with_palette(indices: np.ndarray, palette: np.ndarray) -> Image.Image:
    """An indexed picture; `indices` (H, W), `palette` (N, 3) with N <= 256."""
    picture = Image.fromarray(indices.astype(np.uint8), mode="P")
    picture.putpalette(palette.astype(np.uint8).tobytes())
    return picture


def image_png(image: np.ndarray) -> bytes:
    """PNG bytes of an (H, W, 3) uint8 picture, every pixel exact."""
    return _save_png(Image.fromarray(np.ascontiguousarray(image)))


def _repeat(indices: np.ndarray, times: int) -> np.ndarray:
    return indices.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else indices


def _unpack(codes: np.ndarray) -> np.ndarray:
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)  # (N,) -> (N, 3)


def small_png(
    image: np.ndarray, keep: Sequence[tuple[int, int, int]] = (), enlarge: int = 1
) -> bytes:
    """PNG bytes with at most 256 colours, about a third of the size: for notebooks.

    The colours in `keep` (a legend's) and the 48 most frequent ones stay exact; photographs share
    the rest of the palette. `enlarge` repeats every pixel in both directions.
    """
    codes = image.astype(np.int32) @ np.array((65536, 256, 1), np.int32)  # (H, W, 3) -> (H, W)
    colours, counts = np.unique(codes, return_counts=True)
    if len(colours) <= 256:
        indices, palette = np.searchsorted(colours, codes), _unpack(colours)
        return _save_png(_with_palette(_repeat(indices, enlarge), palette))
    kept = [red << 16 | green << 8 | blue for red, green, blue in keep]
    exact = np.union1d(colours[np.argsort(-counts, kind="stable")[:48]], kept).astype(np.int32)
    frequent = len(exact)
    slot = np.minimum(np.searchsorted(exact, codes), frequent - 1)
    is_exact = exact[slot] == codes
    others = np.ascontiguousarray(image[~is_exact][::3][None])  # (N, 3) -> (1, N / 3, 3)
    found = Image.fromarray(others).quantize(256 - frequent, Image.Quantize.MEDIANCUT, kmeans=1)
    rest = np.array(found.getpalette(), dtype=np.uint8).reshape(-1, 3)[: 256 - frequent]
    palette = np.concatenate([_unpack(exact), rest])
    guide = _with_palette(np.zeros((1, 1)), palette)
    near = Image.fromarray(image).quantize(palette=guide, dither=Image.Dither.NONE)
    indices = np.where(is_exact, slot, np.asarray(near))
    return _save_png(_with_palette(_repeat(indices, enlarge), palette))


def figure_png(figure: Figure) -> bytes:
    """PNG bytes of a figure with at most 256 colours; a figure of pyplot is closed."""
    png = small_png(rgb_array(figure), getattr(figure, "keep", ()))
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)
    return png


def to_data_uri(png: bytes) -> str:
    """The PNG as an address that a web page carries in itself."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
