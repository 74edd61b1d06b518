"""What is looked at before the first slow thing: quickly, and not where nothing is left to do."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from daformer_lib.course import course
from daformer_lib.files import write_json
from daformer_lib.models import build_segmentor
from daformer_lib.runs import batch, recipes
from daformer_lib.runs.folder import is_finished, run_folder
from daformer_lib.train.trainable import require_trainable
from tests.helpers.rows import SIZES, one_of_each_network


@pytest.mark.parametrize("row", one_of_each_network())
def test_every_row_of_the_course_is_trainable(row, recwarn):
    experiment = recipes.experiment(row, "smoke")
    if row in SIZES:  # a study makes their weights first
        experiment = experiment.changed(model={"pretrained": None})
    require_trainable(experiment)
    assert not recwarn.list, "weights are laid over shapes alone, which is no news to a user"


def test_no_weights_are_made(monkeypatch):
    """The network has shapes alone, or the check of a large one would take its memory."""
    built = []

    def seen(config, hrda=None):
        network = build_segmentor(config)
        built.extend({parameter.device.type for parameter in network.parameters()})
        return network

    monkeypatch.setattr("daformer_lib.train.trainable.build_segmentor", seen)
    full = recipes.experiment("daformer", "full").changed(model={"pretrained": None})
    require_trainable(full)
    assert built == ["meta"]


def test_a_finished_run_needs_nothing(tmp_path):
    """Its pretrained weights may be gone."""
    experiment = recipes.experiment("daformer", "smoke")
    assert not is_finished(experiment, tmp_path)
    write_json(run_folder(experiment, tmp_path) / "result.json", {})
    assert is_finished(experiment, tmp_path)


def test_a_course_without_notebooks_ends_before_data_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("daformer_lib.runs.places.FIRST_CHAPTER", "notebooks/elsewhere.ipynb")
    with pytest.raises(FileNotFoundError, match=r"no notebooks/elsewhere.*clone of the repository"):
        course.run_course("smoke", 0, tmp_path / "course")
    assert list(tmp_path.iterdir()) == []


def test_a_course_without_papermill_ends_before_data_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(course, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError) as caught:
        course.run_course("smoke", 0, tmp_path / "course")
    assert caught.value.name == "papermill" and list(tmp_path.iterdir()) == []


def test_a_training_that_the_system_killed_is_said_to_lack_memory(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    gone.send_signal(signal.SIGKILL)
    gone.communicate()
    experiment = recipes.experiment("rcs", "smoke")
    with pytest.raises(batch.RunFailed, match=r"rcs-\S+ was killed, most often for lack of memory"):
        batch.run_all([experiment], tmp_path, start=lambda folder, experiment: gone)
