"""The finished networks that come with the kit: they open, score what their card says, and no run
that is not finished becomes one."""

import re

import numpy as np
import pytest
import torch

from daformer_lib.inference import finished, open_model
from daformer_lib.inference.exchange import load_model, save_model
from tests.inference.test_exchange import make_model


def test_half_precision_is_half_the_size_and_the_same_network_but_for_rounding(tmp_path):
    model = make_model()
    whole = save_model(model, tmp_path / "whole.safetensors")
    half = save_model(model, tmp_path / "half.safetensors", half=True)
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    loaded = load_model(half).network.state_dict()
    for name, tensor in model.network.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        # Weights in [0.1, 1.1]: float16 keeps 11 bits.
        torch.testing.assert_close(loaded[name], tensor, rtol=2**-11, atol=0)


def test_the_story_comes_with_the_kit():
    assert set(finished.finished_rows()) >= {"source_only", "self_training", "daformer", "oracle"}
    sets = {"study": "minicityscapes", "hd": "minicityscapes_hd"}
    for folder in finished.FOLDERS:
        card = (folder / "README.md").read_text(encoding="utf-8")
        for path in folder.glob("*.safetensors"):
            opened = open_model(None, f"study:{path.stem}")
            assert opened.spec.name == sets[folder.name]
            assert opened.config.encoder == "tiny_mit" and f"`{path.name}`" in card
    assert finished.open_finished("hd_hrda").hrda.detail_crop == (128, 128)


def test_an_unknown_one_is_answered_with_those_there_are():
    with pytest.raises(KeyError, match="no finished network of row 'daformr'; did you mean dafo"):
        finished.open_finished("daformr")


def test_the_card_has_each_runs_data_and_scores():
    text = (finished.FOLDER / "README.md").read_text()
    rows = re.findall(r"\| `(\w+)\.safetensors` \| (\w+) \| ([\d.]+) \| ([\d.]+) \|", text)
    assert {name: labels for name, labels, *_ in rows}["oracle"] == "minicityscapes"
    assert all(0 < float(score) < 100 for *_, val, test in rows for score in (val, test))
    scores = {name: float(test) for name, _, _, test in rows}
    assert np.argmax(list(scores.values())) == list(scores).index("oracle")


class Unfinished:
    folder, is_complete = "runs/x", False


def test_what_is_not_finished_is_not_shipped(tmp_path):
    with pytest.raises(ValueError, match="runs/x is not finished"):
        finished.ship({Unfinished(): make_model()}, tmp_path)
    assert not list(tmp_path.iterdir())
