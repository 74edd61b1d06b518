"""Sentences under an experiment follow from its numbers."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from daformer_lib.course.conclusions import conclusions
from daformer_lib.files import read_json
from daformer_lib.runs.papers import paper_row
from daformer_lib.runs.results import RowResult

ROOT = Path(__file__).parents[2]


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


def test_what_chapter_4_types_of_the_cause_is_what_was_measured():
    """results/causes.json, by `causes`: accuracies of a probe on buses, trucks and trains."""
    typed = chapter("04_feature_distance")
    found = read_json(ROOT / "results/causes.json")["feature_distance"]
    drawn, target = (
        {row: f"{100 * of[where]:.0f}" for row, of in found["accuracy"].items()}
        for where in ("drawn", "source to target")
    )
    assert f"({drawn['prior']} to {drawn['source_only']} %)" in typed
    assert f"and FD holds on to it ({drawn['fd']} %)" in typed
    assert target["fd"] == target["self_training"]
    assert (
        f"({target['prior']} % against {target['source_only']} % for source-only and "
        f"{target['fd']} % for self-training, with FD and without)"
    ) in typed
    assert found["there"] is False  # the sentences say so


@pytest.mark.parametrize(
    ("name", "typed", "table", "rows"),
    [
        ("04_feature_distance", "58.2 → 64.0 with RCS, → 66.2 with both", 5,
         ("SegFormer", "RCS, T = 0.01", "RCS + FD")),
        ("04_feature_distance", "gains almost nothing (58.8)", 5, ("FD, all classes",)),
        ("05_learning_rate_warmup", "are **6.4 mIoU** apart", 4,
         ("SegFormer without warm-up", "SegFormer with warm-up")),
    ],
)  # fmt: skip
def test_what_chapters_type_of_the_paper_is_in_its_tables(name, typed, table, rows):
    scores = [paper_row(table, row).uda for row in rows]
    numbers = [float(n) for n in re.findall(r"\d+\.\d", typed)]
    assert typed in chapter(name)
    assert numbers in (scores, [round(scores[-1] - scores[0], 1)])


def chapter(name):
    """Its text, on one line."""
    book = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    return " ".join(" ".join(c.source for c in book.cells if c.cell_type == "markdown").split())
