"""README and docs/: short where it must be, and every command, link and result is what there is."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import get_type_hints
from urllib.parse import unquote

import pytest
from PIL import Image
from tyro.conf import Positional

from daformer_lib.cli.main import COMMANDS, COMPLETION, LISTED, SCRIPT, app
from daformer_lib.runs.papers import paper_row
from daformer_lib.runs.results import mean_std, read_results
from daformer_lib.studies.in_paper import paper_score

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*/*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
PROGRAMS = r"(?:python -m daformer_lib|daformer)"
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.M | re.S)
PLACEHOLDER = re.compile(r"[A-Z_<$]")  # RUN_A, <folders>, $OUT
STUDY = {r.row: r for r in read_results(ROOT / "results/mini_study.json")}
RESULTS = {  # name of a row in the pages -> row of the study
    "source-only": "source_only",
    "self-training": "self_training",
    "self-training + FD": "fd",
    "self-training + RCS, T = ∞": "rcs_uniform",
    "self-training + RCS": "rcs",
    "DAFormer (RCS + FD)": "daformer",
    "oracle (the target's labels)": "oracle",
    "oracle (trained on the target's labels)": "oracle",
}


@cache
def options() -> dict[str, dict[str, dict]]:
    """Flag -> what completion knows of it, for every command: as tyro itself lists them."""
    import contextlib
    import io

    told = io.StringIO()
    with contextlib.redirect_stdout(told), pytest.raises(SystemExit):
        app().cli(args=[COMPLETION, "bash"], prog=SCRIPT)
    spec = ast.literal_eval(re.search(r"^COMPLETION_SPEC = (.*)$", told.getvalue(), re.M)[1])
    return {
        name: {flag: one for one in command["options"] for flag in one["flags"]}
        for name, command in spec["subcommands"].items()
    }


def code(page: Path) -> list[str]:
    """Lines of fenced blocks, continued ones joined, and code within the text."""
    text = page.read_text(encoding="utf-8")
    blocks = [b.replace("\\\n", " ") for b in FENCE.findall(text)]
    return [line for b in blocks for line in b.splitlines()] + re.findall(
        r"`([^`\n]+)`", FENCE.sub("", text)
    )


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """(command, its arguments) of every call that the page shows."""
    found = []
    for line in code(page):
        for call in re.findall(rf"{PROGRAMS} ([a-z][a-z-]+)([^#|>]*)", line.replace("<", "")):
            found.append((call[0], call[1].split()))
    return found


def takes_names(command: str) -> bool:
    """Whether it is told what to work on without an option, as `compare RUN_A RUN_B`."""
    kinds = get_type_hints(COMMANDS[command], include_extras=True).values()
    return any(Positional in getattr(kind, "__metadata__", ()) for kind in kinds)


def test_the_first_page_is_short():
    assert len(README.split()) <= 900


def test_it_says_first_how_it_is_read():
    """`make site` and where the pages lie, before any other page is named."""
    assert README.index("`make site`") < README.index("build/site/index.html")
    assert README.index("build/site/index.html") < README.index("](docs/")


def test_its_pictures_are_two_one_that_moves_and_small():
    paths = re.findall(r"^!\[[^]]+\]\(([^)]+)\)$", README, re.M)
    assert len(paths) == 2 and sum((ROOT / path).stat().st_size for path in paths) < 3e6
    frames = []
    for path in paths:
        with Image.open(ROOT / path) as picture:
            assert picture.width >= 700
            frames.append(getattr(picture, "n_frames", 1))
    assert frames[0] == 1 and frames[1] >= 10


def test_its_map_has_every_chapter():
    there = {f"notebooks/{p.name}" for p in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")}
    assert set(re.findall(r"^\| \[\d\d\]\((notebooks/\S+)\)", README, re.M)) == there
    page = (ROOT / "docs/start/chapters.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| \[\d\d\]\(\.\./\.\./(notebooks/\S+)\)", page, re.M))
    assert named == there


def test_its_results_are_those_of_the_study_beside_the_papers():
    """The paper's: Table 5, and the two ends of the scale from Table 1, same network."""
    ends = {"source_only": paper_row(1, "SegFormer").source_only,
            "oracle": paper_row(1, "SegFormer").oracle}  # fmt: skip
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+ ± [^|]+) \| ([\d.]+) \|$", README, re.M)
    assert len(rows) == 6
    for name, ours, papers in rows:
        row = RESULTS[name]
        assert ours == mean_std(STUDY[row].miou), name
        assert float(papers) == ends.get(row, paper_score("table5", row)), name


def test_the_page_of_results_is_of_todays_study():
    """The three means of every row, and the course's one seed."""
    page = (ROOT / "docs/studies/what-it-shows.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+ ±[^|]+) \| ([^|]+) \| ([^|]+) \|", page, re.M)
    assert len(rows) == 7
    for name, miou, two_wheels, large in rows:
        result = STUDY[RESULTS[name]]
        assert miou == mean_std(result.miou), name
        for shown, group in ((two_wheels, ("rider", "motorcycle", "bicycle")),
                             (large, ("truck", "bus", "train"))):  # fmt: skip
            ids = [result.classes.index(one) for one in group]
            assert shown == mean_std(100 * result.iou[:, ids].mean(axis=1)), name
    for result in read_results(ROOT / "results/demo_study.json"):
        assert f"{result.miou[0]:.1f}" in page.partition("`make course`")[2], result.row


def test_the_number_of_claims_is_that_of_their_page():
    counts = re.search(r"^(\d+) claims: (.*)\.$", (ROOT / "results/CLAIMS.md").read_text(), re.M)
    verdicts = {word: n for n, word in re.findall(r"(\d+) ([a-z ]+)", counts[2])}
    page = (ROOT / "docs/studies/what-it-shows.md").read_text(encoding="utf-8")
    assert f"{counts[1]} claims" in README
    for word, n in verdicts.items():
        assert re.search(rf"\b{n} (are )?{word}", README), word
        assert re.search(rf"\b{n} {word}", page), word


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_that_is_shown_exists(page):
    """By name, with its options, and with values that a choice offers."""
    for name, arguments in commands(page):
        assert name in COMMANDS, f"{name} {arguments}"
        known, first = options()[name], next(iter(arguments), "--")
        assert takes_names(name) or first.startswith("--"), f"{name} {first}"
        for word, value in zip(arguments, [*arguments[1:], ""]):
            if not word.startswith("--") or word == "--help":
                continue
            flag, equals, given = word.partition("=")
            assert flag in known, f"{name} {word}"
            value = given if equals else value
            choices = known[flag].get("choices")
            if choices and value and not PLACEHOLDER.match(value):
                assert value in choices, f"{name} {flag} {value}"


def test_commands_are_found_in_the_pages():
    shown = {name for page in PAGES for name, _ in commands(page)}
    assert len(shown) > 15 and {"train", "compare", "study", "data"} <= shown
    assert "train" in {n for n, a in commands(ROOT / "docs/use/scaling.md") if "--devices" in a}
    assert shown <= set(LISTED)  # what only studies start is shown to nobody


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_target_of_make_and_every_script_exists(page):
    phony = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.M)[1].split()
    for line in code(page):
        for target in re.findall(r"^make ([a-z][a-z-]*)", line):
            assert target in phony, line
        for path in re.findall(r"python (\w+/\w+\.py)", line):
            assert (ROOT / path).is_file(), line
        for path in re.findall(r"papermill (\S+\.ipynb)", line):
            assert (ROOT / path).is_file(), line


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_between_files_leads_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", link):
            target = (page.parent / unquote(link.partition("#")[0])).resolve()
            assert target.exists(), link


def test_every_page_of_the_docs_is_linked_from_another():
    linked = {
        (page.parent / unquote(link.partition("#")[0])).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+\.md)[^)]*\)", page.read_text(encoding="utf-8"))
    }
    assert [name for page, name in zip(PAGES[1:], NAMES[1:]) if page not in linked] == []


@pytest.mark.parametrize("name", list(LISTED))
def test_every_option_is_described(name):
    """More than its kind and its default."""
    for flag, option in options()[name].items():
        said = re.sub(r"^[^•]*• |\((default: .*|required)\)$", "", option["description"])
        assert len(said) > 4, f"{name} {flag}"
