"""The page on what came after DAFormer types no number that the committed results do not have."""

import re
from pathlib import Path

import pytest

from daformer_lib.runs.claims import Pair, effect, miou
from daformer_lib.runs.results import read_results

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/method/frontier.md").read_text(encoding="utf-8")
FILE = r"\[(\w+)\]\(\.\./\.\./results/\5\.md\)"
LINES = re.findall(
    r"^\| [^|]+\? \| (\w+) → (\w+) \| ([^|]+) \| (\w+) \| " + FILE + r" \|$", PAGE, re.M
)


def test_every_method_has_a_line():
    assert len(LINES) == PAGE.count("? |") >= 12
    assert {file.partition("_")[0] for *_, file in LINES} >= {"mic", "generalisation", "cra", "hd"}


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line[4]}-{line[0]}-{line[1]}")
def test_a_difference_and_its_verdict_are_those_of_the_results(line):
    low, high, typed, verdict, file = line
    rows = {row.row: row for row in read_results(ROOT / f"results/{file}.json")}
    found = effect(Pair(low, high), miou, rows)
    assert found.seeds >= 3
    assert typed == f"{found.gain:+.1f} ± {found.error:.1f}" and verdict == found.verdict
