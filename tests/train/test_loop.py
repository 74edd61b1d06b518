"""The training loop at smoke size: it learns, resumes to the bit, and says what went wrong."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from daformer_lib.runs import Run
from daformer_lib.train import train
from daformer_lib.train.step import Diverged, check_finite


def weights(run, which="student"):
    return run.student_weights() if which == "student" else run.teacher_weights()


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.numeric
@pytest.mark.notebook  # not in make check: takes seconds
def test_stop_and_resume_is_exact(smoke, tmp_path):
    whole = train(smoke(), tmp_path / "whole")
    # Stop off the checkpoint grid and off the logging grid.
    train(smoke(), tmp_path / "parts", stop_after=7)
    assert not Run(tmp_path / "parts").is_complete
    parts = train(smoke(), tmp_path / "parts")
    for which in ("student", "teacher"):
        assert_same(weights(whole, which), weights(parts, which))
    for name, column in whole.metrics().items():
        np.testing.assert_array_equal(column, parts.metrics()[name])
    assert whole.snapshot_steps() == parts.snapshot_steps() == [6, 12]
    for step in whole.snapshot_steps():
        a, b = whole.snapshot(step), parts.snapshot(step)
        np.testing.assert_array_equal(a.teacher_label, b.teacher_label)
        np.testing.assert_array_equal(a.confidence, b.confidence)
    assert [e.to_dict() for e in whole.evaluations] == [e.to_dict() for e in parts.evaluations]


@pytest.mark.notebook  # not in make check: takes seconds
def test_same_seed_same_weights_whatever_the_workers_and_folder(smoke, tmp_path):
    one = train(smoke(train={"steps": 3}), tmp_path / "one")
    two = train(smoke(train={"steps": 3}, data={"workers": 1}), tmp_path / "two")
    other = train(smoke(train={"steps": 3, "seed": 1}), tmp_path / "other")
    assert_same(weights(one), weights(two))
    assert any(not torch.equal(v, weights(other)[k]) for k, v in weights(one).items())


@pytest.mark.parametrize("row", ["source_only", "oracle"])
def test_runs_without_a_teacher(smoke, tmp_path, row):
    run = train(smoke(row, train={"steps": 2}), tmp_path / row)
    assert {e.model for e in run.evaluations} == {"student"}
    assert run.snapshot(2).teacher_label is None
    with pytest.raises(KeyError, match="no teacher"):
        run.teacher_weights()


@pytest.mark.numeric
@pytest.mark.notebook  # not in make check: takes seconds
def test_it_learns(smoke, tmp_path):
    """60 steps on 24 scenes: the loss falls by half and road, sky and building are found."""
    changes = {
        "train": {"steps": 60, "eval_every": 60, "log_every": 10},
        "optim": {"warmup_steps": 6},
    }
    run = train(smoke("source_only", **changes), tmp_path / "run")
    loss = run.metrics()["source"]
    assert loss[-1] < 0.5 * loss[0]
    assert run.final("student", "val").miou() > 0.08  # one class everywhere would give 0.02


def test_a_complete_run_is_not_trained_again(smoke, tmp_path):
    experiment = smoke(train={"steps": 1})
    train(experiment, tmp_path / "run")
    stamp = (tmp_path / "run" / "checkpoints" / "last.pt").stat().st_mtime_ns
    train(experiment, tmp_path / "run")
    assert (tmp_path / "run" / "checkpoints" / "last.pt").stat().st_mtime_ns == stamp


def test_a_folder_holds_one_run(smoke, tmp_path):
    train(smoke(train={"steps": 1}), tmp_path / "run")
    with pytest.raises(ValueError, match="holds another run"):
        train(smoke(train={"steps": 1, "seed": 3}), tmp_path / "run")


def test_a_bad_loss_names_step_part_and_files(smoke):
    from daformer_lib.batch import TrainBatch

    batch = TrainBatch(None, None, ("00007", "altdorf_1"))
    losses = {"source": torch.tensor(1.0), "fd": torch.tensor(float("nan"))}
    told = r"step 41: the fd loss is nan, with 00007, altdorf_1; the moon\. .* intact"
    with pytest.raises(Diverged, match=told):
        check_finite(losses, 41, batch, lambda: "the moon")


def test_divergence_keeps_the_last_checkpoint(smoke, tmp_path):
    experiment = smoke(train={"checkpoint_every": 1}, optim={"lr": 1e30, "warmup_steps": 2})
    with pytest.raises(Diverged, match="last checkpoint is intact"):
        train(experiment, tmp_path / "run")
    assert np.isfinite(Run(tmp_path / "run")._checkpoint()["step"])


def test_a_target_without_labels_is_watched_but_not_scored(tmp_path, smoke):
    whole, bare = Path(smoke().data.data_root), tmp_path / "data"
    shutil.copytree(whole / "minigta", bare / "minigta")
    without = shutil.ignore_patterns("gtFine", "sample_class_stats_*")
    shutil.copytree(whole / "minicityscapes", bare / "minicityscapes", ignore=without)
    experiment = smoke(
        "self_training",
        data={"data_root": str(bare)},
        train={"steps": 2, "snapshot_every": 1, "eval_every": 1},
    )
    with pytest.warns(UserWarning, match="no labels in val: not scored, only watched"):
        run = train(experiment, tmp_path / "run")
    assert run.is_complete and run.evaluations == [] and run.result["miou"] == {}
    assert run.snapshot_steps() == [1, 2]
    seen = run.snapshot(2)
    assert seen.student_confidence.shape == seen.teacher_label.shape == (2, 128, 256)
