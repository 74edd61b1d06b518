"""From runs to the report, with runs that are made up: whose pictures, which ways on."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from daformer_lib.course import report_data
from daformer_lib.course.chapter import Scene
from daformer_lib.course.report_page import render
from daformer_lib.evaluate import Scores
from daformer_lib.files import write_json
from daformer_lib.runs import recipes
from daformer_lib.specs import get_spec
from daformer_lib.viz import for_learners

SPEC = get_spec("minicityscapes")
TRUTH = np.zeros((8, 16), np.uint8)
WRONG = {"daformer": 16, "oracle": 0}  # pixels of each image; source-only: 16 more an image


class MadeUpRun:
    """A run that was never trained: its row is the beginning of its folder's name."""

    findings, is_complete = (), True

    def __init__(self, folder):
        self.folder = folder
        self.row = folder.name.split("-seed")[0]
        self.experiment = recipes.experiment(self.row, "smoke", 0)
        self.name, self.classes, self.spec = self.row, SPEC.classes, SPEC

    def final(self, model, split):
        confusion = np.eye(19, dtype=np.int64) * 3
        confusion[0, 13] = 1
        return Scores(confusion, SPEC.mean_ids)

    def last_scores(self):
        return {"student/test": self.final("student", "test")}

    def curve(self, model, split):
        return [6, 12], [10.0, 20.0]


@pytest.fixture
def kit(tmp_path, monkeypatch):
    """Eight images; source-only has 0, 16, 32, ... wrong pixels, DAFormer 16 in each."""
    monkeypatch.setattr(report_data, "Run", MadeUpRun)
    all_road = lambda network, scenes: np.zeros((len(scenes), 8, 16), np.uint8)
    monkeypatch.setattr(report_data, "label_scenes", all_road)  # they are too small for a network

    def scenes(domain, split, indices):
        return [Scene(f"town/{i}", torch.zeros(3, 8, 16), TRUTH) for i in indices]

    def predict(run, chosen):
        found = np.zeros((len(chosen), 8, 16), np.uint8)
        for label, scene in zip(found, chosen, strict=True):
            wrong = WRONG.get(run.row, 16 * int(scene.stem.split("/")[1]))
            label.reshape(-1)[:wrong] = 13
        return found

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_domain_gap.ipynb").write_text("{}")
    return SimpleNamespace(
        spec=for_learners(SPEC),  # other colours than a run's own spec has
        profile="smoke", seed=0, target=SPEC.name, output_dir=tmp_path, study={},
        experiment=lambda row: recipes.experiment(row, "smoke", 0), scenes=scenes, predict=predict,
        dataset=lambda domain, split: range(8),
    )  # fmt: skip


def test_pictures_stand_at_their_places_and_have_the_oracle(kit):
    report = report_data.build_report(kit, {"data": 1.0, "00_domain_gap": 2.0})
    assert [row.name for row in report.panels] == ["7", "5", "3", "2", "0"]
    assert report.panels[0].why == "the best gain: +75.0 points"  # 16 of 128 in place of 112
    assert report.panels[-1].why == "the largest loss: -12.5 points"
    assert list(report.panels[0].labels) == [
        "source-only", "self-training", "DAFormer", "oracle", report.shipped,
    ]  # fmt: skip
    assert report.rule.startswith("All 8 images were put in order")
    assert report.rows[0].live_right == pytest.approx(100 * 57 / 58)


def test_the_network_that_comes_with_the_kit_is_told_from_the_run(kit):
    report = report_data.build_report(kit, {})
    assert report.shipped == "DAFormer, finished (comes with the kit)"
    assert f"{report.shipped}</em> are <strong>not of your run" in render(report)
    assert report.shipped not in {row.name for row in (*report.rows, *report.more)}


@pytest.mark.parametrize("changed", [{"source": "minisynthia"}, {"target": "minicityscapes_wide"}])
def test_on_other_domains_than_its_own_it_is_left_out(kit, changed):
    kit.experiment = lambda row: recipes.experiment(row, "smoke", 0).changed(data=changed)
    report = report_data.build_report(kit, {})
    assert report.shipped == "" and "not of your run" not in render(report)
    assert "oracle" in report.panels[0].labels


def test_of_a_large_split_evenly_spaced_images_are_put_in_order(kit):
    kit.dataset = lambda domain, split: range(300)
    kit.predict = lambda run, chosen: np.zeros((len(chosen), 8, 16), np.uint8)
    asked = []
    kit.scenes = lambda domain, split, indices: (
        asked.extend(indices) or [Scene(f"{i}", torch.zeros(3, 8, 16), TRUTH) for i in indices]
    )
    assert "60 images, evenly spaced in 300, were put" in report_data.build_report(kit, {}).rule
    assert len(asked) == 60 and (asked[0], asked[-1]) == (0, 299)


def test_the_ways_on_are_those_that_are_there(kit):
    report = report_data.build_report(kit, {"data": 1.0, "00_domain_gap": 2.0})
    links = [way.link for way in report.ways if way.link]
    assert links == ["notebooks/00_domain_gap.ipynb"]  # no comparison beside it yet
    assert [step.link for step in report.steps] == ["", "notebooks/00_domain_gap.ipynb"]
    (kit.output_dir / "comparison.html").write_text("")
    page = render(report_data.build_report(kit, {}))
    assert 'href="comparison.html"' in page and '"encoder": "tiny_mit"' in page.replace(
        "&#34;", '"'
    )
    assert "minicityscapes, val at each evaluation" in page


def test_other_finished_runs_of_the_folder_have_a_table_of_their_own(kit, monkeypatch):
    """Of any method, on the same images with the same seed; the rest is not the course's."""
    names = ("mic", "short_memory", "daformer", "hd_low", "dg", "cra")
    runs = {name: MadeUpRun(kit.output_dir / f"{name}-seed0-x") for name in names}
    runs["dg"].experiment = runs["dg"].experiment.changed(train={"seed": 1})
    runs["cra"].experiment = runs["cra"].experiment.changed(train={"steps": 7})
    monkeypatch.setattr(report_data, "runs_in", lambda folder: list(runs.values()))
    report = report_data.build_report(kit, {})
    assert [row.name for row in report.more] == ["short memory", "DAFormer + MIC", "CRA, 7 steps"]
    assert report.more[0].paper is None and report.more[0].live == report.rows[0].live
    page = render(report)
    assert page.count("<h3>Other finished runs in this folder</h3>") == 1
    monkeypatch.setattr(report_data, "runs_in", lambda folder: [])
    assert "Other finished runs" not in render(report_data.build_report(kit, {}))


def test_runs_on_other_images_are_left_out(kit, monkeypatch):
    """A run of `smoke` has the same domains and seed, and other scenes."""
    course = report_data.run_folder(kit.experiment("daformer"), kit.output_dir)
    for folder, images in ((course, "a"), ("mic-seed0-x", "a"), ("dg-seed0-x", "b")):
        write_json(
            kit.output_dir / folder / "data.json", {"minicityscapes/test": f"content {images}"}
        )
    rows = ("mic", "dg", "short_memory")  # the last of a time before there was such a note
    runs = [MadeUpRun(kit.output_dir / f"{row}-seed0-x") for row in rows]
    monkeypatch.setattr(report_data, "runs_in", lambda folder: runs)
    more = report_data.build_report(kit, {}).more
    assert [row.name for row in more] == ["short memory", "DAFormer + MIC"]
