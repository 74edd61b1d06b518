"""A run that goes on, or is complete, says so when its data are not those that it began with."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from daformer_lib import files
from daformer_lib.data.changes.run_data import FILE, fingerprints, note_data
from daformer_lib.data.intake.convert import convert
from daformer_lib.runs.batch import run_all
from daformer_lib.runs.folder import run_folder
from daformer_lib.specs import get_spec


@pytest.fixture
def own(smoke, smoke_data, tmp_path):
    """An experiment on a copy of the smoke data."""
    shutil.copytree(smoke_data, tmp_path / "data")
    return smoke(data={"data_root": str(tmp_path / "data")})


def edit_label(experiment, name, split):
    spec, root = get_spec(name), experiment.data.data_root
    path = spec.label_path(root, split, spec.stems(root, split)[0])
    if spec.label_encoding == "palette":
        files.write_palette_png(path, np.full((128, 256), 7), np.zeros((256, 3)))
    else:
        files.write_png(path, np.full((128, 256), 7, np.uint8))
    convert(spec, root, split)


def quiet(folder, experiment):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        note_data(folder, experiment)


def test_the_same_data_are_the_same_wherever_they_lie(own, smoke):
    found = fingerprints(own)
    assert found == fingerprints(smoke()) and len(found) == 4
    assert {text.rsplit(" ", 1)[0] for text in found.values()} == {"content"}
    assert list(found)[:2] == ["minigta/train", "minicityscapes/train"]


@pytest.mark.parametrize("place", [("minigta", "train"), ("minicityscapes", "val")])
def test_other_labels_are_said_once_the_run_has_begun(own, tmp_path, place):
    quiet(tmp_path, own)
    quiet(tmp_path, own)
    edit_label(own, *place)
    with pytest.warns(UserWarning, match=f"files of {'/'.join(place)} have changed.*it goes on"):
        note_data(tmp_path, own)
    files.write_json(tmp_path / "result.json", {})
    with pytest.warns(UserWarning, match="is complete, and its scores are of the files as they w"):
        note_data(tmp_path, own)


def test_images_that_were_never_converted_are_known_by_name_and_size(own, tmp_path):
    spec, root = get_spec("minicityscapes"), own.data.data_root
    for path in spec.root(root).glob(".conversion_train*"):
        path.unlink()
    quiet(tmp_path, own)
    convert(spec, root, "train")  # now more is known of the same images
    quiet(tmp_path, own)
    for path in spec.root(root).glob(".conversion_train*"):
        path.unlink()
    spec.image_path(root, "train", spec.stems(root, "train")[0]).unlink()
    with pytest.warns(UserWarning, match="files of minicityscapes/train have changed"):
        note_data(tmp_path, own)


def test_of_a_finished_run_of_an_earlier_version_nothing_is_claimed(own, tmp_path):
    files.write_json(tmp_path / "result.json", {})
    quiet(tmp_path, own)
    assert not (tmp_path / FILE).exists()


def test_data_that_are_away_are_no_other_data(own, tmp_path):
    quiet(tmp_path, own)
    shutil.rmtree(own.data.data_root)
    quiet(tmp_path, own)


def test_a_study_says_it_of_finished_runs(own, tmp_path):
    folder = Path(run_folder(own, tmp_path / "runs"))
    files.write_json(folder / "config.json", own.to_dict())
    quiet(folder, own)
    files.write_json(folder / "result.json", {})
    edit_label(own, "minicityscapes", "test")
    with pytest.warns(UserWarning, match="minicityscapes/test have changed since the run in"):
        run_all([own], tmp_path / "runs", begun=note_data)
