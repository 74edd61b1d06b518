"""The commands `data`, `inspect-data`, `make-fields`: what they print, write and return."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.cli import data
from daformer_lib.data.drawn.fields import FieldCounts
from daformer_lib.specs import ABOUT, get_spec, load_spec

TEXT = """\
name: fields
classes: [soil, crop]
palette: [[120, 90, 60], [60, 140, 50]]
things: []
id_map: {0: 0, 255: 1}
image_pattern: "{split}/{stem}.jpg"
label_pattern: "{split}/{stem}_mask.png"
train_id_pattern: "{split}/{stem}_ids.png"
splits: [train, val]
size: [64, 32]
"""


@pytest.fixture
def spec_file(tmp_path):
    path = tmp_path / "fields.yaml"
    path.write_text(TEXT)
    spec = load_spec(path)
    label = np.repeat(np.array([0, 255], np.uint8), 32)[None].repeat(32, axis=0)
    for split, stems in (("train", "abc"), ("val", "d")):
        for stem in stems:
            files.write_png(spec.image_path(tmp_path, split, stem), np.zeros((32, 64, 3), np.uint8))
            files.write_png(spec.label_path(tmp_path, split, stem), label)
    return path


def run(path, *splits: str) -> int:
    root = path.parent
    return data.inspect_data(str(path), root, splits, (64, 64), output_dir=root / "out")


def test_all_is_well(spec_file, capsys):
    assert run(spec_file) == 0
    text = capsys.readouterr().out
    assert "fields/train: 3 images, 3 labels, 3 pairs" in text and "fields/val: 1 images" in text
    assert "image sizes: 64x32 (3)" in text and "trained at 64x32" in text
    assert "255 -> 1 crop" in text and "50.00%" in text
    assert "more than 3 px on 64x32 (rcs_min_pixels; 3000 on 1914x1052)" in text
    assert "more than 23 px of 64x64 (rcs_min_crop_pixels; 1500 on 512x512)" in text
    assert "crop                     most soil 100%, least soil 100%" in text
    assert text.count("nothing looks wrong") == 2
    sheets = sorted(path.name for path in (spec_file.parent / "out").iterdir())
    assert sheets == ["fields-train.png", "fields-val.png"]


def test_a_mistake_has_its_remedy_and_status_1(spec_file, capsys):
    spec_file.write_text(TEXT.replace("255: 1", "1: 1"))
    assert run(spec_file, "train") == 1
    text = capsys.readouterr().out
    assert "! the label files hold 0 and 255" in text
    assert "-> write id_map: {0: 0, 255: 1}" in text
    assert "fields/val" not in text


def test_a_target_without_training_labels_is_well(spec_file, capsys):
    for stem in "abc":
        load_spec(spec_file).label_path(spec_file.parent, "train", stem).unlink()
    assert run(spec_file) == 0
    text = capsys.readouterr().out
    assert "no labels: expected files like" in text and text.count("nothing looks wrong") == 2


def test_a_set_that_is_not_there(tmp_path, capsys):
    path = tmp_path / "fields.yaml"
    path.write_text(TEXT)
    assert run(path) == 1
    text = capsys.readouterr().out
    assert "fields/train: 0 images, 0 labels" in text and "no images: expected files like" in text
    assert f"Mend {path} or move the files" in text


def test_make_fields_draws_and_names_the_spec_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("daformer_lib.data.intake.prepare.SMOKE_FIELDS", FieldCounts(1, 1, 1))
    data.make_fields(str(tmp_path), "smoke")
    written = [line.removeprefix("wrote ") for line in capsys.readouterr().out.splitlines()]
    files = [Path(line) for line in written if line.endswith(".yaml")]
    assert len(files) == 4 and all(path.is_file() for path in files)
    assert data.inspect_data(str(files[0]), tmp_path, output_dir=tmp_path) == 0


def test_all_bad_labels_are_listed_and_the_next_split_is_looked_at(spec_file, capsys):
    spec, root = load_spec(spec_file), spec_file.parent
    for i in range(15):
        files.write_png(spec.image_path(root, "train", f"x{i}"), np.zeros((32, 64, 3), np.uint8))
        files.write_png(spec.label_path(root, "train", f"x{i}"), np.zeros((32, 64), np.uint16))
    assert run(spec_file) == 1
    text = capsys.readouterr().out
    assert "... and 5 more" in text and "fields/val: 1 images" in text
    listed = (root / "out" / "fields-train.txt").read_text()
    assert all(f"skipped x{i}: broken label: " in listed for i in range(15))
    assert f"all of them: {root / 'out' / 'fields-train.txt'}" in text
    sheets = sorted(path.name for path in (root / "out").glob("*.png"))
    assert sheets == ["fields-train.png", "fields-val.png"]


def write_camvid(root: Path, splits: tuple[str, ...] = ("train", "val", "test")) -> None:
    spec = get_spec("camvid")
    label = np.repeat(np.array([3, 8, 11, 0], np.uint8), 16)[None].repeat(48, axis=0)
    for number, split in enumerate(splits):
        small = np.random.default_rng(number).integers(0, 256, (4, 6, 3), dtype=np.uint8)
        photo = np.kron(small, np.ones((12, 11, 1), np.uint8))[:, :64]  # (48, 64, 3)
        files.write_png(spec.image_path(root, split, f"{split}_0"), photo)
        files.write_png(spec.label_path(root, split, f"{split}_0"), label)


def test_data_says_how_a_set_that_is_not_there_is_had(tmp_path, capsys):
    assert data.public_data(("camvid",), tmp_path) == 1
    text = capsys.readouterr().out
    assert "images 0 of 367" in text and ABOUT["camvid"].address in text
    assert f"here:  {tmp_path / 'camvid'}" in text
    assert "nothing is fetched" in text and list(tmp_path.iterdir()) == []


def test_data_converts_what_is_there_and_asks_for_the_rest(tmp_path, capsys):
    write_camvid(tmp_path)
    assert data.public_data(("camvid",), tmp_path) == 1
    text = capsys.readouterr().out
    assert "camvid/train: 1 usable pairs (1 converted" in text and "366 images are missing" in text
    assert "how to get it" in text
    assert "camvid: no image of val repeats one of train (1 of 1 images of val looked at)" in text
    spec = get_spec("camvid")
    ids = files.read_gray(spec.train_id_path(tmp_path, "train", "train_0"))
    assert ids[0, ::16].tolist() == [3, 8, 255, 0]


def test_data_names_an_example_of_frames_that_repeat(tmp_path, capsys):
    write_camvid(tmp_path)
    spec = get_spec("camvid")
    again = spec.image_path(tmp_path, "train", "train_0").read_bytes()
    spec.image_path(tmp_path, "val", "val_0").write_bytes(again)
    data.public_data(("camvid",), tmp_path)
    text = capsys.readouterr().out
    assert "1 nearly repeat one of train (1 of 1 images of val looked at), such as val_0" in text
    assert data.public_data(("camvid",), tmp_path, repeats=0) == 1
    assert "repeat" not in capsys.readouterr().out


def test_data_is_satisfied_with_a_whole_set(tmp_path, capsys, monkeypatch):
    write_camvid(tmp_path)
    counts = {split: data.check.Expected(1) for split in ("train", "val", "test")}
    monkeypatch.setitem(data.check.EXPECTED, "camvid", counts)
    assert data.public_data(("camvid",), tmp_path) == 0
    assert "how to get it" not in capsys.readouterr().out


def test_data_lists_what_is_known_and_refuses_what_is_not(capsys):
    assert data.public_data() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(ABOUT) and lines[0].startswith("camvid ")
    with pytest.raises(KeyError, match=r"unknown data set 'camvit'.*did you mean camvid"):
        data.public_data(("camvit",))
    with pytest.raises(ValueError, match="workers 0 must be at least 1"):
        data.public_data(("camvid",), workers=0)


def test_data_prints_what_two_sets_share(tmp_path, capsys):
    write_camvid(tmp_path)
    data.public_data(("camvid",), tmp_path)
    capsys.readouterr()
    assert data.public_data(("carla13", "camvid"), tmp_path, "common") == 0
    text = capsys.readouterr().out
    assert "sidewalk" in text and "pavement" in text
    lost = next(line for line in text.splitlines() if line.startswith("pixels lost"))
    assert lost.endswith("33.3%")  # the sky, one of three labelled stripes
    assert "--source carla13 --target camvid --classes common" in text and "no val" not in text
    data.public_data(("vkitti2", "kitti"), tmp_path, "common")
    assert "kitti has no val split" in capsys.readouterr().out
    with pytest.raises(ValueError, match="needs a source and a target, 1 sets are named"):
        data.public_data(("camvid",), tmp_path, "common")
