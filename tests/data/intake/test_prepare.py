"""What commands do before they use a data set: labels up to date, and what stands against it."""

from __future__ import annotations

import dataclasses
import os
import warnings

import numpy as np
import pytest

from daformer_lib import cli, files
from daformer_lib.data.changes.conversion_record import record_path
from daformer_lib.data.class_stats import read_class_stats
from daformer_lib.data.intake.convert import convert
from daformer_lib.data.intake.prepare import bring_up_to_date, prepare
from daformer_lib.runs import recipes
from daformer_lib.specs import load_spec
from daformer_lib.train import train

TEXT = """\
name: own
classes: [ground, box, ball]
palette: [[60, 90, 140], [40, 160, 60], [200, 50, 50]]
things: [2]
id_map: {0: 0, 1: 1, 2: 2}
image_pattern: "{split}/img/{stem}.png"
label_pattern: "{split}/lab/{stem}.png"
train_id_pattern: "{split}/ids/{stem}.png"
splits: [train, val]
size: [64, 32]
"""
PIXELS = 32 * 64


def write_labels(root, split, *values):
    for stem, value in zip("abcd", values):
        path = load_spec(root / "own.yaml").label_path(root, split, stem)
        files.write_png(path, np.full((32, 64), value, np.uint8))


@pytest.fixture
def root(tmp_path):
    """A spec's file, and two pairs in each of its splits, not converted."""
    (tmp_path / "own.yaml").write_text(TEXT)
    spec = load_spec(tmp_path / "own.yaml")
    for split in spec.splits:
        write_labels(tmp_path, split, 0, 1)
        for i, stem in enumerate("ab"):
            image = np.random.default_rng(i).integers(0, 255, (32, 64, 3), np.uint8)
            files.write_png(spec.image_path(tmp_path, split, stem), image)
    return tmp_path


@pytest.fixture
def experiment(root):
    path = str(root / "own.yaml")
    return recipes.experiment("source_only", "smoke", 0, path, path).changed(
        data={"data_root": str(root), "crop": (32, 64)}, train={"steps": 2, "snapshot_every": 0}
    )


def totals(root, split="train"):
    return read_class_stats(load_spec(root / "own.yaml"), root, split).totals.tolist()


def test_training_never_sees_labels_of_yesterday(root, experiment):
    prepare(experiment.data, "smoke")
    write_labels(root, "train", 2, 2)
    write_labels(root, "val", 1, 2)
    prepare(experiment.data, "smoke")
    assert totals(root) == [0, 0, 2 * PIXELS] and totals(root, "val") == [0, PIXELS, PIXELS]
    (root / "own.yaml").write_text(TEXT.replace("2: 2}", "2: 0}"))
    prepare(experiment.data, "smoke")
    assert totals(root) == [2 * PIXELS, 0, 0]


def test_label_files_that_are_gone_leave_what_was_made_of_them(root):
    spec = load_spec(root / "own.yaml")
    convert(spec, root, "train")
    for path in (root / "own" / "train" / "lab").iterdir():
        path.unlink()
    with pytest.warns(
        UserWarning, match="label files of own/train are gone: the train ids .* used"
    ):
        bring_up_to_date(spec, root, "train", must=True)
    other = dataclasses.replace(spec, id_map={0: 1, 1: 0, 2: 2})
    with pytest.raises(FileNotFoundError, match="no labels of own/train"):
        bring_up_to_date(other, root, "train", must=True)


def test_where_nothing_can_be_recorded_times_decide(root, monkeypatch):
    """Converted by others, on a disk that is read only: believed unless a label is newer."""
    spec = load_spec(root / "own.yaml")
    convert(spec, root, "train")
    record_path(spec, root, "train").unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.warns(UserWarning, match="cannot be written to, so .* --recheck compares them all"):
        bring_up_to_date(spec, root, "train")
    assert not record_path(spec, root, "train").exists()
    label = spec.label_path(root, "train", "a")
    later = spec.train_id_path(root, "train", "a").stat().st_mtime_ns + 10**9
    os.utime(label, ns=(later, later))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bring_up_to_date(spec, root, "train")
    assert record_path(spec, root, "train").is_file()


COMMANDS = {
    "inspect-data": ["own.yaml", "--data-root", "."],
    "prepare-cache": ["--datasets", "own.yaml", "--data-root", "."],
    "train": ["--row", "source_only", "--profile", "smoke", "--data-root", ".",
              "--source", "own.yaml", "--target", "own.yaml"],
    "study": ["--rows", "source_only", "--profile", "smoke", "--data-root", ".",
              "--source", "own.yaml", "--target", "own.yaml"],
}  # fmt: skip


class Done(Exception):
    """The labels were looked at; what comes after is not of interest."""


@pytest.mark.parametrize("options", [[], ["--recheck"]], ids=["", "recheck"])
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_look_for_changes_first(root, monkeypatch, command, options):
    asked = []

    def look(spec, data_root, split, *rest, recheck=False):
        asked.append(recheck or (rest[-1] if len(rest) > 2 else False))
        raise Done

    for module in ("prepare", "inspect"):
        monkeypatch.setattr(f"daformer_lib.data.intake.{module}.convert", look)
    monkeypatch.chdir(root)
    with pytest.raises(Done):
        cli.main([command, *COMMANDS[command], *options])
    assert asked == [bool(options)]


def test_check_data_takes_recheck(root, monkeypatch, capsys):
    spec = load_spec(root / "own.yaml")
    for split in spec.splits:
        convert(spec, root, split)
    words = ["check-data", "--datasets", str(root / "own.yaml"), "--data-root", str(root)]
    assert cli.main(words) == cli.main([*words, "--recheck"]) == 0
    write_labels(root, "val", 2, 2)
    assert cli.main(words) == 1
    assert "2 pairs have changed since they were converted" in capsys.readouterr().out


@pytest.mark.notebook
def test_scores_are_of_the_labels_as_they_are(root, experiment, tmp_path, capsys):
    """`evaluate` and `compare` after `val` was edited: the truth, and so the scores, are others."""
    prepare(experiment.data, "smoke")
    run = train(experiment.changed(train={"snapshot_every": 2}), tmp_path / "run")
    said = []
    for values in ((0, 0), (1, 1)):
        write_labels(root, "val", *values)
        assert cli.main(["evaluate", "--run", str(run.folder), "--split", "val"]) == 0
        words = ["compare", str(run.folder), "--output-dir", str(tmp_path / "out")]
        assert cli.main([*words, "--images", "0"]) == 0
        said.append(capsys.readouterr().out)
        assert totals(root, "val")[values[0]] == 2 * PIXELS
    assert said[0] != said[1]
