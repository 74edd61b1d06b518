"""The recipes of domain generalisation against the authors' settings (golden_frontier)."""

from __future__ import annotations

import json

import pytest

from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.generalisation import GENERALISATION_RECIPES
from daformer_lib.specs import get_spec
from tests.helpers.frontier import GOLDEN

CONFIGS = json.loads((GOLDEN / "configs.json").read_text(encoding="utf-8"))


def theirs(recipe):
    number, word = recipe.source.split()
    (name,) = (n for n in CONFIGS["experiments"] if n.startswith(f"HRDA-dg/{number}/{word}_"))
    about = CONFIGS["experiments"][name]
    return CONFIGS["base"] | about["changed"]


@pytest.mark.parametrize("name", GENERALISATION_RECIPES)
def test_every_setting_is_the_authors(name):
    recipe = GENERALISATION_RECIPES[name]
    ours, settings = recipe.experiment, theirs(recipe)
    assert recipes.experiment(name, "full") == ours
    assert settings["uda.source_only"] and ours.mode == "source_only"
    assert not ours.needs.target_images
    style, data = ours.methods["style"], ours.data
    assert style.weight == settings["uda.style_consistency_lambda"]
    assert style.concentration == settings["model.style_hallucination_cfg.concentration_coeff"]
    # As many base styles as MiT-B5's first stage has channels.
    assert settings["model.style_hallucination_cfg.base_style_num"] == 64 and not style.base_styles
    assert settings["model.style_hallucination_cfg.style_dim"] == 64 and style.images is None
    assert style.every == settings["style_hallucination_hook.interval"]
    assert ours.uda.fd_weight == settings["uda.imnet_feature_dist_lambda"]
    assert ours.uda.fd_min_share == settings["uda.imnet_feature_dist_scale_min_ratio"]
    assert data.photometric and "data.source.PhotoMetricDistortion" in settings
    assert list(data.crop) == settings["data.source.RandomCrop.crop_size"]
    assert data.rcs_temperature == settings["data.train.rare_class_sampling.class_temp"]
    share = settings["data.train.rare_class_sampling.min_crop_ratio"]
    assert data.rcs_min_crop_pixels == 3000 * share
    assert data.target_margins is None is settings["data.crop_pseudo_margins"]
    assert [*get_spec(data.source).size] == settings["data.source.Resize.img_scale"]
    assert ours.optim.lr == settings["optimizer.lr"]
    assert ours.optim.warmup_steps == settings["lr_config.warmup_iters"]
    assert (ours.train.steps, data.batch_size) == (40_000, settings["data.samples_per_gpu"])
    if "hrda" in ours.methods:
        assert list(ours.methods["hrda"].detail_crop) == settings["model.hr_crop_size"]
        assert ours.methods["hrda"].weight == settings["model.decode_head.hr_loss_weight"]


def test_the_published_numbers_by_hand():
    plain, scales = (GENERALISATION_RECIPES[f"dg_gta_{name}"] for name in ("daformer", "hrda"))
    assert plain.miou == (52.65, 47.89, 54.66) and scales.miou == (57.41, 49.11, 61.16)
    assert scales.experiment.methods["hrda"].detail_crop == (384, 384)
