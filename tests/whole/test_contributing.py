"""CONTRIBUTING.md: what it shows is run as it stands; CITATION.cff and CHANGELOG.md fit."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from daformer_lib import cli
from daformer_lib.course.notebooks import lint
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.files import write_png
from daformer_lib.models.encoders.build import ENCODERS
from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.specs import get_spec
from daformer_lib.train import train

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
SHOWN = dict(re.findall(r"^```(?:python|yaml)\n# ([^\n]*)\n(.*?)^```", PAGE, re.M | re.S))
COMMANDS = [
    line.split()[3:] for line in PAGE.splitlines() if line.startswith("python -m daformer_lib")
]


def test_the_data_set_is_read(tmp_path, monkeypatch, capsys):
    """Written, filled with drawn pictures, and looked at by the command that the page names."""
    monkeypatch.chdir(tmp_path)
    Path("park.yaml").write_text(SHOWN["park.yaml"])
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for stem in "abc":
            mask = np.zeros((32, 64), np.uint8)
            mask[:, rng.integers(10, 30) :] = 255
            write_png(Path("data/park/masks", split, f"{stem}.png"), mask)
            photo = rng.integers(0, 255, (32, 64, 3), np.uint8)
            write_png(Path("data/park/photos", split, f"{stem}.png"), photo)
    command = next(c for c in COMMANDS if c[0] == "inspect-data")
    status = cli.main(command)
    said = capsys.readouterr().out
    assert "plant" in said and status == 0, said
    image, label = SegmentationDataset(get_spec("park.yaml"), "data", "train").load(0)
    assert image.shape == (32, 64, 3) and set(np.unique(label)) == {0, 1}


@pytest.mark.notebook  # trains
def test_the_encoder_is_trained(monkeypatch, smoke_data, tmp_path):
    names: dict = {}
    exec(SHOWN["daformer_lib/models/encoders/plain.py"], names)
    line = eval("{" + SHOWN["line of ENCODERS"] + "}", names)
    assert list(line) == ["plain"] and "plain" not in ENCODERS
    monkeypatch.setitem(ENCODERS, "plain", line["plain"])
    command = next(c for c in COMMANDS if c[0] == "train")
    settings = command[command.index("--set") + 1 :]
    row, profile = (command[command.index(f"--{name}") + 1] for name in ("row", "profile"))
    experiment = recipes.experiment(row, profile, data_root=str(smoke_data))
    run = train(with_settings(experiment, settings), tmp_path / "run")
    assert run.is_complete and run.experiment.model.encoder == "plain"
    weights = run.student_weights()
    assert all(torch.isfinite(w).all() for w in weights.values())
    assert any(name.startswith("encoder.stages.3") for name in weights)


def test_the_method_is_the_one_that_tests_train():
    whole = (ROOT / "tests/uda/methods/entropy.py").read_text()
    shown = SHOWN["tests/uda/methods/entropy.py"]
    assert shown.startswith("@dataclass") and whole.endswith("\n\n" + shown)


@pytest.mark.notebook  # starts a kernel
def test_the_chapter_is_made_executed_and_keeps_the_house_rules(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAFORMER_PROFILE", "smoke")
    Path("notebooks").mkdir()
    exec(SHOWN["make_chapter.py"], {})
    assert lint("notebooks/10_classes.ipynb")  # not executed yet
    exec(SHOWN["execute_chapter.py"], {})
    done, rules = capsys.readouterr().out.strip().splitlines()
    assert "done" in done and rules.startswith("[] ['2 code cells")
    assert "19 classes: road, sidewalk, building" in Path("notebooks/10_classes.ipynb").read_text()


def test_citation_and_changes_are_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert citation["references"][0]["authors"][0]["family-names"] == "Hoyer"
    newest = re.search(r"^## (\S+),", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    assert newest == project["version"]
