"""Panels in one array: their places, and the cross."""

import numpy as np

from daformer_lib.compare.views import canvas


def panel(value, height=20, width=40):
    return canvas.Panel("name", np.full((height, width, 3), value, np.uint8))


def test_rows_are_balanced():
    assert [canvas.balanced(n) for n in (1, 4, 5, 6, 7, 8, 9, 12)] == [1, 4, 3, 3, 4, 4, 3, 4]


def test_panels_stand_in_order():
    sheet = canvas.arrange([panel(10), panel(20), panel(30), panel(40), panel(50)], width=616)
    wide = 200
    assert sheet.shape == (2 * (canvas.TITLE + 100 + canvas.GAP) - canvas.GAP, 616, 3)
    middle = canvas.TITLE + 50
    assert [sheet[middle, x, 0] for x in (50, 260, 470)] == [10, 20, 30]
    below = middle + canvas.TITLE + 100 + canvas.GAP
    assert [sheet[below, x, 0] for x in (50, 260, 470)] == [40, 50, 255]
    assert (sheet[middle, wide + 2] == 255).all()  # the gap


def test_long_titles_are_cut():
    long = canvas.Panel("a very long name of a run that nobody can read" * 3, panel(9).pixels, "x")
    assert canvas.arrange([long]).shape[1] == canvas.WIDEST


def test_enlarged_pixels_stay_sharp():
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0] = 200
    large = canvas.fitted(pixels, 100, 100)
    assert set(np.unique(large)) == {0, 200} and (large == 200).mean() == 0.25


def test_a_region_of_one_column_does_not_become_a_tower():
    """One pixel wide and 128 high, six of them: this sheet was once 97,592 pixels high."""
    sheet = canvas.arrange([panel(9, height=128, width=1)] * 6)
    assert sheet.shape[0] == 2 * (canvas.TITLE + canvas.TALLEST + canvas.GAP) - canvas.GAP
    assert sheet.shape[1] <= canvas.WIDTH
    seen = sheet[canvas.TITLE : canvas.TITLE + canvas.TALLEST, :300, 0] == 9
    assert seen.sum() == round(canvas.TALLEST / 128) * canvas.TALLEST  # in its own proportions


def test_the_cross_is_seen_on_dark_and_light():
    for value, seen in ((10, 255), (240, 0), (128, 0)):
        marked = canvas.cross(panel(value).pixels, 0.5, 0.5)
        assert (marked[10, 20] == seen).all() and (marked[0, 0] == value).all()
