"""The colour-blind-safe palette and the learners' do what their names say."""

import numpy as np
import pytest

from daformer_lib.specs import CITYSCAPES
from daformer_lib.viz.safe_colours import (
    as_seen,
    for_learners,
    least_distance,
    palettes,
    safe_palette,
)


def test_colours_stay_apart_for_all_eyes():
    safe, own = least_distance(safe_palette(19)), least_distance(CITYSCAPES.palette)
    assert own < 4 and safe > 12
    assert len(set(safe_palette(19))) == 19


def test_a_longer_palette_begins_with_the_shorter():
    assert safe_palette(12)[:5] == safe_palette(5)


def test_grey_looks_the_same_to_everybody():
    grey = np.array([[120, 120, 120]])
    for sight in ("protanopia", "deuteranopia", "tritanopia"):
        np.testing.assert_allclose(as_seen(grey, sight), as_seen(grey, "usual"), atol=0.5)


def test_red_and_green_come_together_for_a_deuteranope():
    pair = np.array([[200, 60, 60], [110, 110, 40]])

    def apart(sight):
        return np.linalg.norm(np.subtract(*as_seen(pair, sight)))

    assert apart("deuteranopia") < apart("usual") / 2


def test_the_menu_has_both():
    assert list(palettes(CITYSCAPES)) == ["data set", "colour-blind safe"]
    assert palettes(CITYSCAPES)["data set"] == CITYSCAPES.palette
    assert least_distance([(0, 0, 0), (0, 0, 1)]) == pytest.approx(0, abs=1.5)


def test_a_learner_tells_vehicles_apart_and_from_all_others():
    learners = for_learners(CITYSCAPES)
    colours, classes = np.array(learners.palette), learners.classes
    vehicles = [classes.index(name) for name in ("car", "truck", "bus", "train")]
    assert least_distance(colours[vehicles]) > 30  # also for colour-blind eyes
    apart = as_seen(colours, "usual")
    apart = np.linalg.norm(apart[:, None] - apart[None], axis=-1) + 1e6 * np.eye(len(colours))
    assert apart[vehicles].min() > 30
    own = np.array(CITYSCAPES.palette)
    assert least_distance(own[vehicles]) < 20  # why there is another palette
    others = [i for i in range(len(classes)) if i not in vehicles]
    assert (colours[others] == own[others]).all()
