"""The rows of the studies: each is there, once, and a table at `full` is the paper's."""

from __future__ import annotations

import pytest

from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.paper import PAPER_RECIPES
from daformer_lib.studies.in_paper import IN_PAPER


@pytest.mark.parametrize("table", recipes.STUDIES)
def test_a_studys_rows_are_there_and_differ(table):
    rows = recipes.study_rows(table, "study")
    starts = dict.fromkeys(recipes.SECOND_STAGES, "0" * 8)  # as a study sets it
    made = [
        recipes.experiment(row, "study").changed(train={"start_from": starts.get(row)})
        for row in rows
    ]
    assert len({one.key for one in made}) == len(rows)
    assert all(row in recipes.TITLES for row in rows)


def test_every_row_has_a_title_of_its_own():
    assert set(recipes.TITLES) == set(recipes.ROWS)
    assert len(set(recipes.TITLES.values())) == len(recipes.TITLES)


def test_a_table_at_full_is_the_papers():
    rows = recipes.study_rows("table5", "full")
    assert len(rows) == 8 and rows[0] == "table5_segformer_uda"
    assert len(recipes.study_rows("table1", "full")) == 15
    known = "known: cra, encoders, generalisation, hd, main, mic, settings, table1"
    with pytest.raises(KeyError, match=f"unknown study 'table9'; .*{known}"):
        recipes.study_rows("table9", "study")


def test_networks_differ_in_nothing_but_the_network():
    plain = recipes.experiment("self_training", "demo")
    other = recipes.experiment("danet_self_training", "demo")
    assert (other.model.encoder, other.model.decoder) == ("tiny_resnet", "danet")
    assert (
        other.changed(name=plain.name, model={"encoder": "tiny_mit", "decoder": "daformer"})
        == plain
    )


def test_a_row_of_table_7_beside_the_papers_has_its_decoder():
    for row, (name, _) in IN_PAPER["table7"].items():
        (theirs,) = {
            recipe.experiment.model.decoder
            for recipe in PAPER_RECIPES.values()
            if (recipe.table, recipe.paper) == (7, name)
        }
        assert recipes.experiment(row, "study").model.decoder == theirs


def test_table_3_differs_in_nothing_but_the_encoders_width():
    for row in ("source_only", "self_training", "oracle"):
        for small, whole in (("mit_half", "segformer"), ("cnn_quarter", "cnn")):
            one = recipes.experiment(f"{small}_{row}", "study")
            other = recipes.experiment(f"{whole}_{row}", "study")
            encoder = other.model.encoder + "_" + small.partition("_")[2]
            assert one == other.changed(name=one.name, model={"encoder": encoder})
    with pytest.raises(KeyError, match=r"mit_half_oracle is a size .* full's table3_resnet50_uda"):
        recipes.experiment("mit_half_oracle", "full")


@pytest.mark.parametrize("profile", ["demo", "study", "full"])
def test_half_and_double_are_of_what_the_profile_has(profile):
    base = recipes.experiment("daformer", profile)
    half, double = (
        {name: recipes.experiment(f"{name}_{word}", profile) for name in recipes.SCALED}
        for word in ("half", "double")
    )
    for one, factor in ((half, 0.5), (double, 2)):
        memory = 1 / (1 - one["memory"].uda.ema_decay)
        assert memory == pytest.approx(factor / (1 - base.uda.ema_decay), rel=1e-3)
        assert one["fd_weight"].uda.fd_weight == factor * base.uda.fd_weight
        assert one["warmup"].optim.warmup_steps == factor * base.optim.warmup_steps
        assert one["lr"].optim.lr == factor * base.optim.lr
        assert one["temperature"].data.rcs_temperature == factor * base.data.rcs_temperature
        for name, experiment in one.items():
            part, field = recipes.SCALED[name].split(".")
            back = {part: {field: getattr(getattr(base, part), field)}}
            assert experiment.changed(name=base.name, **back) == base


@pytest.mark.parametrize("table", ["mic", "cra", "generalisation", "hd", "encoders"])
def test_what_goes_beyond_daformer_has_the_same_rows_at_full_size(table):
    rows = recipes.study_rows(table, "full")
    assert rows == recipes.study_rows(table, "study")
    assert all(recipes.experiment(row, "full").train.steps == 40_000 for row in rows)
