"""The tables that the command line prints."""

import numpy as np

from daformer_lib.compare import Survey, Tally, count_predictions, survey
from daformer_lib.compare.views.tables import class_wins_table, scores_table, verdict


def test_scores_and_wins(opened):
    comparison = opened()
    found = survey(comparison)
    rows = scores_table(found, comparison.spec, 0.968).rows
    assert [row[0] for row in rows] == list(comparison.names)
    assert rows[0][2] == "13.3" and rows[1][2] == "40.0"  # 4 and 12 of 30 rows with truth
    table = class_wins_table(found, comparison.spec, 0.968)
    assert {row[0] for row in table.rows} <= set(comparison.spec.classes)
    assert all(row[-1].startswith(comparison.names[0] + " +") for row in table.rows)
    assert verdict(found, comparison.spec).startswith(f"{comparison.names[0]} leads with")


def test_without_truth_nobody_wins(opened, tmp_path):
    comparison = opened(data_root=tmp_path)
    found = survey(comparison)
    assert scores_table(found, comparison.spec, 0.9).rows[0][1] == "–"
    assert "Without truth nobody wins; the sources differ at 25.0 %" in verdict(
        found, comparison.spec
    )


def test_without_confidence_no_coverage(opened):
    comparison = opened("plain")
    found = survey(comparison)
    row = class_wins_table(found, comparison.spec, 0.9).rows[0]
    assert row[1].endswith("/ –") and row[2] == "–"
    assert "alone, on 2 images" in verdict(found, comparison.spec)


def test_who_leads_is_asked_over_the_classes_that_occur(named):
    """ "bold" is right more often, but claims a class that is nowhere true: 0 in its own mIoU."""
    truth = np.array([[0, 0, 0, 0, 1, 1, 1, 1]], np.uint8)
    said = {
        "bold": np.array([[0, 0, 0, 2, 1, 1, 1, 1]], np.uint8),  # IoU 3/4, 1 and 0
        "shy": np.array([[0, 0, 0, 1, 0, 1, 1, 1]], np.uint8),  # IoU 3/5, 3/5
    }
    tallies = {name: Tally(3) for name in said}
    for name, label in said.items():
        tallies[name].add(count_predictions(truth, label, None, 3))
    found = Survey(0, tallies, (), np.zeros((2, 2)))
    rows = scores_table(found, named, 0.9).rows
    assert [row[1] for row in rows] == ["58.3", "60.0"]
    text = verdict(found, named)
    assert text.startswith("bold leads with 87.5 mIoU over the 2 classes that occur")
    assert "27.5 points before shy" in text
    assert text.endswith("so 0 in a mean that counts them: </script>building (bold).")


def test_equal_sources_are_level(named):
    label = np.array([[0, 0, 1, 1]], np.uint8)
    tallies = {name: Tally(3) for name in ("one", "other")}
    for tally in tallies.values():
        tally.add(count_predictions(label, label, None, 3))
    text = verdict(Survey(0, tallies, (), np.zeros((2, 2))), named)
    assert text == "one and other are level: 100.0 mIoU over the 2 classes that occur on 0 images."
