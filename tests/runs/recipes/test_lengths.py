"""The rules of `--steps`: what they give at the lengths that were tuned, and what they leave."""

import pytest

from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.lengths import length_settings
from daformer_lib.runs.recipes.settings import with_settings


def of_length(row, profile, steps, settings=()):
    built = recipes.experiment(row, profile)
    return with_settings(built, [*length_settings(built, profile, steps), *settings])


def test_the_tuned_lengths_come_out_as_they_were():
    study = recipes.experiment("daformer", "study")
    assert of_length("daformer", "study", 4000) == study
    assert of_length("daformer", "demo", 4000).uda == study.uda
    assert of_length("daformer", "demo", 4000).optim == study.optim
    small = recipes.experiment("daformer", "small")
    assert of_length("daformer", "small", 4000).uda == small.uda
    assert of_length("daformer", "small", 4000).optim == small.optim
    full = recipes.experiment("daformer", "full")
    again = of_length("daformer", "full", 40_000)
    assert (again.uda, again.optim) == (full.uda, full.optim)
    assert length_settings(full, "full", None) == ()


@pytest.mark.parametrize(
    ("steps", "warmup", "memory", "evaluated"),
    [
        (400, 40, 20, 50),
        (2000, 200, 100, 250),
        (8000, 800, 400, 1000),
        (100_000, 1500, 1000, 12500),
    ],
)
def test_by_hand(steps, warmup, memory, evaluated):
    built = of_length("daformer", "demo", steps)
    assert built.train.steps == steps and built.optim.warmup_steps == warmup
    assert 1 / (1 - built.uda.ema_decay) == pytest.approx(memory, rel=1e-3)
    assert built.train.eval_every == built.train.checkpoint_every == evaluated


def test_what_a_row_or_a_setting_says_stays():
    assert of_length("no_warmup", "study", 800).optim.warmup_steps == 0
    assert of_length("short_memory", "study", 800).uda.ema_decay == 0.9
    set_ = of_length("daformer", "study", 800, ["uda.ema_decay=0.5"])
    assert set_.uda.ema_decay == 0.5 and set_.optim.warmup_steps == 80
    with pytest.raises(ValueError, match="steps 0 must be at least 1"):
        of_length("daformer", "demo", 0)
