"""The tables that the command line prints."""

from daformer_lib.compare import survey
from daformer_lib.compare_views.tables import class_wins_table, scores_table, verdict


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
