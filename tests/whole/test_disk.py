"""A full disk, a place that cannot be written, data that vanish: a clear end, nothing lost."""

import errno
import shutil
import subprocess

import pytest

from daformer_lib import cli, files
from daformer_lib.files import write_json
from daformer_lib.runs import Run
from daformer_lib.runs.checkpoint_files import newest_checkpoint
from daformer_lib.train import train

SHORT = {"steps": 3, "log_every": 1, "eval_every": 9, "checkpoint_every": 1, "snapshot_every": 0}


def run_of(smoke, folder, **data):
    experiment = smoke("source_only", train=SHORT | {"final_splits": ("val",)}, data=data)
    write_json(folder / "config.json", experiment.to_dict())
    return experiment


def command(folder):
    return cli.main(["train-run", "--folder", str(folder)])


class Full:
    """A file on a disk that takes a few bytes and no more."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, data):
        self.file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.notebook  # not in make check: takes seconds
def test_a_full_disk_keeps_the_last_checkpoint(smoke, tmp_path, monkeypatch, capsys):
    experiment = run_of(smoke, tmp_path / "run")
    checkpoints = []

    def full(path, mode):
        file = open(path, mode)  # noqa: SIM115 - write_atomic closes it
        checkpoints.append("last.pt" in str(path))
        return Full(file) if sum(checkpoints) == 2 and checkpoints[-1] else file

    monkeypatch.setattr(files, "open", full, raising=False)
    assert command(tmp_path / "run") == 2
    printed = capsys.readouterr().err
    assert "last.pt" in printed and "space left" in printed and "Traceback" not in printed
    assert newest_checkpoint(tmp_path / "run")["step"] == 1
    assert not list(tmp_path.rglob("*.part"))
    monkeypatch.undo()
    assert train(experiment, tmp_path / "run").is_complete


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_place_that_cannot_be_written(smoke, tmp_path, monkeypatch, capsys, number):
    run_of(smoke, tmp_path / "run")

    def refuse(path, mode):
        raise OSError(number, "refused", str(path))

    monkeypatch.setattr(files, "open", refuse, raising=False)
    assert command(tmp_path / "run") == 2
    printed = capsys.readouterr().err
    assert str(tmp_path / "run") in printed and "Traceback" not in printed
    assert ".part" not in printed, "the reader knows the file by its own name"
    assert not (tmp_path / "run" / "checkpoints" / "last.pt").exists()


@pytest.mark.notebook  # not in make check: takes seconds
@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.notebook)])
def test_data_that_vanish(smoke, smoke_data, tmp_path, monkeypatch, capsys, workers):
    root = tmp_path / "data"
    shutil.copytree(smoke_data, root)
    data = {"data_root": str(root), "cache_bytes": 0, "workers": workers}
    experiment = run_of(smoke, tmp_path / "run", **data)
    images = root / "minigta" / "images"
    train(experiment, tmp_path / "run", stop_after=1)
    images.rename(images.with_name("elsewhere"))
    assert command(tmp_path / "run") == 2
    printed = capsys.readouterr().err
    assert "error: " in printed and str(images) in printed and "is gone" in printed
    assert "Traceback" not in printed and len(printed.strip().splitlines()) == 1
    assert newest_checkpoint(tmp_path / "run")["step"] == 1
    images.with_name("elsewhere").rename(images)
    assert train(experiment, tmp_path / "run").is_complete


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 32 MB, where the system lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.notebook
def test_a_small_disk_fills_up_and_becomes_read_only(smoke, small_disk, capsys):
    """Three checkpoints do not fit: the third write is the one that fails."""
    run_of(smoke, small_disk / "run")
    assert command(small_disk / "run") == 2
    printed = capsys.readouterr().err
    assert "last.pt" in printed and "space left" in printed
    step = newest_checkpoint(small_disk / "run")["step"]
    assert step == 2 and not Run(small_disk / "run").is_complete
    assert not list(small_disk.rglob("*.part"))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert command(small_disk / "run") == 2
    assert str(small_disk) in capsys.readouterr().err
    assert newest_checkpoint(small_disk / "run")["step"] == step
