"""Common classes of different label sets: which meet which, and the specs made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.data.intake.convert import convert, train_ids
from daformer_lib.specs import IGNORE, SPECS, get_spec, load_spec
from daformer_lib.specs.common import (
    BROADER,
    SAME,
    Common,
    common_classes,
    term,
    with_common,
    write_common,
)
from tests.helpers.three_classes import THREE_CLASSES


def members(source: str, target: str) -> dict[str, tuple[list[str], list[str]]]:
    """Common class -> the source's and the target's classes in it; "" is what is ignored."""
    specs = (get_spec(source), get_spec(target))
    common = common_classes(specs[:1], specs[1])

    def of(i: int | None) -> tuple[list[str], ...]:
        pairs = zip(specs, common.ids)
        return tuple([n for n, k in zip(s.classes, ids) if k == i] for s, ids in pairs)

    return {name: of(i) for i, name in enumerate(common.classes)} | {"": of(None)}


def test_camvid_in_the_seven_classes_of_idd():
    found = members("camvid", "idd_lite")
    assert list(found)[:3] == ["drivable", "non drivable", "living things"]
    assert found["living things"] == (["pedestrian", "bicyclist"], ["living things"])
    assert found["far objects"] == (["building", "tree"], ["far objects"])
    assert found["roadside objects"][0] == ["pole", "sign symbol", "fence"]
    assert found[""] == ([], [])


def test_a_broad_class_of_the_source_takes_in_the_targets_finer_ones():
    found = members("carla13", "cityscapes")
    assert found["vehicle"] == (
        ["vehicle"], ["car", "truck", "bus", "train", "motorcycle", "bicycle"],
    )  # fmt: skip
    assert found[""] == ([], ["traffic light", "terrain", "sky", "rider"])


def test_names_of_other_sets_and_what_has_no_counterpart():
    found = members("carla23", "camvid")
    assert found["sidewalk"] == (["sidewalk"], ["pavement"])
    assert found["vegetation"] == (["vegetation"], ["tree"])
    assert found["person"] == (["pedestrian"], ["pedestrian"])
    assert found[""] == (["wall", "guard rail", "traffic light", "terrain"], ["bicyclist"])


def test_equal_classes_stay_as_they_are():
    cityscapes = get_spec("cityscapes")
    common = common_classes([get_spec("carla29")], cityscapes)
    assert common.classes == cityscapes.classes
    assert common.ids == (tuple(range(19)),) * 2


def test_the_mapping_has_no_circle_and_names_nothing_twice():
    assert not set(SAME) & {name.lower() for name in BROADER}
    for name in BROADER:
        way = [name]
        while way[-1] in BROADER:
            way.append(BROADER[way[-1]])
            assert len(set(way)) == len(way)


@pytest.mark.parametrize("name", ["Column_Pole", "column-pole", " column  POLE "])
def test_spellings_of_a_name(name):
    assert term(name) == "pole"


def test_sets_without_two_common_classes_are_refused():
    with pytest.raises(ValueError, match="zerowaste_v1 and cityscapes have 0 classes in common"):
        common_classes([get_spec("zerowaste_v1")], get_spec("cityscapes"))


def test_several_sources_need_not_share_among_themselves():
    common = common_classes([get_spec("camvid"), get_spec("vkitti2")], get_spec("cityscapes"))
    assert {"sidewalk", "terrain"} <= set(common.classes)  # of one source each
    assert common.ids[1][get_spec("vkitti2").classes.index("terrain")] is not None


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_set_with_cityscapes_as_files(tmp_path, name):
    source, target = get_spec(name), get_spec("cityscapes")
    if name.startswith(("zerowaste", "synthwaste")):
        return
    common = common_classes([source], target)
    made = with_common(source, common.ids[0], common, target)
    assert made.classes == common.classes and made.root("d") == source.root("d")
    assert made.train_id_pattern not in (source.train_id_pattern, source.label_pattern)
    (path,), aim = write_common([source], target, tmp_path)
    assert load_spec(path) == made and load_spec(aim).classes == common.classes
    assert set(made.id_map.values()) <= set(range(len(common.classes)))


def test_colour_files_of_a_palette_set_keep_their_classes(tmp_path):
    """GTA's labels that some program saved as colours: the palette's colours, not the new one's."""
    gta = get_spec("gta")
    common = common_classes([gta], get_spec("camvid"))
    made = with_common(gta, common.ids[0], common, get_spec("camvid"))
    row = [gta.palette[gta.classes.index(n)] for n in ("sky", "road", "bus", "person")]
    path = files.write_png(tmp_path / "l.png", np.array([row], np.uint8).repeat(4, axis=0))
    wanted = [common.classes.index(n) for n in ("sky", "road")] + [IGNORE]
    wanted.append(common.classes.index("person"))
    assert train_ids(made, path)[0].tolist() == wanted


def test_what_counts_and_what_is_a_thing_follow_the_target():
    target = replace(get_spec("cityscapes"), evaluated=(0, 13, 14), rare=(14,))
    common = common_classes([get_spec("carla13")], target)
    made = with_common(target, common.ids[1], common, target)
    vehicle = common.classes.index("vehicle")
    assert made.evaluated == tuple(sorted((common.classes.index("road"), vehicle)))
    assert made.rare == (vehicle,) and vehicle in made.things


def test_own_and_common_train_ids_lie_side_by_side(tmp_path):
    own = replace(THREE_CLASSES, image_pattern="i/{stem}.png", label_pattern="l/{stem}.png",
                  train_id_pattern="t/{stem}.png", splits=("train",))  # fmt: skip
    label = np.array([7, 8, 11, 0], np.uint8).repeat(12)[None].repeat(32, axis=0)
    files.write_png(own.image_path(tmp_path, "train", "a"), np.zeros((32, 48, 3), np.uint8))
    files.write_png(own.label_path(tmp_path, "train", "a"), label)
    common = Common(("road", "building"), ((0, None, 1), (0, None, 1)))
    made = load_spec(Path(write_common([own], own, tmp_path)[1]))  # all three meet themselves
    assert made.classes == own.classes
    two = with_common(own, common.ids[0], common, own)
    for spec, wanted in ((own, [0, 1, 2, 255]), (two, [0, 255, 1, 255])):
        assert convert(spec, tmp_path, "train").usable == 1
        ids = files.read_gray(spec.train_id_path(tmp_path, "train", "a"))
        assert ids[0, ::12].tolist() == wanted
