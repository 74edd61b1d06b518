"""Pictures side by side: what stands where, and with which words."""

import numpy as np
import pytest

from daformer_lib.specs import CITYSCAPES, IGNORE
from daformer_lib.viz import comparisons, draw, panels
from daformer_lib.viz.style import rgb_array

RED = np.full((16, 32, 3), (200, 0, 0), np.uint8)
BLUE = np.full((16, 32, 3), (0, 0, 200), np.uint8)


def texts(figure) -> list[str]:
    own = [t.get_text() for t in figure.texts]
    return own + [t.get_text() for axes in figure.axes for t in axes.texts]


def truth() -> np.ndarray:
    label = np.zeros((16, 32), np.uint8)
    label[:8] = 10
    label[4:12, 4:12] = 13
    label[14:] = IGNORE
    return label


def test_pictures_stand_in_rows_and_columns():
    shown = rgb_array(panels.panel_grid([[RED, BLUE], [BLUE, RED]]))
    height, width = shown.shape[:2]
    places = [(1, 1), (1, 3), (3, 1), (3, 3)]
    centres = [shown[height * y // 4, width * x // 4].tolist() for y, x in places]
    assert centres == [[200, 0, 0], [0, 0, 200], [0, 0, 200], [200, 0, 0]]


def test_an_empty_place_stays_white():
    shown = rgb_array(panels.panel_grid([[RED, None]]))
    assert shown[shown.shape[0] // 2, shown.shape[1] * 3 // 4].tolist() == [255, 255, 255]


def test_titles_captions_and_legend_are_written():
    figure = panels.panel_grid(
        [[RED, BLUE]],
        ["a row"],
        ["left", "right"],
        captions=[["mIoU 7", None]],
        legend=panels.class_chips(CITYSCAPES, [truth()]),
        title="All",
    )
    assert {"a row", "left", "right", "mIoU 7", "All", "road", "sky", "car"} <= set(texts(figure))
    assert "train" not in texts(figure)


def test_wrong_numbers_of_titles_are_named():
    with pytest.raises(ValueError, match="1 column titles for 2 columns"):
        panels.panel_grid([[RED, BLUE]], None, ["only one"])
    with pytest.raises(ValueError, match="no picture"):
        panels.panel_grid([[None]])


def test_the_legend_wraps_inside_the_figure():
    figure = panels.panel_grid([[RED]], legend=panels.class_chips(CITYSCAPES))
    axes = figure.axes[-1]
    assert axes.get_ylim()[1] > 2 * panels.LINE  # more than two lines for 19 classes
    right = max(t.get_position()[0] + panels._text_width(t.get_text()) for t in axes.texts)
    assert right <= axes.get_xlim()[1]


def test_legend_colours_survive_the_compact_png():
    figure = panels.panel_grid([[RED]], legend=panels.class_chips(CITYSCAPES))
    assert set(CITYSCAPES.palette) <= set(figure.keep)


def test_class_chips_name_what_occurs():
    names = [chip.name for chip in panels.class_chips(CITYSCAPES, [truth()])]
    assert names == ["road", "sky", "car", "ignored"]
    assert len(panels.class_chips(CITYSCAPES)) == 20
    assert len(panels.class_legend(CITYSCAPES).axes) == 1


def test_picture_miou_by_hand():
    label = np.array([[0, 0, 1, IGNORE]])
    said = np.array([[0, 1, 1, 5]])  # road 1/2, sidewalk 1/2; 5 falls on an ignored pixel
    assert panels.picture_miou(said, label, CITYSCAPES) == pytest.approx(50)
    assert np.isnan(panels.picture_miou(said, np.full((1, 4), IGNORE), CITYSCAPES))


def test_prediction_panels_show_each_pictures_and_each_runs_score():
    wrong = np.full((16, 32), 2, np.uint8)
    figure = comparisons.prediction_panels(
        [RED, BLUE],
        [truth(), truth()],
        {"source-only": [wrong, wrong], "DAFormer": [truth(), truth()]},
        CITYSCAPES,
        scores={"DAFormer": 43.21},
    )
    words = texts(figure)
    assert {"image", "truth", "source-only", "DAFormer (43.2)"} <= set(words)
    assert words.count("mIoU 100") == 2 and words.count("mIoU 0") == 2
    assert len(figure.axes) == 2 * 4 + 1  # pictures and the legend


def test_prediction_panels_without_truth_show_no_score():
    figure = comparisons.prediction_panels([RED], None, {"mine": [truth()]}, CITYSCAPES)
    assert not any("mIoU" in text for text in texts(figure))
    with pytest.raises(ValueError, match="pass truth"):
        comparisons.prediction_panels([RED], None, {"m": [truth()]}, CITYSCAPES, errors=True)


def test_evolution_leaves_places_empty_where_a_run_has_no_snapshot():
    runs = {"a": {100: truth(), 200: truth()}, "b": {200: truth()}}
    figure = comparisons.evolution_strip(RED, truth(), runs, CITYSCAPES)
    assert {"step 100", "step 200", "a", "b"} <= set(texts(figure))
    assert len(figure.axes) == (1 + 2 + 1) + (1 + 1 + 1) + 1


def test_pseudo_label_panels_tell_the_confident_share():
    confidence = np.zeros((16, 32))
    confidence[:, :8] = 0.99
    figure = comparisons.pseudo_label_panels(
        [RED], [truth()], [confidence], 0.968, CITYSCAPES, truth=[truth()]
    )
    assert {"25 % of the pixels", "confidence ≥ 0.968", "mIoU 100"} <= set(texts(figure))


def test_cell_grid_writes_every_value():
    figure = comparisons.cell_grid(
        {"label": np.array([[0, 255]]), "weight": np.array([[0.25, -0.001]]), "m": [[True, False]]},
        names=["road", "car"],
    )
    words = texts(figure)
    assert {"0", "255", "0.25", "0.00", "1", "·", "0 = road", "1 = car"} <= set(words)


def test_enlarged_pixels_stay_sharp():
    label = draw.colorize(truth(), CITYSCAPES)
    shown = rgb_array(panels.panel_grid([[label]]))
    colours = {tuple(c) for c in shown[20:-20, 20:-20].reshape(-1, 3).tolist()}
    assert colours <= {tuple(c) for c in label.reshape(-1, 3).tolist()}


@pytest.mark.filterwarnings("error")
def test_a_picture_without_a_labelled_pixel_has_a_dash_for_its_score():
    void, said = np.full((2, 4), IGNORE), np.zeros((2, 4), int)
    assert panels.miou_note(said, void, CITYSCAPES) == "mIoU –"
    assert panels.miou_note(said, said, CITYSCAPES) == "mIoU 100"
    assert np.isnan(panels.wrong_share(said, void, CITYSCAPES))
    image, nothing = np.zeros((2, 4, 3), np.uint8), {"run": float("nan")}
    figure = comparisons.prediction_panels(
        [image], [void], {"run": [said]}, CITYSCAPES, scores=nothing
    )
    assert {"run (–)", "mIoU –"} <= set(texts(figure))
