"""Many runs, and what they add up to: study, run-notebook, claims, gains, outcomes, causes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import tyro

from daformer_lib.cli.options import (
    DataRoot,
    Profile,
    Recheck,
    Row,
    Seed,
    Settings,
    Source,
    Target,
    prepare_with_bar,
    pretrain_with_bar,
    runs_at,
)
from daformer_lib.files import require_writable
from daformer_lib.progress import Progress
from daformer_lib.runs import places, recipes
from daformer_lib.stopping import end_with_parent


def study(
    table: Annotated[str, tyro.conf.Positional] = "main",
    rows: tuple[str, ...] | None = None,
    seeds: tuple[int, ...] = (0, 1, 2),
    profile: Profile = "study",
    output_dir: Path = Path("runs/study"),
    results: Path | None = None,
    source: Source = None,
    target: Target = None,
    data_root: DataRoot = None,
    steps: int | None = None,
    settings: Settings = (),
    jobs: int = 2,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    tries: int = 2,
    notebook: bool = True,
    missing_only: bool = False,
    show: bool = False,
    cluster: Literal["slurm", "local"] | None = None,
    cluster_minutes: int = 1440,
    cluster_options: tuple[str, ...] = (),
    recheck: Recheck = False,
) -> int:
    """Rows x seeds, each run a notebook in its own process; finished ones are skipped.

    Args:
        table: main (the story of the course), or the rows of one of the paper's tables: table1,
            table2, table3, table4, table5, table7; what goes beyond DAFormer: mic, encoders,
            generalisation, hd, cra; or settings: DAFormer without one of its devices, and with
            half and double of a setting. At profile full the paper's own tables.
        rows: these instead.
        seeds: each row is trained with each of them.
        output_dir: gets a folder for each run.
        results: file to which the scores are added; the table's page, CSV and figure stand beside.
        steps: length of each run; what depends on it follows (docs/use/short-runs.md). By default
            the profile's.
        settings: part.field=value of the configuration, for all rows.
        jobs: runs side by side (on a GPU several fit).
        device: auto takes CUDA where there is one.
        tries: how often a run that fails is started in all; it goes on from its checkpoint.
        notebook: with --no-notebook papermill is not needed; the same command without it makes the
            notebooks afterwards, in seconds each.
        missing_only: leave out what --results has already, as on a second machine.
        show: run nothing; print the table from --results (default results/mini_study.json).
        cluster: submit each run to SLURM, or to submitit's local executor; without notebooks.
        cluster_minutes: time limit of a job, in minutes.
        cluster_options: name=value of submitit's executor, such as slurm_partition=gpu.
    """
    from daformer_lib.inference import choose_device
    from daformer_lib.models.checkpoints.load import SHIPPED
    from daformer_lib.runs.results import STUDY
    from daformer_lib.studies.cluster import cluster_starter
    from daformer_lib.studies.notebook_runs import NotebookPlan
    from daformer_lib.studies.study import Study, Way, require_startable, train_study, write_study
    from daformer_lib.studies.tables import runs_table, study_page
    from daformer_lib.train.pretrain import missing_priors

    choose_device(device)  # raises where there is no CUDA
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # for the runs' processes
    plan = NotebookPlan(profile, output_dir, source, target, data_root, settings, steps)
    asked = Study(table, plan.rows_of(table) if rows is None else rows, seeds, plan)
    if show:
        place = results or places.results() / STUDY
        print(study_page(place, table, asked.rows, asked.split, asked.command))
        return 0
    start = cluster_starter(cluster, cluster_minutes, cluster_options) if cluster else None
    way = Way(jobs, tries, notebook, start)
    wanted = asked.still_to_run(results if missing_only else None)
    require_startable(asked, way, wanted)
    if results is not None:
        require_writable(results)
    if wanted:
        prepare_with_bar(wanted[0], profile, recheck)
    for prior in missing_priors(one.model for one in wanted):  # table3's smaller encoders
        pretrain_with_bar(prior, SHIPPED)
    runs, problems = train_study(asked, way, wanted)
    if results is not None and (runs or results.exists()):
        for path in write_study(asked, runs, results):
            print(f"wrote {path}")
    if runs:
        print(runs_table(runs, table, asked.split))
    for problem in problems:
        print(f"error: {problem}")
    return 1 if problems else 0


def run_notebook(
    row: Row = "daformer",
    profile: Profile = "demo",
    seed: Seed = 0,
    source: Source = None,
    target: Target = None,
    data_root: DataRoot = None,
    output_dir: Path = Path("runs/study"),
    settings: Settings = (),
    with_parent: bool = False,
) -> int:
    """One run as a notebook, run.ipynb in the run's folder; started again, it goes on.

    Args:
        output_dir: gets a folder for the run.
        settings: part.field=value of the configuration.
        with_parent: end when standard input does, which is a pipe that the parent holds open.
    """
    from daformer_lib.studies.notebook_runs import NotebookPlan

    if with_parent:
        end_with_parent()
    plan = NotebookPlan(profile, output_dir, source, target, data_root, settings)
    made = plan.execute(plan.experiment(row, seed))
    print(made.sentence())
    return 0 if made.done else 1


def claims(folder: Path = Path("results")) -> None:
    """Write CLAIMS.md: the paper's claims, and which of them the committed results show.

    Args:
        folder: with mini_study.json, of `study --results`.
    """
    from daformer_lib.runs.claims import write_claims

    print(f"wrote {write_claims(folder)}")


def gains(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = (),
    results: Path | None = None,
    output: Path = Path("results/gains.json"),
) -> None:
    """What adaptation gained over source-only, by sets, length and statistics; what it lost.

    Args:
        runs: folders of complete runs: adapted ones, and source-only on the same sets for as many
            steps.
        results: a file of `study --results`, whose source_only and daformer count as well.
        output: gets the numbers, beside those that it has; the page lies beside it.
    """
    from daformer_lib.choosing.gains import score, write_gains
    from daformer_lib.runs.results import entry_of, read_entries

    opened = runs_at(runs)
    scores = [score(entry_of(run)) for run in opened if run.experiment.mode != "oracle"]
    kept = ("source_only", "daformer")
    entries = read_entries(results) if results else []
    scores += [score(entry) for entry in entries if entry["row"] in kept]
    command = "python -m daformer_lib gains" + " <folders of runs>" * bool(runs)
    command += f" --results {results}" if results else ""
    for path in write_gains(scores, output, command):
        print(f"wrote {path}")


def score_on(
    target: Annotated[str, tyro.conf.Positional],
    runs: tuple[Path, ...],
    results: Path,
    split: str = "test",
    data_root: DataRoot = None,
    recheck: Recheck = False,
) -> None:
    """Score finished runs on another target than theirs; the file is like one of `study`.

    Args:
        target: a data set with the runs' classes, by name or its .yaml file.
        runs: folders of complete runs.
        results: file to which the scores are added; page, CSV and figure stand beside.
        split: of the target.
    """
    from daformer_lib.data.intake.prepare import bring_up_to_date
    from daformer_lib.inference import working_device
    from daformer_lib.runs.results import read_results
    from daformer_lib.specs import get_spec
    from daformer_lib.studies.elsewhere import score_all
    from daformer_lib.studies.in_paper import table_of
    from daformer_lib.studies.tables import write_pages

    require_writable(results)
    opened = runs_at(runs)
    if not opened:
        raise ValueError("--runs names no folder of a run; name at least one, or a glob: runs/*")
    root = opened[0].experiment.data.data_root if data_root is None else data_root
    with Progress(None, "data") as bar:
        bring_up_to_date(get_spec(target), root, split, report=bar, recheck=recheck)
    command = f"python -m daformer_lib score-on {target} --runs <folders of runs>"
    command += f" --results {results}"
    with Progress(len(opened), "score") as bar:
        score_all(opened, target, split, results, command, working_device(), data_root, bar)
    there = [row.row for row in read_results(results, f"student/{split}")]
    order = recipes.STUDIES.get(table_of(results.stem), ())
    rows = tuple(sorted(there, key=lambda row: order.index(row) if row in order else len(order)))
    for path in (results, *write_pages(results, results.stem, rows, split, command)):
        print(f"wrote {path}")


def outcomes(
    output_dir: Path = Path("runs/outcomes"), jobs: int = 2, data_root: DataRoot = None
) -> None:
    """Train DAFormer over the range of five settings, for the sliders of the chapters.

    Eleven runs of 800 steps, about twenty minutes on two cores; writes results/outcomes.json and
    the label maps beside it.

    Args:
        output_dir: gets a folder for each run.
        jobs: runs side by side.
    """
    from daformer_lib.runs.batch import run_all
    from daformer_lib.studies import outcomes as made

    wanted = made.experiments(data_root)
    prepare_with_bar(next(iter(wanted.values())), "study", False)
    different = {one.key: one for one in wanted.values()}
    with Progress(None, "train") as bar:
        done = run_all(list(different.values()), output_dir, jobs, bar)
    by_key = dict(zip(different, done, strict=True))
    runs = {name: by_key[one.key] for name, one in wanted.items()}
    folder = Path("results")
    print(f"wrote {made.keep_outcomes(runs, folder, 'python -m daformer_lib outcomes')}")


def causes(
    runs: tuple[Path, ...] = (),
    output: Path = Path("results/causes.json"),
    seeds: tuple[int, ...] = (0, 1),
    data_root: DataRoot = None,
) -> None:
    """Are the causes of the paper's gains there in the drawn world? Measured apart from any mIoU.

    Writes the numbers, and beside them a page. About four minutes on one core.

    Args:
        runs: folders of complete runs, one of each row: source_only and oracle are looked at, and
            what others kept of the prior. Without them, what needs none is measured.
        output: gets the numbers; the page lies beside it.
        seeds: of drawn pictures and of the first training steps.
    """
    from daformer_lib.causes.report import measure_causes, runs_by_row, write_causes

    if not seeds:
        raise ValueError("the measurements need at least one of --seeds")
    opened = runs_by_row(runs)
    require_writable(output)
    wanted = recipes.experiment("self_training", "study", data_root=data_root)
    prepare_with_bar(wanted, "study", False)
    with Progress(None, "causes") as bar:
        found = measure_causes(opened, wanted.data.data_root, seeds, report=bar)
    for path in write_causes(found, output):
        print(f"wrote {path}")
