"""What adaptation gained and lost, by sets, length and statistics."""

import math
import re
from pathlib import Path

import pytest

from daformer_lib.choosing.gains import (
    Score,
    gains,
    gains_page,
    read_gains,
    score,
    write_gains,
)

CLASSES = ("road", "person", "sky")


def scored(row, seed, *iou, steps=800, statistics="batch", pair="a → b"):
    values = tuple(v / 100 for v in iou)
    return Score(pair, steps, row, statistics, seed, CLASSES, (), values, "a machine, torch 2")


BASES = [scored("source_only", seed, 50 + seed, 30, math.nan) for seed in range(3)]


def test_a_row_that_gains_and_keeps_what_was_known_holds():
    (one,) = gains([*BASES, *(scored("daformer", s, 60 + s, 32, math.nan) for s in range(3))])
    assert (one.pair, one.steps, one.row, one.by.seeds) == ("a → b", 800, "daformer", 3)
    assert one.by.gain == pytest.approx(6) and one.by.error == pytest.approx(0)
    assert one.lost == () and one.holds


def test_a_known_class_of_which_less_than_half_is_left_is_named():
    (one,) = gains([*BASES, *(scored("daformer", s, 90 + s, 14, math.nan) for s in range(3))])
    assert one.by.verdict == "shown"
    assert one.lost == ("person (30 → 14)",) and not one.holds


def test_an_unknown_class_cannot_be_lost():
    bases = [scored("source_only", seed, 50, 19, 40) for seed in range(3)]
    (one,) = gains([*bases, *(scored("daformer", s, 70 + s, 0, 41) for s in range(3))])
    assert one.lost == () and one.holds


def test_a_loss_too_few_seeds_and_noise_do_not_hold():
    worse = gains([*BASES, *(scored("daformer", s, 40 + s, 30, math.nan) for s in range(3))])
    few = gains([*BASES, *(scored("daformer", s, 60 + s, 30, math.nan) for s in range(2))])
    noise = gains([*BASES, *(scored("daformer", s, 46 + 9 * s, 30, math.nan) for s in range(3))])
    assert not any(one.holds for found in (worse, few, noise) for one in found)


def test_each_is_compared_with_its_own_sets_and_length():
    longer = [scored("source_only", s, 70, 40, math.nan, steps=2000) for s in range(3)]
    adapted = [scored("daformer", s, 72, 40, math.nan, steps=2000) for s in range(3)]
    other = [scored("daformer", s, 80, 40, math.nan, statistics="target") for s in range(3)]
    alone = [scored("daformer", 0, 80, 40, math.nan, pair="c → d")]
    found = gains([*BASES, *longer, *adapted, *other, *alone])
    assert [(one.steps, one.statistics) for one in found] == [(2000, "batch"), (800, "target")]
    assert found[0].by.gain == pytest.approx(1)
    assert found[1].by.low == pytest.approx(40.5)


def test_the_file_grows_and_the_page_is_made_of_it(tmp_path):
    path = tmp_path / "gains.json"
    with pytest.raises(ValueError, match="no run has a source_only run of the same sets"):
        write_gains(BASES, path, "a command")
    assert not path.exists()
    write_gains([*BASES, scored("daformer", 0, 60, 30, math.nan)], path, "a command")
    _, page = write_gains([scored("daformer", 1, 63, 30, math.nan)], path, "a command")
    scores = read_gains(path)
    assert len(scores) == 5 and math.isnan(scores[0].iou[2])
    assert page.read_text() == gains_page(scores, "a command")
    text = page.read_text()
    assert "| a → b | daformer | batch | 800 | " in text and "| +5.5 ± 0.5 | 2 | – | no |" in text


def test_a_run_in_a_file_of_results_counts_as_well():
    entry = {
        "row": "daformer", "seed": 1, "steps": 4000, "classes": CLASSES, "evaluated": (0, 1),
        "config": {
            "data": {"source": "a", "target": "b"}, "train": {"final_splits": ["val", "test"]},
            "uda": {},
        },
        "iou": {"student/test": [0.5, None, 0.25]},
        "machine": {"processor": "a machine", "torch": "2"},
    }  # fmt: skip
    found = score(entry)
    assert found.mark == ("a → b", 4000, "daformer", "batch", 1)
    assert found.evaluated == (0, 1) and math.isnan(found.iou[1]) and found.iou[2] == 0.25


def test_the_pages_table_is_of_what_was_measured():
    """Every line of docs/use/short-runs.md's table is one of results/gains.md, made of its file."""
    root = Path(__file__).parents[2]
    made = (root / "results/gains.md").read_text(encoding="utf-8")
    command = re.search("By `(.*?)`", made)[1]
    assert made == gains_page(read_gains(root / "results/gains.json"), command)
    page = (root / "docs/use/short-runs.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| mini")]
    assert lines and set(lines) == {line for line in made.splitlines() if line.startswith("| mini")}
