"""pyproject.toml, the lock, environment.yml and the committed files agree and stay clean."""

import functools
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.whole.test_browser import require_browser

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = PROJECT["dependencies"] + EXTRAS["test"] + EXTRAS["site"]  # what `make` needs


def test_conda_environment_has_the_same_packages():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert sorted(pip["pip"]) == sorted(WANTED)
    assert f"python{PROJECT['requires-python']}" in conda


def test_every_dependency_is_pinned_in_the_lock():
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.lock").read_text(), re.M))
    for requirement in WANTED:
        name = re.match(r"[a-zA-Z0-9-]+", requirement).group().lower()
        assert name in pinned, name


def test_the_lock_holds_no_addresses():
    assert not re.search(r"https?://|file:|\s@\s", (ROOT / "requirements.lock").read_text())


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE", "README.md", "Makefile", ".ci/run"])
def test_what_every_clone_needs(name):
    assert (ROOT / name).stat().st_size > 100


def test_make_alone_lists_what_can_be_made_and_starts_nothing():
    """Every target that is documented and none that is not; the dry run names one command."""
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)", text, re.M)[1].split()
    # Within `make test` a make of its own, which would name the folders that it enters.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    run = functools.partial(
        subprocess.run, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    listed = run(["make"]).stdout
    assert [line.split()[1] for line in listed.splitlines()] == phony
    assert all(len(line.split()) > 3 or "this list" in line for line in listed.splitlines())
    planned = run(["make", "-n"]).stdout
    assert "awk" in planned and "venv" not in planned


def test_without_a_browser_a_submission_fails_and_others_skip():
    for ci, ends in ((True, pytest.fail.Exception), (False, pytest.skip.Exception)):
        with pytest.raises(ends, match=r"no chromium .* install it .*apt-get install chromium"):
            require_browser(None, ci)
    assert require_browser("/a/chromium", True) == "/a/chromium"
    assert "export CI=" in (ROOT / ".ci" / "run").read_text()


def test_weights_are_small():
    """Those that ship; the smaller encoders of Table 3 are pretrained where they are studied."""
    names = subprocess.check_output(["git", "ls-files", "*.safetensors"], cwd=ROOT, text=True)
    weights = [file for file in map(ROOT.joinpath, names.split()) if file.parent.name == "weights"]
    assert {w.name.partition(".")[0] for w in weights} == {"tiny_mit", "tiny_resnet", "tiny_vit"}
    assert sum(w.stat().st_size for w in weights) < 18e6
