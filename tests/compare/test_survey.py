"""One pass: tallies, lines per image, the order of images, evolution."""

from dataclasses import replace

import numpy as np
import pytest

from daformer_lib.compare import evolution, open_comparison, ranking, survey
from daformer_lib.compare.survey import ImageRow, Survey
from daformer_lib.files import write_png


@pytest.fixture
def comparison(scene, tiny):
    folders = [scene / "good", scene / "bad"]
    return open_comparison(folders, spec=tiny, data_root=scene, split="val", ids="train")


def test_survey_counts_all_images(comparison):
    seen = []
    found = survey(comparison, report=lambda *said: seen.append(said))
    assert found.tallies["good"].pixels == 2 * 32 * 48 and len(seen) == 2
    assert found.tallies["good"].error == pytest.approx(4 / 32)
    assert found.tallies["bad"].error == pytest.approx(16 / 32)
    assert found.disagreement == pytest.approx(12 / 32) == found.apart[0, 1]
    assert found.images[0].error == pytest.approx((4 / 32, 16 / 32))
    assert found.tallies["bad"].weight(0.9) == pytest.approx(0.5)


def test_class_error_counts_missed_and_claimed(comparison):
    view = comparison.view("town/a")
    row = survey(comparison).images[0]
    for c in range(3):
        apart = (view.labels[1] == c) != (view.truth == c)
        assert row.class_error[1, c] == pytest.approx(apart.mean())


def row(stem, disagreement, error, of_class):
    return ImageRow(stem, disagreement, (error,), np.array([[of_class]]))


def test_images_are_sorted_by_what_is_asked():
    nan = float("nan")
    rows = (row("b", 0.1, 0.5, nan), row("a", 0.3, 0.2, 0.1), row("c", 0.2, nan, 0.4))
    found = Survey(0, {}, rows, np.zeros((1, 1)))
    assert ranking(found, "name") == ["a", "b", "c"]
    assert ranking(found) == ["a", "c", "b"]
    assert ranking(found, "error") == ["b", "a", "c"]
    assert ranking(found, "class error", 0) == ["c", "a", "b"]
    with pytest.raises(ValueError, match="needs a class"):
        ranking(found, "class error")


def test_without_truth_disagreement_remains(comparison, tmp_path):
    blind = replace(comparison, ground=None)
    found = survey(blind)
    assert found.disagreement == pytest.approx(12 / 32)
    assert np.isnan(found.images[0].error[0]) and not found.tallies["good"].has_truth


def test_evolution_has_a_tally_per_step(scene, tiny):
    for step, wrong in ((10, 32), (20, 0)):
        for name in ("a", "b"):
            truth = open_comparison(
                [scene / "good"], spec=tiny, data_root=scene, split="val", ids="train"
            ).truth(f"town/{name}")
            label = truth.copy()
            label[:wrong] = (label[:wrong] + 1) % 3
            write_png(scene / "steps" / f"step_{step}" / f"{name}.png", label)
    comparison = open_comparison(
        [scene / "steps", scene / "good"], spec=tiny, data_root=scene, split="val", ids="train"
    )
    errors = {step: tally.error for step, tally in evolution(comparison, "steps").items()}
    assert errors == {10: 1.0, 20: 0.0}
    assert list(evolution(comparison, "good")) == [0]
