"""What stands around the chapters: the map and the head of each agree, and the first cell helps."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
BOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
MAP = (ROOT / "docs/start/chapters.md").read_text(encoding="utf-8")
ROWS = [
    [c.strip() for c in line.split("|")[1:-1]]
    for line in MAP.splitlines()
    if line.startswith("| [")
]


@pytest.fixture(scope="module")
def cells():
    """Chapter -> its cells."""
    return {path.stem[:2]: nbformat.read(path, as_version=4).cells for path in BOOKS}


def test_the_map_has_every_chapter():
    named = [re.search(r"notebooks/([\w]+\.ipynb)", row[0])[1] for row in ROWS]
    assert named == [path.name for path in BOOKS]


def test_the_training_times_are_the_committed_ones():
    runs = json.loads((ROOT / "results/demo_study.json").read_text())["runs"]
    seconds = {run["row"]: run["seconds"] for run in runs if run["seed"] == 0}
    found = {row[0][1:3]: row[4] for row in ROWS}
    assert found["00"] == f"{seconds['source_only'] + seconds['oracle']:.0f} s"
    assert found["06"] == f"{sum(seconds.values()):.0f} s"
    assert found["08"] == f"{seconds['daformer']:.0f} s"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][1:3])
def test_a_head_says_what_the_map_says_and_the_end_leads_on(cells, row):
    number = row[0][1:3]
    head, end = cells[number][0].source, cells[number][-1].source
    built = re.search(r"\*Builds on\* (.*?)\. \*You need\*", head)[1]
    assert sorted(re.findall(r"\((\d\d)_", built)) == re.findall(r"\d\d", row[2])
    assert row[3].split(" ([")[0] in head and row[4] in head
    for page in ("start/chapters", "start/glossary", "method/hyper-parameters"):
        assert f"(../docs/{page}.md)" in head
    following = f"{int(number) + 1:02d}"
    assert f"({following}_" in end if following in cells else "Next" in end


def first_cell(cells) -> str:
    (source,) = {next(c.source for c in book if c.cell_type == "code") for book in cells.values()}
    return source


def run_first_cell(source: str, finds: str) -> subprocess.CompletedProcess:
    """In a new interpreter that finds the kit or not; what it would start is printed instead."""
    before = (
        "import importlib.util, subprocess\n"
        f"answers = iter({finds})\n"
        "importlib.util.find_spec = lambda name: next(answers)\n"
        "subprocess.run = lambda command, check: print('would run', *command[1:])\n"
    )
    command = [sys.executable, "-c", before + source]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_first_cell_finds_the_kit(cells):
    done = run_first_cell(first_cell(cells), "[1]")
    assert done.returncode == 0 and done.stdout == "daformer_lib is here\n"


def test_the_first_cell_says_how_to_install(cells):
    done = run_first_cell(first_cell(cells), "[None]")
    assert done.returncode == 1 and done.stdout == ""
    assert "`pip install ..`" in done.stderr and "INSTALL = True" in done.stderr


def test_the_first_cell_installs_on_request(cells):
    source = first_cell(cells).replace("INSTALL = False", "INSTALL = True")
    done = run_first_cell(source, "[None, 1]")
    assert done.stdout == "would run -m pip install --quiet ..\ndaformer_lib is here\n"
