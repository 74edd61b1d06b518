"""Batches of runs and their tables."""

import numpy as np
import pytest

from daformer_lib.data.intake.prepare import prepare
from daformer_lib.runs import batch, recipes, results
from daformer_lib.runs.results import RowResult, markdown_table, mean_std, paired_gain
from daformer_lib.specs import RARE
from daformer_lib.studies.tables import study_page


def row(name, seeds, values):
    iou = np.full((len(seeds), 19), np.array(values)[:, None] / 100)
    return RowResult(name, tuple(seeds), iou, ("c",) * 19, RARE)


@pytest.mark.parametrize(
    ("cores", "gibibytes", "jobs"), [(2, 24, 2), (1, 2, 2), (8, 16, 4), (8, 8, 2), (16, 128, 8)]
)
def test_the_course_uses_the_cores_and_the_memory_that_there_are(
    monkeypatch, cores, gibibytes, jobs
):
    pages = {"SC_PHYS_PAGES": gibibytes * 2**18, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(batch.os, "sched_getaffinity", lambda pid: range(cores), raising=False)
    monkeypatch.setattr(batch.os, "sysconf", pages.get)
    assert batch.jobs_here() == jobs


def test_mean_and_spread():
    assert mean_std(np.array([38.0])) == "38.0"
    assert mean_std(np.array([37.0, 38.0, 39.0])) == "38.0 ± 1.0"


def test_gain_is_paired_by_seed():
    low, high = row("low", [0, 1, 2], [10, 20, 30]), row("high", [2, 1, 0], [36, 25, 14])
    gain, error = paired_gain(low, high)
    assert gain == pytest.approx(5)
    assert error == pytest.approx(1 / np.sqrt(3))


def test_table():
    text = markdown_table([row("full", [0, 1], [40, 42])])
    assert "| full | 0, 1 | 41.0 ± 1.4 | 41.0 ± 1.4 |" in text


def test_a_data_set_without_rare_classes_has_a_dash_there():
    binary = RowResult("full", (0, 1), np.array([[0.9, 0.5], [0.8, 0.6]]), ("land", "trees"))
    assert "| full | 0, 1 | 70.0 ± 0.0 | – |" in markdown_table([binary])
    assert "| trees | 55.0 |" in results.class_table([binary])


def test_gains_and_classes_for_people():
    low, high = row("low", [0, 1, 2], [10, 20, 30]), row("high", [0, 1, 2], [14, 25, 36])
    assert "| low | high | +5.0 | 0.6 |" in results.gain_table([low, high])
    low.iou[:, 3] = np.nan
    table = results.class_table([low, high]).splitlines()
    assert table[0] == "| class | low | high |"
    assert table[2] == "| c | 20.0 | 25.0 |" and table[5] == "| c | – | 25.0 |"
    assert table[2 + 12] == "| **c** | 20.0 | 25.0 |"


@pytest.mark.notebook  # starts training processes
def test_runs_are_trained_in_processes_skipped_and_collected(tmp_path):
    experiments = [
        recipes.experiment(r, "smoke", data_root=str(tmp_path)).changed(
            train={"steps": 2, "snapshot_every": 0}
        )
        for r in ("source_only", "self_training")
    ]
    prepare(experiments[0].data, "smoke")
    runs = batch.run_all(experiments, tmp_path / "runs")
    assert [run.name for run in runs] == ["source_only", "self_training"]
    stamps = [(run.folder / "result.json").stat().st_mtime_ns for run in runs]
    again = batch.run_all(experiments, tmp_path / "runs")
    assert stamps == [(run.folder / "result.json").stat().st_mtime_ns for run in again]
    path = results.write_results(runs, tmp_path / "results.json", "a command")
    live, read = results.collect(runs), results.read_results(path)
    for a, b in zip(live, read, strict=True):
        assert (a.row, a.seeds) == (b.row, b.seeds)
        np.testing.assert_allclose(a.miou, b.miou, atol=0.01)
    rows = tuple(r.row for r in live)
    page = study_page(path, "main", rows, "test", "a command")
    assert "`a command`" in page and "| **train** |" in page and "torch" in page
    assert str(tmp_path) not in path.read_text() + page
    steps, rare = results.class_curve(path, "self_training", RARE)
    last = runs[1].final("student", "val").iou[list(RARE)]
    assert list(steps) == [2] and rare.shape == (1, 1)
    np.testing.assert_allclose(rare[0, 0], 100 * np.nanmean(last), atol=0.01)
    with pytest.raises(KeyError, match="no row 'rcs'"):
        results.class_curve(path, "rcs", RARE)
    results.write_results(runs[:1], path, "another command")  # adds, replaces, forgets nothing
    assert [(e["row"], e["command"]) for e in results.read_entries(path)] == [
        ("source_only", "another command"), ("self_training", "a command"),
    ]  # fmt: skip


@pytest.mark.notebook
def test_a_failed_run_shows_the_end_of_its_log(tmp_path):
    experiment = recipes.experiment("source_only", "smoke", data_root=str(tmp_path / "nowhere"))
    with pytest.raises(batch.RunFailed, match=r"source_only-seed0.*failed[\s\S]*no images of"):
        batch.run_all([experiment], tmp_path / "runs")
