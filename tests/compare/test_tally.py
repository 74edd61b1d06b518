"""Counting: one case by hand, and agreement with the metric of `evaluate`."""

import numpy as np
import pytest

from daformer_lib.compare.tally import Tally, count_predictions, sure_from
from daformer_lib.evaluate import confusion_matrix

TRUTH = np.array([[0, 0, 1], [1, 255, 2]], np.uint8)
LABEL = np.array([[0, 1, 1], [255, 2, 2]], np.uint8)
SURE = np.array([[255, 100, 247], [0, 250, 200]], np.uint8)


def made(truth=TRUTH, label=LABEL, sure=SURE, classes=3) -> Tally:
    tally = Tally(classes, sure is not None)
    tally.add(count_predictions(truth, label, sure, classes))
    return tally


def test_every_pixel_is_counted_in_its_place():
    tally = made()
    assert tally.pixels == 6
    assert tally.counts[0, 0, 255] == tally.counts[0, 1, 100] == tally.counts[1, 1, 247] == 1
    assert tally.counts[1, 3, 0] == 1  # truth 1, nothing predicted
    assert tally.counts[3, 2, 250] == 1  # no truth
    assert tally.table.tolist() == [[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    assert tally.error == pytest.approx(2 / 5)


def test_scores_are_those_of_evaluate():
    rng = np.random.default_rng(1)
    truth = rng.choice([0, 1, 2, 255], (20, 30)).astype(np.uint8)
    label = rng.integers(0, 3, (20, 30)).astype(np.uint8)
    assert np.array_equal(
        made(truth, label, None).scores.confusion, confusion_matrix(label, truth, 3)
    )


def test_two_images_add_up():
    one, two = made(), made()
    two.add(count_predictions(TRUTH, LABEL, SURE, 3))
    assert np.array_equal(two.counts, 2 * one.counts) and two.error == one.error


def test_weight_is_the_share_that_reaches_the_threshold():
    tally = made()
    assert tally.weight(0.968) == pytest.approx(3 / 6)  # 255, 247, 250
    assert tally.weight(0) == 1 and tally.weight(1) == pytest.approx(1 / 6)
    shares = SURE / 255
    for threshold in (0.1, 0.392, 0.5, 0.9, 247 / 255):
        assert tally.weight(threshold) == pytest.approx((shares >= threshold).mean())


def test_threshold_outside_probabilities_is_refused():
    assert sure_from(0) == 0 and sure_from(1) == 255
    with pytest.raises(ValueError, match=r"threshold 1.5 must lie in \[0, 1\]"):
        sure_from(1.5)


def test_without_truth_there_is_no_error_and_without_confidence_no_weight():
    assert np.isnan(made(truth=None).error) and not made(truth=None).has_truth
    with pytest.raises(ValueError, match="no confidence"):
        made(sure=None).weight(0.5)
