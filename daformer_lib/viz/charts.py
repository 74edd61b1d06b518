"""Bars over classes: IoU of several runs, gains, pixel shares with sampling probabilities.

Class names always stand beside a chip of the class's colour, the one that the label maps have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from daformer_lib.means import MISSING, known_mean
from daformer_lib.specs import DatasetSpec
from daformer_lib.viz.style import (
    BAD,
    GOOD,
    INK,
    MUTED,
    WIDTH,
    Plate,
    as_array,
    new_figure,
    run_colours,
    styled,
)
from daformer_lib.viz.tables import format_score

Order = Literal["as given", "by gain"]


def _colour(spec: DatasetSpec, class_id: int) -> tuple[float, float, float]:
    red, green, blue = spec.palette[class_id]
    return red / 255, green / 255, blue / 255


def _shift(axes: Axes, x: float, y: float) -> ScaledTranslation:
    """Moves by inches, to be added to a transform."""
    return ScaledTranslation(x, y, axes.figure.dpi_scale_trans)


def _class_ticks_below(
    axes: Axes, spec: DatasetSpec, ids: Sequence[int], at: Sequence[float], bold: Sequence[int]
) -> None:
    """Class names under the bars, each below a chip of its colour."""
    axes.set_xticks(at, [spec.classes[i] for i in ids], rotation=38, ha="right")
    axes.tick_params(axis="x", length=0, pad=11)
    for label, i in zip(axes.get_xticklabels(), ids, strict=True):
        label.set(rotation_mode="anchor", fontweight="bold" if i in bold else "normal")
    axes.scatter(
        at, [0] * len(ids), transform=axes.get_xaxis_transform() + _shift(axes, 0, -0.09),
        clip_on=False, marker="s", s=58, c=[_colour(spec, i) for i in ids], linewidths=0.3,
        edgecolors=INK, zorder=3,
    )  # fmt: skip


def _class_ticks_left(
    axes: Axes, spec: DatasetSpec, ids: Sequence[int], bold: Sequence[int]
) -> None:
    """Class names left of horizontal bars, first one on top."""
    at = np.arange(len(ids))
    axes.set_yticks(at, [spec.classes[i] for i in ids])
    axes.tick_params(axis="y", length=0, pad=15)
    for label, i in zip(axes.get_yticklabels(), ids, strict=True):
        label.set_fontweight("bold" if i in bold else "normal")
    axes.scatter(
        [0] * len(ids), at, marker="s", s=58, c=[_colour(spec, i) for i in ids], clip_on=False,
        transform=axes.get_yaxis_transform() + _shift(axes, -0.11, 0), linewidths=0.3,
        edgecolors=INK, zorder=3,
    )  # fmt: skip
    axes.set_ylim(len(ids) - 0.4, -0.6)


def in_percent(values: Any, spec: DatasetSpec) -> np.ndarray:
    """IoU (..., K) in percent; shares (all <= 1) are scaled."""
    values = as_array(values).astype(np.float64)
    if values.shape[-1:] != (spec.num_classes,):
        raise ValueError(
            f"got IoU of shape {values.shape}; {spec.name} needs one value for each of its "
            f"{spec.num_classes} classes"
        )
    largest = np.nanmax(values, initial=0.0)
    return values * 100 if largest <= 1 else values


def _class_order(ious: Sequence[np.ndarray], spec: DatasetSpec, order: Order) -> list[int]:
    ids = list(spec.mean_ids)
    if order == "as given" or len(ious) < 2:
        return ids
    gain = np.nan_to_num(ious[-1]) - np.nan_to_num(ious[0])
    return sorted(ids, key=lambda i: -gain[i])


@styled
def class_bars(
    ious: Mapping[str, Any],
    spec: DatasetSpec,
    order: Order = "as given",
    errors: Mapping[str, Any] | None = None,
    *,
    title: str = "IoU per class",
    bold: Sequence[int] = (),
) -> Plate:
    """Grouped bars: IoU (K,) of every run per class, and the mean at the right.

    `errors`: a run's spread (K,) over seeds. `by gain`: where the last run beats the first most
    comes first. `bold`: train ids whose names are set bold. A missing bar (–) is a class that is
    in neither truth nor prediction.
    """
    values = {name: in_percent(iou, spec) for name, iou in ious.items()}
    ids = _class_order(list(values.values()), spec, order)
    at = np.append(np.arange(len(ids)), len(ids) + 0.6)
    figure = new_figure(WIDTH, 3.7, f"{title}: {', '.join(values)}")
    axes = figure.add_axes((0.05, 0.27, 0.945, 0.58))
    wide = 0.82 / len(values)
    colours = run_colours(list(values))
    for k, (name, iou) in enumerate(values.items()):
        mean = float(known_mean(iou[list(spec.mean_ids)]))
        x = at + (k - (len(values) - 1) / 2) * wide
        heights = np.append(iou[ids], mean)
        spread = None
        if errors and name in errors:
            spread = np.append(as_array(errors[name])[ids], 0)
        axes.bar(
            x, np.nan_to_num(heights), wide * 0.94, color=colours[k],
            label=f"{name}  {format_score(mean)}", yerr=spread,
            error_kw={"elinewidth": 0.9, "ecolor": INK},
        )  # fmt: skip
        for missing in np.flatnonzero(np.isnan(heights)):
            axes.text(x[missing], 0.5, MISSING, ha="center", color=MUTED)
    _class_ticks_below(axes, spec, ids, at[:-1], bold)
    axes.axvline(len(ids) - 0.2, color="#c5ccd3", linewidth=0.8)
    axes.text(at[-1], -0.09, "mean", transform=axes.get_xaxis_transform(), ha="center",
              weight="bold", fontsize=9)  # fmt: skip
    axes.set(xlim=(-0.6, at[-1] + 0.6), ylim=(0, 100), ylabel="IoU (%)")
    axes.grid(axis="y")
    axes.set_title(title, pad=24)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.005, 0.985), ncols=len(values), fontsize=9)
    return figure


@styled
def gain_bars(
    before: Any,
    after: Any,
    spec: DatasetSpec,
    *,
    title: str = "Change of IoU",
    bold: Sequence[int] = (),
) -> Plate:
    """What each class won or lost between two runs, the largest gain on top.

    A class without a score on one side (–) counts as 0 there; without one on both, it has no gain.
    """
    before, after = in_percent(before, spec), in_percent(after, spec)
    change = np.nan_to_num(after) - np.nan_to_num(before)
    occurs = ~(np.isnan(before) & np.isnan(after))
    ids = sorted(spec.mean_ids, key=lambda i: -change[i])
    gains = change[ids]
    height = 0.22 * len(ids) + 0.97
    figure = new_figure(7.4, height, title)
    axes = figure.add_axes((0.2, 0.51 / height, 0.76, 1 - 0.97 / height))
    axes.barh(range(len(ids)), gains, 0.72, color=[GOOD if g >= 0 else BAD for g in gains])
    reach = max(5.0, float(np.abs(gains).max()))
    for row, (gain, i) in enumerate(zip(gains, ids, strict=True)):
        axes.text(
            gain + (0.02 if gain >= 0 else -0.02) * reach, row,
            f"{gain:+.1f}  ({_whole(before[i])} → {_whole(after[i])})" if occurs[i] else MISSING,
            va="center", ha="left" if gain >= 0 else "right", fontsize=8, color=MUTED,
        )  # fmt: skip
    low, high = min(0.0, float(gains.min())), max(0.0, float(gains.max()))
    room = 0.4 * max(5.0, high - low)  # of the text beside the longest bar
    axes.set_xlim(low - (room if low < 0 else 0), high + room)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set(title=title, xlabel="IoU points")
    axes.grid(axis="x")
    _class_ticks_left(axes, spec, ids, bold)
    return figure


def _whole(score: float) -> str:
    return MISSING if np.isnan(score) else f"{score:.0f}"


@styled
def share_bars(
    shares: Mapping[str, Any],
    spec: DatasetSpec,
    probabilities: Mapping[str, Any] | None = None,
    *,
    bold: Sequence[int] = (),
) -> Plate:
    """The long tail: each class's share of all pixels (log axis), most frequent first.

    `shares`: a (K,) array per domain, summing to one. `probabilities`: (K,) per setting (uniform,
    RCS with a temperature), drawn beside on a plain axis: how often a class is asked for.
    """
    first = as_array(next(iter(shares.values())))
    ids = sorted(range(spec.num_classes), key=lambda i: -first[i])
    height = 0.25 * len(ids) + 1.05
    figure = new_figure(WIDTH if probabilities else 7.4, height, "share of pixels per class")
    bottom, tall = 0.5 / height, 1 - 1.1 / height
    left, wide = (0.125, 0.4) if probabilities else (0.19, 0.77)
    axes = figure.add_axes((left, bottom, wide, tall))
    _horizontal_groups(axes, {n: 100 * as_array(s)[ids] for n, s in shares.items()})
    smallest = min(float(as_array(s)[as_array(s) > 0].min()) for s in shares.values())
    axes.set_xscale("log")
    axes.set_xlim(100 * smallest / 1.6, 100)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.set_title("Share of all pixels (log scale)", pad=24)
    _class_ticks_left(axes, spec, ids, bold)
    if probabilities:
        other = figure.add_axes((0.575, bottom, 0.41, tall))
        _horizontal_groups(other, {n: 100 * as_array(p)[ids] for n, p in probabilities.items()})
        other.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        other.set_title("Probability that a class is drawn", pad=24)
        other.tick_params(axis="y", length=0, labelleft=False)
        other.set_yticks(range(len(ids)))
        other.set_ylim(len(ids) - 0.4, -0.6)
    return figure


def _horizontal_groups(axes: Axes, groups: Mapping[str, np.ndarray]) -> None:
    """Horizontal bars, one row per position, one colour per group."""
    thick = 0.8 / len(groups)
    colours = run_colours(list(groups))
    for k, (name, values) in enumerate(groups.items()):
        y = np.arange(len(values)) + (k - (len(groups) - 1) / 2) * thick
        axes.barh(y, values, thick * 0.92, color=colours[k], label=name)
    axes.grid(axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 0.985), ncols=len(groups), fontsize=9)


@styled
def confusion_heatmap(
    confusion: Any, spec: DatasetSpec, *, title: str = "What each class is taken for"
) -> Plate:
    """Rows: the truth; columns: the prediction; each row in percent of the true class's pixels."""
    confusion = as_array(confusion).astype(np.float64)
    total = confusion.sum(axis=1, keepdims=True)  # (K, K) -> (K, 1)
    share = np.divide(100 * confusion, total, where=total > 0, out=np.full_like(confusion, np.nan))
    count = spec.num_classes
    width, height = max(5.0, 0.4 * count + 1.7), 0.34 * count + 2.1  # the title's width at least
    figure = new_figure(width, height, title)
    axes = figure.add_axes((1.48 / width, 1.42 / height, 1 - 1.66 / width, 1 - 2.1 / height))
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for i, j in np.argwhere(share >= 1):
        axes.text(
            j, i, f"{share[i, j]:.0f}", ha="center", va="center", fontsize=7.5,
            color="white" if share[i, j] > 55 else INK, weight="bold" if i == j else "normal",
        )  # fmt: skip
    axes.set_xlim(-0.5, count - 0.5)
    _class_ticks_left(axes, spec, range(count), ())
    axes.set_ylim(count - 0.5, -0.5)
    _class_ticks_below(axes, spec, range(count), range(count), ())
    axes.set(title=title, ylabel="truth", xlabel="prediction")
    axes.spines[:].set_visible(False)
    return figure
