"""Choosing without labels: criteria of a network, their order, and what they were worth."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from daformer_lib import cli
from daformer_lib.choosing import candidates
from daformer_lib.choosing.alarms import Alarms, alarms
from daformer_lib.choosing.candidates import Candidate, of_runs, of_steps, require_one_target
from daformer_lib.choosing.criteria import CRITERIA, label_free
from daformer_lib.choosing.evidence import best_criterion, rank_correlation, trust
from daformer_lib.choosing.record import Record, read_record
from daformer_lib.choosing.report import (
    chosen_by,
    evidence_page,
    measure,
    ranked,
    ranking,
    write_evidence,
)
from daformer_lib.specs import get_spec, save_spec
from daformer_lib.train import train


class ByColour(nn.Module):
    """Names a pixel by its brightest channel, as surely as `scale` says."""

    def __init__(self, scale):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(float(scale)), requires_grad=False)

    def forward(self, image):
        return self.scale * image, []


def images():
    rng = torch.Generator().manual_seed(0)
    return [torch.rand(3, 16, 16, generator=rng) for _ in range(3)]


def test_criteria_of_a_sure_and_an_unsure_network():
    even = np.full(3, 1 / 3)
    sure, unsure = (label_free(ByColour(s), images(), even) for s in (100, 0.1))
    assert torch.equal(sure["labels"], unsure["labels"]) and len(sure["labels"]) == 3 * 16
    assert sure["entropy"] < unsure["entropy"] == pytest.approx(math.log(3), abs=0.01)
    assert sure["information"] > unsure["information"]
    for network in (sure, unsure):  # a pixel's colour does not change in the mirror
        assert network["agreement"] > 0.8
        assert network["near_source"] < 0.15
    assert set(sure) - {"labels"} == set(CRITERIA) - {"near_source_only", "source_loss"}


def test_a_network_that_names_one_class_alone_is_far_from_the_source():
    class One(ByColour):
        def forward(self, image):
            return torch.cat([image[:, :1] * 0 + 9, image[:, 1:] * 0], 1), []

    found = label_free(One(1), images(), np.array([0.2, 0.5, 0.3]))
    assert found["near_source"] == pytest.approx(0.8)
    assert found["information"] == pytest.approx(0, abs=1e-6)
    assert found["mix_within"] == 1 and math.isnan(found["mix_between"])


def test_order_knows_which_way_is_better_and_puts_the_unknown_last():
    assert CRITERIA["entropy"].order([0.2, math.nan, 0.1]).tolist() == [2, 0, 1]
    assert CRITERIA["information"].order([0.2, math.nan, 0.3]).tolist() == [2, 0, 1]


def test_rank_correlation_by_hand():
    assert rank_correlation(np.array([1, 2, 3]), np.array([3, 5, 9])) == 1
    assert rank_correlation(np.array([1, 2, 3]), np.array([9, 5, 3])) == -1
    assert rank_correlation(np.array([1, 1, 2]), np.array([1, 2, 3])) == pytest.approx(0.866, 1e-3)
    assert math.isnan(rank_correlation(np.array([1, 1]), np.array([1, 2])))


def test_trust_of_one_group():
    right = trust(CRITERIA["entropy"], [([3.0, 2.0, 1.0, math.nan], [10, 20, 30, 99])])
    assert (right.correlation, right.regret, right.candidates) == (1, 0, 3)
    wrong = trust(CRITERIA["information"], [([3.0, 2.0, 1.0], [10, 20, 30])])
    assert (wrong.correlation, wrong.regret) == (-1, 20)
    assert wrong.correlation_low <= wrong.correlation <= wrong.correlation_high
    assert trust(CRITERIA["entropy"], [([1.0], [10])]) is None


def test_trust_is_the_mean_over_groups():
    groups = [([1.0, 2.0], [10, 20]), ([1.0, 2.0], [40, 30])]
    found = trust(CRITERIA["information"], groups)
    assert (found.correlation, found.regret, found.candidates) == (0, 5, 4)
    assert (found.correlation_low, found.correlation_high) == (-1, 1)


def made(run, values, miou, model="student"):
    return Candidate(run, run, 0, model, 100, values, miou)


GROUP = [
    made("a", {"entropy": 0.5, "information": 1.0}, 30.0),
    made("b", {"entropy": 0.1, "information": 2.0}, 40.0),
    made("c", {"entropy": 0.3, "information": 3.0}, 50.0),
]


def test_the_best_criterion_has_the_least_regret():
    worth = measure({"one": [GROUP]})
    assert worth["one"]["information"].regret == 0
    assert worth["one"]["entropy"].regret == 10
    assert best_criterion(worth) == "information"
    with pytest.raises(ValueError, match="no criterion"):
        best_criterion({"one": {}})


def test_evidence_is_written_and_read(tmp_path):
    record = Record(networks=tuple(GROUP))
    path, page = write_evidence(record, tmp_path / "choose.json", "a command")
    assert json.loads(path.read_text())["best"] == "information"
    text = page.read_text()
    assert "**`choose` goes by `information`**" in text
    assert "## Students of all runs (3 candidates)" in text
    assert "| +1.00 (+1.00 to +1.00) | 0.0 (" in text
    best, said = chosen_by(tmp_path)
    assert best == "information"
    assert said.startswith("measured regret of information, in points of mIoU: 0.0 (students of")
    assert read_record(path) == record


def test_new_runs_are_added_to_those_measured_before(tmp_path):
    """One that was measured twice counts as it was last; an unknown score stays unknown."""
    path = tmp_path / "choose.json"
    write_evidence(Record(networks=tuple(GROUP)), path, "a command")
    again = made("a", {"entropy": 0.9, "information": 0.5}, 20.0)
    unknown = made("d", {"entropy": math.nan, "information": 4.0}, math.nan)
    joined = read_record(path).joined(Record(networks=(again, unknown)))
    assert [one.run for one in joined.networks] == ["a", "b", "c", "d"]
    assert joined.networks[0].miou == 20
    write_evidence(joined, path, "a command")
    read = read_record(path).networks[3]
    assert math.isnan(read.miou) and math.isnan(read.values["entropy"])


def test_a_choice_is_among_runs_of_the_same_sets_and_length():
    """Two lengths whose scores do not overlap: within each the criterion is right."""
    long = [replace(one, setting="long", miou=one.miou + 40) for one in GROUP]
    turned = [{"information": 3 - one.values["information"], "entropy": 1} for one in GROUP]
    short = [replace(one, setting="short", values=v) for one, v in zip(GROUP, turned, strict=True)]
    tables = Record(networks=(*long, *short)).tables()
    assert [[one.setting for one in g] for g in tables["students of all runs"]] == [
        ["long"] * 3, ["short"] * 3,
    ]  # fmt: skip
    worth = measure(tables)["students of all runs"]["information"]
    assert (worth.correlation, worth.regret, worth.candidates) == (0, 10, 6)
    page = evidence_page(Record(networks=(*long, *short)), "a command")
    assert "| long | 3 | +" in page and "| short | 3 | " in page


def test_alarms_are_counted_over_the_runs():
    judged = (
        Alarms("self_training, seed 0", "far", ("rider",), (), ("bicycle",), ()),
        Alarms("rcs, seed 0", "far", (), ("wall", "pole"), (), ("nothing to learn from",)),
    )
    text = evidence_page(Record(networks=tuple(GROUP), alarms=judged), "a command")
    assert "named 3 classes; 1 of them are lost" in text
    assert "2 are not, and 1 that are lost were not named" in text
    assert "| far | rcs, seed 0 | – | wall, pole | – | nothing to learn from |" in text


def test_without_evidence_it_says_so(tmp_path):
    best, said = chosen_by(tmp_path)
    assert best in CRITERIA and "not measured" in said


def test_the_ranking_shows_the_truth_only_when_asked():
    text = ranking(GROUP, "entropy", truth=False)
    assert [line.split()[1] for line in text.splitlines()[1:]] == ["b", "c", "a"]
    assert "mIoU" not in text and "40.0" not in text
    assert "40.0" in ranking(GROUP, "entropy", truth=True)
    with pytest.raises(KeyError, match="known: entropy, information"):
        ranked(GROUP, "luck")


def test_runs_on_copies_of_one_file_have_one_target(tmp_path):
    """Each run keeps its own copy of a spec's file."""

    def run_on(spec, number):
        path = save_spec(spec, tmp_path / str(number) / "target0.yaml")
        made = SimpleNamespace(mode="uda", data=SimpleNamespace(target=str(path)))
        return SimpleNamespace(
            folder=number, is_complete=True, experiment=made, spec=get_spec(path)
        )

    mine = replace(get_spec("minicityscapes"), name="mine")
    runs = [run_on(mine, 0), run_on(mine, 1)]
    require_one_target(runs)
    with pytest.raises(ValueError, match=r"more than one target: 0 \(mine\), 2 \(mine\)"):
        require_one_target([*runs, run_on(replace(mine, version="another"), 2)])


@pytest.mark.notebook  # not in make check: takes seconds
def test_runs_and_their_steps(smoke, tmp_path, monkeypatch, capsys):
    short = {"steps": 4, "eval_every": 2, "snapshot_every": 0, "final_splits": ("val",)}
    runs = [train(smoke(row, train=short), tmp_path / row) for row in ("source_only", "daformer")]
    found = of_runs(runs, images=2)
    assert [(one.row, one.model) for one in found] == [
        ("source_only", "student"), ("daformer", "student"), ("daformer", "teacher"),
    ]  # fmt: skip
    assert all(set(one.values) == set(CRITERIA) for one in found)
    assert found[0].values["near_source_only"] == 1
    assert found[1].miou == pytest.approx(100 * runs[1].final("student", "val").miou())
    steps = of_steps(runs[1])
    assert [(one.step, one.model) for one in steps] == [(2, "teacher"), (4, "teacher")]
    assert not math.isnan(steps[0].miou)
    assert alarms(runs[0]) is None
    judged = alarms(runs[1])
    assert judged.setting == "minigta → minicityscapes, 4 steps"
    assert judged.run == "daformer, seed 0" and not judged.right + judged.false
    assert "rider" in judged.missed  # of a network that has learned nothing yet
    monkeypatch.setattr(candidates, "load_network", None)  # steps need no network
    assert of_steps(runs[0])[0].model == "student"
    asked = ["choose", *(str(run.folder) for run in runs), "--evidence", str(tmp_path / "c.json")]
    monkeypatch.undo()
    assert cli.main([*asked, "--images", "2"]) == 0
    record = read_record(tmp_path / "c.json")
    assert len(record.networks) == 3 and len(record.alarms) == 1
    asked = ["gains", *(str(run.folder) for run in runs), "--output", str(tmp_path / "g.json")]
    assert cli.main(asked) == 0
    assert "| minigta → minicityscapes | daformer | batch | 4 |" in (tmp_path / "g.md").read_text()
    capsys.readouterr()
    oracle = train(smoke("oracle", train=short), tmp_path / "oracle")
    folders = [str(tmp_path / row) for row in ("daformer", "oracle")]
    assert cli.main(["choose", *folders, "--steps"]) == 0
    said = capsys.readouterr()
    assert "daformer, seed 0" in said.out and "oracle, seed 0" not in said.out
    assert "oracle learned from the target's labels" in said.err
    with pytest.raises(ValueError, match="is an oracle"):
        of_runs([*runs, oracle])
    with pytest.raises(ValueError, match="name the folders"):
        of_runs([])


def test_what_the_page_on_health_types_is_what_was_measured():
    """docs/use/health.md quotes results/choose.json: every correlation, regret and count."""
    root = Path(__file__).parents[2]
    page = (root / "docs/use/health.md").read_text(encoding="utf-8")
    measured = json.loads((root / "results/choose.json").read_text(encoding="utf-8"))
    names = (
        "students of all runs", "students and teachers", "students of one seed", "steps of one run",
    )  # fmt: skip
    runs, both, seed, steps = (measured["tables"][name] for name in names)

    def said(table, criterion: str) -> str:
        return f"{table[criterion]['correlation']:.2f}; {{}}{table[criterion]['regret']:.1f}"

    best, alarms = measured["best"], measured["alarms"]
    assert best == "information" and "**Mutual information**" in page
    count = len({(one["run"], one["key"]) for one in measured["networks"]})
    assert f"[measured over {count}]" in (root / "README.md").read_text(encoding="utf-8")
    for quoted in (
        f": {count} runs, {len(measured['steps'])} evaluations",
        f"mean rank correlation {runs[best]['correlation']:.2f} with the true mIoU and a regret of "
        f"{runs[best]['regret']:.1f} points; within a seed {seed[best]['correlation']:.2f} and "
        f"{seed[best]['regret']:.1f}.",
        f"({said(both, best).format('regret ')} points)",
        f"({said(steps, best).format('regret ')})",
        *(f"({said(steps, name).format('')})" for name in ("source_loss", "entropy")),
        *(f"({said(runs, name).format('')}" for name in (
            "density", "mix_between", "near_source", "near_source_only", "agreement",
        )),
        f"Over {len(alarms)} adapted runs",
        f"{sum(len(one['right']) for one in alarms)} of them are lost",
    ):  # fmt: skip
        assert quoted in page, quoted
