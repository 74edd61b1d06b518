"""Charts: the numbers that are drawn are the numbers that were given."""

import numpy as np
import pytest

from daformer_lib.specs import CITYSCAPES, RARE, SYNTHIA
from daformer_lib.viz import charts, colours, lines

IOU = np.linspace(0.05, 0.95, 19)


def heights(axes) -> list[float]:
    return [round(float(bar.get_height()), 3) for bar in axes.patches]


def words(figure) -> list[str]:
    found = [t.get_text() for t in figure.texts]
    for axes in figure.axes:
        found += [t.get_text() for t in axes.texts]
        found += [t.get_text() for t in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        found += [axes.get_title(loc="left")]
        legend = axes.get_legend()
        found += [t.get_text() for t in legend.get_texts()] if legend else []
    return found


def test_class_bars_draw_percent_and_the_mean():
    axes = charts.class_bars({"a": IOU, "b": IOU * 100}, CITYSCAPES).axes[0]
    drawn = heights(axes)
    assert drawn[:20] == drawn[20:]  # shares and percents give the same bars
    assert drawn[:19] == pytest.approx(list(IOU * 100), abs=1e-3)
    assert drawn[19] == pytest.approx(50, abs=1e-3)


def test_class_bars_mark_what_is_missing_and_name_the_mean():
    iou = IOU.copy()
    iou[16] = np.nan
    found = words(charts.class_bars({"a": iou}, CITYSCAPES))
    assert "–" in found and f"a  {np.nanmean(iou) * 100:.1f}" in found


def test_class_bars_leave_out_what_a_data_set_does_not_evaluate():
    found = words(charts.class_bars({"a": IOU}, SYNTHIA))
    assert "road" in found and "train" not in found


def test_order_by_gain_starts_with_the_largest_gain():
    after = IOU.copy()
    after[9] += 0.3
    axes = charts.class_bars({"a": IOU, "b": after}, CITYSCAPES, "by gain").axes[0]
    assert axes.get_xticklabels()[0].get_text() == "terrain"


def test_class_names_stand_on_chips_of_their_colour():
    axes = charts.class_bars({"a": IOU}, CITYSCAPES, bold=RARE).axes[0]
    chips = axes.collections[0].get_facecolor()[:, :3]
    assert np.allclose(chips * 255, CITYSCAPES.palette)
    bold = [t.get_text() for t in axes.get_xticklabels() if t.get_fontweight() == "bold"]
    assert bold == [CITYSCAPES.classes[i] for i in RARE]


def test_wrong_number_of_classes_is_named():
    with pytest.raises(ValueError, match="each of its 19 classes"):
        charts.class_bars({"a": IOU[:5]}, CITYSCAPES)


def test_gain_bars_sort_and_sign():
    before, after = np.full(19, 0.5), np.full(19, 0.5)
    after[0], after[18] = 0.2, 0.9
    figure = charts.gain_bars(before, after, CITYSCAPES)
    wide = [round(float(bar.get_width()), 6) for bar in figure.axes[0].patches]
    assert wide == [40.0] + [0.0] * 17 + [-30.0]
    assert "+40.0  (50 → 90)" in words(figure) and "-30.0  (50 → 20)" in words(figure)


def test_share_bars_sort_by_the_first_domain_and_put_probabilities_beside():
    shares = np.arange(1, 20) / np.arange(1, 20).sum()
    figure = charts.share_bars({"minigta": shares}, CITYSCAPES, {"RCS": np.full(19, 1 / 19)})
    left, right = figure.axes
    assert left.get_yticklabels()[0].get_text() == "bicycle"
    assert left.get_xscale() == "log" and right.get_xscale() == "linear"
    assert right.patches[0].get_width() == pytest.approx(100 / 19)


def test_a_class_without_pixels_does_not_break_the_log_axis():
    shares = np.array([0.5, 0.5] + [0.0] * 17)
    low, high = charts.share_bars({"a": shares}, CITYSCAPES).axes[0].get_xlim()
    assert 0 < low < high


def test_confusion_rows_are_percent_of_the_truth():
    confusion = np.zeros((19, 19), np.int64)
    confusion[0, :2] = 300, 100
    figure = charts.confusion_heatmap(confusion, CITYSCAPES)
    drawn = figure.axes[0].images[0].get_array()
    assert drawn[0, 0] == 75 and drawn[0, 1] == 25
    assert np.ma.is_masked(drawn[1, 1]) or np.isnan(drawn[1, 1])  # no pixel of that class
    assert {"75", "25"} <= set(words(figure))


def test_curves_draw_the_given_points_and_name_the_lines():
    figure = lines.curves({"a": ([1, 2], [10, 20]), "b": ([1, 2], [11, 20.1])}, marks={"end": 1.5})
    axes = figure.axes[0]
    assert axes.lines[0].get_ydata().tolist() == [10, 20]
    assert {"a", "b", "end"} <= set(words(figure))


def test_line_names_do_not_overlap():
    places = lines._spread_out([10, 10.1, 10.2, 50], gap=3, top=50)
    assert (np.diff(places) >= 3 - 1e-9).all() and places.max() <= 50
    assert lines._spread_out([48, 49, 50], gap=3, top=50).tolist() == [44, 47, 50]


def test_seeds_are_a_mean_and_a_band():
    seeds = np.array([[10.0, 20.0], [14.0, 26.0]])
    axes = lines.line_chart({"rcs": ([1, 2], seeds)}).axes[0]
    assert axes.lines[0].get_ydata().tolist() == [12, 23]
    (band,) = axes.collections
    spread = seeds.std(axis=0, ddof=1)
    low, high = np.array([12, 23]) - spread, np.array([12, 23]) + spread
    corners = band.get_paths()[0].vertices[:, 1]
    assert corners.min() == pytest.approx(low.min()) and corners.max() == pytest.approx(high.max())


def test_class_curves_use_one_column_per_class():
    ious = np.stack([IOU * 0.5, IOU])
    axes = lines.class_curves([10, 20], ious, CITYSCAPES, [0, 18]).axes[0]
    assert axes.lines[1].get_ydata() == pytest.approx([47.5, 95])


def test_three_numbers_never_share_an_axis():
    figure = lines.three_numbers(
        {"self-training": 58.2, "oracle": 76.4},
        {"self-training": [34.0, 36.0, 35.0], "oracle": [57.0, 58.0]},
        {"self-training": 31.0},
        paper_table="Table 5",
    )
    assert len(figure.axes) == 3
    found = words(figure)
    assert {"The paper, Table 5", "Our study", "This run", "35.0 ± 1.0", "not at hand"} <= set(
        found
    )
    paper, study, live = (axes.get_xlim()[1] for axes in figure.axes)
    assert study == live != paper  # mini domains share a scale, real data has its own


def test_three_numbers_without_live_run():
    assert len(lines.three_numbers({"a": 1.0}, {"a": [2.0, 3.0]}).axes) == 2


def test_grouped_bars_show_blanks_as_dashes():
    figure = lines.grouped_bars({"x": {"UDA": 54.2, "oracle": 72.1}, "y": {"UDA": 58.2}})
    assert {"54.2", "72.1", "58.2", "–"} <= set(words(figure))


def test_class_pixels_collects_one_class():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = (9, 8, 7)
    label = np.array([[13, 0], [0, 0]])
    assert colours.class_pixels([image, image], [label, label], 13).tolist() == [[9, 8, 7]] * 2
    assert colours.class_pixels([], [], 13).shape == (0, 3)


def test_colour_plane_puts_red_right_and_blue_below():
    red, blue = np.array([[255, 60, 60]], np.uint8), np.array([[60, 60, 200]], np.uint8)
    middle = 30
    rows, columns, _ = np.nonzero(colours._plane(red // 2, 60)[..., 3:])
    assert columns[0] > middle
    rows, _, _ = np.nonzero(colours._plane(blue // 2, 60)[..., 3:])
    assert rows[0] < middle


def test_colour_figures_take_images_and_pixels():
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    assert len(colours.colour_histograms({"source": [image], "target": [image]}).axes) == 3
    figure = colours.colour_planes(
        {"source": image.reshape(-1, 3), "target": np.zeros((0, 3), "u1")}
    )
    assert "source  (64 pixels)" in words(figure) and "target  (0 pixels)" in words(figure)


NONE = float("nan")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: charts.class_bars({"a": IOU, "b": np.full(19, NONE)}, CITYSCAPES), "b  –"),
        (lambda: charts.gain_bars(np.full(19, NONE), np.full(19, NONE), CITYSCAPES), "–"),
        (lambda: charts.gain_bars(np.full(19, NONE), IOU, CITYSCAPES), "+50.0  (– → 50)"),
        (lambda: lines.curves({"a": ([1, 2], [30, NONE]), "b": ([1, 2], [NONE, NONE])}), "b –"),
        (lambda: lines.three_numbers(live={"a": NONE, "b": 40.0}), "no score"),
        (lambda: lines.three_numbers(live={"a": NONE}), "no score"),
        (lambda: lines.three_numbers(study={"a": [30.0, NONE, 32.0]}), "(2 of 3 seeds)"),
        (lambda: lines.grouped_bars({"a": {"x": NONE, "y": 30.0}}), "–"),
    ],
)
def test_a_score_that_does_not_exist_is_a_dash_in_every_chart(draw, says):
    said = " | ".join(words(draw()))
    assert says in said and "nan" not in said.lower()
