"""The memory probe: one process per trial, and a trial that fails does not end the others."""

import pytest

from daformer_lib import cli
from daformer_lib.runs import recipes
from daformer_lib.train.probe import Probed, measure, noise_batch, probe


def test_what_fits():
    tried = Probed("plain", (), 12.0, 1000.0)
    assert tried.fits(None) and tried.fits(1.1) and not tried.fits(1.0)
    assert not Probed("plain", (), problem="out of memory").fits(None)


def test_noise_fits_the_mode():
    experiment = recipes.experiment("daformer", "smoke")
    batch = noise_batch(experiment)
    assert batch.source.image.shape == batch.target.image.shape == (2, 3, 128, 128)
    assert noise_batch(recipes.experiment("oracle", "smoke")).target is None


def test_a_measurement_has_time_and_memory():
    small = recipes.experiment("daformer", "smoke").changed(data={"crop": (64, 64)})
    found = measure(small, steps=1)
    assert 0 < found["milliseconds"] < 60_000 and found["mib"] > 50


@pytest.mark.notebook
def test_each_trial_is_a_process_of_its_own():
    small = recipes.experiment("daformer", "smoke").changed(data={"crop": (64, 64)})
    trials = {"default": (), "broken": ("model.encoder=no_such",)}
    works, broken = probe(small, 1, trials)
    assert works.fits(None) and works.problem == ""
    assert not broken.fits(None) and "no_such" in broken.problem


def test_the_command_prints_what_fits(monkeypatch, capsys):
    found = [
        Probed("plain", (), 10, 900),
        Probed("bf16", ("a=b",), 7, 2000),
        Probed("c", (), problem="killed"),
    ]
    monkeypatch.setattr("daformer_lib.train.probe.probe", lambda experiment, steps: iter(found))
    assert cli.main(["probe", "--memory", "1.5", "--profile", "demo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "yes" in lines[1] and "no " in lines[2] and "a=b" in lines[2] and len(lines) == 5
    assert lines[4] == "1200 steps: about 12 s with plain, scoring not counted"
    assert cli.main(["probe", "--memory", "0.1", "--profile", "demo"]) == 1
