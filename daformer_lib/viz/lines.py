"""Lines over training steps (mIoU, class IoU, learning rate), and scores of runs with their seeds.

There is no loss curve here on purpose: a falling loss says little about adaptation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from daformer_lib.means import MISSING, known_mean
from daformer_lib.specs import DatasetSpec
from daformer_lib.viz.charts import in_percent
from daformer_lib.viz.style import (
    INK,
    KIND_COLOURS,
    KIND_NAMES,
    MARK_CONTRAST,
    MUTED,
    WIDTH,
    Plate,
    as_array,
    new_figure,
    readable,
    run_colours,
    styled,
)
from daformer_lib.viz.tables import format_score, known_values

Series = tuple[Sequence[float], Any]  # x, y: one line, or (seeds, n)


def _spread_out(ends: Sequence[float], gap: float, top: float) -> np.ndarray:
    """Ascending values moved apart to `gap` or more, none above `top`."""
    places = np.array(ends, dtype=float)
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    for i in range(len(places) - 1, -1, -1):
        places[i] = min(places[i], top - gap * (len(places) - 1 - i))
    return places


def _end_labels(axes: Axes, series: Mapping[str, Series], colours: Sequence[Any]) -> None:
    """Each line's name at its end, moved apart where they would overlap.

    A line without any value has its name, with a dash, at the bottom.
    """
    low, high = axes.get_ylim()
    right = max(float(x[-1]) for x, _ in series.values())
    ends = [y[~np.isnan(y)][-1:] for _, y in series.values()]  # each of one value, or none
    order = sorted((float(end[0]) if len(end) else low, k) for k, end in enumerate(ends))
    names = [name if len(end) else f"{name} {MISSING}" for name, end in zip(series, ends)]
    places = _spread_out([value for value, _ in order], (high - low) * 0.062, high)
    for place, (_, k) in zip(places, order, strict=True):
        axes.annotate(
            names[k], (right, place), xytext=(7, 0), textcoords="offset points",
            va="center", color=readable(colours[k]), weight="bold", fontsize=9,
            annotation_clip=False,
        )  # fmt: skip


@styled
def line_chart(
    series: Mapping[str, Series],
    *,
    x_label: str | None = None,
    y_label: str = "",
    title: str = "",
    marks: Mapping[str, float] | None = None,
    log_y: bool = False,
    colours: Sequence[Any] | None = None,
    dots: bool = False,
    x_texts: Sequence[str] = (),
) -> Plate:
    """Named lines (x, y); `marks` are named vertical lines (the end of warm-up, say).

    Where x is 0, 1, 2, ... for things without a scale, `x_texts` say what they are; lines between
    them are dotted, since nothing lies there.

    A y of (seeds, n) is drawn as its mean with a band of one standard deviation to each side.
    """
    figure = new_figure(9.0, 3.7, title or y_label)
    axes = figure.add_axes((0.075, 0.14, 0.74, 0.75))
    colours = list(colours or run_colours(list(series)))
    means = {}
    for colour, (name, (x, y)) in zip(colours, series.items(), strict=True):
        x, y = as_array(x), as_array(y)
        if y.ndim == 2:
            mean = known_mean(y, axis=0)
            spread = y.std(axis=0, ddof=1) if len(y) > 1 else np.zeros_like(mean)
            axes.fill_between(x, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0)
            y = mean
        line = ":" if x_texts else "-"
        axes.plot(x, y, color=colour, marker="o" if dots else None, ms=4, linestyle=line)
        means[name] = x, y
    if log_y:
        axes.set_yscale("log")
    for name, x in (marks or {}).items():
        axes.axvline(x, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(
            name, (x, 1), xycoords=axes.get_xaxis_transform(), xytext=(4, -3), va="top",
            textcoords="offset points", fontsize=8.5, color=MUTED,
        )  # fmt: skip
    if x_label is None:
        x_label = "" if x_texts else "step"
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    axes.grid(axis="y")
    if x_texts:
        axes.set_xticks(range(len(x_texts)), x_texts)
    if log_y:
        axes.legend(list(series), loc="upper left", bbox_to_anchor=(1.01, 1))
    else:
        _end_labels(axes, means, colours)
    return figure


def curves(
    runs: Mapping[str, Series],
    *,
    title: str = "mIoU over training",
    marks: Mapping[str, float] | None = None,
) -> Plate:
    """mIoU (percent) over steps of several runs: ``{name: run.curve()}``."""
    return line_chart(runs, y_label="mIoU (%)", title=title, marks=marks, dots=True)


def class_curves(
    steps: Sequence[int],
    ious: Any,
    spec: DatasetSpec,
    class_ids: Sequence[int],
    *,
    title: str = "IoU of single classes over training",
) -> Plate:
    """IoU over steps of a few classes, each in its class colour; `ious`: (steps, K)."""
    values = in_percent(ious, spec)
    series = {spec.classes[i]: (steps, values[:, i]) for i in class_ids}
    colours = [readable(np.array(spec.palette[i]) / 255, MARK_CONTRAST) for i in class_ids]
    return line_chart(series, y_label="IoU (%)", title=title, colours=colours, dots=True)


def _score_rows(axes: Axes, scores: Mapping[str, Any], colours: Sequence[Any], top: float) -> None:
    """A bar per row; several values are dots around their mean, with the standard error."""
    for row, (colour, value) in enumerate(zip(colours, scores.values(), strict=True)):
        values = known_values(value)
        if not len(values):
            text = "not at hand" if value is None else "no score"
            axes.text(top * 0.01, row, text, va="center", color=MUTED, fontsize=8.5)
            continue
        mean = values.mean()
        axes.barh(row, mean, 0.68, color=colour, alpha=0.9)
        text, end = f"{mean:.1f}", mean
        if len(values) > 1:
            spread = values.std(ddof=1)
            axes.plot(values, np.full(len(values), row), "o", ms=3.6, mfc="white", mec=INK, mew=0.8)
            text, end = f"{mean:.1f} ± {spread:.1f}", max(mean, values.max())
        if len(values) < np.size(value):
            text += f" ({len(values)} of {np.size(value)} seeds)"
        axes.annotate(
            text, (end, row), xytext=(7, 0), textcoords="offset points", va="center", fontsize=9
        )
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_xlim(0, top)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)


def _largest(scores: Mapping[str, Any]) -> float:
    """Of all values; 1 where there is none, since an axis needs a length."""
    return max((float(v) for value in scores.values() for v in known_values(value)), default=1.0)


NAME_INCHES = 0.078  # of a letter in the names beside bars


@styled
def three_numbers(
    paper: Mapping[str, Any] | None = None,
    study: Mapping[str, Any] | None = None,
    live: Mapping[str, Any] | None = None,
    *,
    paper_table: str = "",
    x_label: str = "mIoU (%)",
) -> Plate:
    """One claim, three kinds of numbers, side by side and never in one axis.

    A value is a number, a list of one per seed (dots, mean ± standard deviation) or None.
    """
    kinds = {"paper": paper, "study": study, "live": live}
    kinds = {kind: scores for kind, scores in kinds.items() if scores}
    names = list(dict.fromkeys(name for scores in kinds.values() for name in scores))
    height = 0.33 * len(names) + 1.3
    figure = new_figure(WIDTH, height, "the paper's numbers, our study's and this run's")
    left = max(0.16, (0.15 + NAME_INCHES * max(map(len, names), default=0)) / WIDTH)
    wide = (0.985 - left) / len(kinds)
    tops = {kind: _largest(scores) * 1.4 for kind, scores in kinds.items()}
    mini = max((tops[kind] for kind in ("study", "live") if kind in tops), default=0)
    for k, (kind, scores) in enumerate(kinds.items()):
        box = (left + k * wide, 0.5 / height, wide - 0.025, 1 - 1.27 / height)
        axes = figure.add_axes(box)
        rows = {name: scores.get(name) for name in names}
        _score_rows(axes, rows, run_colours(names), tops[kind] if kind == "paper" else mini)
        axes.set_yticks(range(len(names)), names if k == 0 else [""] * len(names))
        title, detail = KIND_NAMES[kind]
        title += f", {paper_table}" if kind == "paper" and paper_table else ""
        axes.set_title(title, fontsize=10.5, color=KIND_COLOURS[kind], pad=20)
        axes.annotate(
            detail, (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points",
            fontsize=8.5, color=MUTED,
        )  # fmt: skip
        axes.set_xlabel(x_label)
    return figure


@styled
def grouped_bars(
    groups: Mapping[str, Mapping[str, float | None]],
    *,
    title: str = "",
    y_label: str = "mIoU (%)",
) -> Plate:
    """A group of bars per row name: ``{"ResNet-101": {"source-only": 34.3, "UDA": 54.2}, ...}``."""
    series = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    figure = new_figure(WIDTH, 3.6, title or "grouped bars")
    axes = figure.add_axes((0.055, 0.14, 0.94, 0.68))
    wide = 0.8 / len(series)
    colours = run_colours(series)
    for k, name in enumerate(series):
        x = np.arange(len(groups)) + (k - (len(series) - 1) / 2) * wide
        heights = [float(known_values(bars.get(name)).sum()) for bars in groups.values()]
        texts = [format_score(bars.get(name)) for bars in groups.values()]
        axes.bar(x, heights, wide * 0.94, color=colours[k], label=name)
        for at, height, text in zip(x, heights, texts, strict=True):
            axes.text(at, height + 0.8, text, ha="center", fontsize=8, color=MUTED)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel=y_label, xlim=(-0.55, len(groups) - 0.45))
    axes.set_ylim(top=axes.get_ylim()[1] * 1.08)
    axes.grid(axis="y")
    axes.set_title(title, pad=24)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.005, 0.985), ncols=len(series), fontsize=9)
    return figure
