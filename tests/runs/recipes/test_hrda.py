"""HRDA's recipes against the settings of the authors' experiments (golden_frontier)."""

from __future__ import annotations

import json

import pytest

from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.hrda import HRDA_RECIPES
from daformer_lib.runs.recipes.mic import MIC_RECIPES
from daformer_lib.specs import get_spec
from tests.helpers.frontier import GOLDEN, assert_settings, settings_of

CONFIGS = json.loads((GOLDEN / "configs.json").read_text(encoding="utf-8"))
ON_HRDA = {n: r for n, r in (HRDA_RECIPES | MIC_RECIPES).items() if "hrda" in r.experiment.methods}
SOURCES = {"gtaHR2cs": "gta_hr", "synHR2cs": "synthia_hr", "csHR2": "cityscapes_hr", "gta2": "gta"}
TARGETS = {"acdcHR": "acdc_hr", "dzurHR": "darkzurich_hr", "2csHR": "cityscapes_hr"}


def theirs(recipe):
    """The name and the settings of the one experiment that `recipe.source` tells of."""
    number, *words = recipe.source.split()
    repository = "MIC" if "mic" in recipe.experiment.methods else "HRDA"
    found = [
        name for name in CONFIGS["experiments"]
        if name.startswith(f"{repository}/{number}/") and "hrda1" in name
        and all(word in name for word in words)
    ]  # fmt: skip
    assert len(found) == 1, found
    return found[0], settings_of(CONFIGS["experiments"][found[0]], CONFIGS)


@pytest.mark.parametrize("name", ON_HRDA)
def test_every_setting_is_the_authors(name):
    recipe = ON_HRDA[name]
    ours = recipe.experiment
    assert recipes.experiment(name, "full") == ours.changed(train={"seed": 0})
    title, settings = theirs(recipe)
    uda, data, hrda = ours.uda, ours.data, ours.methods["hrda"]
    window = settings["model.test_cfg.mode"] == "slide"
    assert hrda.window == (tuple(settings["model.test_cfg.crop_size"]) if window else None)
    if window:  # half overlapping, which is not a choice here
        assert settings["model.test_cfg.stride"] == [side // 2 for side in hrda.window]
    assert {
        "detail_crop": list(hrda.detail_crop),
        "scales": [1, hrda.scale],
        "feature_scale": hrda.scale,
        "divisible": hrda.divisible,
        "weight": hrda.weight,
        "context_weight": hrda.context_weight,
        "fixed": hrda.fixed_attention,
        "classwise": hrda.classwise,
        "overlap": hrda.overlap,
        "blur": hrda.blur,
    } == {
        "detail_crop": settings["model.hr_crop_size"],
        "scales": settings["model.scales"],
        "feature_scale": settings["model.feature_scale"],
        "divisible": settings["model.crop_coord_divisible"],
        "weight": settings["model.decode_head.hr_loss_weight"],
        "context_weight": settings.get("model.decode_head.lr_loss_weight", 0),
        "fixed": settings.get("model.decode_head.fixed_attention"),
        "classwise": settings["model.decode_head.attention_classwise"],
        "overlap": settings.get("model.hr_slide_overlapping", True),
        "blur": settings.get("model.blur_hr_crop", False),
    }
    decoder = {"DAFormerHead": "daformer", "DLV2Head": "deeplabv2"}
    assert ours.model.decoder == decoder[settings["model.decode_head.single_scale_head"]]
    encoder = {"mit_b5": "mit_b5", "ResNetV1c101": "resnet101_v1c"}
    assert ours.model.encoder == encoder[settings["model.backbone"]]
    assert_settings(ours, settings)
    assert [uda.ema_decay, uda.threshold] == [
        settings["uda.alpha"],
        settings["uda.pseudo_threshold"],
    ]
    assert uda.fd_weight == settings["uda.imnet_feature_dist_lambda"]
    assert [uda.ignore_top, uda.ignore_bottom] == [0, 0]
    share = settings.get("data.train.rare_class_sampling.min_crop_ratio")
    temperature = settings.get("data.train.rare_class_sampling.class_temp")
    assert data.rcs_temperature == temperature
    if share is not None:
        assert data.rcs_min_crop_pixels == 3000 * share
    # The margins are of their target files, 2048x1024, whatever the training size.
    margins = settings["data.crop_pseudo_margins"]
    halved = get_spec(data.target).size == (1024, 512)
    expected = None if margins is None else tuple(m // (2 if halved else 1) for m in margins)
    assert data.target_margins == expected
    assert data.source == next(v for k, v in SOURCES.items() if f"/{k}" in title)
    if "gta2cs" not in title:
        assert data.target == next(v for k, v in TARGETS.items() if k in title)
    if "mic" in ours.methods:
        mic = ours.methods["mic"]
        assert mic.block == settings["uda.mask_generator.mask_block_size"]
        assert mic.ratio == settings["uda.mask_generator.mask_ratio"]
        assert mic.weight == settings["uda.mask_lambda"]
        where = {"target": "separatetrg", "source": "separatesrc", "both": "separate"}[mic.where]
        assert where + "aug" * mic.augment == settings["uda.mask_mode"]
        assert settings["uda.mask_alpha"] == settings["uda.mask_pseudo_threshold"] == "same"
        assert mic.ema_decay is mic.threshold is None


def test_the_published_rows_by_hand():
    """Values written down from the authors' configurations and README, not computed."""
    gta = HRDA_RECIPES["hrda_table1_gta"]
    assert gta.miou == 73.8 and HRDA_RECIPES["hrda_table1_synthia"].miou == 65.8
    assert HRDA_RECIPES["hrda_acdc"].miou == 68.0 and HRDA_RECIPES["hrda_darkzurich"].miou == 55.9
    assert MIC_RECIPES["mic_table2_gta"].miou == 75.9
    data, hrda = gta.experiment.data, gta.experiment.methods["hrda"]
    assert (data.source, data.target, data.crop) == ("gta_hr", "cityscapes_hr", (1024, 1024))
    assert (data.rcs_min_pixels, data.rcs_min_crop_pixels) == (3000, 6000)
    assert data.target_margins == (30, 240, 30, 30)
    assert (hrda.detail_crop, hrda.scale, hrda.weight) == ((512, 512), 0.5, 0.1)
    assert hrda.window == (1024, 1024)
    assert MIC_RECIPES["mic_table2_gta"].experiment.methods["mic"].block == 64
    assert len(HRDA_RECIPES) == 19 and len(ON_HRDA) == 28


def test_the_course_row_at_full_is_the_published_one():
    for row, published in {"hrda": "hrda_table1_gta", "mic_hrda": "mic_table2_gta"}.items():
        assert recipes.experiment(row, "full").key == recipes.experiment(published, "full").key
