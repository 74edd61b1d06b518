"""`compare` on the command line: what it prints and writes, and its errors in one line."""

import numpy as np
import pytest
from PIL import Image

from daformer_lib import cli
from daformer_lib.cli.compare import named_inputs, show
from daformer_lib.evaluate import Scores
from daformer_lib.files import write_json, write_png
from daformer_lib.runs import Evaluation, Run, RunWriter, Snapshot
from daformer_lib.viz.tables import Table


@pytest.fixture
def runs(tmp_path, smoke):
    """Two runs with two snapshots of one image each, as training writes them."""
    rng = np.random.default_rng(0)
    stem = "neuhausen/neuhausen_000000_000019"
    for row in ("self_training", "daformer"):
        writer = RunWriter(tmp_path / row, smoke(row))
        for step in (6, 12):
            label = rng.integers(0, 3, (1, 128, 256), np.uint8)
            sure = rng.integers(200, 256, (1, 128, 256), np.uint8)
            writer.save_snapshot(Snapshot(step, (stem,), label, label, sure))
    return tmp_path


@pytest.mark.notebook
def test_it_prints_the_tables_and_writes_all_files(runs, capsys):
    done = cli.main(
        ["compare", str(runs / "self_training"), f"mine={runs / 'daformer'}",
         "--output-dir", str(runs / "out"), "--images", "3", "--step", "6"]
    )  # fmt: skip
    said = capsys.readouterr().out
    assert done == 0
    assert "| self-training |" in said and "| mine |" in said and "leads with" in said
    assert "IoU / precision / recall / coverage ≥ 0.9)" in said  # the run's own threshold
    page = (runs / "out" / "comparison.html").read_text()
    assert "mine" in page and "compare" in page
    assert (runs / "out" / "panels" / "neuhausen_neuhausen_000000_000019.png").is_file()
    with Image.open(runs / "out" / "evolution.gif") as moving:
        assert moving.n_frames == 2


@pytest.mark.notebook
def test_what_a_run_found_wrong_with_itself_is_said(runs, capsys):
    finding = {"name": "class vanished", "evidence": "rider is gone", "remedy": "x", "classes": []}
    write_json(runs / "daformer" / "result.json", {"findings": [finding]})
    folders = [str(runs / "self_training"), str(runs / "daformer")]
    assert cli.main(["compare", *folders, "--output-dir", str(runs / "out")]) == 0
    said = capsys.readouterr().out
    assert said.count("finding of ") == 1
    assert "finding of DAFormer: class vanished: rider is gone" in said


def test_errors_are_one_line(runs, capsys, smoke):
    RunWriter(runs / "empty", smoke())
    write_png(runs / "other" / "z.png", np.zeros((4, 4), np.uint8))
    for arguments, message in (
        (["nowhere"], "no folder nowhere"),
        ([str(runs / "empty")], "has no snapshots"),
        ([str(runs / "other")], "Name their data set"),
        ([str(runs / "daformer"), str(runs / "other"), "--ids", "train"], "no image that all"),
        ([str(runs / "daformer"), "--threshold", "2"], "threshold 2.0 must lie in"),
    ):
        out = ["--output-dir", str(runs / "out")]
        assert cli.main(["compare", *arguments, *out]) == 2
        assert message in capsys.readouterr().err


def test_without_a_name_the_runs_that_there_are_get_listed(runs, capsys, monkeypatch):
    """How far each is, its score, and what is wrong with one that cannot be read."""
    monkeypatch.chdir(runs)
    assert cli.main(["compare"]) == 0
    assert "no runs below runs" in capsys.readouterr().out
    (runs / "runs").mkdir()
    for row in ("self_training", "daformer"):
        (runs / row).rename(runs / "runs" / row)
    confusion = np.diag(np.full(19, 5))
    confusion[0, 1] = 5
    score = Scores(confusion, tuple(range(19)))
    writer = RunWriter(runs / "runs" / "daformer", Run(runs / "runs" / "daformer").experiment)
    writer.add_evaluation(Evaluation(12, "student", "val", score))
    writer.flush()
    assert cli.main(["runs"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("runs/daformer ") and f"{100 * score.miou():.1f} on val" in first
    assert "unfinished, 12 steps wanted" in first
    assert second.startswith("runs/self_training ") and "not scored yet" in second
    (runs / "runs" / "self_training" / "config.json").write_text("{}")
    assert cli.main(["compare"]) == 0
    said = capsys.readouterr().out
    assert "config.json is not what this version" in said and "compare RUN_A RUN_B" in said


def test_a_table_is_drawn_in_a_terminal_and_markdown_elsewhere(capsys, monkeypatch):
    """What looks like markup or steers a terminal stays text."""
    table = Table(("", "mIoU"), ("", "%"), (("[bold]a|b\x1b", "45.1"),), ("", ""))
    show(table)
    assert capsys.readouterr().out == table.markdown() + "\n\n"
    monkeypatch.setenv("FORCE_COLOR", "1")  # as rich is told that this is a terminal
    monkeypatch.setenv("COLUMNS", "60")
    show(table)
    drawn = capsys.readouterr().out
    assert "[bold]a|b\\x1b" in drawn and "45.1" in drawn
    assert "| ---" not in drawn and "─" in drawn


def test_names_come_from_the_rows(runs):
    names = named_inputs([str(runs / "self_training"), str(runs / "daformer"), f"x={runs}"])
    assert list(names) == ["self-training", "DAFormer", "x"]
    twice = named_inputs([str(runs / "daformer"), str(runs / "daformer")])
    assert list(twice) == ["DAFormer", "DAFormer, seed 0"]
