"""MIC's recipes on DAFormer against the settings of the authors' experiments (golden_frontier).

Those on HRDA are in `test_hrda.py`.
"""

from __future__ import annotations

import json

import pytest

from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.mic import MIC_RECIPES
from tests.helpers.frontier import GOLDEN, assert_settings, settings_of

CONFIGS = json.loads((GOLDEN / "configs.json").read_text(encoding="utf-8"))
WHERE = {"target": "separatetrg", "source": "separatesrc", "both": "separate"}


NETWORKS = {"daformer": "daformer_sepaspp_mitb5", "deeplabv2": "dlv2red_r101v1c"}
ENCODERS = {"mit_b5": "mit_b5", "resnet101_v1c": "ResNetV1c101"}


def theirs(source, decoder):
    number, mask = source.split()
    (name,) = [
        name for name in CONFIGS["experiments"]
        if name.startswith(f"MIC/{number}/") and f"_{mask}_{NETWORKS[decoder]}_" in name
    ]  # fmt: skip
    return settings_of(CONFIGS["experiments"][name], CONFIGS)


@pytest.mark.parametrize(
    "name", [n for n, recipe in MIC_RECIPES.items() if "hrda" not in recipe.experiment.methods]
)
def test_every_setting_is_the_authors(name):
    recipe = MIC_RECIPES[name]
    assert recipes.experiment(name, "full") == recipe.experiment.changed(train={"seed": 0})
    ours = recipe.experiment
    settings = theirs(recipe.source, ours.model.decoder)
    uda, mic, data = ours.uda, ours.methods["mic"], ours.data
    mode = WHERE[mic.where] + ("aug" if mic.augment else "")
    same = lambda value: "same" if value is None else value
    assert {
        "mask_mode": mode,
        "mask_lambda": mic.weight,
        "mask_generator.mask_block_size": mic.block,
        "mask_generator.mask_ratio": mic.ratio,
        "mask_alpha": same(mic.ema_decay),
        "source_only": ours.mode == "oracle",
        "imnet_feature_dist_lambda": uda.fd_weight,
    } == {
        key: settings[f"uda.{key}"]
        for key in (
            "mask_mode", "mask_lambda", "mask_generator.mask_block_size",
            "mask_generator.mask_ratio", "mask_alpha", "source_only", "imnet_feature_dist_lambda",
        )
    }  # fmt: skip
    # Their None gives every pixel the weight 1, as a threshold of 0 does.
    threshold = settings["uda.mask_pseudo_threshold"]
    assert same(mic.threshold) == (0 if threshold is None else threshold)
    assert_settings(ours, settings)
    assert ENCODERS[ours.model.encoder] == settings["model.backbone"]
    file = settings["model.pretrained"].replace("open-mmlab://", "pretrained/")
    assert ours.model.pretrained.removesuffix(".pth") == file.removesuffix(".pth")
    assert settings["data.crop_pseudo_margins"] is data.target_margins is None
    if ours.mode == "uda":
        assert uda.ema_decay == settings["uda.alpha"]
        assert uda.threshold == settings["uda.pseudo_threshold"]
        rows = [settings[f"uda.pseudo_weight_ignore_{side}"] for side in ("top", "bottom")]
        assert [uda.ignore_top, uda.ignore_bottom] == rows
        rcs = "data.train.rare_class_sampling"
        assert data.rcs_temperature == settings.get(f"{rcs}.class_temp")
        if data.rcs_temperature is not None:
            assert data.rcs_min_crop_pixels == 3000 * settings[f"{rcs}.min_crop_ratio"]


def test_tables_are_whole():
    tables = (1, 2, 6, 7, 8, 9)
    counts = {table: sum(r.table == table for r in MIC_RECIPES.values()) for table in tables}
    assert counts == {1: 4, 2: 4, 6: 4, 7: 4, 8: 16, 9: 1}
    one, other = (MIC_RECIPES[f"mic_table{row}"] for row in ("1_daformer", "8_block32_ratio70"))
    assert one.experiment.key == other.experiment.key  # run once
