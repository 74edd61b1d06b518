"""Each layer's pixels, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from daformer_lib.compare import View
from daformer_lib.compare.views import layers
from daformer_lib.compare.views.layers import AGREE, FADED, LAYERS, Look, counts, picture
from daformer_lib.specs import CITYSCAPES
from daformer_lib.viz import draw

TRUTH = np.array([[0, 1, 2, 255]], np.uint8)
FIRST = np.array([[0, 1, 1, 1]], np.uint8)
SECOND = np.array([[0, 2, 1, 0]], np.uint8)
SURE = np.array([[255, 10, 250, 0]], np.uint8)
IMAGE = np.full((1, 4, 3), 40, np.uint8)
VIEW = View("a", 1, IMAGE, TRUTH, (FIRST, SECOND), (SURE, None))


def shown(i, **look):
    return picture(VIEW, i, CITYSCAPES, Look(**look))[0].tolist()


def colour(*ids):
    return [list(CITYSCAPES.palette[i]) for i in ids]


def test_pseudo_labels_are_in_class_colours_over_the_image():
    assert shown(0) == colour(0, 1, 1, 1)
    assert shown(None)[:3] == colour(0, 1, 2)
    assert shown(0, opacity=0.0) == IMAGE[0].tolist()
    half = np.rint((np.array(colour(0)[0]) + 40) / 2)
    assert np.abs(np.array(shown(0, opacity=0.5)[0]) - half).max() <= 1


def test_the_class_filter_fades_the_others():
    assert shown(0, classes=(1,)) == [list(FADED), *colour(1, 1, 1)]
    assert shown(0, layer="confidence", classes=(0,))[1:] == [list(FADED)] * 3


def test_confident_pixels_stay_bright():
    bright = shown(0, layer="confident pseudo-label", threshold=0.9)
    assert [bright[0], bright[2]] == colour(0, 1)
    assert max(bright[1]) < max(colour(1)[0]) / 2


def test_errors_and_how_many_are_wrong():
    assert shown(0, layer="error")[:3] == [list(draw.RIGHT), list(draw.RIGHT), list(draw.WRONG)]
    wrong = shown(None, layer="error")
    assert wrong[0] == list(AGREE) and wrong[3] == list(draw.IGNORE_DARK)
    assert wrong[1:3] == counts(np.array([[1, 2]]))[0].tolist()
    assert shown(0, layer="error", classes=(2,))[0] == list(FADED)


def test_disagreement_shows_what_differs_from_the_vote():
    assert shown(0, layer="disagreement") == [list(AGREE)] * 4  # of two, the first is the vote
    assert shown(1, layer="disagreement") == [list(AGREE), *colour(2), list(AGREE), *colour(0)]
    assert shown(None, layer="disagreement") == counts(np.array([[0, 1, 0, 1]]))[0].tolist()


def test_what_is_not_known_is_an_empty_panel():
    blind = replace(VIEW, truth=None, image=None)
    for layer, i in (("error", 0), ("error", None), ("pseudo-label", None), ("confidence", None)):
        assert (picture(blind, i, CITYSCAPES, Look(layer)) == FADED).all(), layer
    assert (picture(VIEW, 1, CITYSCAPES, Look("confidence")) == FADED).all()
    alone = replace(VIEW, labels=(FIRST,), confidences=(SURE,))
    assert (picture(alone, 0, CITYSCAPES, Look("disagreement")) == FADED).all()


def test_the_region_is_cut_from_every_layer():
    for layer in LAYERS:
        for i in (None, 0):
            part = picture(VIEW, i, CITYSCAPES, Look(layer, region=(0.5, 1, 0, 1)))
            assert part.shape == (1, 2, 3)
    assert shown(0, region=(0, 0.25, 0, 1)) == colour(0)


def test_wide_maps_are_drawn_no_finer_than_a_screen():
    wide = replace(VIEW, labels=(np.zeros((8, 4096), np.uint8),) * 2, truth=None, image=None)
    assert picture(wide, 0, CITYSCAPES, Look()).shape == (2, 683, 3)  # every sixth
    part = picture(wide, 0, CITYSCAPES, Look(region=(0, 0.125, 0, 1)))
    assert part.shape == (8, 512, 3)


def test_an_unknown_layer_is_named():
    with pytest.raises(ValueError, match="no layer 'x'; there are"):
        shown(0, layer="x")


def test_every_layer_has_a_legend():
    for layer in LAYERS:
        assert layers.layer_chips(VIEW, CITYSCAPES, layer)
    assert [c.name for c in layers.count_chips(2)] == ["no source", "1 source", "2 sources"]
