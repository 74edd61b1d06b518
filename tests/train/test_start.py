"""Runs that go on from a finished one: what they begin with, resuming, and what is refused."""

from __future__ import annotations

import shutil

import pytest
import torch

from daformer_lib import cli
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.folder import START, run_with_key
from daformer_lib.specs import save_spec
from daformer_lib.train import train
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.step import build_learner
from daformer_lib.train.trainable import find_start
from tests.helpers.three_classes import THREE_CLASSES

SHORT = {
    "steps": 2, "log_every": 1, "eval_every": 2, "checkpoint_every": 1, "snapshot_every": 0,
    "final_splits": ("val",), "health": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def base(smoke_data, tmp_path_factory):
    """A finished run of self-training."""
    experiment = recipes.experiment("self_training", "smoke", data_root=str(smoke_data))
    experiment = experiment.changed(train=SHORT)
    folder = tmp_path_factory.mktemp("runs") / f"self_training-seed0-{experiment.key}"
    return train(experiment, folder)


def started(smoke, row, base, **changes):
    train_with = {**SHORT, "start_from": base.experiment.key}
    return smoke(row, **changes).changed(train=train_with)


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, theirs[name]), name
        elif isinstance(value, dict):
            assert_same(value, theirs[name])


@pytest.mark.parametrize("row", ["source_only", "self_training", "daformer", "mic", "cra"])
def test_all_that_begins_as_the_students_copy_begins_with_the_teachers_weights(smoke, base, row):
    weights = base.weights_to_start_from()
    assert_same(weights, base.teacher_weights())
    learner = build_learner(started(smoke, row, base), PlainEngine(), weights)
    for model in learner.models.values():
        assert_same(weights, model.state_dict())
    fresh = build_learner(started(smoke, row, base), PlainEngine())
    for name, model in fresh.method.frozen.items():
        kept = learner.method.frozen[name].state_dict()
        assert_same(weights if name == "labeller" else model.state_dict(), kept)


def test_a_distilled_student_begins_fresh(smoke, base):
    weights = base.weights_to_start_from()
    learner = build_learner(started(smoke, "distillation", base), PlainEngine(), weights)
    assert_same(weights, learner.method.kept["labeller"].state_dict())
    fresh = build_learner(started(smoke, "distillation", base), PlainEngine())
    assert_same(fresh.network.state_dict(), learner.network.state_dict())


@pytest.mark.notebook  # trains
@pytest.mark.parametrize("row", ["daformer", "cra"])
def test_it_resumes_to_the_bit_without_the_first_run(smoke, base, tmp_path, row):
    experiment = started(smoke, row, base)
    whole = train(experiment, tmp_path / "whole", start_from=base)
    train(experiment, tmp_path / "parts", start_from=base, stop_after=1)
    assert (tmp_path / "parts" / START).exists()
    parts = train(Run(tmp_path / "parts").experiment, tmp_path / "parts")  # no run of that key here
    assert_same(whole._checkpoint(), parts._checkpoint())
    assert ("trained" in parts._checkpoint()) == (row == "cra")
    assert not (tmp_path / "parts" / START).exists(), "nothing goes on from a complete run"
    assert {e.model for e in parts.evaluations} == {"student", "teacher"}


@pytest.mark.notebook  # trains
def test_the_command_line_starts_from_a_folder(smoke_data, base, tmp_path, capsys):
    place = ["--profile", "smoke", "--data-root", str(smoke_data), "--output-dir", str(tmp_path)]
    settings = [f"train.{name}={','.join(v) if isinstance(v, tuple) else str(v).lower()}"
                for name, v in SHORT.items()]  # fmt: skip
    command = ["train", "--row", "cra", *place, "--set", *settings]
    assert cli.main(command) == 2
    assert "cra goes on from a finished run: name its folder with --start-from" in (
        capsys.readouterr().err
    )
    assert cli.main([*command, "--start-from", str(base.folder)]) == 0
    (run,) = (Run(path) for path in tmp_path.glob("cra-*"))
    assert run.is_complete and run.experiment.train.start_from == base.experiment.key
    assert {"trusted", "adversarial", "discriminator", "confident"} <= run.metrics().keys()


def test_a_run_is_found_by_its_key_wherever_it_lies_beside(smoke, base, tmp_path):
    shutil.copytree(base.folder, tmp_path / "deeper" / base.folder.name)
    experiment = started(smoke, "cra", base)
    found = find_start(experiment, tmp_path / "new")
    assert found.folder.parent == tmp_path / "deeper"
    with pytest.raises(FileNotFoundError, match=r"no run with key 00000000 in .*--start-from"):
        run_with_key("00000000", tmp_path)


def test_what_does_not_fit_is_refused_in_a_sentence(smoke, base, tmp_path):
    new = tmp_path / "new"
    with pytest.raises(ValueError, match=r"cra goes on from a finished run: .*--start-from"):
        find_start(smoke("cra"), new)
    assert find_start(smoke("daformer"), new) is None
    other = started(smoke, "cra", base).changed(model={"decoder": "segformer"})
    with pytest.raises(ValueError, match="has decoder daformer, not segformer: start from"):
        find_start(other, new, base)
    other = started(smoke, "cra", base).changed(model={"encoder": "tiny_resnet"})
    with pytest.raises(ValueError, match="has encoder tiny_mit, not tiny_resnet: start from"):
        find_start(other, new, base)
    other = started(smoke, "hrda", base)
    with pytest.raises(ValueError, match=r"has HRDA no, not yes: start from a run of the same"):
        find_start(other, new, base)
    other = started(smoke, "vit_lora_rcs", base).changed(model={"encoder": "tiny_mit"})
    with pytest.raises(ValueError, match=r"has adapter none, not lora: start from a run of the sa"):
        find_start(other, new, base)
    wrong = smoke("cra").changed(train={"start_from": "0123abcd"})
    with pytest.raises(ValueError, match=r"and train.start_from says 0123abcd"):
        find_start(wrong, new, base)
    cut = tmp_path / base.folder.name
    shutil.copytree(base.folder, cut)
    (cut / "result.json").unlink()
    with pytest.raises(ValueError, match="is not finished; train it to its end"):
        find_start(started(smoke, "cra", base), new, Run(cut))


def test_other_classes_are_refused(smoke, base, tmp_path):
    spec = tmp_path / "tiny.yaml"
    save_spec(THREE_CLASSES, spec)
    other = started(smoke, "cra", base)
    other = other.changed(data={"source": str(spec), "target": str(spec)})
    with pytest.raises(ValueError, match=r"has classes road, .*same encoder, decoder and classes"):
        find_start(other, tmp_path / "new", base)
