"""Which runs a study has, what it leaves out, and what it does with runs that fail."""

import subprocess
import sys

import numpy as np
import pytest

from daformer_lib.cli.main import main
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.files import read_json, write_json
from daformer_lib.runs import batch, recipes
from daformer_lib.runs.results import read_results, write_results
from daformer_lib.studies.cluster import cluster_starter
from daformer_lib.studies.notebook_runs import NotebookPlan, notebook_of
from daformer_lib.studies.study import Study, Way, require_startable, stages

TWO = ("train.steps=2", "train.snapshot_every=0")


def study(tmp_path, rows=("rcs", "fd"), table="table5", seeds=(0, 1), **options):
    return Study(table, rows, seeds, NotebookPlan("smoke", tmp_path / "runs", **options))


def test_its_command_makes_the_same_runs_again(tmp_path):
    asked = study(tmp_path, settings=("uda.fd_weight=0.1",), source="minisynthia")
    assert asked.command == (
        "python -m daformer_lib study table5 --rows rcs fd --seeds 0 1 --profile smoke "
        "--source minisynthia --set uda.fd_weight=0.1"
    )
    whole = study(tmp_path, rows=recipes.STUDIES["table4"], table="table4", seeds=(0,))
    assert whole.command == "python -m daformer_lib study table4 --seeds 0 --profile smoke"
    assert {e.uda.fd_weight for e in asked.experiments} == {0.1}
    assert [(e.name, e.train.seed) for e in asked.experiments] == [
        ("rcs", 0), ("fd", 0), ("rcs", 1), ("fd", 1),
    ]  # fmt: skip


def test_nothing_to_run_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one of --rows and one of --seeds"):
        study(tmp_path, rows=())


def test_what_the_results_have_is_left_out_by_key(tmp_path):
    asked = study(tmp_path)
    first, *others = asked.experiments
    path = write_json(tmp_path / "r.json", {"runs": [{"key": first.key, "row": "rcs", "seed": 0}]})
    assert asked.still_to_run(tmp_path / "r.json") == others, path
    assert asked.still_to_run(None) == asked.experiments
    assert asked.still_to_run(tmp_path / "none.json") == asked.experiments


def test_a_row_that_could_not_be_trained_is_refused_before_data_are_drawn(tmp_path):
    asked = study(tmp_path, settings=("model.pretrained=nowhere.pth",))
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        require_startable(asked, Way(), asked.experiments)


def test_a_second_stage_starts_from_the_first_of_its_seed_and_settings(tmp_path):
    asked = study(tmp_path, recipes.STUDIES["cra"], "cra", settings=("optim.lr=0.001",))
    first, second = stages(asked.experiments)
    assert {e.name for e in first} == {"daformer"} and len(first) == 2 and len(second) == 6
    keys = {e.train.seed: e.key for e in first}
    assert all(e.train.start_from == keys[e.train.seed] for e in second)
    assert all(e.optim.lr == 0.001 for e in asked.experiments)
    named = study(tmp_path, ("cra",), "cra", (0,), settings=("train.start_from=0a0a0a0a",))
    assert named.experiments[0].train.start_from == "0a0a0a0a"
    require_startable(asked, Way(), asked.experiments)
    with pytest.raises(FileNotFoundError, match=keys[0]):  # the second stage alone
        require_startable(asked, Way(), [e for e in second if e.train.seed == 0])


class Scripted:
    """A job that ends at once with the next of the statuses its starter was given."""

    def __init__(self, status):
        self.status = status

    def poll(self):
        return self.status


def starter(statuses, began):
    def start(folder, experiment):
        began.append(experiment.name)
        status = next(statuses[experiment.name])
        if status == 0:
            write_json(folder / "result.json", {})
        return Scripted(status)

    return start


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(batch, "POLL", 0.0)


def test_a_run_that_fails_begins_again_and_the_others_go_on(tmp_path, quick):
    asked, began = study(tmp_path, seeds=(0,)), []
    statuses = {"rcs": iter([1, 0]), "fd": iter([0])}
    runs = batch.run_all(
        asked.experiments, tmp_path / "runs", start=starter(statuses, began), tries=2
    )
    assert sorted(began) == ["fd", "rcs", "rcs"] and [run.name for run in runs] == ["rcs", "fd"]


def test_what_failed_for_good_is_raised_after_the_others(tmp_path, quick):
    asked, began = study(tmp_path, rows=("rcs", "fd", "daformer"), seeds=(0,)), []
    statuses = {"rcs": iter([1, 1]), "fd": iter([-9, -9]), "daformer": iter([0])}
    with pytest.raises(batch.RunFailed, match=r"rcs-seed0[\s\S]*fd-seed0-\w+ was killed"):
        batch.run_all(
            asked.experiments, tmp_path / "runs", jobs=1, start=starter(statuses, began),
            tries=2, keep_going=True,
        )  # fmt: skip
    assert began == ["rcs", "rcs", "fd", "fd", "daformer"]


def test_exit_status_0_without_the_work_is_a_failure(tmp_path, quick):
    (one,) = study(tmp_path, rows=("rcs",), seeds=(0,)).experiments

    def start(folder, experiment):
        return Scripted(0)

    with pytest.raises(batch.RunFailed, match=r"rcs-seed0-\w+ failed \(exit status 0\)"):
        batch.run_all([one], tmp_path / "runs", start=start)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A study of one run, without and then with its notebook: (folder, data root, outputs)."""
    folder = tmp_path_factory.mktemp("study")
    plan = NotebookPlan("smoke", folder / "runs", data_root=str(folder / "data"), settings=TWO)
    prepare(plan.experiment("rcs", 0).data, "smoke")
    return plan, folder


@pytest.mark.notebook  # trains, and starts a kernel
def test_a_study_makes_a_notebook_of_each_run_also_afterwards(trained, capsys):
    plan, folder = trained
    command = [
        "study", "table5", "--rows", "rcs", "--seeds", "0", "--profile", "smoke", "--data-root",
        plan.data_root, "--output-dir", str(plan.output_dir), "--set", *TWO,
        "--results", str(folder / "r.json"),
    ]  # fmt: skip
    assert main([*command, "--no-notebook"]) == 0
    (run_folder,) = (path.parent for path in plan.output_dir.glob("*/result.json"))
    trained_at = (run_folder / "result.json").stat().st_mtime_ns
    assert not notebook_of(run_folder).exists()
    assert main(command) == 0
    text = notebook_of(run_folder).read_text()
    assert "image/png" in text and "data.rcs_temperature" not in text  # rcs has it too
    assert "uda.fd_weight" in text  # and this is what it lacks
    assert (run_folder / "result.json").stat().st_mtime_ns == trained_at
    assert main([*command, "--missing-only"]) == 0
    assert main([*command, "--show"]) == 0
    said = capsys.readouterr().out
    assert "| rcs | 1 |" in said and "Table 5" in said
    (row,) = read_results(folder / "r.json", "student/test")
    assert row.seeds == (0,) and np.isfinite(row.miou).all()


@pytest.mark.notebook
def test_a_failed_notebook_is_an_exit_status_and_names_its_cell(trained, tmp_path, capsys):
    plan, _ = trained
    command = ["study", "main", "--rows", "rcs", "--seeds", "0", "--profile", "smoke", "--tries",
               "1", "--output-dir", str(tmp_path / "runs"), "--data-root", plan.data_root,
               "--set", "optim.lr=1e30", "optim.warmup_steps=0"]  # fmt: skip
    assert main(command) == 1
    said = capsys.readouterr().out
    assert "rcs-seed0" in said and "Diverged" in said
    assert not list((tmp_path / "runs").glob("*/result.json"))


@pytest.mark.notebook
def test_submitit_trains_the_same_run(trained, tmp_path):
    plan, _ = trained
    experiment = plan.experiment("rcs", 0)
    (run,) = batch.run_all([experiment], tmp_path, start=cluster_starter("local", 5))
    assert run.is_complete and (run.folder / "log.txt").exists()
    (own,) = batch.run_all([experiment], tmp_path / "own")
    assert run.result["miou"] == own.result["miou"]
    broken = plan.experiment("rcs", 0).changed(data={"data_root": str(tmp_path / "nowhere")})
    with pytest.raises(batch.RunFailed, match=r"failed \(exit status 1\)[\s\S]*no images of"):
        batch.run_all([broken], tmp_path / "broken", start=cluster_starter("local", 5))


def test_a_cluster_option_that_submitit_does_not_know_is_refused_at_once():
    with pytest.raises(ValueError, match="'gpu' must be name=value, as slurm_partition=gpu"):
        cluster_starter("local", 5, ["gpu"])
    with pytest.raises(ValueError, match="submitit refuses to submit to 'local'"):
        cluster_starter("local", 5, ["partitions=gpu"])


@pytest.mark.notebook
def test_results_of_another_drawing_are_not_mixed(trained, tmp_path):
    path = tmp_path / "r.json"
    plan, _ = trained
    data = {"source": "minigta", "target": "minicityscapes"}
    write_json(path, {"runs": [{"row": "rcs", "seed": 5, "config": {"data": data}}]})
    folder = tmp_path / "runs"
    (run,) = batch.run_all([plan.experiment("rcs", 0)], folder)
    with pytest.raises(ValueError, match=r"drawing unknown\), this study is on .*drawing 5, 5"):
        write_results([run], path, "a command")
    assert len(read_json(path)["runs"]) == 1


@pytest.mark.notebook
def test_run_notebook_ends_with_its_parent(trained, tmp_path):
    """A study that is killed leaves nothing behind that trains on."""
    plan, _ = trained
    command = [sys.executable, "-m", "daformer_lib", "run-notebook", "--with-parent", "--row",
               "rcs", "--profile", "smoke", "--data-root", plan.data_root, "--output-dir",
               str(tmp_path), "--set", "train.steps=100000"]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        process.stdin.close()
        assert process.wait(120) != 0
    finally:
        process.kill()
    assert not list(tmp_path.glob("*/result.json"))
