"""Reliability and ECE: a case by hand."""

import numpy as np
import pytest

from daformer_lib.compare.calibration import reliability
from daformer_lib.compare.tally import Tally, count_predictions


def tally(truth, label, sure, known=True):
    made = Tally(2, known)
    made.add(count_predictions(truth, label, sure, 2))
    return made


def test_ece_by_hand():
    label = np.zeros((1, 8), np.uint8)
    truth = np.array([[0, 0, 0, 1, 0, 0, 1, 255]], np.uint8)
    sure = np.array([[255, 255, 255, 255, 51, 51, 51, 255]], np.uint8)  # 1.0 and 0.2
    found = reliability(tally(truth, label, sure), bins=5)
    assert found.pixels.tolist() == [0, 3, 0, 0, 4]
    assert found.accuracy[4] == pytest.approx(3 / 4) and found.accuracy[1] == pytest.approx(2 / 3)
    assert found.confidence[1] == pytest.approx(0.2)
    assert np.isnan(found.accuracy[0])
    assert found.ece == pytest.approx((4 * 0.25 + 3 * (2 / 3 - 0.2)) / 7)
    assert not found.overconfident  # the middle bin's doubt outweighs the top one's boast


def test_one_class_alone():
    label = np.array([[0, 0, 1, 1]], np.uint8)
    truth = np.array([[0, 1, 1, 1]], np.uint8)
    sure = np.full((1, 4), 255, np.uint8)
    of_one = reliability(tally(truth, label, sure), class_id=0)
    assert of_one.pixels.sum() == 2 and of_one.ece == pytest.approx(0.5) and of_one.overconfident
    assert reliability(tally(truth, label, sure), class_id=1).ece == 0


def test_needs_truth_and_confidence():
    label = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match="there is none"):
        reliability(tally(None, label, label))
    with pytest.raises(ValueError, match="no confidence"):
        reliability(tally(label, label, None, known=False))
