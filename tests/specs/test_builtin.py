"""Each built-in data set on a tiny tree in its real layout and label encoding: found and converted.

The trees are spelled out by hand here, so that a wrong pattern cannot hide behind itself.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.data.class_stats import read_class_stats, stats_path
from daformer_lib.data.intake.check import check_split
from daformer_lib.data.intake.convert import convert
from daformer_lib.data.on_disk import label_stems
from daformer_lib.specs import IGNORE, SYNTHIA_16, get_spec, save_spec, scored_spec
from daformer_lib.specs.builtin import SPECS

SIZE = (48, 32)  # (width, height)
CITYSCAPES_NAMES = {name: i for i, name in enumerate(get_spec("cityscapes").classes)}
# name -> (split, image, label, kind of label file, own ids in it, train ids that must come out)
TREES = {
    "gta": (
        "train", "gta/images/00001.png", "gta/labels/00001.png", "palette",
        [7, 26, 0, 34], [0, 13, 255, 255],
    ),
    "synthia": (
        "train", "synthia/RGB/0000000.png", "synthia/GT/LABELS/0000000.png", "red16",
        [3, 8, 0, 22], [0, 13, 255, 255],
    ),
    "cityscapes": (
        "val", "cityscapes/leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png",
        "cityscapes/gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png", "id",
        [7, 33, 0, 29], [0, 18, 255, 255],
    ),
    "acdc": (
        "train", "acdc/rgb_anon/train/fog/GOPR0475/GOPR0475_frame_000041_rgb_anon.png",
        "acdc/gt/train/fog/GOPR0475/GOPR0475_frame_000041_gt_labelTrainIds.png", "id",
        [0, 18, 255, 5], [0, 18, 255, 5],
    ),
    "acdc_night": (
        "val", "acdc/rgb_anon/val/night/GOPR0356/GOPR0356_frame_000321_rgb_anon.png",
        "acdc/gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelTrainIds.png", "id",
        [0, 18, 255, 5], [0, 18, 255, 5],
    ),
    "darkzurich": (
        "val", "dark_zurich/rgb_anon/val/night/GOPR0356/GOPR0356_frame_000321_rgb_anon.png",
        "dark_zurich/gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelTrainIds.png", "id",
        [0, 18, 255, 5], [0, 18, 255, 5],
    ),
    "bdd100k": (
        "val", "bdd100k/images/10k/val/7d2f7975-e0c1c5a7.jpg",
        "bdd100k/labels/sem_seg/masks/val/7d2f7975-e0c1c5a7.png", "id",
        [0, 18, 255, 10], [0, 18, 255, 10],
    ),
    "mapillary": (
        "validation", "mapillary/validation/images/-0C1J9CvgFP4BTVLXNeNZA.jpg",
        "mapillary/validation/v1.2/labels/-0C1J9CvgFP4BTVLXNeNZA.png", "palette",
        [13, 22, 23, 65], [0, 12, 255, 255],
    ),
    "zerowaste_v1": (
        "train", "zerowaste-f/train/data/01_frame_000050.PNG",
        "zerowaste-f/train/sem_seg/01_frame_000050.PNG", "id", [0, 4, 2, 255], [0, 4, 2, 255],
    ),
    "zerowaste_v2": (
        "val", "zerowaste-v2-splits/val/data/frame_01.PNG",
        "zerowaste-v2-splits/val/sem_seg/frame_01.PNG", "id", [0, 1, 3, 255], [0, 1, 3, 255],
    ),
    "synthwaste_aug": (
        "train", "synthwaste-aug/data/00001.png", "synthwaste-aug/sem_seg/00001.png", "id",
        [0, 4, 5, 255], [0, 4, 0, 255],
    ),
}  # fmt: skip
# At full resolution: the same files.
TREES |= {f"{n}_hr": TREES[n] for n in ("gta", "synthia", "cityscapes", "acdc", "darkzurich")}


def stripes(ids: list[int]) -> np.ndarray:
    """(32, 48) with one vertical stripe per id."""
    return np.repeat(np.array(ids, np.uint8), SIZE[0] // len(ids))[None].repeat(SIZE[1], axis=0)


def write_tree(root: Path, image: str, label: str, kind: str, ids: list[int]) -> None:
    files.write_png(root / image, np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    own = stripes(ids)
    if kind == "palette":
        palette = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
        files.write_palette_png(root / label, own, palette)
    elif kind == "red16":
        wide = own.astype(np.uint16)
        files.write_png(root / label, np.stack([wide, wide + 300, wide * 0], axis=-1))
    else:
        files.write_png(root / label, own)


@pytest.mark.parametrize("name", TREES)
def test_its_own_layout_and_encoding(tmp_path, name):
    split, image, label, kind, own, expected = TREES[name]
    write_tree(tmp_path, image, label, kind, own)
    spec = get_spec(name)
    (stem,) = spec.stems(tmp_path, split)
    assert spec.image_path(tmp_path, split, stem) == tmp_path / image
    summary = convert(spec, tmp_path, split)
    assert summary.usable == 1, summary.text()
    ids = files.read_gray(spec.train_id_path(tmp_path, split, stem))
    assert np.array_equal(ids, stripes(expected))
    stats = read_class_stats(spec, tmp_path, split)
    assert stats.stems == (stem,) and stats.totals.sum() == np.count_nonzero(ids != IGNORE)
    assert convert(spec, tmp_path, split).usable == 1  # its results are not taken for labels
    problems = [
        p for p in check_split(spec, tmp_path, split).problems if "images are missing" not in p
    ]
    assert problems == []


def test_every_built_in_set_has_a_tree():
    parts = {name for name in SPECS if name.startswith(("mini", "acdc_"))}
    assert set(TREES) >= set(SPECS) - parts


def test_the_conditions_of_acdc_share_a_folder_and_nothing_else(tmp_path):
    for condition in ("fog", "night", "rain", "snow"):
        place = f"{condition}/GOPR0475/GOPR0475_frame_000041"
        write_tree(
            tmp_path, f"acdc/rgb_anon/train/{place}_rgb_anon.png",
            f"acdc/gt/train/{place}_gt_labelTrainIds.png", "id", [0, 1],
        )  # fmt: skip
    whole, fog, snow = (get_spec(name) for name in ("acdc", "acdc_fog", "acdc_snow"))
    convert(whole, tmp_path, "train")
    assert read_class_stats(snow, tmp_path, "train").stems == (
        "snow/GOPR0475/GOPR0475_frame_000041",
    )
    summary = convert(fog, tmp_path, "train")
    assert summary.usable == 1 and summary.problems == ()
    assert len(read_class_stats(whole, tmp_path, "train").stems) == 4
    assert stats_path(fog, tmp_path, "train") != stats_path(whole, tmp_path, "train")


def test_mapillary_maps_by_name():
    """Names of Vistas 1.2 beside the Cityscapes class that they become, for all ids that count."""
    vistas = {
        "road": [13, 24, 41], "sidewalk": [2, 15], "building": [17], "wall": [6], "fence": [3],
        "pole": [45, 47], "traffic light": [48], "traffic sign": [50], "vegetation": [30],
        "terrain": [29], "sky": [27], "person": [19], "rider": [20, 21, 22], "car": [55],
        "truck": [61], "bus": [54], "train": [58], "motorcycle": [57], "bicycle": [52],
    }  # fmt: skip
    assert get_spec("mapillary").id_map == {
        own: CITYSCAPES_NAMES[name] for name, ids in vistas.items() for own in ids
    }


def test_the_waste_sets_have_the_challenges_ids():
    for name in ("zerowaste_v1", "zerowaste_v2", "synthwaste_aug"):
        spec = get_spec(name)
        assert spec.classes == (
            "background", "rigid_plastic", "cardboard", "metal", "soft_plastic",
        )  # fmt: skip
        assert spec.things == (1, 2, 3, 4) and all(spec.id_map[i] == i for i in range(5))


def test_labels_beside_their_images_are_not_images(tmp_path):
    spec = dataclasses.replace(
        get_spec("zerowaste_v1"), name="mixed", folder="", image_pattern="{split}/im_{stem}.png",
        label_pattern="{split}/im_{stem}_mask.png", train_id_pattern="{split}/im_{stem}_ids.png",
    )  # fmt: skip
    for stem in ("a", "sub/b"):
        image = f"mixed/train/im_{stem}.png"
        write_tree(tmp_path, image, image.replace(".png", "_mask.png"), "id", [0, 4])
    for _ in range(2):  # before and after train ids lie there, too
        assert spec.stems(tmp_path, "train") == ["a", "sub/b"]
        assert label_stems(spec, tmp_path, "train") == ["a", "sub/b"]
        assert convert(spec, tmp_path, "train").usable == 2
        assert check_split(spec, tmp_path, "train").problems == ()


def test_a_network_is_scored_by_the_classes_that_its_source_has():
    for source in ("synthia", "minisynthia"):
        spec = scored_spec("cityscapes", source)
        assert spec.mean_ids == SYNTHIA_16 and spec.num_classes == 19
        assert [spec.classes[i] for i in spec.rare] == ["rider", "bus", "motorcycle", "bicycle"]
    assert scored_spec("cityscapes", "gta") == get_spec("cityscapes")
    assert scored_spec("cityscapes", "gta+synthia") == get_spec("cityscapes")  # GTA has them all
    assert scored_spec("cityscapes", "gta", "synthia").mean_ids == SYNTHIA_16  # two networks


def test_a_target_without_a_class_of_the_source_keeps_its_own_mean(tmp_path):
    city, path = get_spec("cityscapes"), tmp_path / "mine.yaml"
    save_spec(dataclasses.replace(city, name="mine", evaluated=(9, 14)), path)
    assert scored_spec(str(path), "synthia").mean_ids == (9, 14)
