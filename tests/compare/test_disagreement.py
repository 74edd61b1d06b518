"""Votes and differences of three tiny predictions."""

import numpy as np
import pytest

from daformer_lib.compare.disagreement import (
    disagreement_count,
    disagreement_map,
    pairwise,
    vote,
)

A = np.array([[0, 1, 2, 0]], np.uint8)
B = np.array([[0, 1, 1, 1]], np.uint8)
C = np.array([[0, 2, 1, 2]], np.uint8)


def test_the_vote_and_who_differs_from_it():
    assert vote([A, B, C]).tolist() == [[0, 1, 1, 0]]  # the last is a tie: the first source's
    assert disagreement_count([A, B, C]).tolist() == [[0, 1, 1, 2]]
    assert disagreement_map([A, B, C]).tolist() == [[False, True, True, True]]


def test_pairs():
    assert pairwise([A, B, C]).tolist() == [[0, 0.5, 0.75], [0.5, 0, 0.5], [0.75, 0.5, 0]]


def test_one_prediction_cannot_disagree():
    with pytest.raises(ValueError, match="add a run"):
        disagreement_map([A])
