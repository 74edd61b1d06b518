"""A place to make bad input in, and the judge of what a command does with it.

Each row of the tables in this folder: a name, how to make the input (it returns the command line),
what must be said (a regular expression), the exit status, and what may lie there afterwards.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from daformer_lib.cli import main
from daformer_lib.config import ModelConfig
from daformer_lib.data.class_stats import stats_path
from daformer_lib.files import write_json, write_png
from daformer_lib.inference.exchange import TrainedModel, save_model
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import export_official
from daformer_lib.runs import recipes
from daformer_lib.specs import MINICITYSCAPES, get_spec
from tests.helpers.own_set import SPEC, STRIPES


class Place:
    """A folder of one's own (the working folder), and networks to share that no case changes."""

    def __init__(self, root: Path, shared: Path) -> None:
        self.root = root
        self.model, self.run = shared / "model.safetensors", shared / "run"
        self.official, self.encoder = shared / "official.pth", shared / "encoder.safetensors"

    def spec(self, text: str | None = None, **changes) -> str:
        """own.yaml, with fields changed or as this text."""
        values = yaml.safe_dump({**SPEC, **changes}, sort_keys=False)
        (self.root / "own.yaml").write_text(values if text is None else text)
        return "own.yaml"

    def statistics(self) -> Path:
        """Where training at smoke looks for the class statistics of own.yaml."""
        return stats_path(get_spec(self.root / "own.yaml"), self.root / "data", "train")

    def pairs(self, count: int = 2, split: str = "train") -> None:
        """Images p0, p1, ... and labels of three stripes."""
        for i in range(count):
            picture = np.random.default_rng(i).integers(0, 255, (*STRIPES.shape, 3), np.uint8)
            write_png(self.root / "data" / "own" / split / "img" / f"p{i}.png", picture)
            write_png(self.root / "data" / "own" / split / "lab" / f"p{i}.png", STRIPES)

    def image(self, name: str = "p1.png", split: str = "train") -> Path:
        return self.root / "data" / "own" / split / "img" / name

    def label(self, name: str = "p1.png", split: str = "train") -> Path:
        return self.root / "data" / "own" / split / "lab" / name

    def photo(self, name: str = "photos/a.png", height: int = 40) -> Path:
        return write_png(self.root / name, np.full((height, 48, 3), 90, np.uint8))

    def files(self) -> dict[str, int]:
        """Every file here and its size."""
        found = (p for p in self.root.rglob("*") if p.is_file() and not p.is_symlink())
        return {p.relative_to(self.root).as_posix(): p.stat().st_size for p in found}


@pytest.fixture(scope="session")
def shared_networks(tmp_path_factory) -> Path:
    """A model file, a run, a checkpoint of the authors, an encoder's weights; 19 classes."""
    folder = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    config = ModelConfig("tiny_mit", "daformer")
    network = build_segmentor(config)
    save_model(TrainedModel(network, config, MINICITYSCAPES), folder / "model.safetensors")
    torch.save({"state_dict": export_official(network)}, folder / "official.pth")
    save_file(network.encoder.state_dict(), folder / "encoder.safetensors")
    experiment = recipes.experiment("daformer", "smoke")
    write_json(folder / "run" / "config.json", experiment.to_dict())
    (folder / "run" / "checkpoints").mkdir()
    weights = {"student": network.state_dict(), "teacher": network.state_dict()}
    torch.save(weights, folder / "run" / "checkpoints" / "last.pt")
    return folder


@pytest.fixture
def place(tmp_path, shared_networks, monkeypatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path, shared_networks)


@pytest.fixture
def judge(place, capsys):
    """judge(make, says, status, leaves): run the command on the bad input; look at the result."""

    def check(make, says: str, status: int = 2, leaves: tuple[str, ...] = ()) -> str:
        words = [str(word) for word in make(place)]
        before, lines = place.files(), 1
        try:
            found = main(words)
        except SystemExit as end:  # of tyro, which reads the command line and frames what it says
            found, lines = end.code, 0
        shown = capsys.readouterr()
        told = shown.out + shown.err
        assert re.search(says, told, re.DOTALL), told
        assert found == status, told
        assert "Traceback" not in told and not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", told)
        errors = [line for line in shown.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == (lines if status == 2 else 0), told
        after = place.files()
        assert [n for n, size in before.items() if after.get(n) != size and n not in leaves] == []
        left = [n for n in after if n not in before and not n.endswith("lock")]
        assert [n for n in left if not any(fnmatchcase(n, kind) for kind in leaves)] == []
        return told

    return check
