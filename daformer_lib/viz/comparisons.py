"""Whole comparisons made of panels: predictions of several runs, their evolution, label grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from daformer_lib.means import percent
from daformer_lib.specs import DatasetSpec
from daformer_lib.viz import draw
from daformer_lib.viz.panels import (
    CONFIDENCE_CHIPS,
    ERROR_CHIPS,
    Chip,
    class_chips,
    draw_legend,
    flow_chips,
    miou_note,
    panel_grid,
)
from daformer_lib.viz.style import INK, WIDTH, Plate, as_array, new_figure, styled

TINY_COLOURS = ("#f2b8a0", "#a9c7e8", "#b9dbb0", "#e6d58a", "#cbb5e0", "#a8d8d4")
IGNORED = "#3a3a40"


def prediction_panels(
    images: Sequence[Any],
    truth: Sequence[Any] | None,
    predictions: Mapping[str, Sequence[Any]],
    spec: DatasetSpec,
    *,
    scores: Mapping[str, float] | None = None,
    row_titles: Sequence[str] | None = None,
    errors: bool = False,
) -> Plate:
    """A row per image: image | truth | a column per run, each picture's own mIoU in its corner.

    `scores`: a run's mIoU over the whole split, shown in its column title. `errors`: right and
    wrong pixels instead of class colours. Without truth (None) neither truth nor mIoU is shown.
    """
    if errors and truth is None:
        raise ValueError("errors=True compares with the truth; pass truth, or leave errors off")
    rows, captions = [], []
    for i, image in enumerate(images):
        row, notes = [image], [None]
        if truth is not None:
            row, notes = [*row, draw.colorize(truth[i], spec)], [*notes, None]
        for labels in predictions.values():
            if errors:
                row.append(draw.error_map(labels[i], truth[i], spec.ignore))
            else:
                row.append(draw.colorize(labels[i], spec))
            notes.append(None if truth is None else miou_note(labels[i], truth[i], spec))
        rows.append(row)
        captions.append(notes)
    names = [
        f"{n} ({percent(scores[n] / 100)})" if scores and n in scores else n for n in predictions
    ]
    columns = ["image", *(["truth"] if truth is not None else []), *names]
    labels = [] if errors else [label for many in predictions.values() for label in many]
    known = [] if truth is None else list(truth)
    legend = class_chips(spec, [*labels, *known])
    legend = [*ERROR_CHIPS, *legend] if errors else legend
    return panel_grid(rows, row_titles, columns, captions=captions, legend=legend)


def evolution_strip(
    image: Any,
    truth: Any,
    runs: Mapping[str, Mapping[int, Any]],
    spec: DatasetSpec,
) -> Plate:
    """One image's label over training: a row per run, a column per step, then the truth."""
    steps = sorted({step for labels in runs.values() for step in labels})
    rows, captions = [], []
    for labels in runs.values():
        row = [draw.colorize(labels[s], spec) if s in labels else None for s in steps]
        notes = [miou_note(labels[s], truth, spec) if s in labels else None
                 for s in steps]  # fmt: skip
        rows.append([image, *row, draw.colorize(truth, spec)])
        captions.append([None, *notes, None])
    columns = ["image", *(f"step {s}" for s in steps), "truth"]
    everything = [truth, *(label for labels in runs.values() for label in labels.values())]
    return panel_grid(
        rows, list(runs), columns, captions=captions, legend=class_chips(spec, everything)
    )


def pseudo_label_panels(
    images: Sequence[Any],
    labels: Sequence[Any],
    confidences: Sequence[Any],
    threshold: float,
    spec: DatasetSpec,
    *,
    truth: Sequence[Any] | None = None,
) -> Plate:
    """image | pseudo-label | confidence | what is confident | truth, with the confident share."""
    rows, captions = [], []
    for i, image in enumerate(images):
        confidence = as_array(confidences[i])
        share = confidence / 255 if confidence.dtype == np.uint8 else confidence
        sure = np.where(share >= threshold, as_array(labels[i]), spec.ignore)
        row = [image, draw.colorize(labels[i], spec), draw.confidence_map(share),
               draw.colorize(sure, spec)]  # fmt: skip
        notes = [None, None, None, f"{100 * (share >= threshold).mean():.0f} % of the pixels"]
        if truth is not None:
            row.append(draw.colorize(truth[i], spec))
            notes[1] = miou_note(labels[i], truth[i], spec)
            notes.append(None)
        rows.append(row)
        captions.append(notes)
    columns = ["image", "pseudo-label", "confidence", f"confidence ≥ {threshold:g}"]
    columns += ["truth"] if truth is not None else []
    legend = [
        *CONFIDENCE_CHIPS,
        *class_chips(spec, [*labels, *(truth if truth is not None else [])]),
    ]
    return panel_grid(rows, None, columns, captions=captions, legend=legend)


def _cell_colour(value: Any, grid: np.ndarray, colours: Sequence[str], ignore: int) -> Any:
    """A class colour for an integer, a shade of blue for a float in the grid's range."""
    if grid.dtype.kind in "iu":
        return IGNORED if value == ignore else colours[int(value) % len(colours)]
    if grid.dtype.kind == "b":
        return "#a9c7e8" if value else "white"
    top = max(float(np.nanmax(np.abs(grid))), 1e-12)
    share = 0.75 * abs(float(value)) / top if np.isfinite(value) else 0
    warm, cold = np.array((0.93, 0.55, 0.42)), np.array((0.35, 0.58, 0.80))
    return tuple(1 - share * (1 - (cold if value >= 0 else warm)))


def _cell_text(value: Any, grid: np.ndarray, number: str) -> str:
    if grid.dtype.kind == "b":
        return "1" if value else "·"
    return str(value) if grid.dtype.kind in "iu" else number.format(float(value))


def _draw_cells(
    axes: Axes, grid: np.ndarray, cell: float, colours: Sequence[str], number: str, ignore: int
) -> None:
    """Squares `cell` inches wide with their values."""
    rows, columns = grid.shape
    texts = [[_cell_text(value, grid, number) for value in row] for row in grid]
    size = min(9.5, cell * 100 / max(2, *(len(text) for row in texts for text in row)))
    for i in range(rows):
        for j in range(columns):
            colour = _cell_colour(grid[i, j], grid, colours, ignore)
            box = Rectangle((j, i), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5)
            axes.add_patch(box)
            axes.text(
                j + 0.5, i + 0.5, texts[i][j], ha="center", va="center",
                color="white" if colour == IGNORED else INK, fontsize=size,
            )  # fmt: skip
    axes.set(xlim=(-0.03, columns + 0.03), ylim=(rows + 0.03, -0.03), aspect="equal")
    axes.axis("off")


@styled
def cell_grid(
    grids: Mapping[str, Any],
    names: Sequence[str] = (),
    *,
    colours: Sequence[str] = TINY_COLOURS,
    number: str = "{:z.2f}",
    ignore: int = 255,
) -> Plate:
    """Tiny arrays (4x6 and the like) with every value written in its cell: cases by hand.

    Integers are classes (`names[i]` in the legend), floats are shaded by size, booleans 1 or a dot.
    """
    arrays = {title: np.atleast_2d(as_array(grid)) for title, grid in grids.items()}
    cell = min(0.46, (WIDTH - 0.4 * len(arrays)) / sum(a.shape[1] for a in arrays.values()))
    tall = cell * max(a.shape[0] for a in arrays.values())
    widths = {t: max(a.shape[1] * cell, 0.085 * len(t) + 0.1) for t, a in arrays.items()}
    total = sum(widths.values()) + 0.35 * (len(arrays) - 1)
    bottom = 0.3 if names else 0.0
    height = tall + 0.32 + bottom
    width = max(total, 4.0)
    figure = new_figure(width, height, ", ".join(arrays))
    x = 0.0
    for title, grid in arrays.items():
        wide, high = grid.shape[1] * cell, grid.shape[0] * cell
        box = (x / width, (bottom + tall - high) / height, wide / width, high / height)
        axes = figure.add_axes(box)
        _draw_cells(axes, grid, cell, colours, number, ignore)
        figure.text(x / width, 1 - 0.06 / height, title, va="top", fontsize=9.5, weight="bold")
        x += widths[title] + 0.35
    if names:
        chips = [Chip(f"{i} = {name}", colours[i % len(colours)]) for i, name in enumerate(names)]
        draw_legend(figure, flow_chips(chips, width), 0)
    return figure
