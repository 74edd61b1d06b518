"""PNG bytes, palettes and colours by name."""

import io
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from daformer_lib.viz import style

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (64, 96, 3), dtype=np.uint8)  # thousands of colours


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_image_png_is_exact():
    assert np.array_equal(decoded(style.image_png(PHOTO)), PHOTO)


def test_small_png_is_exact_up_to_256_colours():
    few = PHOTO // 64 * 64  # at most 64 colours
    assert np.array_equal(decoded(style.small_png(few)), few)


def test_small_png_keeps_the_legend_and_the_background_exactly():
    image = PHOTO.copy()
    image[:20] = 255
    image[30, 40] = (250, 170, 30)
    shown = decoded(style.small_png(image, keep=[(250, 170, 30)]))
    assert (shown[:20] == 255).all()
    assert shown[30, 40].tolist() == [250, 170, 30]


def test_small_png_is_small_and_close_for_a_photograph():
    smooth = np.kron(PHOTO[:8, :12], np.ones((16, 16, 1), np.uint8))
    noisy = np.clip(smooth + RNG.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)
    png = style.small_png(noisy)
    assert len(png) < 0.5 * len(style.image_png(noisy))
    assert np.abs(decoded(png).astype(int) - noisy).mean() < 9


def test_enlarging_repeats_pixels():
    shown = decoded(style.small_png(PHOTO[:4, :6], enlarge=3))
    assert np.array_equal(shown, PHOTO[:4, :6].repeat(3, axis=0).repeat(3, axis=1))


def test_a_figure_shows_itself_once_and_says_what_it_is():
    figure = style.new_figure(2, 1, "two lines")
    bundle = figure._repr_mimebundle_()
    assert bundle["text/plain"] == "<figure: two lines>"
    assert decoded(bundle["image/png"]).shape == (style.DPI, 2 * style.DPI, 3)


def test_figures_are_not_kept_by_pyplot():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    style.figure_png(style.new_figure(1, 1, "x"))
    assert pyplot.get_fignums() == before


def test_a_figure_of_pyplot_is_closed():
    from matplotlib import pyplot

    figure = pyplot.figure()
    style.figure_png(figure)
    assert figure.number not in pyplot.get_fignums()


def test_drawing_leaves_matplotlibs_settings_alone():
    before = dict(matplotlib.rcParams)
    style.styled(lambda: style.new_figure(1, 1, "x"))()
    assert dict(matplotlib.rcParams) == before


def test_a_run_has_the_same_colour_everywhere():
    assert style.run_colours(["source-only", "DAFormer"])[1] == style.run_colours(["DAFormer"])[0]
    assert style.run_colours(["self_training"]) == style.run_colours(["self-training"])


def test_unknown_runs_get_distinct_colours_that_no_known_run_has():
    colours = style.run_colours(["mine", "self-training", "yours", "DAFormer", "hers"])
    assert len(set(colours)) == 5
    assert len(style.run_colours([f"run {i}" for i in range(30)])) == 30


def test_data_uri():
    assert style.to_data_uri(b"abc") == "data:image/png;base64,YWJj"


def test_contrast_is_wcags():
    assert style.contrast("black") == 21 and style.contrast("white") == 1
    assert round(style.contrast("#767676"), 2) == 4.54  # the lightest grey that text may have


@pytest.mark.parametrize("colour", [style.INK, style.MUTED, style.GOOD, style.BAD])
def test_colours_of_text_are_readable(colour):
    assert style.contrast(colour) >= style.TEXT_CONTRAST


MARKS = {*style.RUN_COLOURS.values(), *style.OTHER_COLOURS, *style.KIND_COLOURS.values()}


@pytest.mark.parametrize("colour", sorted({*MARKS, style.NEITHER}))
def test_marks_stand_out_and_their_names_can_be_read(colour):
    assert style.contrast(colour) >= style.MARK_CONTRAST
    assert style.contrast(style.readable(colour)) >= style.TEXT_CONTRAST


@pytest.mark.parametrize("page", ["compare/views/page.css", "course/report_page.py"])
def test_the_pages_text_colours_are_readable(page):
    text = (Path(style.__file__).parents[1] / page).read_text(encoding="utf-8")
    light = text[text.index(":root") :].split("}")[0]  # a dark theme has its own ground
    found = dict(re.findall(r"--(ink|muted|teal): (#[0-9a-f]{6})", light))
    assert set(found) == {"ink", "muted", "teal"}
    assert all(style.contrast(colour) >= style.TEXT_CONTRAST for colour in found.values())
