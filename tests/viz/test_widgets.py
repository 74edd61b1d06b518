"""Controls: the picture follows the control, errors are shown, the twin stands still beside it."""

import io

import numpy as np
import pytest
from PIL import Image

from daformer_lib.specs import CITYSCAPES
from daformer_lib.viz import style, widgets
from daformer_lib.viz.lines import line_chart
from daformer_lib.viz.panels import Chip, panel_grid

SCENE = np.random.default_rng(0).integers(0, 256, (128, 256, 3), dtype=np.uint8)


def grey(level: float) -> np.ndarray:
    return np.full((8, 16, 3), int(level), np.uint8)


def shown(explorer) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(explorer.image.value)).convert("RGB"))


def test_the_slider_moves_the_picture():
    explorer = widgets.slider_picture(grey, [0, 100, 200], initial=100, description="level")
    assert (shown(explorer) == 100).all()
    explorer.controls["level"].index = 2
    assert (shown(explorer) == 200).all()
    assert shown(explorer).shape == (8 * 48, 16 * 48, 3)  # enlarged to the screen


def test_numbers_get_a_slider_that_waits_and_names_a_dropdown():
    slider = widgets.slider_picture(grey, [0, 1], description="n").controls["n"]
    assert type(slider).__name__ == "SelectionSlider" and not slider.continuous_update
    menu = widgets.slider_picture(grey, {"dark": 0, "light": 9}, description="n").controls["n"]
    assert type(menu).__name__ == "Dropdown"


def test_a_picture_keeps_its_own_size_in_the_cell():
    """In a box of widgets everything is stretched to the box's width unless it says otherwise."""
    chapter_00 = widgets.slider_picture(  # a street above its label: 1,015 pixels high, stretched
        lambda k: panel_grid([[np.roll(SCENE, k, axis=1)], [SCENE]]), [0, 1], description="k"
    )
    layout = chapter_00.image.layout
    assert (layout.align_self, layout.max_width, layout.width) == ("flex-start", "100%", None)
    height, width = shown(chapter_00).shape[:2]
    assert width <= 4.2 * style.DPI + 1 and height < 500


def test_a_narrow_picture_is_not_enlarged_into_a_tower():
    explorer = widgets.slider_picture(lambda k: SCENE[:, k : k + 1], [0, 1], description="column")
    assert shown(explorer).shape == (6 * 128, 6, 3)


def test_each_value_is_drawn_once():
    calls = []
    explorer = widgets.slider_picture(
        lambda v: calls.append(v) or grey(v), [0, 1, 2], description="v", twin_values=[0]
    )
    for index in (1, 0, 1, 2, 1):
        explorer.controls["v"].index = index
    assert sorted(calls) == [0, 0, 1, 2]  # the twin draws its own


def test_an_error_is_shown_and_goes_away():
    def draw(level):
        if level == 1:
            raise ValueError("no <level> 1")
        return grey(level)

    explorer = widgets.slider_picture(draw, [0, 1], description="level", twin_values=[0])
    explorer.controls["level"].index = 1
    assert "level 1: ValueError: no &lt;level&gt; 1" in explorer.error.value
    explorer.controls["level"].index = 0
    assert explorer.error.value == ""


def test_figures_can_be_drawn_and_are_not_left_over():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    explorer = widgets.slider_picture(
        lambda k: line_chart({"line": ([0, 1], [0, k])}), [1, 2, 3], description="slope"
    )
    first = explorer.image.value
    explorer.controls["slope"].index = 2
    assert explorer.image.value != first
    assert pyplot.get_fignums() == before


def test_the_twin_shows_the_key_values_in_order():
    still = widgets.twin(grey, [0, 120, 240], "level")
    assert [t.get_text() for t in still.texts] == ["level: 0", "level: 120", "level: 240"]
    pixels = style.rgb_array(still)
    middle = pixels[pixels.shape[0] * 2 // 3]
    assert [middle[pixels.shape[1] * k // 6, 0] for k in (1, 3, 5)] == [0, 120, 240]


def test_many_values_wrap_and_figures_keep_their_size():
    assert len(widgets.twin(grey, list(range(0, 250, 50))).axes) == 5
    chart = line_chart({"line": ([0, 1], [0, 1])})
    still = widgets.twin(lambda k: line_chart({"line": ([0, 1], [0, k])}), [1, 2])
    assert still.get_size_inches()[0] == pytest.approx(chart.get_size_inches()[0], abs=0.02)


def test_the_legend_stands_below_pictures_and_below_figures():
    chips = [Chip("road", (128, 64, 128)), Chip("sky", "blue")]
    for draw_picture in (grey, lambda k: line_chart({"line": ([0, 1], [0, k])})):
        still = widgets.twin(draw_picture, [1, 2], legend=chips)
        words = {tuple(t.get_text() for t in axes.texts): axes for axes in still.axes}
        legend = words["road", "sky"]
        others = [axes.get_position() for axes in still.axes if axes is not legend]
        assert len(others) == 2 and all(o.y0 >= legend.get_position().y1 - 1e-9 for o in others)


def test_unknown_values_are_refused():
    with pytest.raises(ValueError, match="7 is not one of the control's values"):
        widgets.slider_picture(grey, [0, 1], initial=7)


def test_shown_in_a_cell_the_twin_comes_first(monkeypatch):
    seen = []
    monkeypatch.setattr(widgets, "display", lambda value, **_: seen.append(value))
    explorer = widgets.slider_picture(grey, [0, 1], description="level")
    explorer._ipython_display_()
    assert seen[0] is explorer.still
    assert seen[1]["text/plain"] == "<control: level>"  # stable: nbval compares it
    assert "application/vnd.jupyter.widget-view+json" in seen[1]


def test_class_picture_hands_over_train_ids():
    explorer = widgets.class_picture(lambda i: grey(i), CITYSCAPES, [0, 13], twin_classes=[13])
    explorer.controls["class"].index = 1
    assert (shown(explorer) == 13).all()
    assert explorer.controls["class"].label == "car"


def test_blend_picture_fades():
    explorer = widgets.blend_picture(grey(0), grey(200), ("game", "camera"))
    control = explorer.controls["game → camera"]
    control.index = 0
    assert (shown(explorer) == 0).all()
    control.index = 10
    assert (shown(explorer) == 200).all()


def test_explore_combines_controls():
    runs = {"dark": np.full((8, 16), 10, np.uint8), "light": np.full((8, 16), 90, np.uint8)}
    explorer = widgets.explore(
        lambda run, add: grey(run[0, 0] + add),
        {"run": runs, "add": [0, 5]},
        [(runs["light"], 0), (runs["dark"], 5)],
    )
    assert (shown(explorer) == 90).all()
    explorer.controls["run"].index, explorer.controls["add"].index = 0, 1
    assert (shown(explorer) == 15).all()
    assert [t.get_text() for t in explorer.still.texts] == ["light, 0", "dark, 5"]


def test_a_value_is_drawn_once():
    drawn = []

    def draw(k):
        drawn.append(k)
        return np.roll(SCENE, k, axis=1)

    explorer = widgets.slider_picture(draw, list(range(6)), description="k", twin_values=[0])
    drawn.clear()
    for index in (2, 4, 2):
        explorer.controls["k"].index = index
    assert drawn == [2, 4]
