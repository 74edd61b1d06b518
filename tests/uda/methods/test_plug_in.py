"""A method that the library does not know goes all the way: trained, resumed, scored, compared."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from daformer_lib import config
from daformer_lib.cli import main
from daformer_lib.config import Experiment
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.train import train
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.probe import noise_batch
from daformer_lib.train.step import build_learner, training_step, turn_of
from daformer_lib.uda import methods
from daformer_lib.uda.method import Objective
from daformer_lib.uda.teacher import Teacher
from tests.uda.methods import entropy

CHILD = "import sys; from tests.uda.methods import entropy; entropy.add_to_tables(); " \
    "from daformer_lib.cli import main; sys.exit(main(sys.argv[1:]))"  # fmt: skip


@pytest.fixture(autouse=True)
def one_method_more(monkeypatch):
    tables = (config.METHOD_SETTINGS, methods.METHODS, recipes.ROWS, recipes.TITLES)
    for table in tables:
        monkeypatch.setitem(table, "entropy", None)  # so that it is taken out again
    entropy.add_to_tables()


@pytest.mark.notebook  # trains twice
def test_it_trains_resumes_and_is_scored(smoke, tmp_path):
    experiment = smoke("entropy")
    assert experiment.key != smoke("self_training").key
    whole = train(experiment, tmp_path / "whole")
    train(experiment, tmp_path / "parts", stop_after=7)
    parts = train(Run(tmp_path / "parts").experiment, tmp_path / "parts")
    ours, theirs = whole.student_weights(), parts.student_weights()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    assert (whole.metrics()["entropy"] > 0).all()
    np.testing.assert_array_equal(whole.metrics()["entropy"], parts.metrics()["entropy"])
    assert whole.final("student", "val").miou() == parts.final("student", "val").miou()


@pytest.mark.notebook
def test_it_is_a_row_of_a_study_and_of_a_comparison(smoke_data, tmp_path, monkeypatch, capsys):
    command = (sys.executable, "-c", CHILD, "train-run", "--with-parent")
    monkeypatch.setattr("daformer_lib.runs.batch.TRAIN_RUN", command)
    place = ["--output-dir", str(tmp_path / "runs"), "--data-root", str(smoke_data)]
    rows = ["--rows", "self_training", "entropy", "--seeds", "0", "--profile", "smoke"]
    assert main(["study", "--no-notebook", *rows, *place]) == 0
    assert "| entropy |" in capsys.readouterr().out
    runs = [str(path) for path in sorted((tmp_path / "runs").iterdir()) if path.is_dir()]
    assert main(["compare", *runs, "--output-dir", str(tmp_path / "page")]) == 0
    assert "entropy minimisation" in capsys.readouterr().out


def test_its_settings_are_typed_like_all_others(smoke):
    changed = with_settings(smoke("self_training"), ["entropy.weight=0.5"])
    assert changed.methods == {"entropy": entropy.EntropyConfig(0.5)}
    assert Experiment.from_dict(changed.to_dict()) == changed
    with pytest.raises(ValueError, match="entropy has no field 'wait'; did you mean weight"):
        with_settings(changed, ["entropy.wait=1"])
    with pytest.raises(ValueError, match=r"method 'entropie' is unknown; known: .*'entropy'"):
        Experiment("x", methods={"entropie": None})


def first_losses(experiment):
    engine = PlainEngine()
    learner = build_learner(experiment, engine)
    return training_step(learner, experiment, 0, noise_batch(experiment), engine)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize(
    "row",
    [
        "source_only",
        "oracle",
        "daformer",
        "mic",
        "cra",
        "cra_daformer",
        "distillation",
        "entropy",
        "hrda",
        "mic_hrda",
        "dg",
        "dg_style",
    ],
)
def test_a_method_makes_as_many_passes_as_it_says(smoke, row, parts):
    experiment = smoke(row).changed(train={"accumulate": parts})
    engine = PlainEngine()
    learner = build_learner(experiment, engine)
    turn = turn_of(learner, experiment, 0, noise_batch(experiment), engine)
    made = list(learner.method.losses(turn))
    assert len(made) == learner.method.passes(parts)


@pytest.mark.parametrize(("passes", "how"), [(2, "fewer"), (0, "more")])
def test_a_method_that_miscounts_its_passes_is_told(smoke, monkeypatch, passes, how):
    def add_wrong(method, experiment, network):
        method.objectives += (Objective(entropy.entropy_losses, passes),)

    monkeypatch.setitem(methods.METHODS, "entropy", add_wrong)
    with pytest.raises(ValueError, match=f"{how} dicts of losses .*mend `passes`"):
        first_losses(smoke("entropy"))


@pytest.mark.parametrize(
    ("before", "row", "loss"),
    [("self_training", "entropy", "entropy"), ("daformer", "mic", "masked")],
)
def test_what_is_added_changes_nothing_of_the_losses_before_it(smoke, before, row, loss):
    plain = first_losses(smoke(before))
    added = first_losses(smoke(row))
    assert added.keys() - plain.keys() == {loss}
    assert all(torch.equal(added[name], loss) for name, loss in plain.items())


@pytest.mark.notebook
def test_further_networks_are_scored_saved_and_given_back(smoke, tmp_path, monkeypatch):
    """A second teacher with a memory of its own; a run without has no entry for more networks."""

    def add_teacher(method, experiment, network):
        second = Teacher(network, ema_decay=0.5)
        method.models["second"] = second.model
        method.before.append(second.update)

    monkeypatch.setitem(methods.METHODS, "entropy", add_teacher)
    experiment = smoke("entropy", train={"steps": 3, "snapshot_every": 0})
    whole = train(experiment, tmp_path / "whole")
    train(experiment, tmp_path / "parts", stop_after=2)
    parts = train(experiment, tmp_path / "parts")
    ours, theirs = (run._checkpoint() for run in (whole, parts))
    for name, tensor in ours["models"]["second"].items():
        assert torch.equal(tensor, theirs["models"]["second"][name]), name
    weight = "decoder.conv_seg.weight"
    assert not torch.equal(ours["models"]["second"][weight], ours["teacher"][weight])
    assert {e.model for e in whole.evaluations} == {"student", "teacher", "second"}
    plain = smoke("self_training", train={"steps": 2, "snapshot_every": 0})
    assert "models" not in train(plain, tmp_path / "plain", stop_after=1)._checkpoint()
