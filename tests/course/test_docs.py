"""The pages that lead from words and from the paper to the code name what there is."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = (ROOT / "docs/method/paper-to-code.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs/start/glossary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(daformer_lib\.[\w.]+)`", CODE))))
def test_every_name_of_the_page_is_in_the_code(name):
    module, _, what = name.rpartition(".")
    assert hasattr(importlib.import_module(module), what)


@pytest.mark.parametrize("page", [CODE, GLOSSARY], ids=["paper", "glossary"])
def test_every_chapter_that_a_page_names_is_there(page):
    there = {path.name[:2] for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")}
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    column = rows[0].index(" chapter ")
    named = {n for row in rows for n in re.findall(r"\b\d\d\b", row[column])}
    assert named and named <= there


def test_every_file_that_the_page_names_is_there():
    for name in re.findall(r"\b((?:results|docs)/[\w/.-]+\.\w+)", CODE):
        assert (ROOT / name).is_file(), name
