"""Each public set on a made-up tree of its exact layout: found, checked, converted.

Trees, ids and colours are spelled out by hand, so that a wrong spec cannot hide behind itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.data.class_stats import read_class_stats
from daformer_lib.data.intake.check import check_split
from daformer_lib.data.intake.convert import convert
from daformer_lib.data.intake.inspect import inspect_split
from daformer_lib.specs import ABOUT, IGNORE, get_spec, load_spec, save_spec
from daformer_lib.specs.public.table import PUBLIC

SIZE = (48, 32)  # (width, height)


class Tree(NamedTuple):
    """One pair: files below the data root, what stands in the label, what must come out of it."""

    split: str
    image: str
    label: str
    own: list  # ids, or colours
    names: list[str | None]  # of classes; None is ignored
    beside: tuple[str, ...] = ()  # other files of the archive, which are not read
    kind: str = "id"  # of the label file: id, red8, colours


CARLA = ("train", "{}/rgb/000123.png", "{}/semantic/000123.png")
VEHICLE, ROAD_LINE = (0, 0, 142), (157, 234, 50)
FOGGY = "foggy_cityscapes/leftImg8bit_foggy/val/ulm/ulm_000000_000019_leftImg8bit_foggy_beta_"
FOGGY_LABEL = "foggy_cityscapes/gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png"


def carla(name: str, own: list, names: list, kind: str) -> Tree:
    split, image, label = CARLA
    return Tree(split, image.format(name), label.format(name), own, names, kind=kind)


TREES = {
    "camvid": Tree(
        "val", "camvid/val/0016E5_07959.png", "camvid/valannot/0016E5_07959.png", [0, 4, 10, 11],
        ["sky", "pavement", "bicyclist", None], ("camvid/val.txt",),
    ),
    "camvid32": Tree(
        "train", "camvid32/701_StillsRaw_full/0001TP_006690.png",
        "camvid32/LabeledApproved_full/0001TP_006690_L.png",
        [(64, 192, 128), (192, 192, 128), (64, 192, 0), (0, 0, 0)],
        ["parking block", "column pole", "wall", None], kind="colours",
    ),
    "kitti": Tree(
        "train", "kitti/training/image_2/000000_10.png", "kitti/training/semantic/000000_10.png",
        [7, 26, 33, 6], ["road", "car", "bicycle", None],
        ("kitti/training/instance/000000_10.png", "kitti/testing/image_2/000000_10.png"),
    ),
    "idd_lite": Tree(
        "train", "idd20k_lite/leftImg8bit/train/0/024541_image.jpg",
        "idd20k_lite/gtFine/train/0/024541_label.png", [0, 2, 6, 255],
        ["drivable", "living things", "sky", None],
        ("idd20k_lite/gtFine/train/0/024541_inst_label.png",),
    ),
    "vkitti2": Tree(
        "train", "vkitti2/Scene01/15-deg-left/frames/rgb/Camera_0/rgb_00001.jpg",
        "vkitti2/Scene01/15-deg-left/frames/classSegmentation/Camera_0/classgt_00001.png",
        [(210, 0, 200), (0, 139, 139), (80, 80, 80), (0, 0, 0)], ["terrain", "van", None, None],
        ("vkitti2/Scene01/15-deg-left/frames/rgb/Camera_1/rgb_00001.jpg",
         "vkitti2/Scene01/15-deg-left/frames/classSegmentation/Camera_1/classgt_00001.png",
         "vkitti2/Scene01/15-deg-left/colors.txt"), kind="colours",
    ),
    "carla13": carla("carla13", [7, 6, 10, 3], ["road", "road", "vehicle", None], "red8"),
    "carla13_colours": carla(
        "carla13_colours", [(190, 153, 153), ROAD_LINE, VEHICLE, (250, 170, 160)],
        ["fence", "road", "vehicle", None], "colours",
    ),
    "carla23": carla(
        "carla23", [7, 18, 22, 20], ["road", "traffic light", "terrain", None], "red8"
    ),
    "carla23_colours": carla(
        "carla23_colours", [(100, 40, 40), ROAD_LINE, (180, 165, 180), (170, 120, 50)],
        ["fence", "road", "guard rail", None], "colours",
    ),
    "carla29": carla("carla29", [1, 19, 24, 28], ["road", "bicycle", "road", None], "red8"),
    "carla29_colours": carla(
        "carla29_colours", [(128, 64, 128), (119, 11, 32), ROAD_LINE, (180, 165, 180)],
        ["road", "bicycle", "road", None], "colours",
    ),
    "synscapes": Tree(
        "train", "synscapes/img/rgb/25000.png", "synscapes/img/class/25000.png", [7, 33, 0, 29],
        ["road", "bicycle", None, None],
        ("synscapes/img/rgb-2k/25000.png", "synscapes/img/instance/25000.png"),
    ),
    "foggy_cityscapes": Tree(
        "val", f"{FOGGY}0.02.png", FOGGY_LABEL, [7, 33, 0, 29], ["road", "bicycle", None, None],
        (f"{FOGGY}0.01.png", f"{FOGGY}0.005.png"),
    ),
    "foggy_cityscapes_0.01": Tree(
        "val", f"{FOGGY}0.01.png", FOGGY_LABEL, [8, 11, 0, 29],
        ["sidewalk", "building", None, None], (f"{FOGGY}0.02.png",),
    ),
    "foggy_cityscapes_0.005": Tree(
        "val", f"{FOGGY}0.005.png", FOGGY_LABEL, [23, 24, 0, 29], ["sky", "person", None, None],
        (f"{FOGGY}0.02.png",),
    ),
}  # fmt: skip


def stripes(values: list) -> np.ndarray:
    """(32, 48) or (32, 48, 3) uint8 with one vertical stripe per id or colour."""
    row = np.repeat(np.array(values, np.uint8), SIZE[0] // len(values), axis=0)
    return row[None].repeat(SIZE[1], axis=0)


def write_tree(root: Path, tree: Tree) -> None:
    photo = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    own = stripes(tree.own)
    if tree.kind == "red8":  # as the camera sends it: blue, green and alpha say nothing
        own = np.stack([own, own * 0, own * 0], axis=-1)
    for path in (tree.image, *tree.beside):
        write = files.write_jpeg if path.endswith(".jpg") else files.write_png
        write(root / path, photo)
    files.write_png(root / tree.label, own)


def test_every_public_set_has_a_tree():
    assert set(TREES) == set(PUBLIC)


@pytest.mark.parametrize("name", TREES)
def test_a_set_is_found_checked_and_converted(tmp_path, name):
    tree, spec = TREES[name], get_spec(name)
    write_tree(tmp_path, tree)
    (stem,) = spec.stems(tmp_path, tree.split)
    assert spec.image_path(tmp_path, tree.split, stem) == tmp_path / tree.image
    for kept in (0, 1):  # a second time its results are neither labels nor images
        summary = convert(spec, tmp_path, tree.split)
        assert (summary.usable, summary.kept, summary.problems) == (1, kept, ()), summary.text()
    ids = files.read_gray(spec.train_id_path(tmp_path, tree.split, stem))
    wanted = [IGNORE if n is None else spec.classes.index(n) for n in tree.names]
    assert np.array_equal(ids, stripes(wanted))
    assert read_class_stats(spec, tmp_path, tree.split).stems == (stem,)
    problems = [
        p for p in check_split(spec, tmp_path, tree.split).problems if "are missing" not in p
    ]
    assert problems == []
    mistakes = inspect_split(spec, tmp_path, tree.split).mistakes
    assert not [m.what for m in mistakes if "colours" in m.what]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_set_survives_a_file_and_says_where_it_is_had(tmp_path, name):
    about = ABOUT[name]
    assert load_spec(save_spec(PUBLIC[name], tmp_path / "x.yaml")) == PUBLIC[name]
    assert about.title and about.licence and about.steps and about.facts
    assert about.address.startswith("http")


def test_camvids_scored_classes_are_among_the_32():
    """The 11 under their names of the 32, with the colours that SegNet left as they were."""
    eleven, all_32 = PUBLIC["camvid"], PUBLIC["camvid32"]
    names = {"pole": "column pole", "pavement": "sidewalk"}
    colours = dict(zip(all_32.classes, all_32.palette))
    for name, colour in zip(eleven.classes, eleven.palette):
        assert name == "pavement" or colours[names.get(name, name)] == colour


def test_labels_without_colour_and_16_bits_are_no_raw_tags(tmp_path):
    spec = get_spec("carla29")
    for pixels in (np.zeros((32, 48), np.uint8), np.zeros((32, 48, 3), np.uint16)):
        files.write_png(tmp_path / "carla29/rgb/a.png", np.zeros((32, 48, 3), np.uint8))
        files.write_png(tmp_path / "carla29/semantic/a.png", pixels)
        summary = convert(spec, tmp_path, "train")
        assert summary.usable == 0 and "not 8-bit colour" in summary.problems[0][1]
