"""Paths by patterns: of stems, and of scenes and frames; what is wrong with one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daformer_lib.specs import get_spec
from daformer_lib.specs.patterns import compiled, fill, joined, pieces, stem_of
from tests.helpers.three_classes import THREE_CLASSES

WHOLE = "x/{split}/{stem}_l.png"
PARTED = "{scene}/frames/rgb/rgb_{frame}.jpg"


@pytest.mark.parametrize(
    ("pattern", "stem", "path"),
    [(WHOLE, "a", "x/val/a_l.png"), (WHOLE, "ulm/a", "x/val/ulm/a_l.png"),
     (PARTED, "Scene01/clone/00001", "Scene01/clone/frames/rgb/rgb_00001.jpg"),
     ("y/{split}/{scene}/{frame}.png", "s/1", "y/val/s/1.png")],
)  # fmt: skip
def test_a_stem_becomes_a_path_and_again_a_stem(pattern, stem, path):
    assert fill(pattern, "val", stem) == path == joined(pieces(pattern, "val"), stem)
    regex, ending = compiled(pattern, "val")
    assert stem_of(regex.fullmatch(path)) == stem and path.endswith(ending)


def test_other_folders_and_files_do_not_fit():
    regex, _ = compiled(PARTED, "train")
    for path in ("S/frames/depth/rgb_1.jpg", "S/frames/rgb/rgb_1.png", "frames/rgb/rgb_1.jpg",
                 "S/frames/rgb/rgb_1/2.jpg"):  # fmt: skip
        assert regex.fullmatch(path) is None, path


def test_a_message_without_a_scene_can_be_read():
    path = get_spec("vkitti2").image_path("data", "train", "<name>")
    assert str(path) == "data/vkitti2/<scene>/frames/rgb/Camera_0/rgb_<name>.jpg"


@pytest.mark.parametrize(
    ("pattern", "says"),
    [("{split}/{scene}/{stem}.png", "needs {stem} once"),
     ("{split}/{frame}.png", "needs {stem} once"),
     ("{split}/{frame}/{scene}.png", "needs {stem} once"),
     ("{split}/{scenes}/{frame}.png", r"holds \['scenes'\]; only {split} and {stem}, or {scene}"),
     ("{split}/{scene}/.x/{frame}.png", "names hidden files")],
)  # fmt: skip
def test_a_wrong_pattern_is_refused_in_a_sentence(pattern, says):
    with pytest.raises(ValueError, match=says):
        replace(THREE_CLASSES, image_pattern=pattern)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"label_colours": {7: (0, 0, 0)}}, "label_colours is for files of colours"),
     ({"label_encoding": "palette", "label_colours": {7: (1, 2, 3), 8: (1, 2, 3)}},
      r"gives two ids the colour \[1, 2, 3\]; give each its own"),
     ({"label_encoding": "palette", "label_colours": {7: (1, 2, 256)}},
      r"label_colours holds \[1, 2, 256\]; a colour is three numbers")],
)  # fmt: skip
def test_colours_that_contradict_themselves(change, says):
    with pytest.raises(ValueError, match=says):
        replace(THREE_CLASSES, **change)
