"""`part.field=value`: every kind of field, and errors that name what is known."""

import pytest

from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.settings import with_settings


def test_every_kind_of_field():
    base = recipes.experiment("daformer", "demo")
    given = [
        "train.compile=reduce-overhead", "train.channels_last=false", "data.crop=96x128",
        "data.rcs_temperature=None", "optim.lr=1e-3", "train.final_splits=val,test",
        "data.prepared=true", "train.steps=7",
    ]  # fmt: skip
    changed = with_settings(base, given)
    assert changed.train.compile == "reduce-overhead" and changed.train.channels_last is False
    assert changed.data.crop == (96, 128) and changed.data.rcs_temperature is None
    assert changed.optim.lr == 1e-3 and changed.train.final_splits == ("val", "test")
    assert changed.data.prepared is True and changed.train.steps == 7
    assert with_settings(base, []) == base


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("compile=default", "must be part.field=value"),
        ("train.steps", "must be part.field=value"),
        ("train.chanels_last=true", "no field 'chanels_last'; did you mean channels_last"),
        ("train.steps=many", "train.steps=many: the value must be of type int"),
        ("train.precision=fp8", "train.precision=fp8: the value must be of type"),
        ("data.crop=100x130", "must be a multiple of 32"),
    ],
)
def test_an_error_says_what_would_do(setting, message, capsys):
    with pytest.raises(ValueError, match=message):
        with_settings(recipes.experiment("daformer", "demo"), [setting])
    assert capsys.readouterr().err == ""


def test_a_small_run_is_the_papers_with_a_smaller_network_crop_and_length():
    """What else differs would be a number that nobody has stated."""
    full, small = (recipes.experiment("daformer", p).to_dict() for p in ("full", "small"))
    differing = {
        f"{section}.{name}"
        for section, values in full.items()
        if isinstance(values, dict)
        for name, value in values.items()
        if small[section][name] != value
    }
    assert differing == {
        "model.encoder", "model.pretrained", "data.crop", "data.workers",
        "data.rcs_min_pixels", "data.rcs_min_crop_pixels",  # scaled where the sizes are known
        "uda.ignore_top", "uda.ignore_bottom", "uda.ema_decay", "optim.warmup_steps",
        "train.steps", "train.eval_every", "train.checkpoint_every", "train.snapshot_every",
        "train.max_eval_images",
    }  # fmt: skip
