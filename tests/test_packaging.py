"""pyproject.toml, the lock, environment.yml and the committed files agree and stay clean."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_conda_environment_has_the_same_packages():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    assert sorted(pip["pip"]) == sorted(wanted)
    assert f"python{PROJECT['requires-python']}" in conda


def test_every_dependency_is_pinned_in_the_lock():
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text(), re.M))
    for requirement in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]:
        name = re.match(r"[a-zA-Z0-9-]+", requirement).group().lower()
        assert name in pinned, name


def test_the_lock_holds_no_addresses():
    assert not re.search(r"https?://|file:|\s@\s", (ROOT / "requirements.lock").read_text())


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE", "README.md", "Makefile", ".ci/run"])
def test_what_every_clone_needs(name):
    assert (ROOT / name).stat().st_size > 100


def test_weights_are_small():
    weights = list((ROOT / "daformer_lib" / "weights").glob("*.safetensors"))
    assert {w.stem for w in weights} >= {"tiny_mit", "tiny_resnet"}
    assert sum(w.stat().st_size for w in weights) < 15e6
