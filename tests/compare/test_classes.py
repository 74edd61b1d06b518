"""The per-class table against hand-made counts, and who wins."""

import numpy as np
import pytest

from daformer_lib.compare.classes import class_table, wins
from daformer_lib.compare.tally import Tally, count_predictions

TRUTH = np.array([0, 0, 0, 0, 1, 1, 255, 2], np.uint8)[None]
LABEL = np.array([0, 0, 0, 1, 1, 0, 1, 255], np.uint8)[None]
SURE = np.array([250, 250, 100, 250, 250, 250, 250, 250], np.uint8)[None]


def tally(truth=TRUTH, label=LABEL, sure=SURE, classes=4):
    made = Tally(classes, sure is not None)
    made.add(count_predictions(truth, label, sure, classes))
    return made


def test_table_by_hand():
    table = class_table(tally(), 0.968)
    assert table.iou[0] == pytest.approx(3 / 5)  # hit 3, missed 1, claimed 1
    assert table.precision[0] == pytest.approx(3 / 4)
    assert table.recall[0] == pytest.approx(3 / 4)
    assert table.coverage[0] == pytest.approx(3 / 4)  # one of four lies under the threshold
    assert table.sure_precision[0] == pytest.approx(2 / 3)
    assert table.predicted[1] == pytest.approx(3 / 8)  # the pixel without truth too
    assert table.iou[2] == 0 and table.recall[2] == 0 and np.isnan(table.precision[2])
    assert np.isnan(table.iou[3])  # nowhere
    assert table.miou() == pytest.approx((3 / 5 + 1 / 3 + 0) / 3)


def test_without_truth_coverage_remains():
    table = class_table(tally(truth=None))
    assert np.isnan(table.iou).all() and np.isnan(table.recall).all() and np.isnan(table.miou())
    assert table.coverage[0] == pytest.approx(3 / 4)


def test_without_confidence_iou_remains():
    table = class_table(tally(sure=None))
    assert np.isnan(table.coverage).all() and table.iou[0] == pytest.approx(3 / 5)


def test_wins_name_the_best_and_its_lead():
    right = tally(label=TRUTH)
    tables = {"a": class_table(tally()), "b": class_table(right)}
    found = {win.class_id: win for win in wins(tables)}
    assert set(found) == {0, 1, 2}
    assert (found[0].winner, found[0].second) == ("b", "a")
    assert found[0].lead == pytest.approx(1 - 3 / 5) and found[0].iou == 1
    leads = [win.lead for win in wins(tables)]
    assert leads == sorted(leads, reverse=True)


def test_a_tie_has_no_lead():
    assert {w.lead for w in wins({"a": class_table(tally()), "b": class_table(tally())})} == {0.0}
