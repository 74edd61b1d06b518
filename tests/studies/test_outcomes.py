"""The sliders' runs: one value changed each, kept small, and drawn from what was kept."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from daformer_lib.data.drawn.scenes import draw_scene
from daformer_lib.files import read_gray, read_json
from daformer_lib.runs.places import results
from daformer_lib.studies import outcomes
from daformer_lib.studies.outcomes import SWEEPS, experiments, keep_outcomes
from daformer_lib.train import train

ROOT = Path(__file__).parents[2]


def test_the_runs_differ_in_one_value_and_share_the_kits_own():
    made = experiments()
    (base,) = {made[name, own].key for name, own in OWN.items()}
    for (name, text), one in made.items():
        part, field = SWEEPS[name].place.split(".")
        own = made[name, OWN[name]]
        value = getattr(getattr(own, part), field)
        assert one.changed(**{part: {field: value}}) == own
        assert (one.key == base) == (text == OWN[name])


OWN = {
    "memory": "40 steps", "threshold": "0.968", "temperature": "0.01", "distance": "0.02",
    "warm-up": "80 steps",
}  # fmt: skip


@pytest.fixture
def kept(monkeypatch):
    """As if for the first time, from the folder that a test names."""
    outcomes._kept.cache_clear()
    yield lambda folder: monkeypatch.setattr(outcomes, "results", lambda: folder)
    outcomes._kept.cache_clear()


@pytest.mark.notebook
def test_what_is_kept_is_what_the_runs_scored_and_said(smoke, tmp_path, kept):
    short = {"steps": 2, "eval_every": 2, "snapshot_every": 0}
    runs = {
        ("memory", text): train(smoke(train=short, uda={"ema_decay": decay}), tmp_path / text)
        for text, decay in {"4 steps": 0.75, "10 steps": 0.9}.items()
    }
    file = keep_outcomes(runs, tmp_path, "a command")
    first, second = read_json(file)["runs"]
    assert (first["value"], second["value"]) == ("4 steps", "10 steps")
    assert second["miou"] == pytest.approx(
        runs["memory", "10 steps"].final("student", "test").miou(), abs=1e-4
    )
    maps = read_gray(file.with_suffix(".png"))
    assert maps.shape == (2 * 2 * 128, 256)  # two runs, two images
    kept(tmp_path)
    assert outcomes.outcome_chart("memory").axes
    outcomes.outcome_slider("memory")


@pytest.mark.parametrize("name", SWEEPS)
def test_the_committed_outcomes_are_all_there(name, kept):
    kept(results())
    stored = read_json(results() / outcomes.OUTCOMES)
    found = [one for one in stored["runs"] if one["sweep"] == name]
    assert [one["value"] for one in found] == list(SWEEPS[name].values)
    assert all(0 < one["miou"] < 1 for one in found)
    own = {one["miou"] for one in stored["runs"] if one["value"] == OWN[one["sweep"]]}
    assert len(own) == 1  # one and the same run
    maps = read_gray((results() / outcomes.OUTCOMES).with_suffix(".png"))
    assert len(maps) == len(stored["runs"]) * len(stored["images"]) * 128
    assert np.unique(maps).max() < 19
    title = outcomes.outcome_chart(name).axes[0].get_title(loc="left")
    assert title.startswith(SWEEPS[name].title[0].upper())


TOLD_IN = {
    "threshold": "02", "memory": "02", "temperature": "03", "distance": "04", "warm-up": "05",
}  # fmt: skip


@pytest.mark.parametrize("name", SWEEPS)
def test_the_chapters_scores_are_those_that_were_kept(name):
    """Such as "41.3 at 4 steps", typed beside the chart, one for each run."""
    (path,) = (ROOT / "notebooks").glob(f"{TOLD_IN[name]}_*.ipynb")
    text = " ".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown")
    page = (ROOT / "docs/method/hyper-parameters.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{re.escape(SWEEPS[name].place)}` .*$", page, re.M)
    for one in read_json(results() / outcomes.OUTCOMES)["runs"]:
        if one["sweep"] == name:
            said = f"{100 * one['miou']:.1f} at {one['value']}"
            assert said in text and said in row


def test_the_kept_maps_are_of_the_images_beside_them():
    """The kit's own run has most of both images right; of any other image it had under half."""
    stored = read_json(results() / outcomes.OUTCOMES)
    maps = read_gray((results() / outcomes.OUTCOMES).with_suffix(".png"))
    names = [(one["sweep"], one["value"]) for one in stored["runs"]]
    at = names.index(("memory", OWN["memory"])) * 256
    truths = [draw_scene(stored["target"], "train", i)[1] for i in stored["images"]]
    for label, truth in zip(np.split(maps[at : at + 256], 2), truths, strict=True):
        assert np.mean((label == truth)[truth != 255]) > 0.6
