"""Configurations: the authors' defaults, contradictions, keys, recipes."""

import json

import pytest

from daformer_lib.config import DataConfig, Experiment, ModelConfig, OptimConfig, UDAConfig
from daformer_lib.models import build_segmentor
from daformer_lib.runs import recipes
from tests.helpers.rows import SIZES, one_of_each_network

MINI = ("smoke", "demo", "study")


def test_full_daformer_is_the_authors_configuration(golden):
    ours = recipes.experiment("daformer", "full")
    theirs = golden("keys.json")["uda"]["config"]
    uda, data = theirs["uda"], theirs["data"]["train"]
    assert ours.uda.ema_decay == uda["alpha"]
    assert ours.uda.threshold == uda["pseudo_threshold"]
    assert ours.uda.ignore_top == uda["pseudo_weight_ignore_top"]
    assert ours.uda.ignore_bottom == uda["pseudo_weight_ignore_bottom"]
    assert ours.uda.fd_weight == uda["imnet_feature_dist_lambda"]
    assert ours.uda.fd_min_share == uda["imnet_feature_dist_scale_min_ratio"]
    assert ours.uda.jitter_above == uda["color_jitter_probability"]
    assert ours.uda.jitter_strength == uda["color_jitter_strength"]
    rcs = data["rare_class_sampling"]
    assert ours.data.rcs_temperature == rcs["class_temp"]
    assert ours.data.rcs_min_pixels == rcs["min_pixels"]
    assert ours.data.rcs_min_crop_pixels == 1500
    assert ours.optim.lr == theirs["optimizer"]["lr"]
    assert ours.optim.weight_decay == theirs["optimizer"]["weight_decay"]
    assert ours.optim.warmup_steps == theirs["lr_config"]["warmup_iters"]
    assert ours.optim.warmup_ratio == theirs["lr_config"]["warmup_ratio"]
    assert ours.train.steps == theirs["runner"]["max_iters"] == 40_000
    assert ours.data.batch_size == theirs["data"]["samples_per_gpu"]


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: DataConfig(crop=(100, 130)), "crop 100x130 must be a multiple of 32; try 96x128"),
        (lambda: DataConfig(batch_size=0), "batch_size 0"),
        (lambda: DataConfig(rcs_temperature=0), "rcs_temperature 0"),
        (lambda: UDAConfig(ema_decay=1), "ema_decay 1"),
        (lambda: UDAConfig(fd_on="stuff"), "fd_on 'stuff'"),
        (lambda: OptimConfig(lr=0), "lr 0"),
        (lambda: ModelConfig(num_classes=1), "num_classes 1"),
        (lambda: Experiment("x", mode="magic"), "mode 'magic'"),
        (lambda: Experiment("x", data=DataConfig(crop=(128, 128))), "leaves no row of a crop 128"),
    ],
)
def test_contradictions_raise_at_construction(make, part):
    with pytest.raises(ValueError, match=part):
        make()


@pytest.mark.parametrize(("profile", "own"), [("smoke", "data/smoke"), ("demo", "data"),
                                              ("study", "data"), ("full", "data")])  # fmt: skip
def test_a_data_root_is_taken_as_it_is(profile, own):
    """Only where none is given, a handful of images lies apart from the other profiles'."""
    given = recipes.experiment("daformer", profile, data_root="mine")
    assert given.data.data_root == "mine"
    assert recipes.experiment("daformer", profile).data.data_root == own
    assert recipes.default_root(profile) == own


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(KeyError, match="did you mean daformer"):
        recipes.experiment("dafomer")
    with pytest.raises(KeyError, match="did you mean demo"):
        recipes.experiment("daformer", "demoo")
    with pytest.raises(KeyError, match="unknown data set"):
        recipes.experiment("daformer", source="gtaa")


@pytest.mark.parametrize(
    ("profile", "row"),
    [
        (profile, row)
        for profile in recipes.PROFILES
        for row in recipes.ROWS
        if profile in MINI or row not in SIZES
    ],
)
def test_every_recipe_resolves_and_survives_json(row, profile):
    experiment = recipes.experiment(row, profile, seed=1)
    again = Experiment.from_dict(json.loads(json.dumps(experiment.to_dict())))
    assert again == experiment and again.key == experiment.key
    assert experiment.train.seed == 1


@pytest.mark.parametrize("row", one_of_each_network())
def test_every_mini_recipe_builds(row):
    config = recipes.experiment(row, "demo").changed(model={"pretrained": None}).model
    assert build_segmentor(config) is not None


def test_the_key_sees_what_changes_a_result_and_nothing_else():
    base = recipes.experiment("daformer", "demo")
    assert base.changed(uda={"fd_weight": 0.1}).key != base.key
    assert base.changed(train={"seed": 5}).key != base.key
    assert base.changed(data={"data_root": "elsewhere", "workers": 3}).key == base.key
    rows = recipes.ROWS.keys() - {"daformer_more"}  # which differs by the run that it starts from
    assert len({recipes.experiment(row, "demo").key for row in rows}) == len(rows)
