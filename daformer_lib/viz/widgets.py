"""Controls around a drawing function, each with a still twin that needs no kernel.

The picture is drawn into a `widgets.Image` (no flicker, no figure left over), pictures are cached,
and an error in the drawing function is shown in the widget. What a notebook cell ends in shows the
twin first (a PNG with the key values side by side) and the live control below it.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure

from daformer_lib.specs import DatasetSpec
from daformer_lib.viz import draw
from daformer_lib.viz.panels import LINE, Chip, draw_legend, flow_chips, panel_grid
from daformer_lib.viz.style import (
    DPI,
    WIDTH,
    Plate,
    figure_png,
    image_png,
    new_figure,
    rgb_array,
    small_png,
    styled,
)

Picture = Figure | np.ndarray
GAP = 0.2  # inches between figures that stand side by side
SCREEN = 768  # pixels: small pictures are enlarged to about this width, and to no greater height


def _png(picture: Picture, compact: bool) -> bytes:
    """PNG bytes for the screen; `compact` is slower and smaller, for what a notebook keeps."""
    if isinstance(picture, Figure):
        return figure_png(picture) if compact else image_png(rgb_array(picture))
    picture = draw.as_picture(picture)
    return small_png(picture, enlarge=max(1, SCREEN // max(picture.shape[:2])))


def picture_place() -> ipywidgets.Image:
    """Where a control draws: at the picture's own size, smaller where the cell is narrower.

    A box of widgets stretches what stands in it to its width unless told otherwise: a picture of
    600 pixels was blown up to 1200 and blurred.
    """
    layout = {"max_width": "100%", "align_self": "flex-start", "object_fit": "contain"}
    return ipywidgets.Image(format="png", layout=layout)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@styled
def _stack(
    pictures: Sequence[np.ndarray], titles: Sequence[str], columns: int, legend: Sequence[Chip]
) -> Plate:
    """Rendered figures at their own size, in rows, over the legend."""
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    heights = [max(p.shape[0] for p in row) / DPI + 0.28 for row in rows]
    width = max(sum(p.shape[1] / DPI for p in row) + GAP * (len(row) - 1) for row in rows)
    lines = flow_chips(legend, width)
    height = sum(heights) + LINE * len(lines)
    figure = new_figure(width, height, ", ".join(titles))
    if lines:
        draw_legend(figure, lines, 0)
    names = iter(titles)
    y = height
    for row, tall in zip(rows, heights, strict=True):
        x = 0.0
        for picture in row:
            high, wide = picture.shape[0] / DPI, picture.shape[1] / DPI
            at = (x / width, (y - 0.28 - high) / height, wide / width, high / height)
            axes = figure.add_axes(at)
            axes.imshow(picture, interpolation="nearest", aspect="auto")
            axes.axis("off")
            where = ((x + 0.01) / width, (y - 0.2) / height)
            figure.text(*where, next(names), fontsize=9.5, weight="bold")
            x += wide + GAP
        y -= tall
    return figure


def twin(
    draw_picture: Callable[[Any], Picture],
    values: Sequence[Any],
    description: str = "",
    legend: Sequence[Chip] = (),
    texts: Sequence[str] | None = None,
) -> Plate:
    """The still picture beside a control: what it draws at these values, side by side."""
    titles = list(texts or [_text(v) for v in values])
    if description:
        titles = [f"{description}: {text}" for text in titles]
    pictures = [draw_picture(value) for value in values]
    if not isinstance(pictures[0], Figure):
        columns = min(len(pictures), 4)
        rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
        if len(rows) == 1:
            return panel_grid(rows, None, titles, legend=legend)
        notes = [titles[i : i + columns] for i in range(0, len(pictures), columns)]
        rows[-1] += [None] * (columns - len(rows[-1]))
        notes[-1] += [None] * (columns - len(notes[-1]))
        return panel_grid(rows, captions=notes, legend=legend)
    rendered = [rgb_array(figure) for figure in pictures]
    columns = max(1, int(WIDTH * DPI // max(p.shape[1] for p in rendered)))
    return _stack(rendered, titles, columns, legend)


def _control(name: str, values: Sequence[Any], texts: Sequence[str], start: int) -> Any:
    """A slider over numbers, a dropdown over anything else; its value is a position."""
    numeric = all(isinstance(value, (int, float, np.number)) for value in values)
    options = list(zip(texts, range(len(values)), strict=True))
    look = {"description": name, "style": {"description_width": "initial"}}
    if numeric and texts == [_text(value) for value in values]:
        width = {"width": "min(100%, 560px)"}
        return ipywidgets.SelectionSlider(
            options=options, index=start, continuous_update=False, layout=width, **look
        )
    return ipywidgets.Dropdown(options=options, index=start, **look)


class Explorer(ipywidgets.VBox):
    """Controls, the picture, and a line for errors; shown in a cell, its still twin comes first.

    `choices`: for each control the values it can take, by the text that stands for them.
    """

    def __init__(
        self,
        draw_picture: Callable[..., Picture],
        choices: Mapping[str, Mapping[str, Any]],
        start: Sequence[int],
        still: Plate,
    ) -> None:
        self.still = still
        self.image = picture_place()
        self.error = ipywidgets.HTML()
        self._draw = draw_picture
        self._values = {name: list(values.values()) for name, values in choices.items()}
        self._cache: dict[tuple[int, ...], bytes] = {}
        self.controls = {
            name: _control(name, self._values[name], list(values), at)
            for at, (name, values) in zip(start, choices.items(), strict=True)
        }
        super().__init__([*self.controls.values(), self.image, self.error])
        for control in self.controls.values():
            control.observe(self._update, names="index")
        self._update()

    def _update(self, change: Any = None) -> None:
        """Show the picture that belongs to the controls: from the cache, or drawn now."""
        place = tuple(control.index for control in self.controls.values())
        try:
            if place not in self._cache:
                values = [
                    self._values[name][i] for name, i in zip(self._values, place, strict=True)
                ]
                self._cache[place] = _png(self._draw(*values), compact=not self._cache)
            self.image.value = self._cache[place]
            self.error.value = ""
        except Exception as problem:  # a callback's error would land in a log that nobody opens
            at = ", ".join(f"{name} {control.label}" for name, control in self.controls.items())
            message = html.escape(f"{at}: {type(problem).__name__}: {problem}")
            self.error.value = f'<pre style="color:#cc4c3b">{message}</pre>'

    def __repr__(self) -> str:
        return f"<control: {', '.join(self.controls)}>"

    def _ipython_display_(self) -> None:
        display(self.still)
        display({**self._repr_mimebundle_(), "text/plain": repr(self)}, raw=True)


def _by_text(values: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    if isinstance(values, Mapping):
        return dict(values)
    return {_text(value): value for value in values}


def _position(values: Sequence[Any], wanted: Any) -> int:
    """Where the value stands among the values (arrays compare by identity)."""
    for i, value in enumerate(values):
        if value is wanted or (np.isscalar(value) and value == wanted):
            return i
    raise ValueError(f"{wanted!r} is not one of the control's values {list(values)!r}")


def slider_picture(
    draw_picture: Callable[[Any], Picture],
    values: Mapping[str, Any] | Sequence[Any],
    initial: Any = None,
    description: str = "value",
    twin_values: Sequence[Any] | None = None,
    legend: Sequence[Chip] = (),
) -> Explorer:
    """One control around `draw_picture(value)`, with its still twin: end a cell in it.

    `draw_picture` returns a figure or an RGB array. Numbers get a slider, other values (or a dict
    of text to value) a dropdown. `twin_values` are the key values of the twin, four evenly spaced
    ones by default.
    """
    by_text = _by_text(values)
    texts, listed = list(by_text), list(by_text.values())
    if twin_values is None:
        places = np.unique(np.linspace(0, len(listed) - 1, 4).round().astype(int)).tolist()
    else:
        places = [_position(listed, value) for value in twin_values]
    shown = [listed[i] for i in places]
    still = twin(draw_picture, shown, description, legend, [texts[i] for i in places])
    start = 0 if initial is None else _position(listed, initial)
    return Explorer(draw_picture, {description: by_text}, [start], still)


def class_picture(
    draw_picture: Callable[[int], Picture],
    spec: DatasetSpec,
    classes: Sequence[int] | None = None,
    initial: int | None = None,
    twin_classes: Sequence[int] | None = None,
) -> Explorer:
    """A dropdown of class names around `draw_picture(train_id)`."""
    ids = list(range(spec.num_classes)) if classes is None else list(classes)
    by_name = {spec.classes[i]: i for i in ids}
    return slider_picture(draw_picture, by_name, initial, "class", twin_classes)


def blend_picture(
    before: Any, after: Any, names: tuple[str, str] = ("before", "after"), steps: int = 11
) -> Explorer:
    """A slider that fades the first picture into the second."""
    shares = [round(float(s), 3) for s in np.linspace(0, 1, steps)]
    fade = partial(draw.blend, before, after)
    still = panel_grid(
        [[fade(0.0), fade(0.5), fade(1.0)]], None, [names[0], "half of each", names[1]]
    )
    description = f"{names[0]} → {names[1]}"
    return Explorer(fade, {description: _by_text(shares)}, [steps // 2], still)


def explore(
    draw_picture: Callable[..., Picture],
    choices: Mapping[str, Mapping[str, Any] | Sequence[Any]],
    twin_settings: Sequence[Sequence[Any]],
    legend: Sequence[Chip] = (),
) -> Explorer:
    """Several controls around `draw_picture(first, second, ...)`.

    ``choices = {"run": {...text: value}, "step": [200, 400]}``; `twin_settings`: the settings, one
    value per control, that the still twin shows; the first is where the controls start.
    """
    by_text = {name: _by_text(values) for name, values in choices.items()}
    places = [
        [_position(list(v.values()), s) for v, s in zip(by_text.values(), setting, strict=True)]
        for setting in twin_settings
    ]
    texts = [
        ", ".join(list(v)[i] for v, i in zip(by_text.values(), place, strict=True))
        for place in places
    ]
    still = twin(lambda setting: draw_picture(*setting), list(twin_settings), "", legend, texts)
    return Explorer(draw_picture, by_text, places[0], still)
