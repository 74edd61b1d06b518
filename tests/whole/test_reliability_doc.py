"""docs/use/reliability.md names tests; each exists, and so does what the page says about."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "use" / "reliability.md").read_text()
NAMED = sorted(set(re.findall(r"(tests/[\w/]+\.py)::(\w+)", PAGE)))


def names_in(path):
    return {n.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_named_test_exists(path, name):
    assert (ROOT / path).exists(), path
    assert name.startswith("test_") and name in names_in(ROOT / path), f"{path} has no {name}"


def test_every_promise_names_its_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise")]
    assert len(NAMED) > 15 and len(promises) > 10
    for row in promises:
        assert "tests/" in row.rsplit("|", 2)[1], row
