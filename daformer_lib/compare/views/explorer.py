"""The comparison with controls, in a live notebook: `explore_comparison(comparison)`.

Draws into one `widgets.Image`; a figure that needs no kernel stands above it. The pointer cannot be
followed in a picture that a kernel draws, so two sliders move a cross and name what lies under it;
the page that `page_frame` shows (and `write_page` writes) follows the pointer itself.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from typing import Any

import ipywidgets
from IPython.display import display

from daformer_lib.compare import Comparison, Survey, View, ranking, survey
from daformer_lib.compare.views import canvas
from daformer_lib.compare.views.figures import comparison_panels
from daformer_lib.compare.views.layers import (
    LAYERS,
    SCENE_TITLES,
    Look,
    layer_chips,
    picture,
)
from daformer_lib.compare.views.page import render_page
from daformer_lib.means import percent
from daformer_lib.viz.panels import wrong_share
from daformer_lib.viz.safe_colours import palettes
from daformer_lib.viz.style import Plate
from daformer_lib.viz.widgets import picture_place

ORDERS = ("disagreement", "error", "class error", "name")
ALL = "all classes"
WIDE = {"width": "330px"}


class ComparisonExplorer(ipywidgets.VBox):
    """Controls, the legend, the picture, numbers of this image, and a line for errors.

    `controls` holds them by name: sort, class, image, step, view, threshold, opacity, palette,
    columns, rows (the region), x, y (the cross).
    """

    def __init__(self, comparison: Comparison, threshold: float = 0.968) -> None:
        self.comparison = comparison
        self.found: Survey = survey(comparison)  # at the last step: what images are sorted by
        self.controls = _controls(comparison, threshold)
        self.legend, self.numbers = ipywidgets.HTML(), ipywidgets.HTML()
        self.image = picture_place()
        self.error = ipywidgets.HTML()
        self._views: dict[tuple[str, int], View] = {}
        super().__init__([*_rows(self.controls), self.legend, self.image, self.numbers, self.error])
        self._sort()
        self.still = self._still()
        for name, control in self.controls.items():
            control.observe(self._sorted if name in ("sort", "class") else self._redraw, "value")
        self._redraw()

    @property
    def look(self) -> Look:
        """What the controls say."""
        at = {name: control.value for name, control in self.controls.items()}
        classes = () if at["class"] is None else (at["class"],)
        region = tuple(v / 100 for v in (*at["columns"], *at["rows"]))
        return Look(at["view"], at["threshold"], classes, at["opacity"], region)

    def _sorted(self, change: Any = None) -> None:
        before = self.controls["image"].value
        done = self._shown(self._sort)
        if done and self.controls["image"].value == before:  # else its own observer has drawn
            self._redraw()

    def _sort(self) -> None:
        """Put the images in order, the first one in front."""
        order, class_id = self.controls["sort"].value, self.controls["class"].value
        if order == "class error" and class_id is None:
            raise ValueError("choose a class to sort by its error")
        stems = ranking(self.found, order, class_id)
        self.controls["image"].options = [(f"{i}. {s}", s) for i, s in enumerate(stems, 1)]

    def _redraw(self, change: Any = None) -> None:
        self._shown(self._draw)

    def _shown(self, work: Any) -> bool:
        """Do it; a failure is shown here, not in a log that nobody opens."""
        self.error.value = ""
        try:
            work()
        except Exception as problem:
            said = html.escape(f"{type(problem).__name__}: {problem}")
            self.error.value = f'<pre style="color:#cc4c3b;white-space:pre-wrap">{said}</pre>'
        return not self.error.value

    def _draw(self) -> None:
        view, look = self._view(), self.look
        spec = _painted(self.comparison, self.controls["palette"].value)
        marked = self._marker(look)
        panels = [
            canvas.Panel(
                "image", marked(picture(view, None, spec, replace(look, layer="confidence")))
            ),
            canvas.Panel(SCENE_TITLES[look.layer], marked(picture(view, None, spec, look))),
        ]
        panels = panels[1:] if SCENE_TITLES[look.layer] == "image" else panels
        for i, name in enumerate(self.comparison.names):
            shown = marked(picture(view, i, spec, look))
            panels.append(canvas.Panel(name, shown, _weight(view, i, look.threshold)))
        self.image.value = canvas.png(canvas.arrange(panels))
        self.legend.value = legend_html(view, spec, look.layer)
        self.numbers.value = self._numbers(view, look, spec)

    def _view(self) -> View:
        at = (self.controls["image"].value, self.controls["step"].value)
        if at not in self._views:
            while len(self._views) >= 8:
                self._views.pop(next(iter(self._views)))
            self._views[at] = self.comparison.view(*at)
        return self._views[at]

    def _marker(self, look: Look) -> Any:
        """Draws the cross, when it is inside the region."""
        left, right, top, bottom = look.region
        x = (self.controls["x"].value / self.comparison.size[0] - left) / max(right - left, 1e-6)
        y = (self.controls["y"].value / self.comparison.size[1] - top) / max(bottom - top, 1e-6)
        inside = 0 <= x < 1 and 0 <= y < 1
        return (lambda p: canvas.cross(p, x, y)) if inside else (lambda p: p)

    def _numbers(self, view: View, look: Look, spec: Any) -> str:
        """What lies under the cross, and how much of the image each source gets wrong."""
        x, y = self.controls["x"].value, self.controls["y"].value
        names = (*spec.classes, *("nothing" for _ in range(256 - spec.num_classes)))
        told = [f"<b>at x {x}, y {y}</b>"]
        if view.truth is not None:
            told.append(f"truth: {html.escape(names[view.truth[y, x]])}")
        for i, name in enumerate(self.comparison.names):
            sure = view.confidences[i]
            text = f"{name}: {names[view.labels[i][y, x]]}"
            text += "" if sure is None else f" ({sure[y, x] / 255:.2f})"
            if view.truth is not None:
                wrong = wrong_share(view.labels[i], view.truth, spec)
                text += f" · {percent(wrong)} % of the image wrong"
            told.append(html.escape(text))
        return "<div style='line-height:1.7'>" + "<br>".join(told) + "</div>"

    def _still(self) -> Plate:
        return comparison_panels(
            self.comparison, self.controls["image"].value, self.controls["step"].value,
            Look(threshold=self.controls["threshold"].value),
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<comparison of {', '.join(self.comparison.names)}>"

    def _ipython_display_(self) -> None:
        for text in self.comparison.missing:
            print(text)
        display(self.still)
        display({**self._repr_mimebundle_(), "text/plain": repr(self)}, raw=True)


def explore_comparison(comparison: Comparison, threshold: float = 0.968) -> ComparisonExplorer:
    """Every image, step and view of a comparison behind controls: end a cell in it."""
    return ComparisonExplorer(comparison, threshold)


@dataclass(frozen=True)
class Frame:
    """A page inside a cell."""

    page: str
    height: int  # pixels

    def _repr_html_(self) -> str:
        style = f"width:100%;height:{self.height}px;border:1px solid #dfe4e8;border-radius:8px"
        inside = html.escape(self.page, quote=True)
        return f'<iframe title="comparison" style="{style}" srcdoc="{inside}"></iframe>'

    def __repr__(self) -> str:
        return f"<page of {len(self.page) / 1e6:.1f} MB>"


def page_frame(comparison: Comparison, height: int = 900, **options: Any) -> Frame:
    """The page of `write_page` inside a cell; it follows the pointer, and needs no kernel."""
    return Frame(render_page(comparison, **options), height)


def legend_html(view: View, spec: Any, layer: str) -> str:
    chips = []
    for chip in layer_chips(view, spec, layer):
        colour = "linear-gradient(90deg,#00224e,#7c7b78,#fee838)" if chip.scale else chip.colour
        colour = colour if isinstance(colour, str) else "rgb({},{},{})".format(*colour)
        wide = 60 if chip.scale else 14
        chips.append(
            f'<span style="white-space:nowrap;margin-right:14px"><i style="display:inline-block;'
            f"width:{wide}px;height:13px;background:{colour};border:1px solid rgba(0,0,0,.35);"
            f'border-radius:3px;margin-right:5px;vertical-align:-2px"></i>'
            f"{html.escape(chip.name)}</span>"
        )
    return f'<div style="line-height:1.9">{" ".join(chips)}</div>'


def _weight(view: View, i: int, threshold: float) -> str:
    sure = view.confidences[i]
    return "" if sure is None else f"weight {(sure / 255 >= threshold).mean():.2f}"


def _painted(comparison: Comparison, palette: str) -> Any:
    return replace(comparison.spec, palette=palettes(comparison.spec)[palette])


def _controls(comparison: Comparison, threshold: float) -> dict[str, Any]:
    spec, (width, height) = comparison.spec, comparison.size
    look = {"style": {"description_width": "74px"}, "layout": WIDE}
    moved = look | {"continuous_update": False}
    orders = [o for o in ORDERS if o == "name" or _possible(o, comparison)]
    classes = [(ALL, None), *((name, i) for i, name in enumerate(spec.classes))]
    part = {"min": 0, "max": 100, "value": (0, 100), **moved}
    return {
        "sort": ipywidgets.Dropdown(options=orders, description="sort by", **look),
        "class": ipywidgets.Dropdown(options=classes, description="class", **look),
        "image": ipywidgets.Dropdown(options=list(comparison.stems), description="image", **look),
        "view": ipywidgets.Dropdown(options=list(LAYERS), description="view", **look),
        "step": ipywidgets.SelectionSlider(
            options=comparison.steps, value=comparison.steps[-1], description="step", **moved
        ),
        "threshold": ipywidgets.FloatSlider(
            value=threshold, min=0, max=1, step=0.001, readout_format=".3f",
            description="threshold", **moved,
        ),
        "opacity": ipywidgets.FloatSlider(
            value=1, min=0, max=1, step=0.05, description="opacity", **moved
        ),
        "palette": ipywidgets.Dropdown(
            options=list(palettes(spec)), description="colours", **look
        ),
        "columns": ipywidgets.IntRangeSlider(description="columns %", **part),
        "rows": ipywidgets.IntRangeSlider(description="rows %", **part),
        "x": ipywidgets.IntSlider(width // 2, 0, width - 1, description="cross x", **moved),
        "y": ipywidgets.IntSlider(height // 2, 0, height - 1, description="cross y", **moved),
    }  # fmt: skip


def _possible(order: str, comparison: Comparison) -> bool:
    return len(comparison.sources) > 1 if order == "disagreement" else comparison.has_truth


def _rows(controls: dict[str, Any], each: int = 3) -> list[ipywidgets.HBox]:
    listed = list(controls.values())
    flow = {"flex_flow": "row wrap"}
    return [ipywidgets.HBox(listed[i : i + each], layout=flow) for i in range(0, len(listed), each)]
