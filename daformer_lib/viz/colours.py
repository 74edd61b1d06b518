"""The colours of two domains compared: brightness, saturation and hue, and the colour plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from daformer_lib.viz.draw import as_picture
from daformer_lib.viz.style import (
    INK,
    MUTED,
    WIDTH,
    Plate,
    as_array,
    new_figure,
    run_colours,
    styled,
)

PLANE = 60  # a* and b* are shown from -PLANE to PLANE


def class_pixels(images: Sequence[Any], labels: Sequence[Any], class_id: int) -> np.ndarray:
    """All pixels (N, 3) uint8 of one class in these images."""
    found = [as_picture(i)[as_array(la) == class_id] for i, la in zip(images, labels, strict=True)]
    return np.concatenate(found) if found else np.zeros((0, 3), np.uint8)


def _pixels(pictures: Any) -> np.ndarray:
    """(N, 3) uint8 from pictures (a list, or a (B, H, W, 3) array) or from pixels already."""
    if isinstance(pictures, np.ndarray) and pictures.ndim == 2:
        return pictures
    return np.concatenate([as_picture(p).reshape(-1, 3) for p in pictures])


def _converted(pixels: np.ndarray, code: int) -> np.ndarray:
    """Float pixels (N, 3) in another colour space; `code` is OpenCV's."""
    return cv2.cvtColor(pixels[None].astype(np.float32) / 255, code)[0]


@styled
def colour_histograms(domains: Mapping[str, Any]) -> Plate:
    """Brightness, saturation and hue per domain: images, or pixels (N, 3)."""
    figure = new_figure(WIDTH, 2.9, "colour statistics of " + " and ".join(domains))
    ranges = {
        "brightness": (2, 0, 1),
        "saturation": (1, 0, 1),
        "hue (of coloured pixels)": (0, 0, 360),
    }
    hsv = {name: _converted(_pixels(d), cv2.COLOR_RGB2HSV) for name, d in domains.items()}
    for k, (title, (channel, low, high)) in enumerate(ranges.items()):
        axes = figure.add_axes((0.02 + k * 0.335, 0.15, 0.3, 0.66))
        for colour, pixels in zip(run_colours(list(domains)), hsv.values(), strict=True):
            values = pixels[:, channel]
            if channel == 0:
                values = values[pixels[:, 1] > 0.15]  # the hue of grey is noise
            counts, edges = np.histogram(values, bins=48, range=(low, high), density=True)
            middle = (edges[1:] + edges[:-1]) / 2
            axes.fill_between(middle, counts, color=colour, alpha=0.22, linewidth=0)
            axes.plot(middle, counts, color=colour, linewidth=1.6)
        if channel == 0:
            ramp = np.stack([np.linspace(0, 360, 180), np.ones(180), np.ones(180)], -1)
            strip = cv2.cvtColor(ramp[None].astype(np.float32), cv2.COLOR_HSV2RGB)
            tall = axes.get_ylim()[1]
            axes.imshow(strip, extent=(0, 360, -0.06 * tall, -0.02 * tall), aspect="auto")
            axes.set_ylim(-0.06 * tall, tall)
            axes.set_xticks([0, 120, 240, 360])
        axes.set(xlim=(low, high), yticks=[])
        axes.spines["left"].set_visible(False)
        axes.set_title(title, fontsize=10)
    handles = list(figure.axes[0].lines)
    figure.legend(handles, list(domains), loc="upper right", ncols=len(domains), borderaxespad=0.1)
    return figure


def _plane(pixels: np.ndarray, cells: int) -> np.ndarray:
    """(cells, cells, 4) RGBA: the mean colour of the pixels in each a*b* cell, faint where few."""
    lab = _converted(pixels, cv2.COLOR_RGB2LAB)
    place = np.floor((lab[:, 1:] + PLANE) / (2 * PLANE) * cells).astype(int)
    inside = ((place >= 0) & (place < cells)).all(axis=1)
    flat = place[inside, 1] * cells + place[inside, 0]  # b* upwards, a* to the right
    counts = np.bincount(flat, minlength=cells * cells)
    sums = [np.bincount(flat, pixels[inside, c], cells * cells) for c in range(3)]
    colours = np.stack(sums, -1) / np.maximum(counts, 1)[:, None] / 255
    seen = np.log1p(counts) / np.log1p(max(1, counts.max()))
    picture = np.concatenate([colours, np.clip(1.3 * seen, 0, 1)[:, None]], axis=-1)
    return picture.reshape(cells, cells, 4)


@styled
def colour_planes(domains: Mapping[str, Any], *, title: str = "", cells: int = 72) -> Plate:
    """Which colours a domain has: the a*b* plane of CIELAB, each cell in its pixels' mean colour.

    Pass images or the pixels of one class (`class_pixels`); grey is the middle, vivid is outside.
    """
    side = 3.1
    top = 0.62 if title else 0.32
    width = max(4.0, (side + 0.3) * len(domains))
    figure = new_figure(width, side + top + 0.05, title or "colours of " + ", ".join(domains))
    high = figure.get_size_inches()[1]
    if title:
        figure.text(0.005, 1 - 0.05 / high, title, va="top", fontsize=11, weight="bold")
    for k, (name, pictures) in enumerate(domains.items()):
        pixels = _pixels(pictures)
        box = ((0.02 + k * (side + 0.3)) / width, 0.04 / high, side / width, side / high)
        axes = figure.add_axes(box, facecolor="#fbfbfa")
        if len(pixels):
            extent = (-PLANE, PLANE, -PLANE, PLANE)
            axes.imshow(_plane(pixels, cells), origin="lower", extent=extent, aspect="auto")
        axes.axhline(0, color="#d5dade", linewidth=0.7, zorder=0)
        axes.axvline(0, color="#d5dade", linewidth=0.7, zorder=0)
        for x, y, text in ((54, 3, "red"), (-54, 3, "green"), (2, 53, "yellow"), (2, -57, "blue")):
            across = "center" if y == 3 else "left"
            axes.text(x, y, text, fontsize=8, color=MUTED, ha=across)
        axes.set(xticks=[], yticks=[], xlim=(-PLANE, PLANE), ylim=(-PLANE, PLANE))
        axes.spines[:].set(visible=True, color="#c5ccd3")
        axes.set_title(f"{name}  ({len(pixels):,} pixels)", fontsize=9.5, color=INK, pad=5)
    return figure
