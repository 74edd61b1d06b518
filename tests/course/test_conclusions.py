"""Sentences under an experiment follow from its numbers."""

import numpy as np
import pytest

from daformer_lib.course.conclusions import conclusions
from daformer_lib.runs.results import RowResult


def row(name, *miou):
    return RowResult(name, tuple(range(len(miou))), np.array(miou)[:, None] / 100, ("road",))


def said(low, high, live=None):
    study = {"source_only": row("source_only", *low), "self_training": row("self_training", *high)}
    return conclusions(study, [("source_only", "self_training")], live)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        ((40, 41, 42), (50, 51, 52.5), "higher by +10.2 ± 0.2 points over 3 seeds, more than"),
        ((50, 51, 52), (40, 41, 42), "*lower*, -10.0 ± 0.0 points over 3 seeds"),
        ((40, 41, 42), (44, 38, 42), "tied, +0.3 ± 2.0 points over 3 seeds"),
        ((40, 41), (50, 51), "too few seeds"),
        ((40, 41, 42), (), "too few seeds"),
    ],
)
def test_the_study_decides_the_words(low, high, words):
    text = said(low, high)
    assert text.startswith("- **self-training** against source-only: ")
    assert words in text and "Your run" not in text


@pytest.mark.parametrize(
    ("live", "words"),
    [
        ({"source_only": 30.0, "self_training": 31.0}, "+1.0, within what two seeds"),
        ({"source_only": 30.0, "self_training": 35.0}, "+5.0 (one seed: a direction)"),
        ({"source_only": 35.0, "self_training": 30.0}, "-5.0, the other way"),
        ({"source_only": 35.0}, None),
    ],
)
def test_the_run_beside_it_is_one_seed(live, words):
    text = said((40, 41, 42), (50, 51, 52), live)
    assert (words in text) if words else ("Your run" not in text)


def test_without_a_study_there_is_nothing_to_say():
    assert "too few seeds" in conclusions({}, [("rcs", "daformer")])
