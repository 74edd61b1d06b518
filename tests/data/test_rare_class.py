"""Rare Class Sampling against the authors' numbers (golden/uda.*) and hand-worked cases."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.data import class_stats
from daformer_lib.data.class_stats import ClassStats, read_class_stats, write_class_stats
from daformer_lib.data.rare_class import RareClassSampler, crop_until, rcs_probabilities
from daformer_lib.specs import get_spec

pytestmark = pytest.mark.numeric


# Three images, four classes: class 2 is rare, class 3 is nowhere.
COUNTS = np.array([[90, 10, 0, 0], [80, 15, 5, 0], [70, 20, 10, 0]])


def test_probabilities_are_the_authors(golden):
    uda = golden("uda.npz")
    for i, temperature in enumerate(uda["rcs/T"]):
        probabilities = rcs_probabilities(uda["rcs/total_pixels"], float(temperature))
        expected = uda[f"rcs/prob_{i}"]  # in the order of rcs/classes
        np.testing.assert_allclose(
            probabilities[uda["rcs/classes"]], expected, rtol=2e-5, atol=1e-37, err_msg=temperature
        )
        assert probabilities.dtype == np.float32


def test_the_authors_statistics_give_the_authors_totals(golden, tmp_path):
    uda, spec = golden("uda.npz"), get_spec("gta")
    entries = golden("rcs_sample_class_stats.json")
    files.write_json(spec.root(tmp_path) / "sample_class_stats.json", entries)
    stats = read_class_stats(spec, tmp_path, "train")
    assert np.array_equal(stats.totals[uda["rcs/total_classes"]], uda["rcs/total_pixels"])
    assert stats.stems[0] == "00000" and len(stats.stems) == len(entries)


def test_probabilities_by_hand():
    weights = np.exp((1 - np.array([0.8, 0.15, 0.05])) / 0.5)
    expected = [*(weights / weights.sum()), 0.0]
    np.testing.assert_allclose(rcs_probabilities([240, 45, 15, 0], 0.5), expected, rtol=1e-6)


def test_infinite_temperature_is_uniform_over_present_classes():
    assert rcs_probabilities([7, 0, 1], np.inf).tolist() == [0.5, 0, 0.5]


def test_impossible_arguments_are_named():
    with pytest.raises(ValueError, match="temperature 0 must be positive"):
        rcs_probabilities([1], 0)
    with pytest.raises(ValueError, match="no class has any pixel"):
        rcs_probabilities([0, 0], 1.0)


def sampler(min_pixels: int = 4, temperature: float = 0.5) -> RareClassSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RareClassSampler(COUNTS, temperature, min_pixels)


def test_draws_follow_the_probabilities():
    rare, rng = sampler(), np.random.default_rng(0)
    draws = [rare.draw(rng) for _ in range(20_000)]
    shares = np.bincount([c for c, _ in draws], minlength=4) / len(draws)
    np.testing.assert_allclose(shares, rare.probabilities, atol=0.015)
    images = np.bincount([i for c, i in draws if c == 0], minlength=3)
    assert images.min() / images.max() > 0.9, "uniform among the images of the class"


def test_only_images_with_more_pixels_than_the_limit_are_drawn():
    rng = np.random.default_rng(0)
    assert {i for c, i in (sampler(4).draw(rng) for _ in range(300)) if c == 2} == {1, 2}
    assert {i for c, i in (sampler(5).draw(rng) for _ in range(300)) if c == 2} == {2}


def test_absent_and_too_small_classes_are_left_out_with_a_warning():
    with pytest.warns(UserWarning, match="RCS: ") as caught:
        rare = RareClassSampler(COUNTS, 0.5, 10, ("road", "wall", "rider", "train"))
    texts = [str(w.message) for w in caught]
    assert any("no pixel of train" in t for t in texts)
    assert any("more than 10 pixels of rider" in t and "lower rcs_min_pixels" in t for t in texts)
    rng = np.random.default_rng(0)
    assert {rare.draw(rng)[0] for _ in range(300)} == {0, 1}
    assert rare.probabilities.sum() == pytest.approx(1)


def test_no_drawable_class_is_an_error():
    with (
        pytest.warns(UserWarning, match="RCS: "),
        pytest.raises(ValueError, match="lower rcs_min_pixels"),
    ):
        RareClassSampler(COUNTS, 0.5, 1000)


def test_a_class_that_float32_rounds_to_zero_is_never_drawn():
    counts = np.array([[10**9, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rare = RareClassSampler(counts, 0.001, 0)
    assert rare.probabilities.tolist() == [0, 1]
    rng = np.random.default_rng(0)
    assert {rare.draw(rng) for _ in range(50)} == {(1, 0)}


def test_the_only_drawable_class_is_drawn_even_at_probability_zero_among_all():
    """At T = 0.001 the large class has probability 0; without the small one it is all there is."""
    with pytest.warns(UserWarning, match="never drawn"):
        rare = RareClassSampler(np.array([[10**9, 1]]), 0.001, 10)
    assert rare.draw(np.random.default_rng(0)) == (0, 0)


def test_retries_are_the_authors(golden):
    for name, case in golden("uda.json")["rcs_retry"].items():
        counts = iter(case["counts"])
        loads = []

        def draw():
            label = np.zeros(6000, np.uint8)
            label[: next(counts)] = 5  # noqa: B023
            loads.append(len(loads) + 1)  # noqa: B023
            return loads[-1], label  # noqa: B023

        used, load = crop_until(draw, wanted=5, min_crop_pixels=1500)
        assert (len(loads), used) == (case["source_loads"], case["used_load"]), name
        assert load == used


def test_statistics_of_many_files_are_kept_as_arrays(tmp_path, monkeypatch):
    """The same statistics from the arrays as from the JSON; a changed JSON is read again."""
    monkeypatch.setattr(class_stats, "MANY", 3)
    spec = get_spec("gta")
    stems = tuple(f"{i:05d}" for i in range(5))
    stats = ClassStats(stems, np.arange(95).reshape(5, 19) * 1000)
    write_class_stats(spec, tmp_path, "train", stats)
    parsed = read_class_stats(spec, tmp_path, "train")
    with monkeypatch.context() as no_json:
        no_json.setattr(class_stats, "_parse", None)
        kept = read_class_stats(spec, tmp_path, "train")
    for one in (parsed, kept):
        assert one.stems == stems and one.counts.dtype == np.int64
        np.testing.assert_array_equal(one.counts, stats.counts)
    write_class_stats(spec, tmp_path, "train", ClassStats(stems[:4], stats.counts[:4]))
    assert read_class_stats(spec, tmp_path, "train").stems == stems[:4]
    narrow = dataclasses.replace(spec, include="0000[12]")
    assert read_class_stats(narrow, tmp_path, "train").stems == stems[1:3]
