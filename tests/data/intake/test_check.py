"""check-data: what is there, what is missing, and the remedy, on small trees in real layouts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from daformer_lib import cli
from daformer_lib.data.intake import check as module
from daformer_lib.data.intake.check import EXPECTED, Expected, check_data, check_split
from daformer_lib.data.intake.convert import convert
from daformer_lib.files import write_png
from daformer_lib.specs import SPECS, get_spec


@pytest.fixture
def four_expected(monkeypatch):
    """As if GTA had four images, and Cityscapes four, two and two."""
    cityscapes = {"train": Expected(4), "val": Expected(2), "test": Expected(2, labelled=False)}
    small = {"gta": {"train": Expected(4)}, "cityscapes": cityscapes}
    monkeypatch.setattr(module, "EXPECTED", {**EXPECTED, **small})


def test_the_published_numbers():
    numbers = {name: {s: e.images for s, e in of.items()} for name, of in EXPECTED.items()}
    assert numbers["gta"] == {"train": 24_966} and numbers["synthia"] == {"train": 9_400}
    assert numbers["cityscapes"] == {"train": 2_975, "val": 500, "test": 1_525}
    assert all(set(of) == set(SPECS[name].splits) for name, of in numbers.items())


def test_nothing_there_names_the_place_and_the_page(tmp_path):
    (found,) = check_data(get_spec("gta"), tmp_path)
    assert not found.ok and found.images == 0
    assert "expected files like" in found.problems[0]
    assert str(tmp_path / "gta" / "images" / "<name>.png") in found.problems[0]
    assert "docs/start/real-data.md" in found.problems[0]
    assert found.row() == ("gta/train", "0 of 24,966", "0", "0", "none")


@pytest.mark.parametrize("name", ["gta", "synthia", "cityscapes", "acdc"])
def test_a_part_of_a_set_counts_what_is_missing(tmp_path, name, tiny):
    spec = tiny.make(tmp_path, name, count=3)
    found = check_split(spec, tmp_path, "train")
    missing = EXPECTED[name]["train"].images - 3
    assert any(f"{missing:,} images are missing" in problem for problem in found.problems)
    assert (found.images, found.labels) == (3, 3)


@pytest.mark.parametrize("name", ["gta", "cityscapes"])
def test_conversion_is_asked_for_by_command_and_then_all_is_well(
    tmp_path, name, tiny, four_expected
):
    spec = tiny.make(tmp_path, name, count=4)
    before = check_split(spec, tmp_path, "train")
    command = f"python data_scripts/convert_{name}.py --data-root {tmp_path}"
    assert len(before.problems) == 2 and all(command in p for p in before.problems)
    assert "4 labels are not converted" in before.problems[0]
    assert "sample_class_stats_train.json" in before.problems[1]
    convert(spec, tmp_path, "train")
    after = check_split(spec, tmp_path, "train")
    assert after.ok and after.row() == (f"{name}/train", "4 of 4", "4", "4", "4 pairs")


def test_a_missing_label_is_named(tmp_path, tiny, four_expected):
    spec = tiny.make(tmp_path, "gta", count=4)
    spec.label_path(tmp_path, "train", "00002").unlink()
    convert(spec, tmp_path, "train")
    found = check_split(spec, tmp_path, "train")
    assert len(found.problems) == 1
    assert "1 images have no label" in found.problems[0] and "00002.png" in found.problems[0]


def test_files_that_are_not_read_are_named_and_a_label_without_image_is_too(tmp_path, tiny, capsys):
    spec = tiny.make(tmp_path, "minigta", count=3)
    convert(spec, tmp_path, "train")
    arguments = ["check-data", "--datasets", "minigta", "--data-root", str(tmp_path)]
    folder = tmp_path / "minigta" / "images"
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "00001.png").rename(folder / "00001.PNG")
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert "not read: 1 hidden or system files (images/.ipynb_checkpoints/)" in said
    assert "read: 1 files whose names the patterns spell otherwise (images/00001.PNG)" in said
    (folder / "00002.png").rename(folder / "00002.jpg")
    assert cli.main(arguments) == 1
    said = capsys.readouterr().out
    assert "1 images with another ending than the pattern's (images/00002.jpg)" in said
    assert "1 labels have no image (first: " in said and "00002.png" in said


def test_statistics_older_than_the_files_are_noticed(tmp_path, tiny, four_expected):
    spec = tiny.make(tmp_path, "gta", count=3)
    convert(spec, tmp_path, "train")
    tiny.make(tmp_path, "gta", count=4)
    problems = check_split(spec, tmp_path, "train").problems
    assert "1 labels are not converted" in problems[0]
    assert "the statistics list 3 pairs, on disk are 4" in problems[1]


def test_more_than_expected_is_a_problem_too(tmp_path, tiny, four_expected):
    spec = tiny.make(tmp_path, "gta", count=5)
    convert(spec, tmp_path, "train")
    assert "1 images too many" in check_split(spec, tmp_path, "train").problems[0]


def test_dark_zurich_is_trained_on_at_night_only(tmp_path, tiny):
    spec = get_spec("darkzurich")
    for stem in ("night/GOPR0351/b", "night/GOPR0351/a", "day/GOPR0345/c", "twilight/GOPR0348/d"):
        image = spec.image_path(tmp_path, "train", stem)
        write_png(image, np.zeros((4, 8, 3), np.uint8))
    assert spec.stems(tmp_path, "train") == ["night/GOPR0351/a", "night/GOPR0351/b"]


def test_splits_without_published_labels_need_none(tmp_path, tiny, four_expected):
    spec = tiny.make(tmp_path, "cityscapes", "test", count=2)
    for path in (tmp_path / "cityscapes" / "gtFine").rglob("*.png"):
        path.unlink()
    found = check_split(spec, tmp_path, "test")
    assert found.ok and found.row()[2] == "not needed"


@pytest.mark.parametrize(
    ("name", "folder"),
    [("gta", "01_images/images"), ("acdc", "rgb_anon/fog/train/GOPR0475")],
)
def test_a_wrong_folder_is_pointed_at(tmp_path, name, folder, tiny):
    spec = tiny.make(tmp_path / "right", name, count=1)
    image = spec.image_path(tmp_path / "right", "train", tiny.stems(spec, 1)[0])
    wrong = tmp_path / spec.root("") / folder / image.name
    wrong.parent.mkdir(parents=True)
    image.rename(wrong)
    found = check_split(spec, tmp_path, "train")
    assert found.images == 0 and str(wrong) in found.problems[1]


def test_images_of_another_split_are_not_misplaced(tmp_path, tiny):
    spec = tiny.make(tmp_path, "cityscapes", "train", count=1)
    assert len(check_split(spec, tmp_path, "val").problems) == 1


def test_any_number_of_drawn_images_will_do(tmp_path, tiny):
    spec = tiny.make(tmp_path, "minigta", count=2)
    convert(spec, tmp_path, "train")
    (found,) = check_data(spec, tmp_path)
    assert found.ok and found.row()[1] == "2"


def test_label_files_that_are_train_ids_count_as_converted(tmp_path, tiny):
    spec = tiny.make(tmp_path, "acdc", "val", count=2)
    convert(dataclasses.replace(spec, id_map={}), tmp_path, "val")
    found = check_split(spec, tmp_path, "val")
    assert (found.labels, found.converted, found.listed) == (2, 2, 2)


def test_the_command_says_it_all_and_its_status_is_the_answer(
    tmp_path, capsys, tiny, four_expected
):
    spec = tiny.make(tmp_path, "gta", count=4)
    arguments = ["check-data", "--datasets", "gta", "--data-root", str(tmp_path)]
    assert cli.main(arguments) == 1
    said = capsys.readouterr().out
    assert "gta/train" in said and "convert_gta.py" in said
    convert(spec, tmp_path, "train")
    assert cli.main(arguments) == 0
    assert "all there" in capsys.readouterr().out
    assert cli.main([*arguments[:2], "gat"]) == 2
    assert "unknown data set 'gat'" in capsys.readouterr().err
