"""What a study says: changes, ties, shares of the oracle, the paper's numbers."""

import csv
import io
import shlex
from pathlib import Path

import numpy as np
import pytest

from daformer_lib.files import read_json, write_json
from daformer_lib.runs import papers, recipes
from daformer_lib.runs.results import RowResult
from daformer_lib.specs import CITYSCAPES_CLASSES, RARE, SYNTHIA_13, SYNTHIA_16
from daformer_lib.studies.in_paper import BASES, IN_PAPER, paper_score
from daformer_lib.studies.tables import (
    UNEQUAL,
    lines_table,
    made_of,
    oracle_of,
    study_csv,
    study_lines,
    study_page,
    write_pages,
)

ROOT = Path(__file__).resolve().parents[2]
MACHINE = {"system": "Linux", "processor": "one", "gpu": None}


def row(name, seeds, values):
    iou = np.full((len(seeds), 19), np.array(values, float)[:, None] / 100)
    return RowResult(name, tuple(seeds), iou, CITYSCAPES_CLASSES, RARE)


def results_file(path, rows, machine=MACHINE):
    """A file as `write_results` makes it, of constant scores: {row: (one per seed)}."""
    runs = [
        {
            "row": name, "seed": seed, "steps": 4000, "seconds": 90.0, "machine": machine,
            "config": {"data": {"source": "minigta", "target": "minicityscapes"}},
            "iou": {"student/test": [score / 100] * 19}, "classes": list(CITYSCAPES_CLASSES),
            "rare": list(RARE), "evaluated": [], "versions": ["4", "5"],
            "class_curves": {"student/val": [[10, [0.1] * 19], [20, [score / 100] * 19]]},
        }
        for name, scores in rows.items()
        for seed, score in enumerate(scores)
    ]  # fmt: skip
    write_json(path, {"runs": runs})
    return path


def test_a_change_is_paired_and_called_tied_within_two_standard_errors():
    base, sure = (
        row("self_training", [0, 1, 2], [40, 44, 48]),
        row("rcs", [2, 1, 0], [58, 54, 50.3]),
    )
    loose = row("fd", [0, 1, 2], [38, 45, 51])
    lines = {line.result.row: line for line in study_lines([base, sure, loose], "table5")}
    assert lines["self_training"].against == "–"
    assert lines["rcs"].against == "+10.1 ± 0.1"
    assert lines["fd"].against == "+0.7 ± 1.5 (tied)"


def test_the_main_story_compares_each_row_with_the_one_before():
    rows = [
        row("source_only", [0], [30]),
        row("self_training", [0], [40]),
        row("oracle", [0], [50]),
    ]
    lines = study_lines(rows, "main")
    assert [line.base for line in lines] == ["", "source_only", "self_training"]
    assert [line.against for line in lines] == ["–", "+10.0", "+10.0"]
    assert [f"{line.relative:.0f}" for line in lines] == ["60", "80", "nan"]


def test_each_network_has_its_own_oracle():
    assert oracle_of("cnn_self_training") == "cnn_oracle"
    assert oracle_of("cnn_segformer_self_training") == "cnn_segformer_oracle"
    assert oracle_of("rcs") == "oracle"
    assert oracle_of("decoder_upernet512") == ""
    lines = study_lines(
        [row("cnn_self_training", [0], [30]), row("cnn_oracle", [0], [60])], "table1"
    )
    assert lines[0].relative == pytest.approx(50)


def test_every_number_of_the_paper_is_one_that_the_paper_has():
    for table, rows in IN_PAPER.items():
        assert set(rows) <= set(recipes.STUDIES[table]), table
        assert all(isinstance(paper_score(table, name), float) for name in rows), table
    assert paper_score("table5", "rcs") == 64.0
    assert paper_score("table1", "cnn_oracle") == papers.paper_row(1, "DeepLabV2").oracle == 72.1
    assert paper_score("table3", "cnn_half_self_training") == 52.1  # ResNet-50
    assert paper_score("table5", "rcs_0001") is None and paper_score("main", "rcs") is None
    assert all(base in recipes.STUDIES[table] for table, base in BASES.items())


def test_the_table_has_n_and_the_papers_number():
    text = lines_table(study_lines([row("rcs", [0, 1], [40, 42])], "table5"))
    assert "| rcs | 2 | 41.0 ± 1.4 | – | – | – | 41.0 ± 1.4 | 64.0 |" in text


def test_csv_has_a_line_for_each_seed():
    lines = study_lines([row("rcs", [3, 4], [40, np.nan])], "table5")
    first, *rest = csv.reader(io.StringIO(study_csv(lines)))
    assert first[:5] == ["row", "seed", "miou", "rare", "road"]
    assert [line[:4] for line in rest] == [["rcs", "3", "40.00", "40.00"], ["rcs", "4", "", ""]]


def test_the_page_says_what_is_not_run_yet_and_on_what_it_was_made(tmp_path):
    path = results_file(tmp_path / "r.json", {"self_training": [40, 41], "rcs": [50, 52]})
    page = study_page(path, "table5", ("self_training", "rcs", "fd"), "test", "a command")
    assert "Not run yet: fd." in page and "`a command`" in page and "Table 5" in page
    assert (
        "4 runs of 4000 steps, 6 min 00 s of training in all; system Linux, processor one." in page
    )
    with pytest.raises(ValueError, match="no run of these rows: oracle"):
        study_page(path, "table5", ("oracle",), "test", "a command")


def test_two_machines_are_told_apart():
    def entry(name):
        return {"steps": 10, "seconds": 1.0, "machine": {"processor": name}}

    assert "2 on processor a; 1 on processor b." in made_of([entry("a"), entry("b"), entry("a")])


def test_pages_stand_beside_the_results(tmp_path):
    path = results_file(tmp_path / "mini.json", {"self_training": [40, 41], "rcs": [50, 52]})
    made = write_pages(path, "table5", ("self_training", "rcs"), "test", "a command")
    assert [file.name for file in made] == [f"mini_table5.{end}" for end in ("md", "csv", "png")]
    assert made[2].read_bytes().startswith(b"\x89PNG")
    main = write_pages(path, "main", ("self_training", "rcs"), "test", "a command")
    names = [f"mini{end}" for end in (".md", ".csv", ".png", "_rare.png", "_vehicles.png")]
    assert [file.name for file in main] == names and "rcs" in main[0].read_text()
    assert len(read_json(path)["runs"]) == 4  # the results themselves are untouched
    named = results_file(tmp_path / "table5.json", {"rcs": [50, 52]})
    (page, *_) = write_pages(named, "table5", ("rcs",), "test", "a command")
    assert page.name == "table5.md"  # named after its table: once is enough


def test_a_page_from_synthia_has_the_means_over_sixteen_and_thirteen_classes(tmp_path):
    path = results_file(tmp_path / "results.json", {"source_only": (40, 50)})
    made = read_json(path)
    for entry in made["runs"]:
        entry["evaluated"] = list(SYNTHIA_16)
        entry["iou"]["student/test"] = [0.3 if i in SYNTHIA_13 else 0.1 for i in range(19)]
    write_json(path, made)
    page = study_page(path, "main", ("source_only",), "test", "a command")
    assert "| source_only | 2 | 26.2 ± 0.0 |" in page  # (13 * 30 + 3 * 10) / 16
    assert "Means are over 16 classes, without terrain, truck, train; over the 13" in page
    assert "they are source_only 30.0 ± 0.0." in page


def committed_pages():
    """Of `study`: page, its file of results, its command."""
    for page in sorted((ROOT / "results").glob("*.md")):
        first = page.read_text(encoding="utf-8").split("\n")[2]
        if first.startswith("`python -m daformer_lib study "):
            stems = [p for p in (ROOT / "results").glob("*.json") if page.stem.startswith(p.stem)]
            yield page, max(stems, key=lambda path: len(path.stem)), first.strip("`")


@pytest.mark.parametrize(("page", "results", "command"), committed_pages(), ids=str)
def test_a_committed_page_is_what_its_results_say(page, results, command):
    words = shlex.split(command)[4:]
    options, name = {"": []}, ""
    for word in words:
        name = word if word.startswith("--") else name
        options.setdefault(name, []).extend([] if word == name else [word])
    (table,) = options[""]
    rows = options.get("--rows") or recipes.study_rows(table, "study")
    assert page.read_text(encoding="utf-8") == study_page(results, table, rows, "test", command)


def test_a_page_of_unequal_seeds_says_so(tmp_path):
    rows = {"self_training": [40, 42, 44], "rcs": [50, 51]}
    page = study_page(results_file(tmp_path / "x.json", rows), "table5", [*rows], "test", "x")
    assert UNEQUAL in page and "| rcs | 2 | 50.5 ± 0.7 | self_training | +9.5 ± 0.5 |" in page
    rows["rcs"].append(52)
    page = study_page(results_file(tmp_path / "x.json", rows), "table5", [*rows], "test", "x")
    assert UNEQUAL not in page
