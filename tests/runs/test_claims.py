"""The paper's claims against results: the rule of the verdicts, and the committed page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daformer_lib.files import read_json
from daformer_lib.runs import claims, recipes
from daformer_lib.runs.claims import CLAIMS, Effect, Pair, effect, miou
from daformer_lib.runs.results import RowResult, read_results

RESULTS = Path(__file__).parents[2] / "results"
CLASSES = ("road", "truck", "bus", "train")


def row(name, *scores, seeds=None):
    iou = np.repeat(np.array(scores)[:, None] / 100, len(CLASSES), axis=1)
    return RowResult(name, tuple(seeds or range(len(scores))), iou, CLASSES, rare_ids=(1,))


def found(low, high):
    return effect(Pair("a", "b"), miou, {"a": low, "b": high})


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((2, 3, 4), "shown"),
        ((-2, -3, -4), "contradicted"),
        ((2, 0, -1), "tied"),
        ((2, 3), "not run"),
        ((1, 1, 1), "shown"),  # no spread at all: any difference counts
        ((0, 0, 0), "tied"),
    ],
)
def test_a_difference_counts_from_two_standard_errors_on(gains, verdict):
    low = row("a", *(30.0 for _ in gains))
    assert found(low, row("b", *(30.0 + g for g in gains))).verdict == verdict


def test_differences_are_paired_by_seed():
    """Seeds differ by far more than the rows do."""
    one = found(row("a", 10.0, 40.0, 70.0), row("b", 72.0, 11.0, 42.0, seeds=(2, 0, 1)))
    assert one.verdict == "shown" and one.gain == pytest.approx((1 + 2 + 2) / 3)
    assert found(row("a", 10.0, 40.0), row("b", 1.0, 1.0, seeds=(7, 8))).seeds == 0


def test_with_several_pairs_the_least_favourable_counts():
    shown, tied = Effect(30, 40, 10, 1, 3), Effect(30, 30.1, 0.1, 1, 3)
    assert claims.verdict([shown, tied]) == "tied"
    assert claims.verdict([shown, Effect()]) == "not run"
    assert claims.verdict([shown, Effect(30, 20, -10, 1, 3), Effect()]) == "contradicted"
    assert claims.verdict([shown, shown]) == "shown"


def test_the_rare_classes_lead_is_over_the_others():
    iou = np.array([[0.5, 0.1, 0.5, 0.5]])
    assert claims.rare_lead(RowResult("a", (0,), iou, CLASSES, (1,))) == pytest.approx(-40)


def test_every_claim_compares_rows_and_finds_its_numbers():
    assert len(CLAIMS) == 14
    for claim in CLAIMS:
        for pair in claim.pairs:
            assert {pair.low, pair.high} <= set(recipes.ROWS)
            assert "None" not in pair.papers()


def test_the_committed_page_is_what_the_committed_results_say():
    results = {row.row: row for row in read_results(RESULTS / claims.STUDY)}
    page = (RESULTS / "CLAIMS.md").read_text(encoding="utf-8")
    beside = [claims.read_if_there(RESULTS / n) for n in (claims.CAUSES, claims.INVESTIGATIONS)]
    assert page == claims.claims_page(results, claims.STUDY, *beside), "run: make claims"


def test_each_claim_that_does_not_show_has_its_investigation_and_no_other():
    """So a text cannot outlive the results that it explains."""
    results = {row.row: row for row in read_results(RESULTS / claims.STUDY)}
    missing = {
        claim.sentence
        for claim in CLAIMS
        if claims.verdict([claims.effect(p, claim.measure, results) for p in claim.pairs])
        != "shown"
    }
    assert set(claims.read_if_there(RESULTS / claims.INVESTIGATIONS)) == missing


def test_a_claim_that_does_not_show_is_explained_below():
    rcs = next(claim for claim in CLAIMS if claim.sentence == "Rare Class Sampling helps.")
    tied = {"self_training": row("self_training", 30, 31, 32), "rcs": row("rcs", 32, 31, 30)}
    page = claims.claims_page(tied, "x.json", None, {rcs.sentence: "Because."})
    assert "- **Rare Class Sampling helps.** (tied): Because." in page
    assert "- **Feature distance on things helps.** (not run): not investigated." in page


def test_spread_and_effect_are_said_beside_the_means():
    rows = {
        "self_training": row("self_training", 30, 31, 32),
        "rcs": row("rcs", 33, 33, 36, 90),  # a seed of one row only counts nowhere
    }
    (line,) = [
        text
        for text in claims.claims_page(rows, "x.json").splitlines()
        if "Rare Class Sampling helps." in text and text.startswith("|")
    ]
    assert "| 31.0 ± 1.0 → 34.0 ± 1.7 | +3.0 ± 0.6 | +5.2 | 3 | **shown** |" in line
    assert Effect(30, 31, 1, 0.0, 3).in_errors == np.inf


def test_each_claim_has_a_cause_that_was_measured_or_counted():
    for claim in CLAIMS:
        assert bool(claim.cause) != bool(claim.counted), claim.sentence


def test_a_cause_is_said_beside_the_verdict():
    claim = next(claim for claim in CLAIMS if claim.cause == "warmup")
    assert claims.cause_of(claim, {"warmup": {"there": True}}) == "there"
    assert claims.cause_of(claim, {"warmup": {"there": False}}) == "**not there**"
    assert claims.cause_of(claim, {}) == "not measured"
    assert claims.cause_of(replace(claim, cause=""), {}) == "–"
    assert claims.cause_of(replace(claim, cause="", counted="hardly there"), {}) == "*hardly there*"
    known = {"feature_distance", "warmup", "architecture", "context"}
    assert (
        {claim.cause for claim in CLAIMS} - {""}
        == known
        <= set(claims.read_if_there(RESULTS / claims.CAUSES))
    )


def test_chapter_06_shows_the_committed_page():
    """Its output, executed when the results were others, would contradict the chapter's text."""
    chapter = read_json(RESULTS.parent / "notebooks" / "06_daformer.ipynb")
    shown = [
        "".join(output["data"]["text/markdown"])
        for cell in chapter["cells"]
        for output in cell.get("outputs", [])
        if "text/markdown" in output.get("data", {})
    ]
    (page,) = [text for text in shown if text.startswith("# What the paper claims")]
    assert page.strip() == (RESULTS / "CLAIMS.md").read_text(encoding="utf-8").strip()
