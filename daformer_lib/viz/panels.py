"""Pictures side by side with titles, a score in the corner, and the legend of their colours.

Everything is laid out in inches by hand: rows and columns stay tight whatever the picture's shape.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from matplotlib.textpath import TextPath

from daformer_lib.means import known_mean, percent
from daformer_lib.specs import DatasetSpec
from daformer_lib.viz import draw
from daformer_lib.viz.style import DPI, INK, WIDTH, Plate, as_array, new_figure, styled

GAP = 0.07  # inches between pictures
TITLE = 0.27  # inches of a line of titles
LINE = 0.25  # inches of a line of the legend
WIDEST = 4.2  # inches: a picture in a short row does not grow beyond this


class Chip(NamedTuple):
    """One entry of a legend: a name beside its colour, or beside a colour scale."""

    name: str
    colour: Any = None  # any matplotlib colour, or RGB 0-255
    scale: tuple[str, str, str] | None = None  # (colour map, text at its low end, at its high end)


def class_chips(spec: DatasetSpec, labels: Sequence[Any] | None = None) -> list[Chip]:
    """Legend of the classes that occur in these label maps (all classes without any)."""
    present = set(range(spec.num_classes)) | {spec.ignore}
    if labels is not None:
        present = {int(i) for label in labels for i in np.unique(as_array(label))}
    chips = [
        Chip(spec.classes[i], spec.palette[i]) for i in range(spec.num_classes) if i in present
    ]
    return chips + ([Chip("ignored", draw.IGNORE_DARK)] if spec.ignore in present else [])


ERROR_CHIPS = (Chip("right", draw.RIGHT), Chip("wrong", draw.WRONG))
CONFIDENCE_CHIPS = (Chip("confidence", scale=(draw.CONFIDENCE_MAP, "0", "1")),)


def agreement_chips(first: str, second: str) -> list[Chip]:
    return [
        Chip(name.format(first=first, second=second), colour)
        for name, colour in draw.AGREEMENT.items()
    ]


def _text_width(text: str, size: float = 9) -> float:
    """Inches that a text takes."""
    return TextPath((0, 0), text, size=size).get_extents().width / 72 if text.strip() else 0.0


def flow_chips(chips: Sequence[Chip], width: float) -> list[list[tuple[float, Chip]]]:
    """Chips as lines of (x in inches, chip), wrapped at the width."""
    lines: list[list[tuple[float, Chip]]] = [[]] if chips else []
    x = 0.0
    for chip in chips:
        need = 0.27 + _text_width(chip.name) + (1.75 if chip.scale else 0) + 0.22
        if lines[-1] and x + need > width:
            lines.append([])
            x = 0.0
        lines[-1].append((x, chip))
        x += need
    return lines


def _draw_chip(axes: Axes, x: float, y: float, chip: Chip) -> None:
    if chip.scale is None:
        colour = chip.colour
        if not isinstance(colour, str):
            colour = tuple(np.asarray(colour) / 255)
        box = FancyBboxPatch(
            (x + 0.02, y + 0.055), 0.15, 0.13, boxstyle="round,pad=0,rounding_size=0.025",
            facecolor=colour, edgecolor=INK, linewidth=0.3,
        )  # fmt: skip
        axes.add_patch(box)
        axes.text(x + 0.24, y + 0.12, chip.name, va="center", fontsize=9)
        return
    colours, low, high = chip.scale
    start = x + _text_width(chip.name) + 0.28
    axes.text(x, y + 0.12, chip.name, va="center", fontsize=9)
    axes.text(start - 0.05, y + 0.12, low, va="center", ha="right", fontsize=8)
    ramp = np.linspace(0, 1, 128)[None]
    area = (start, start + 1.2, y + 0.055, y + 0.185)
    axes.imshow(ramp, cmap=matplotlib.colormaps[colours], extent=area, aspect="auto")
    axes.text(start + 1.25, y + 0.12, high, va="center", fontsize=8)


def draw_legend(figure: Plate, lines: list[list[tuple[float, Chip]]], left: float) -> None:
    """Lines of chips along the bottom of the figure."""
    chips = [chip for line in lines for _, chip in line]
    figure.keep += tuple(c.colour for c in chips if c.colour and not isinstance(c.colour, str))
    width, height = figure.get_size_inches()
    tall = LINE * len(lines)
    axes = figure.add_axes((left / width, 0, 1 - left / width, tall / height))
    for row, line in enumerate(lines):
        for x, chip in line:
            _draw_chip(axes, x, tall - LINE * (row + 1), chip)
    axes.set(xlim=(0, width - left), ylim=(0, tall))
    axes.axis("off")


@styled
def class_legend(spec: DatasetSpec, present: Sequence[Any] | None = None) -> Plate:
    """The classes and their colours alone; `present`: label maps whose classes are wanted."""
    lines = flow_chips(class_chips(spec, present), WIDTH)
    figure = new_figure(WIDTH, LINE * len(lines), f"legend of {spec.name}")
    draw_legend(figure, lines, 0)
    return figure


def _show(axes: Axes, picture: np.ndarray, panel_width: float) -> None:
    """Sharp pixels when enlarged, averaged ones when reduced."""
    enlarged = panel_width * DPI >= picture.shape[1]
    axes.imshow(picture, interpolation="nearest" if enlarged else "antialiased", aspect="auto")
    axes.axis("off")


def _badge(axes: Axes, text: str) -> None:
    """A small white-on-dark note in the picture's corner."""
    axes.text(
        0.985, 0.035, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=8,
        color="white", bbox={"facecolor": "#14181d", "alpha": 0.78, "pad": 2.2, "linewidth": 0},
    )  # fmt: skip


class _Layout(NamedTuple):
    """Where the pictures of a grid stand, in inches."""

    left: float  # room for row titles
    top: float  # room for the title and the column titles
    panel: float  # width of a picture
    tall: float  # its height
    width: float  # of the figure
    height: float

    def place(self, i: int, j: int) -> tuple[float, float]:
        """Lower left corner of the picture in row i and column j."""
        y = self.height - self.top - (i + 1) * self.tall - i * GAP
        return self.left + j * (self.panel + GAP), y


def _layout(
    pictures: Sequence[Sequence[Any]],
    row_titles: Sequence[str],
    top: float,
    width: float,
) -> _Layout:
    """The layout without legend, which needs the width that comes out here."""
    rows, columns = len(pictures), max(map(len, pictures))
    left = 0.45 if row_titles else 0.0  # two lines, upright
    panel = min(WIDEST, (width - left - GAP * (columns - 1)) / columns)
    tall = panel * max(p.shape[0] / p.shape[1] for row in pictures for p in row if p is not None)
    height = top + rows * tall + (rows - 1) * GAP
    wide = max(4.0, left + (panel + GAP) * columns - GAP)
    return _Layout(left, top, panel, tall, wide, height)


def _write_titles(
    figure: Plate,
    layout: _Layout,
    title: str,
    row_titles: Sequence[str],
    column_titles: Sequence[str],
) -> None:
    width, height = figure.get_size_inches()
    if title:
        at = (layout.left / width, 1 - 0.05 / height)
        figure.text(*at, title, va="top", fontsize=11, weight="bold")
    for j, text in enumerate(column_titles):
        x, y = layout.place(0, j)[0], height - layout.top
        at = ((x + 0.01) / width, (y + 0.07) / height)
        figure.text(*at, text, fontsize=9.5, weight="bold", va="bottom")
    for i, text in enumerate(row_titles):
        most = max(8, int(layout.tall / 0.085))
        lines = textwrap.wrap(text, most, break_on_hyphens=len(text) > most)[:2]
        at = ((layout.left - 0.08) / width, (layout.place(i, 0)[1] + layout.tall / 2) / height)
        figure.text(
            *at, "\n".join(lines), rotation=90, ha="right", va="center", fontsize=9.5,
            weight="bold", multialignment="center",
        )  # fmt: skip


def _require_count(name: str, titles: Sequence[str] | None, count: int) -> None:
    if titles is not None and len(titles) != count:
        raise ValueError(f"{len(titles)} {name} titles for {count} {name}s; give one each")


@styled
def panel_grid(
    images: Sequence[Sequence[Any]],
    row_titles: Sequence[str] | None = None,
    column_titles: Sequence[str] | None = None,
    *,
    captions: Sequence[Sequence[str | None]] | None = None,
    legend: Sequence[Chip] = (),
    title: str = "",
    width: float = WIDTH,
) -> Plate:
    """Rows of pictures. None leaves a place empty; captions stand in the pictures' corners.

    A picture is anything that draw.as_picture takes; all are given the same place.
    """
    pictures = [[None if i is None else draw.as_picture(i) for i in row] for row in images]
    if not any(p is not None for row in pictures for p in row):
        raise ValueError("panel_grid got no picture; pass rows of images")
    _require_count("row", row_titles, len(pictures))
    _require_count("column", column_titles, max(map(len, pictures)))
    top = (0.34 if title else 0) + (TITLE if column_titles else 0)
    layout = _layout(pictures, row_titles or (), top, width)
    lines = flow_chips(legend, layout.width - layout.left)
    if lines:
        layout = layout._replace(height=layout.height + LINE * len(lines) + 0.06)
    wide, high = layout.width, layout.height
    figure = new_figure(wide, high, title or ", ".join(column_titles or ["pictures"]))
    _write_titles(figure, layout, title, row_titles or (), column_titles or ())
    for i, row in enumerate(pictures):
        for j, picture in enumerate(row):
            if picture is None:
                continue
            x, y = layout.place(i, j)
            box = (x / wide, y / high, layout.panel / wide, layout.tall / high)
            axes = figure.add_axes(box)
            _show(axes, picture, layout.panel)
            if captions and captions[i][j]:
                _badge(axes, captions[i][j])
    if lines:
        draw_legend(figure, lines, layout.left)
    return figure


def picture_miou(prediction: Any, truth: Any, spec: DatasetSpec) -> float:
    """Mean IoU (percent) of one picture over the classes in it; NaN when nothing is labelled.

    A run's score comes from `evaluate` over all pictures; this one only orders the pictures.
    """
    prediction, truth = as_array(prediction).astype(np.int64), as_array(truth).astype(np.int64)
    valid = truth != spec.ignore
    ious = []
    for i in spec.mean_ids:
        hit, said = (truth == i) & valid, (prediction == i) & valid
        union = (hit | said).sum()
        if union:
            ious.append((hit & said).sum() / union)
    return 100 * float(known_mean(ious))


def miou_note(prediction: Any, truth: Any, spec: DatasetSpec) -> str:
    """`picture_miou` as the note in a picture's corner: "mIoU 45", or a dash without a score."""
    return f"mIoU {percent(picture_miou(prediction, truth, spec) / 100, 0)}"


def wrong_share(prediction: Any, truth: Any, spec: DatasetSpec) -> float:
    """Share of one picture's labelled pixels that are wrong; NaN when nothing is labelled."""
    known = as_array(truth) != spec.ignore
    return float(known_mean((as_array(prediction) != as_array(truth))[known]))
