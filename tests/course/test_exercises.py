"""Checks of exercises: friendly, never an error."""

import numpy as np
import pytest
import torch

from daformer_lib.course.exercises import check, verdict


@pytest.mark.parametrize(
    ("condition", "answer", "state"),
    [
        (True, 1, "right"),
        (np.bool_(False), 1, "not yet"),
        (np.array([True, True]), 1, "right"),
        (torch.tensor([True, False]), 1, "not yet"),
        (lambda: 2 > 1, 1, "right"),
        (True, None, "open"),
        (True, ..., "open"),
        (None, 1, "open"),
        (lambda: None, 1, "open"),
    ],
)
def test_verdict(condition, answer, state):
    assert verdict(condition, answer)[0] == state


def test_a_function_that_is_not_written_yet_is_open():
    def mine():
        raise NotImplementedError

    assert verdict(lambda: mine() == 3) == ("open", "")


def test_an_error_is_a_remark():
    state, remark = verdict(lambda: 1 / 0)
    assert state == "not yet" and "ZeroDivisionError" in remark


@pytest.mark.parametrize(
    ("condition", "answer", "sentence"),
    [
        (True, 1, "✓ Exercise 1: right, well done."),
        (False, 1, "✗ Exercise 1: not right yet. Hint: count again"),
        (lambda: 1 / 0, None, "… Exercise 1: not answered yet. Hint: count again"),
    ],
)
def test_the_sentence(capsys, condition, answer, sentence):
    assert check("Exercise 1", condition, "count again", answer) is None
    assert capsys.readouterr().out.strip() == sentence
