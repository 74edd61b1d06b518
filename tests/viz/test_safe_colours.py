"""The colour-blind-safe palette and the learners' do what their names say."""

import numpy as np
import pytest

from daformer_lib.specs import CITYSCAPES
from daformer_lib.viz.safe_colours import (
    THEMES,
    as_seen,
    for_learners,
    least_distance,
    palettes,
    safe_palette,
    seen_on,
    theme_css,
)
from daformer_lib.viz.style import (
    KIND_COLOURS,
    MARK_CONTRAST,
    OTHER_COLOURS,
    RUN_COLOURS,
    TEXT_CONTRAST,
    contrast,
)

GROUNDS = ("ground", "soft", "warn", "best")  # what text stands on


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


@pytest.mark.parametrize("theme", THEMES)
def test_pages_are_readable_in_both_themes(theme):
    colours = THEMES[theme]
    for text in ("ink", "muted", "accent", "bad"):
        for ground in GROUNDS:
            found = contrast(colours[text], colours[ground])
            assert found >= TEXT_CONTRAST, f"{text} on {ground}: {found:.2f}"
    for mark in ("mark", "edge", "accent", "bad"):
        for ground in ("ground", "soft"):
            assert contrast(colours[mark], colours[ground]) >= MARK_CONTRAST, (mark, ground)
    assert set(colours) == {"ink", "muted", "accent", "bad", "mark", "edge", "line", *GROUNDS}


@pytest.mark.parametrize("theme", THEMES)
def test_every_run_is_seen_in_both_themes(theme):
    ground, soft = (THEMES[theme][name] for name in ("ground", "soft"))
    for colour in {*RUN_COLOURS.values(), *OTHER_COLOURS, *KIND_COLOURS.values(), "#444444"}:
        seen = seen_on(colour, soft)
        assert contrast(seen, soft) >= MARK_CONTRAST and contrast(seen, ground) >= MARK_CONTRAST, (
            colour
        )
        if contrast(colour, soft) >= MARK_CONTRAST:
            assert seen == colour  # changed only where it must be


def test_the_themes_as_css_hold_every_colour():
    css = theme_css({"run-0": "#333a42"})
    light, dark = css.splitlines()
    assert "--run-0: #333a42;" in light and "--run-0: #333a42;" not in dark
    assert dark.startswith("@media (prefers-color-scheme: dark)")
    assert all(f"--{name}: {value};" in dark for name, value in THEMES["dark"].items())


def test_no_shade_is_refused_in_words():
    with pytest.raises(ValueError, match="no shade of #808080 has a contrast of 12 on #777777"):
        seen_on("#808080", "#777777", 12)
