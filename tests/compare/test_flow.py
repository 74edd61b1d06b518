"""Which class became which."""

import numpy as np
import pytest

from daformer_lib.compare import open_comparison
from daformer_lib.compare.flow import Flow, flow, flow_counts

BEFORE = np.array([[0, 0, 1, 1, 255, 2]], np.uint8)
AFTER = np.array([[1, 0, 0, 1, 2, 2]], np.uint8)
TRUTH = np.array([[1, 0, 1, 1, 2, 255]], np.uint8)


def test_moves_with_what_they_gained_and_lost():
    found = Flow(("a", 1), ("b", 1), flow_counts(BEFORE, AFTER, TRUTH, 3))
    assert found.table[0].tolist() == [1, 1, 0, 0] and found.table[3].tolist() == [0, 0, 1, 0]
    assert found.changed == pytest.approx(3 / 6)
    moves = {(m.before, m.after): m for m in found.moves()}
    assert set(moves) == {(0, 1), (1, 0), (3, 2)}
    assert (moves[0, 1].gained, moves[0, 1].lost) == (1, 0)
    assert (moves[1, 0].gained, moves[1, 0].lost) == (0, 1)
    assert (moves[3, 2].gained, moves[3, 2].lost) == (1, 0)
    assert {(m.before, m.after) for m in found.moves(classes=[2])} == {(3, 2)}
    assert len(found.moves(most=1)) == 1
    assert found.of_truth(1)[0, 1] == 1


def test_without_truth_pixels_still_move():
    found = Flow(("a", 1), ("b", 1), flow_counts(BEFORE, AFTER, None, 3))
    assert found.changed == pytest.approx(0.5)
    assert all(m.gained == m.lost == 0 for m in found.moves())


def test_between_two_sources(scene, tiny):
    comparison = open_comparison(
        [scene / "bad", scene / "good"], spec=tiny, data_root=scene, split="val", ids="train"
    )
    found = flow(comparison, ("bad", 0), ("good", 0))
    assert found.changed == pytest.approx(12 / 32)
    assert sum(m.gained for m in found.moves()) == 2 * 12 * 48  # rows that only "bad" has wrong
    assert sum(m.lost for m in found.moves()) == 0
