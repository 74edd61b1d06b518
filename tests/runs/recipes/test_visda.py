"""The VisDA-2022 rows hold the organisers' settings and numbers, and resolve by name."""

from __future__ import annotations

import pytest

from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.visda import VISDA_RECIPES
from daformer_lib.specs import get_spec, get_specs

SOURCES = {"v1": ["zerowaste_v1"], "synth_v1": ["synthwaste_aug", "zerowaste_v1"]}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("mode", ["source_only", "uda"])
def test_settings_of_the_challenges_baseline(source, mode):
    experiment = recipes.experiment(f"visda_{source}_{mode}", "full")
    data, uda = experiment.data, experiment.uda
    assert [spec.name for spec in get_specs(data.source)] == SOURCES[source]
    assert (data.target, experiment.mode, experiment.model.num_classes) == ("zerowaste_v2", mode, 5)
    assert data.rcs_temperature is None and data.crop == (512, 512) and data.batch_size == 2
    assert experiment.train.steps == 40_000 and experiment.optim.lr == 6e-5
    if mode == "uda":
        assert (uda.fd_weight, uda.fd_on, uda.fd_min_share) == (0.005, "things", 0.75)
        assert get_spec(data.target).things == (1, 2, 3, 4)
        assert (uda.ema_decay, uda.ignore_top, uda.ignore_bottom) == (0.999, 15, 120)
        assert experiment.model.decoder == "daformer"
    else:
        assert data.photometric and experiment.model.decoder == "segformer" and not uda.fd_weight
    assert experiment.model.encoder == "mit_b5"


def test_the_organisers_numbers():
    numbers = {name: (recipe.test, recipe.val) for name, recipe in VISDA_RECIPES.items()}
    assert numbers == {
        "visda_v1_source_only": (45.49, 45.56),
        "visda_v1_uda": (52.26, 50.84),
        "visda_synth_v1_source_only": (42.61, 41.2),
        "visda_synth_v1_uda": (48.31, 46.29),
    }


def test_they_are_rows_of_the_full_profile():
    with pytest.raises(KeyError, match="visda_v1_uda is a row of VisDA-2022: profile 'full', not"):
        recipes.experiment("visda_v1_uda", "demo")
    with pytest.raises(KeyError, match="did you mean visda_v1_uda"):
        recipes.experiment("visda_v1_udaa", "full")
    assert len({recipe.experiment.key for recipe in VISDA_RECIPES.values()}) == len(VISDA_RECIPES)
