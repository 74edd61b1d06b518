"""Killed at any moment, a training goes on from its last checkpoint and ends in the same state."""

import os
import random
import shutil
import signal
import time

import pytest
import torch

from daformer_lib.data.intake.prepare import prepare
from daformer_lib.files import write_json
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.folder import run_folder
from daformer_lib.train import train
from tests.helpers import killing
from tests.whole.test_resume import assert_same_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KILLS = 25


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    changes = {"steps": 16, "log_every": 3, "checkpoint_every": 1, "eval_every": 8}
    changes |= {"snapshot_every": 8, "snapshot_images": 1, "final_splits": ("val",)}
    found = recipes.experiment("daformer", "smoke", data_root=str(root)).changed(train=changes)
    prepare(found.data, "smoke")
    return found


@pytest.fixture(scope="module")
def whole(experiment, tmp_path_factory):
    return train(experiment, tmp_path_factory.mktemp("whole"))


def test_killed_at_25_random_moments(experiment, whole, tmp_path):
    rng = random.Random(0)
    begun = time.monotonic()
    assert killing.end(killing.start(killing.training, experiment, tmp_path / "timed")) == 0
    longest = time.monotonic() - begun  # on this machine, now: so kills hit the start and the steps
    kills = runs = 0
    seen = set()
    while kills < KILLS:
        folder, runs = tmp_path / str(runs), runs + 1
        while not (folder / "result.json").exists():
            begun, process = time.monotonic(), killing.start(killing.training, experiment, folder)
            if kills < KILLS:
                process.join(rng.uniform(0.0, longest))  # or until it ends: too late for a kill
                took, in_time = time.monotonic() - begun, killing.killed(process)
                kills, longest = kills + in_time, longest if in_time else took
                seen.add((folder / "checkpoints" / "last.pt").exists())
            else:
                assert killing.end(process) == 0
        assert_same_run(whole, Run(folder))
        assert not list(folder.rglob("*.part"))
    assert True in seen, "no kill came after a checkpoint"


@pytest.mark.parametrize("where", ["half", "synced", "renamed"])
def test_killed_while_a_checkpoint_is_written(experiment, whole, tmp_path, where):
    """Half of the data written; all of it, but not renamed; the old one already out of the way."""
    folder, flag = tmp_path / "run", tmp_path / "flag"
    process = killing.start(killing.training_that_rests, experiment, folder, where, 3, flag)
    killing.wait_until(flag.exists)
    assert killing.killed(process)
    assert list(folder.rglob("*.part")), "the kill did not land inside the writing"
    assert Run(folder)._checkpoint()["step"] == 2, "the last good checkpoint"
    assert_same_run(whole, train(experiment, folder))
    assert not list(folder.rglob("*.part"))


def test_a_study_whose_parent_is_killed(experiment, tmp_path):
    """Its trainings end too, and the next start ends in what undisturbed runs give."""
    rows = [experiment.changed(name="a", mode="source_only"), experiment.changed(name="b")]
    rows = [e.changed(train={"steps": 60, "eval_every": 60, "snapshot_every": 0}) for e in rows]
    folder = tmp_path / "study"
    process = killing.start(killing.study, rows, folder)
    places = [run_folder(e, folder) for e in rows]
    killing.wait_until(lambda: all((p / "checkpoints" / "last.pt").exists() for p in places), 300)
    assert len(killing.processes_of(folder)) == 2
    assert killing.killed(process)
    killing.wait_until(lambda: not killing.processes_of(folder), 60)
    assert not any(Run(p).is_complete for p in places), "killed too late to show anything"
    assert killing.end(killing.start(killing.study, rows, folder)) == 0
    for i, (row, place) in enumerate(zip(rows, places, strict=True)):
        assert_same_run(train(row, tmp_path / f"whole{i}"), Run(place))


def test_killed_while_scenes_are_drawn_and_converted(tmp_path):
    whole, root, drawn = tmp_path / "whole", tmp_path / "killed", tmp_path / "drawn"
    lengths = [seconds_of(work, whole) for work in (killing.drawing, killing.conversion)]
    rng = random.Random(1)
    leave_half(root / "minigta" / ".mini.json.0123abcd.part")
    kill_at_random(killing.drawing, root, rng, lengths[0], lambda: shutil.rmtree(root))
    seconds_of(killing.drawing, root)
    shutil.copytree(root, drawn)

    def not_converted():
        shutil.rmtree(root)
        shutil.copytree(drawn, root)

    kill_at_random(killing.conversion, root, rng, lengths[1], not_converted)
    leave_half(root / "minigta" / "labels" / ".00001.png.0123abcd.part")
    seconds_of(killing.conversion, root)
    assert killing.fingerprint(root) == killing.fingerprint(whole)


def seconds_of(work, root):
    """Do the work to its end."""
    begun = time.monotonic()
    assert killing.end(killing.start(work, root)) == 0
    return time.monotonic() - begun


def kill_at_random(work, root, rng, length, begin_anew, kills=5):
    """Kill the work so many times at moments within its length on this machine; where it ends
    before a kill, what it left is taken away and it begins anew."""
    while kills:
        process = killing.start(work, root)
        process.join(rng.uniform(0.0, length))
        if killing.killed(process):
            kills -= 1
        else:
            assert process.exitcode == 0
            begin_anew()


def leave_half(path):
    """What a process leaves that is killed while it writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")


def test_workers_end_with_the_drawing_that_started_them(tmp_path):
    process = killing.start(killing.drawing, tmp_path / "data", 2)
    killing.wait_until(lambda: list(tmp_path.rglob("*.png")))  # a worker is at work
    workers = children(process.pid)
    assert killing.killed(process)
    killing.wait_until(lambda: not any(alive(pid) for pid in workers), 30)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(n) for n in file.read().split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return bool(file.read())
    except OSError:
        return False


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_asked_to_stop_the_command_saves_and_says_so(experiment, whole, tmp_path, name, status):
    folder, output = tmp_path / "run", tmp_path / "stderr"
    write_json(folder / "config.json", experiment.to_dict())
    process = killing.start(killing.command, ["train-run", "--folder", str(folder)], output)
    killing.wait_until((folder / "checkpoints" / "previous.pt").exists)
    os.kill(process.pid, getattr(signal, name))
    assert killing.end(process) == status
    text = output.read_text()
    assert "is saved in" in text and "the same command goes on" in text
    assert "Traceback" not in text
    assert torch.load(folder / "checkpoints" / "last.pt")["step"] >= 2
    assert_same_run(whole, train(experiment, folder))
