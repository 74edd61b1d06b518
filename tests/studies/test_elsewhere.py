"""Finished runs scored on another target: a file of results like any other."""

import numpy as np
import pytest
import torch

from daformer_lib.cli.main import main
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.runs import Run
from daformer_lib.runs.results import read_entries, read_results, write_results
from daformer_lib.studies.elsewhere import score_all
from daformer_lib.train import train

CPU = torch.device("cpu")


@pytest.fixture
def run(smoke, tmp_path):
    """Two steps of source-only at seed 0."""
    short = {"train": {"steps": 2, "snapshot_every": 0, "eval_every": 2, "checkpoint_every": 2}}
    return train(smoke("source_only").changed(**short), tmp_path / "source_only-seed0")


@pytest.mark.notebook  # trains, and draws a domain
def test_scores_elsewhere_are_those_of_evaluate_and_stand_in_a_file_of_results(
    run, tmp_path, capsys
):
    data = run.experiment.data
    prepare(run.experiment.changed(data={"target": "minicityscapes_fog"}).data, "smoke")
    results = tmp_path / "fog.json"
    place = ["--data-root", data.data_root]
    command = ["score-on", "minicityscapes_fog", "--runs", str(run.folder), *place]
    assert main([*command, "--results", str(results)]) == 0
    assert f"wrote {results}" in capsys.readouterr().out
    (row,) = read_results(results)
    (entry,) = read_entries(results)
    assert row.row == "source_only" and row.seeds == (0,)
    assert entry["config"]["data"]["target"] == "minicityscapes_fog"
    assert entry["trained_for"] == "minicityscapes" and "curves" not in entry
    target = ["--target", "minicityscapes_fog", "--split", "test", *place]
    assert main(["evaluate", "--run", str(run.folder), *target]) == 0
    said = capsys.readouterr().out
    mean = next(line for line in said.splitlines() if line.startswith("mean IoU"))
    assert mean.split()[-1] == f"{row.miou[0]:.1f}"
    assert "source_only" in (tmp_path / "fog.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="has runs on minigta → minicityscapes_fog"):
        score_all([run], data.target, "test", results, "c", CPU, data.data_root)
    # On its own target: what the study itself wrote.
    score_all([run], data.target, "test", tmp_path / "own.json", "c", CPU, data.data_root)
    write_results([run], tmp_path / "study.json", "c")
    for a, b in zip(read_results(tmp_path / "own.json"), read_results(tmp_path / "study.json")):
        np.testing.assert_allclose(a.iou, b.iou, atol=1e-4)


@pytest.mark.notebook
def test_unfinished_runs_and_other_classes_are_refused(run, tmp_path, capsys):
    part = train(run.experiment.changed(train={"seed": 1}), tmp_path / "part", stop_after=1)
    with pytest.raises(ValueError, match="part is not finished; train it to its end"):
        score_all([part], "minicityscapes", "test", tmp_path / "r.json", "c", CPU)
    with pytest.raises(ValueError, match="zerowaste"):
        score_all([Run(run.folder)], "zerowaste_v2", "test", tmp_path / "r.json", "c", CPU)
    (tmp_path / "x.lock").touch()
    command = ["score-on", "minicityscapes", "--runs", str(tmp_path / "x.lock")]
    assert main([*command, "--results", str(tmp_path / "r.json")]) == 2
    assert "--runs names no folder of a run" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()
