"""Stopped and started again, a run is the run that was never stopped: every file, every tensor."""

import functools
import signal
import warnings

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from daformer_lib import cli
from daformer_lib.files import write_json
from daformer_lib.runs import Run, batch, recipes
from daformer_lib.runs.checkpoint_files import DamagedCheckpoint, newest_checkpoint
from daformer_lib.stopping import Stopped
from daformer_lib.train import train

SHORT = {
    "steps": 5, "log_every": 2, "eval_every": 2, "checkpoint_every": 2, "snapshot_every": 2,
    "snapshot_images": 1, "final_splits": ("val",),
}  # fmt: skip


def assert_same(a, b, place="checkpoint"):
    """Two checkpoints, all the way down; only the time that was spent may differ."""
    assert type(a) is type(b), place
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b), place
    elif isinstance(a, dict):
        assert list(a) == list(b), place
        for key in a.keys() - {"seconds"}:
            assert_same(a[key], b[key], f"{place}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), place
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{place}/{i}")
    else:
        assert a == b, place


def assert_same_run(whole, other):
    """Checkpoints, logs without a row too many or too few, evaluations, snapshots, TensorBoard."""
    assert_same(whole._checkpoint(), other._checkpoint())
    for name in ("metrics.csv", "evals.json"):
        assert (whole.folder / name).read_bytes() == (other.folder / name).read_bytes(), name
    assert whole.snapshot_steps() == other.snapshot_steps()
    for step in whole.snapshot_steps():
        a, b = whole.snapshot(step), other.snapshot(step)
        assert a.stems == b.stems
        for name in ("student_label", "teacher_label", "confidence"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert board(whole) == board(other)
    assert whole.is_complete and other.is_complete
    assert not (other.folder / "checkpoints" / "previous.pt").exists()


def board(run):
    """What TensorBoard shows: (step, value) of every curve."""
    events = EventAccumulator(str(run.folder / "tb"))
    events.Reload()
    return {
        tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


@pytest.fixture(scope="module")
def undisturbed(smoke_data, tmp_path_factory):
    """undisturbed(row): the run that was never stopped, trained once."""

    @functools.cache
    def make(row="daformer"):
        experiment = recipes.experiment(row, "smoke", data_root=str(smoke_data))
        return train(experiment.changed(train=SHORT), tmp_path_factory.mktemp(row))

    return make


def test_the_comparison_finds_one_changed_number():
    state = {"a": [{"b": torch.zeros(3)}], "seconds": 1.0}
    other = {"a": [{"b": torch.tensor([0.0, 0.0, 1e-45])}], "seconds": 2.0}
    assert_same(state, state | {"seconds": 3.0})
    with pytest.raises(AssertionError, match="checkpoint/a/0/b"):
        assert_same(state, other)


@pytest.mark.numeric
@pytest.mark.notebook
@pytest.mark.parametrize("row", ["daformer", "source_only"])
def test_the_whole_state_is_the_same(smoke, undisturbed, tmp_path, row):
    """Stopped between two checkpoints and two rows of the log."""
    train(smoke(row, train=SHORT), tmp_path / "parts", stop_after=3)
    assert_same_run(undisturbed(row), train(smoke(row, train=SHORT), tmp_path / "parts"))


@pytest.mark.notebook  # not in make check: takes seconds
def test_tensorboard_shows_every_step_whatever_the_old_file_is_called(smoke, undisturbed, tmp_path):
    """Files are read by name; two starts within a second may be named the wrong way round."""
    train(smoke("source_only", train=SHORT), tmp_path / "parts", stop_after=3)
    (old,) = (tmp_path / "parts" / "tb").glob("events*")
    old.rename(old.with_name("events.out.tfevents.9999999999.later"))
    resumed = train(smoke("source_only", train=SHORT), tmp_path / "parts")
    assert board(resumed) == board(undisturbed("source_only"))


@pytest.mark.notebook  # starts loader processes
@pytest.mark.parametrize("row", ["self_training", "rcs", "oracle", "cnn_self_training"])
def test_the_whole_state_is_the_same_with_workers(smoke, undisturbed, tmp_path, row):
    """None, two and one of them, and another folder."""
    train(smoke(row, train=SHORT, data={"workers": 2}), tmp_path / "elsewhere", stop_after=1)
    resumed = train(smoke(row, train=SHORT, data={"workers": 1}), tmp_path / "elsewhere")
    assert_same_run(undisturbed(row), resumed)


RARELY = SHORT | {"checkpoint_every": 5}


@pytest.mark.notebook  # not in make check: takes seconds
def test_a_signal_ends_the_step_and_saves(smoke, undisturbed, tmp_path):
    before = signal.getsignal(signal.SIGTERM)

    def ask(done, total, label):
        if done == 2:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped, match=r"SIGTERM: step 3 of 5 is saved"):
        train(smoke("source_only", train=RARELY), tmp_path / "parts", report=ask)
    assert signal.getsignal(signal.SIGTERM) is before
    resumed = train(smoke("source_only", train=RARELY), tmp_path / "parts")
    assert_same_run(undisturbed("source_only"), resumed)


def test_the_same_signal_twice_ends_at_once(smoke, tmp_path):
    def ask(done, total, label):
        if done == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Stopped, match="came twice"):
        train(smoke("source_only", train=RARELY), tmp_path / "run", report=ask)
    assert not Run(tmp_path / "run").is_complete


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_command_line_says_how_to_go_on(smoke, tmp_path, monkeypatch, capsys, number, status):
    write_json(tmp_path / "run" / "config.json", smoke("source_only", train=RARELY).to_dict())

    def ask(folder):
        return lambda done, total, label: done == 1 and signal.raise_signal(number)

    monkeypatch.setattr(batch, "progress_file", ask)
    assert cli.main(["train-run", "--folder", str(tmp_path / "run")]) == status
    printed = capsys.readouterr().err
    assert "step 2 of 5 is saved" in printed and "the same command goes on" in printed


@pytest.fixture(scope="module")
def stopped(smoke_data, tmp_path_factory):
    """A run with two checkpoints, of steps 2 and 3."""
    folder = tmp_path_factory.mktemp("stopped")
    experiment = recipes.experiment("source_only", "smoke", data_root=str(smoke_data))
    train(experiment.changed(train=SHORT), folder, stop_after=3)
    return folder


def cut(data):
    return data[: len(data) // 2]


def flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, flipped, lambda data: b"", lambda data: bytes(len(data))])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(stopped, tmp_path, damage):
    copy_of(stopped, tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last.pt"
    assert newest_checkpoint(tmp_path / "run")["step"] == 3
    last.write_bytes(damage(last.read_bytes()))
    with pytest.warns(UserWarning, match=r"last\.pt (is|holds) .*previous\.pt is used instead"):
        assert newest_checkpoint(tmp_path / "run")["step"] == 2


def copy_of(folder, place):
    for path in folder.rglob("*"):
        if path.is_file():
            target = place / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())


@pytest.mark.notebook  # not in make check: takes seconds
def test_going_on_from_the_one_before_ends_the_same(smoke, undisturbed, stopped, tmp_path):
    copy_of(stopped, tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last.pt"
    last.write_bytes(cut(last.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        resumed = train(smoke("source_only", train=SHORT), tmp_path / "run")
    assert_same_run(undisturbed("source_only"), resumed)


def test_two_damaged_checkpoints_are_said_in_a_line(stopped, tmp_path, capsys):
    copy_of(stopped, tmp_path / "run")
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(DamagedCheckpoint, match=r"previous\.pt is cut short"):
        newest_checkpoint(tmp_path / "run")
    assert cli.main(["train-run", "--folder", str(tmp_path / "run")]) == 2
    assert "train it again" in capsys.readouterr().err


def test_a_missing_last_checkpoint_is_one_being_replaced(stopped, tmp_path):
    copy_of(stopped, tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "last.pt").unlink()
    assert newest_checkpoint(tmp_path / "run")["step"] == 2
