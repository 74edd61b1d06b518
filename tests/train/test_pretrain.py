"""The stand-in for ImageNet: what is written, and that a target domain has no part in it."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from daformer_lib.config import Experiment, ModelConfig
from daformer_lib.data.drawn.kit import palettes, styles
from daformer_lib.data.drawn.objects import OBJECT_CLASSES, draw_object
from daformer_lib.files import read_json
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load
from daformer_lib.train.pretrain import (
    PRETRAININGS,
    PretrainConfig,
    missing_priors,
    pretrain,
    save_pretrained,
)

SHIPPED = [
    load.SHIPPED / load.shipped_name(encoder, "strong")
    for encoder in ("tiny_mit", "tiny_resnet", "tiny_vit")
]
TINY = PretrainConfig(images=40, held_out=20, steps=2, batch_size=4, strength="strong", half=True)


@pytest.mark.notebook  # draws and trains
def test_what_is_written_is_what_a_network_starts_from(tmp_path, monkeypatch):
    encoder, log = pretrain(TINY)
    path = save_pretrained(encoder, TINY, log, tmp_path)
    assert path.name == "tiny_mit.strong.safetensors"
    assert read_json(tmp_path / "tiny_mit.strong.json")["config"]["strength"] == "strong"
    assert [row["held_out_accuracy"] for row in log][-1:] and log[-1]["rounded_to"] == "float16"
    monkeypatch.setattr(load, "SHIPPED", tmp_path)
    loaded = build_segmentor(ModelConfig("tiny_mit", pretrained="strong")).encoder.state_dict()
    assert all(torch.equal(loaded[name], t) for name, t in encoder.state_dict().items())


def test_every_encoder_sees_the_same_images_for_as_many_steps():
    strong = {e: config for (e, strength), config in PRETRAININGS.items() if strength == "strong"}
    assert {"tiny_resnet", "tiny_resnet_half", "tiny_mit_quarter"} < set(strong)
    assert {replace(config, encoder="tiny_mit") for config in strong.values()} == {
        strong["tiny_mit"]
    }


def test_a_prior_that_is_not_shipped_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "SHIPPED", tmp_path)
    half = ModelConfig("tiny_mit_half", pretrained="strong")
    models = [half, half, ModelConfig("tiny_mit_half", pretrained=None), ModelConfig("mit_b0")]
    assert missing_priors(models) == [PRETRAININGS["tiny_mit_half", "strong"]]
    with pytest.raises(FileNotFoundError, match="pretrain-mini --encoder tiny_mit_half --stren"):
        build_segmentor(half)
    (tmp_path / "tiny_mit_half.strong.safetensors").touch()
    assert missing_priors(models) == []


def test_the_weak_prior_has_two_names_and_one_key():
    key = lambda prior: Experiment("x", model=ModelConfig("tiny_mit", pretrained=prior)).key
    assert key("weak") == key("shipped") != key("strong")


def test_the_targets_colours_and_no_domains_style_have_a_part_in_it(monkeypatch):
    """A quarter of the crops has the game's colours, which the source shows as well."""
    before = [draw_object(i) for i in range(2 * len(OBJECT_CLASSES))]
    black = palettes.Swatch(((0, 0, 0),), 0)
    for name in palettes.CAMERA:
        monkeypatch.setitem(palettes.CAMERA, name, black)
    for name in styles.STYLES:
        monkeypatch.setitem(styles.STYLES, name, None)
    for name in ("MINIGTA", "MINISYNTHIA", "MINICITYSCAPES"):
        monkeypatch.setattr(styles, name, None)
    after = [draw_object(i) for i in range(2 * len(OBJECT_CLASSES))]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.parametrize("weights", SHIPPED, ids=lambda p: p.stem)
def test_strong_weights_came_from_where_they_say_and_lost_nothing_by_rounding(weights):
    said = read_json(weights.with_suffix(".json"))
    config = PRETRAININGS[said["config"]["encoder"], "strong"]
    assert said["config"] == asdict(config)
    before, after = (row["held_out_accuracy"] for row in said["log"][-2:])
    # Without convolutions and a pyramid the plain ViT learns less from as many crops and updates.
    least = 0.85 if config.encoder == "tiny_vit" else 0.95
    assert after >= least and abs(after - before) < 0.002
    loaded = build_segmentor(ModelConfig(config.encoder, pretrained="strong")).encoder
    assert all(p.dtype == torch.float32 for p in loaded.parameters())


def test_every_tiny_encoder_has_both_strengths_and_the_weak_one_is_weaker():
    for encoder in ("tiny_mit", "tiny_resnet", "tiny_vit"):
        weak, strong = (
            read_json((load.SHIPPED / load.shipped_name(encoder, strength)).with_suffix(".json"))
            for strength in ("weak", "strong")
        )
        assert weak["log"][-1]["held_out_accuracy"] < strong["log"][-1]["held_out_accuracy"] - 0.02
        assert build_segmentor(ModelConfig(encoder, pretrained="weak")).encoder is not None
