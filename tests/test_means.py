"""Means over what exists, without a warning, and what stands for what does not."""

import numpy as np
import pytest

from daformer_lib.means import MISSING, json_number, known_mean, percent

pytestmark = pytest.mark.filterwarnings("error")
NONE = float("nan")


def test_a_mean_leaves_out_what_does_not_exist():
    assert known_mean([0.2, NONE, 0.6]) == pytest.approx(0.4)
    assert np.isnan(known_mean([NONE, NONE])) and np.isnan(known_mean([]))


def test_along_an_axis_it_is_numpys():
    values = np.random.default_rng(0).random((4, 5))
    values[0, 1] = values[2, 3] = NONE
    assert np.array_equal(known_mean(values, axis=1), np.nanmean(values, axis=1))
    values[3] = NONE
    found = known_mean(values, axis=1)
    assert np.isnan(found).tolist() == [False, False, False, True]


def test_what_does_not_exist_is_a_dash_and_null():
    assert (percent(0.4567), percent(0.4567, 0), percent(NONE)) == ("45.7", "46", MISSING)
    assert (json_number(np.float64(0.45678), 3), json_number(NONE, 3)) == (0.457, None)
