"""The commands `inspect-data` and `make-fields`: what they print, write and return."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daformer_lib import cli, files
from daformer_lib.cli import data
from daformer_lib.data.drawn.fields import FieldCounts
from daformer_lib.specs import load_spec

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


@pytest.mark.parametrize("workers", ["0", "-2"])
def test_converting_takes_a_process_at_least(workers, capsys):
    assert cli.main(["convert", "gta", "--workers", workers]) == 2
    assert f"workers {workers} must be at least 1" in capsys.readouterr().err
