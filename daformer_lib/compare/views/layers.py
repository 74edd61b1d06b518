"""What can be shown of one image: a picture per source, and one of the scene beside them.

Pure functions of a `View` and a `Look`; RGB arrays out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from daformer_lib.compare import View, disagreement_count, vote
from daformer_lib.specs import IGNORE, DatasetSpec
from daformer_lib.viz import draw
from daformer_lib.viz.panels import CONFIDENCE_CHIPS, ERROR_CHIPS, Chip, class_chips

FADED = (222, 226, 230)  # classes that the filter leaves out
AGREE = (238, 241, 243)
APART = ("#f2c14e", "#e07a3f", "#b23a48", "#5b1a3a")  # one differs, two, three, more
UNSURE = 0.22  # brightness left to pixels under the threshold
DETAIL = 640  # pixels: of wider maps every second one is drawn (or every third, ...)


@dataclass(frozen=True)
class Look:
    """How to show it."""

    layer: str = "pseudo-label"
    threshold: float = 0.968
    classes: tuple[int, ...] = ()  # only these; all when empty
    opacity: float = 1.0  # of labels over the image
    region: tuple[float, float, float, float] = (0, 1, 0, 1)  # left, right, top, bottom: shares


PLAIN = Look()


def picture(view: View, i: int | None, spec: DatasetSpec, look: Look) -> np.ndarray:
    """(H, W, 3) of source `i`, or with None of the scene that belongs beside that layer."""
    if look.layer not in LAYERS:
        raise ValueError(f"no layer {look.layer!r}; there are {list(LAYERS)}")
    view = _cut(view, look.region)
    of_source, of_scene = LAYERS[look.layer]
    return of_scene(view, spec, look) if i is None else of_source(view, i, spec, look)


def image(view: View) -> np.ndarray:
    """The photograph, or grey where there is none."""
    if view.image is not None:
        return view.image
    return np.full((*view.labels[0].shape, 3), FADED, np.uint8)


def labels(view: View, label: np.ndarray, spec: DatasetSpec, look: Look) -> np.ndarray:
    """Class colours over the image; classes outside the filter are faded."""
    colours = draw.colorize(label, spec)
    if look.classes:
        colours[~np.isin(label, (*look.classes, spec.ignore))] = FADED
    if view.image is None or look.opacity >= 1:
        return colours
    return draw.blend(view.image, colours, look.opacity)


def truth(view: View, spec: DatasetSpec, look: Look) -> np.ndarray:
    if view.truth is None:
        return note(view, "no truth")
    return labels(view, view.truth, spec, look)


def note(view: View, text: str) -> np.ndarray:
    """An empty panel: `text` stands in its title line."""
    return np.full((*view.labels[0].shape, 3), FADED, np.uint8)


def pseudo_label(view: View, i: int, spec: DatasetSpec, look: Look) -> np.ndarray:
    return labels(view, view.labels[i], spec, look)


def sure_label(view: View, i: int, spec: DatasetSpec, look: Look) -> np.ndarray:
    """The label where it reaches the threshold; the rest is dark."""
    shown = labels(view, view.labels[i], spec, look)
    sure = view.confidences[i]
    if sure is None:
        return note(view, "no confidence")
    dark = (shown * UNSURE).astype(np.uint8)
    return np.where((sure / 255 >= look.threshold)[..., None], shown, dark)


def confidence(view: View, i: int, spec: DatasetSpec, look: Look) -> np.ndarray:
    sure = view.confidences[i]
    if sure is None:
        return note(view, "no confidence")
    shown = draw.confidence_map(sure, look.threshold)
    if look.classes:
        shown[~np.isin(view.labels[i], look.classes)] = FADED
    return shown


def error(view: View, i: int, spec: DatasetSpec, look: Look) -> np.ndarray:
    """Right and wrong; with a class filter only what these classes missed or claimed."""
    if view.truth is None:
        return note(view, "no truth")
    shown = draw.error_map(view.labels[i], view.truth, spec.ignore)
    if look.classes:
        concerned = np.isin(view.labels[i], look.classes) | np.isin(view.truth, look.classes)
        shown[~concerned & (view.truth != spec.ignore)] = FADED
    return shown


def differs(view: View, i: int, spec: DatasetSpec, look: Look) -> np.ndarray:
    """The label where this source differs from the vote of all; pale where it agrees."""
    if len(view.labels) < 2:
        return note(view, "one source")
    shown = labels(view, view.labels[i], spec, replace(look, opacity=1.0))
    shown[view.labels[i] == vote(view.labels)] = AGREE
    return shown


def how_many_differ(view: View, spec: DatasetSpec, look: Look) -> np.ndarray:
    if len(view.labels) < 2:
        return note(view, "one source")
    return counts(disagreement_count(view.labels))


def how_many_wrong(view: View, spec: DatasetSpec, look: Look) -> np.ndarray:
    """How many sources are wrong at a pixel."""
    if view.truth is None:
        return note(view, "no truth")
    wrong = sum((label != view.truth).astype(np.uint8) for label in view.labels)
    return np.where((view.truth == IGNORE)[..., None], draw.IGNORE_DARK, counts(wrong)).astype(
        np.uint8
    )


def counts(values: np.ndarray) -> np.ndarray:
    """Colours of 0, 1, 2, 3 and more."""
    table = np.array([AGREE, *(_rgb(c) for c in APART)], np.uint8)
    return table[np.minimum(values, len(APART))]


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _cut(view: View, region: tuple[float, float, float, float]) -> View:
    """The view's part between shares of its width and height, no finer than a screen shows."""
    height, width = view.labels[0].shape
    if tuple(region) == (0, 1, 0, 1) and width <= DETAIL:
        return view
    left, right, top, bottom = region
    every = max(1, round((right - left) * width / DETAIL))
    columns = slice(int(left * width), max(int(right * width), int(left * width) + 1), every)
    rows = slice(int(top * height), max(int(bottom * height), int(top * height) + 1), every)

    def cut(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else array[rows, columns]

    return replace(
        view,
        image=cut(view.image),
        truth=cut(view.truth),
        labels=tuple(map(cut, view.labels)),
        confidences=tuple(map(cut, view.confidences)),
    )


Draw = Callable[[View, int, DatasetSpec, Look], np.ndarray]
DrawScene = Callable[[View, DatasetSpec, Look], np.ndarray]
LAYERS: dict[str, tuple[Draw, DrawScene]] = {  # name: (of a source, of the scene beside it)
    "pseudo-label": (pseudo_label, truth),
    "confident pseudo-label": (sure_label, truth),
    "confidence": (confidence, lambda view, spec, look: image(view)),
    "error": (error, how_many_wrong),
    "disagreement": (differs, how_many_differ),
}
SCENE_TITLES = {
    "pseudo-label": "truth",
    "confident pseudo-label": "truth",
    "confidence": "image",
    "error": "how many are wrong",
    "disagreement": "how many differ",
}


def count_chips(sources: int) -> list[Chip]:
    """Legend of the colours of `counts`."""
    names = ["no source", "1 source", "2 sources", "3 sources", "4 and more"]
    names = names[: min(sources, 4) + 1]
    return [Chip(name, colour) for name, colour in zip(names, (AGREE, *map(_rgb, APART)))]


def layer_chips(view: View, spec: DatasetSpec, layer: str) -> list[Chip]:
    """The legend that belongs to a layer."""
    known = [*view.labels, *([] if view.truth is None else [view.truth])]
    if layer == "error":
        return [*ERROR_CHIPS, *count_chips(len(view.labels))]
    if layer == "confidence":
        return list(CONFIDENCE_CHIPS)
    chips = class_chips(spec, known)
    return [*chips, *count_chips(len(view.labels))] if layer == "disagreement" else chips
