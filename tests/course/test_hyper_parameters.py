"""The page of hyper-parameters has every setting that changes a result, with today's values."""

import dataclasses
import re
from pathlib import Path

import pytest

from daformer_lib.config import METHOD_SETTINGS, SECTIONS
from daformer_lib.runs.papers import TABLES
from daformer_lib.runs.recipes import experiment
from daformer_lib.runs.results import STUDY, paired_gain, read_results

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/method/hyper-parameters.md").read_text(encoding="utf-8")
PROFILES = ("full", "study", "demo", "smoke")
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines()]
ROWS = [row for row in ROWS if row and row[0].startswith("`")]

# Where data lie, how fast a run is, what is logged: not the result. docs/use/speed.md has them.
ELSEWHERE = {
    *(f"data.{name}" for name in ("source", "target", "data_root", "workers", "cache_bytes")),
    *(f"data.{name}" for name in ("prepared", "max_source_images", "max_target_images")),
    *(f"train.{name}" for name in ("log_every", "checkpoint_every", "eval_split", "precision")),
    *(f"train.{name}" for name in ("accumulate", "channels_last", "health", "fused")),
    *(f"train.{name}" for name in ("checkpointing", "compile")),
}


def shown(name: str) -> list[str]:
    """A setting's values for DAFormer, or with the method whose it is, by profile."""
    section, field = name.split(".")
    found = []
    for profile in PROFILES:
        own = {"style": "dg_style"}.get(section, section)
        row = own if section in METHOD_SETTINGS else "daformer"
        found.append(text(getattr(experiment(row, profile).section(section), field)))
    return found


def text(value: object) -> str:
    if isinstance(value, tuple):
        return ("x" if isinstance(value[0], int) else ", ").join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_every_setting_stands_there_once():
    sections = {**SECTIONS, **METHOD_SETTINGS}
    names = {f"{s}.{f.name}" for s, made in sections.items() for f in dataclasses.fields(made)}
    named = [row[0].strip("`") for row in ROWS]
    assert len(named) == len(set(named)) and set(named) == names - ELSEWHERE


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_settings_values_are_those_of_the_profiles(row):
    assert row[3:7] == shown(row[0].strip("`"))
    assert all(row) and len(row) == 10


def test_the_papers_numbers_are_the_tables():
    """Whatever score stands in a sentence with "(Table n" is printed in that table."""
    found = 0
    for row in ROWS:
        for sentence, table in re.findall(r"([^;|(]*)\(Table (\d)", " | ".join(row[7:9])):
            printed = {f"{s:.1f}" for r in TABLES[int(table)] for s in (r.uda, r.oracle) if s}
            scores = re.findall(r"\b\d\d\.\d\b", sentence)
            assert scores and set(scores) <= printed, sentence
            found += len(scores)
    assert found > 10


@pytest.mark.parametrize(
    ("setting", "low", "high"),
    [("data.rcs_temperature", "rcs", "rcs_uniform"), ("uda.fd_weight", "self_training", "fd")],
)
def test_our_numbers_are_the_studys(setting, low, high):
    study = {row.row: row for row in read_results(ROOT / "results" / STUDY)}
    gain, error = paired_gain(study[low], study[high])
    (row,) = [row for row in ROWS if row[0] == f"`{setting}`"]
    assert f"ours {gain:+.1f} ± {error:.1f}" in row[8]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))
def test_every_chapter_leads_to_the_page(path):
    assert "(../docs/method/hyper-parameters.md)" in path.read_text(encoding="utf-8")
