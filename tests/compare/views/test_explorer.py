"""The live controls, without a browser: what a move redraws, and that errors are shown."""

import io

import numpy as np
import pytest
from PIL import Image

from daformer_lib.compare.views import explore_comparison, page_frame


@pytest.fixture
def explorer(opened):
    return explore_comparison(opened("one", "two", "plain"), threshold=0.9)


def pixels(explorer):
    return np.asarray(Image.open(io.BytesIO(explorer.image.value)))


def test_every_control_redraws(explorer):
    moves = {
        "step": 10, "palette": "colour-blind safe", "view": "error", "class": 0, "x": 3, "y": 5,
        "columns": (0, 50), "rows": (20, 80), "image": explorer.controls["image"].options[1][1],
    }  # fmt: skip
    for name, value in moves.items():
        before = explorer.image.value
        explorer.controls[name].value = value
        assert explorer.image.value != before, name
        assert explorer.error.value == "", name
    explorer.controls["view"].value = "pseudo-label"
    before = explorer.image.value
    explorer.controls["opacity"].value = 0.3
    assert explorer.image.value != before
    explorer.controls["view"].value = "confidence"
    before = explorer.image.value
    explorer.controls["threshold"].value = 0.2
    assert explorer.image.value != before and explorer.error.value == ""


def test_the_smallest_region_still_fits_a_screen(explorer):
    explorer.controls["columns"].value = (50, 50)
    explorer.controls["rows"].value = (0, 100)
    assert explorer.error.value == "" and max(pixels(explorer).shape) <= 1200
    assert explorer.image.layout.align_self == "flex-start"  # a box would stretch it


def test_no_slider_redraws_while_it_is_dragged(explorer):
    sliders = [c for c in explorer.controls.values() if "Slider" in type(c).__name__]
    assert len(sliders) == 7 and not any(slider.continuous_update for slider in sliders)


def test_names_under_the_cross_are_text(explorer):
    explorer.controls["y"].value = 20
    said = explorer.numbers.value
    assert "truth:" in said and "one &amp; &lt;i&gt;one&lt;/i&gt;" in said
    assert "<i>one" not in said and "<img" not in explorer.legend.value
    assert "% of the image wrong" in said


def test_sorting_by_a_class_needs_a_class(explorer):
    explorer.controls["sort"].value = "class error"
    assert "choose a class to sort by its error" in explorer.error.value
    explorer.controls["class"].value = 1
    assert explorer.error.value == ""
    listed = [stem for _, stem in explorer.controls["image"].options]
    assert sorted(listed) == sorted(explorer.comparison.stems)


def test_a_failure_is_shown_and_goes_away(explorer, monkeypatch):
    def broken(*at):
        raise FileNotFoundError("<gone>")

    monkeypatch.setattr(type(explorer.comparison), "view", broken)
    explorer._views.clear()
    explorer.controls["step"].value = 10
    assert "FileNotFoundError: &lt;gone&gt;" in explorer.error.value
    monkeypatch.undo()
    explorer.controls["step"].value = 20
    assert explorer.error.value == ""


def test_the_twin_stands_beside_it(explorer):
    said = [t.get_text() for t in explorer.still.texts]
    assert set(explorer.comparison.names) <= set(said)


def test_without_truth_only_what_needs_none_is_offered(opened, tmp_path):
    explorer = explore_comparison(opened(data_root=tmp_path))
    assert list(explorer.controls["sort"].options) == ["disagreement", "name"]
    assert "truth:" not in explorer.numbers.value
    alone = explore_comparison(opened("plain", data_root=tmp_path))
    assert list(alone.controls["sort"].options) == ["name"] and alone.error.value == ""


def test_the_page_in_a_cell_is_one_frame(opened):
    frame = page_frame(opened(), height=300)._repr_html_()
    assert frame.startswith("<iframe") and frame.count("<") == 2  # all else is escaped
