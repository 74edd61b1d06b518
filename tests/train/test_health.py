"""A run's health at smoke size: what is kept, that training stays the same, what is found."""

import pytest
import torch

from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.models import build_segmentor
from daformer_lib.runs import Run, recipes
from daformer_lib.train import train
from daformer_lib.uda.health import findings
from daformer_lib.uda.health.look import look

SHORT = {"steps": 6, "eval_every": 3, "snapshot_every": 0, "final_splits": ("val",)}


def names(run):
    return [finding["name"] for finding in run.findings]


@pytest.mark.notebook
def test_watching_changes_no_weight_and_no_score(smoke, tmp_path):
    watched = train(smoke(train=SHORT), tmp_path / "watched")
    alone = train(smoke(train={**SHORT, "health": False}), tmp_path / "alone")
    assert watched.experiment.key == alone.experiment.key
    for which in ("student_weights", "teacher_weights"):
        ours, theirs = getattr(watched, which)(), getattr(alone, which)()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert watched.result["miou"] == alone.result["miou"]
    assert alone.health == [] and "findings" not in alone.result
    assert [record["step"] for record in watched.health] == [3, 6]
    first = watched.health[0]
    assert sum(first["rcs_drawn"]) == 3 * 2 >= sum(first["rcs_held"])
    for shares in ("shares", "source_shares", "teacher_shares", "batch_shares"):
        assert abs(sum(first[shares]) - 1) < 1e-4
    assert {"student", "student_agrees", "flip", "colour", "fd_cells"} <= first.keys()


@pytest.mark.notebook
def test_no_target_label_is_read(smoke, tmp_path, monkeypatch):
    """With every label of the target's training split out of reach it is all the same."""
    read = SegmentationDataset.full_label

    def guarded(self, index):
        assert (self.spec.name, self.split) != ("minicityscapes", "train")
        return read(self, index)

    monkeypatch.setattr(SegmentationDataset, "full_label", guarded)
    assert len(train(smoke(train=SHORT), tmp_path / "run").health) == 2


@pytest.mark.notebook
def test_a_run_without_a_teacher_is_watched_too(smoke, tmp_path):
    run = train(smoke("source_only", train=SHORT), tmp_path / "run")
    assert "student" not in run.health[0] and "teacher_shares" not in run.health[0]
    assert names(run) == []


@pytest.mark.notebook
def test_a_broken_off_run_keeps_its_counts(smoke, tmp_path):
    whole = train(smoke(train=SHORT), tmp_path / "whole")
    train(smoke(train=SHORT), tmp_path / "parts", stop_after=2)
    parts = train(smoke(train=SHORT), tmp_path / "parts")
    assert whole.health == parts.health
    assert whole.findings == parts.findings


@pytest.mark.notebook
def test_a_tiny_run_says_what_it_has_too_little_of(smoke, tmp_path, monkeypatch):
    """Cells that no thing fills, classes of which one image is left, no confident pixel."""
    monkeypatch.setattr(findings, "OFTEN", 0)
    scarce = {"fd_min_share": 1.0, "fd_on": "things", "threshold": 1.0}
    experiment = smoke(uda=scarce, data={"rcs_min_pixels": 2500}, train=SHORT)
    run = train(experiment, tmp_path / "run")
    told = {finding["name"]: finding for finding in run.findings}
    assert "RCS drew from few images only" in told
    assert "nothing to learn from" in told
    if "FD acted on no cell" in told:  # then the largest objects are named
        assert "largest covers found" in told["FD acted on no cell"]["evidence"]
    assert set(told) <= {
        "RCS drew from few images only", "nothing to learn from", "FD acted on no cell",
    }  # fmt: skip


def test_a_look_leaves_the_network_as_it_was():
    config = recipes.experiment("daformer", "smoke").changed(model={"pretrained": None}).model
    network = build_segmentor(config).train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    modes = [m.training for m in network.modules()]
    images = torch.randn(4, 3, 64, 64)
    state = torch.get_rng_state()
    look(network, images, 19, 0.9, 2, network)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert modes == [m.training for m in network.modules()]


@pytest.mark.notebook
def test_an_old_run_opens_without_health(smoke, tmp_path):
    run = train(smoke(train={**SHORT, "health": False}), tmp_path / "run")
    assert Run(run.folder).findings == [] and Run(run.folder).health == []
