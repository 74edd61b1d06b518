"""`make course`: data, runs, notebooks and the report, each step skipped when it is done.

Notebook 00 comes first, with the two runs it needs, so that a learner sees a figure within minutes;
then all other runs, two at a time; then the notebooks that read them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from daformer_lib.course.chapter import RESULTS, TITLES, Kit, start
from daformer_lib.course.notebooks import NotebookRun, finished, run_notebook
from daformer_lib.course.report import AblationRow, CourseReport, PanelRow, StepTime, write_report
from daformer_lib.data.run_data import note_data
from daformer_lib.files import read_json, write_json
from daformer_lib.machine import machine
from daformer_lib.progress import Progress
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.batch import run_all
from daformer_lib.runs.folder import is_finished, run_folder
from daformer_lib.runs.papers import paper_row
from daformer_lib.runs.results import absent_classes
from daformer_lib.train.trainable import require_trainable
from daformer_lib.viz import denormalise

ROOT = Path(__file__).parents[2]
CHAPTERS = tuple(sorted((ROOT / "notebooks").glob("0[0-6]_*.ipynb")))
FIRST_ROWS = ("source_only", "oracle")  # chapter 00
ABLATION = ("source_only", "self_training", "rcs", "fd", "daformer", "oracle")
OTHER_ROWS = (
    "cnn_source_only", "cnn_self_training", "segformer_self_training", "no_warmup", "short_memory",
)  # fmt: skip
PANELS = ("source_only", "self_training", "daformer")
NOTEBOOK_TIMEOUT = 1800  # seconds
# Where the paper has the number of a row: table, name there, column.
PAPER_ROWS = {
    "source_only": (1, "SegFormer", "source_only"),
    "self_training": (5, "SegFormer", "uda"),
    "rcs": (5, "RCS, T = 0.01", "uda"),
    "fd": (5, "FD, things", "uda"),
    "daformer": (7, "DAFormer", "uda"),
    "oracle": (7, "DAFormer", "oracle"),
}
SPLIT = "test"


class CourseFailed(RuntimeError):
    """A step of the course failed; the message names it and its log."""


def run_course(profile: str, seed: int, output_dir: Path) -> Path:
    """Everything, in order; returns the report's path.

    Raises:
        CourseFailed: a notebook failed. What is finished stays and is skipped next time.
    """
    require_course()
    kit = start(profile, seed, output_dir=str(output_dir))
    for asked in map(kit.experiment, (*ABLATION, *OTHER_ROWS)):
        if not is_finished(asked, kit.output_dir):
            require_trainable(asked)
    clock = StepClock(kit.output_dir / f"times-{profile}-{seed}.json")
    clock.step("data", kit.prepare)
    clock.step("runs of chapter 00", lambda: train_rows(kit, FIRST_ROWS))
    failed = [_chapter(kit, clock, CHAPTERS[0])]
    rest = tuple(row for row in (*ABLATION, *OTHER_ROWS) if row not in FIRST_ROWS)
    clock.step("runs of chapters 01-06", lambda: train_rows(kit, rest))
    failed += [_chapter(kit, clock, notebook) for notebook in CHAPTERS[1:]]
    path = write_report(build_report(kit, clock), kit.output_dir / "report.html")
    problems = [run.sentence() for run in failed if not run.done]
    if problems:
        raise CourseFailed("; ".join(problems) + f"; report: {path}")
    return path


def require_course() -> None:
    """Raises FileNotFoundError or ModuleNotFoundError where notebooks could not be run later."""
    if not CHAPTERS:
        raise FileNotFoundError(
            f"no notebooks in {ROOT / 'notebooks'}: the course runs in a clone of the repository, "
            "with this package installed from there (make course)"
        )
    for name in ("papermill", "ipykernel"):
        if find_spec(name) is None:
            raise ModuleNotFoundError(name=name)


def train_rows(kit: Kit, rows: tuple[str, ...]) -> None:
    with Progress(None, "train") as bar:
        run_all([kit.experiment(row) for row in rows], kit.output_dir, report=bar, begun=note_data)


def _chapter(kit: Kit, clock: StepClock, notebook: Path) -> NotebookRun:
    folder = kit.output_dir
    place = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    parameters = {"profile": kit.profile, "seed": kit.seed, "output_dir": str(place)}
    output = folder / "notebooks" / notebook.name
    earlier = finished(notebook, output, parameters)

    def work() -> NotebookRun:
        return earlier or run_notebook(notebook, output, parameters, NOTEBOOK_TIMEOUT, cwd=ROOT)

    return clock.step(notebook.stem, work)


class StepClock:
    """Seconds of each step, kept over interruptions: a skipped step keeps its first time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: dict[str, float] = read_json(path) if path.exists() else {}

    def step(self, name: str, work: Callable):
        print(f"== {name}", flush=True)
        before = time.perf_counter()
        result = work()
        spent = time.perf_counter() - before
        self.seconds[name] = max(spent, self.seconds.get(name, 0.0))
        write_json(self.path, self.seconds)
        return result


# --- the report -----------------------------------------------------------------------------


def build_report(kit: Kit, clock: StepClock) -> CourseReport:
    runs = {row: Run(run_folder(kit.experiment(row), kit.output_dir)) for row in ABLATION}
    seen = machine()
    return CourseReport(
        title="DAFormer course: your run",
        spec=kit.spec,
        profile=kit.profile,
        seed=kit.seed,
        split=f"{kit.target} {SPLIT}",
        created=datetime.now().strftime("%Y-%m-%d %H:%M"),
        command=f"make course PROFILE={kit.profile} SEED={kit.seed}",
        machine={key: str(value) for key, value in seen.items() if value is not None},
        rows=[_ablation_row(kit, row, run) for row, run in runs.items()],
        panels=_panels(kit, {row: runs[row] for row in PANELS}),
        class_iou={TITLES[row]: run.final("student", SPLIT).iou for row, run in runs.items()},
        steps=[StepTime(name, seconds) for name, seconds in clock.seconds.items()],
        notes=_notes(kit, runs),
    )


def _ablation_row(kit: Kit, row: str, run: Run) -> AblationRow:
    scores = run.final("student", SPLIT)
    study = kit.study.get(row)
    table, name, column = PAPER_ROWS[row]
    return AblationRow(
        name=TITLES[row],
        live=100 * scores.miou(),
        study=None if study is None else study.miou.tolist(),
        paper=getattr(paper_row(table, name), column),
        paper_table=f"Table {table}",
        live_rare=100 * scores.miou(kit.spec.rare),
    )


def _panels(kit: Kit, runs: dict[str, Run]) -> list[PanelRow]:
    dataset = kit.dataset("target", SPLIT)
    scenes = kit.scenes("target", SPLIT, [int(i * len(dataset) / 6) for i in range(6)])
    labels = {TITLES[row]: kit.predict(run, scenes) for row, run in runs.items()}
    return [
        PanelRow(
            scene.stem.split("/")[-1],
            denormalise(scene.image),
            scene.label,
            {name: found[i] for name, found in labels.items()},
        )
        for i, scene in enumerate(scenes)
    ]


def _notes(kit: Kit, runs: dict[str, Run]) -> list[str]:
    """What a reader must know about these numbers, and what did not show."""
    steps = recipes.PROFILES[kit.profile].train.steps
    notes = [
        f"One seed of {steps} steps with a tiny network: differences under about 3 points are "
        "noise between seeds.",
        "All images were drawn by this kit; no pixel comes from a real data set.",
    ]
    miou = {row: run.final("student", SPLIT).miou() for row, run in runs.items()}
    order = ("source_only", "self_training", "daformer", "oracle")
    for low, high in pairwise(order):
        if miou[low] >= miou[high]:
            notes.append(
                f"Here {TITLES[high]} did not beat {TITLES[low]}: expected the other way round."
            )
    notes += absent_classes(runs.values(), split=SPLIT)
    if not RESULTS.joinpath("mini_study.json").exists():
        notes.append("There is no committed multi-seed study yet.")
    return notes
