"""`make course`: data, runs, notebooks and the report, each step skipped when it is done.

Notebook 00 comes first, with the two runs it needs, so that a learner sees a figure within minutes;
then all other runs, side by side (`jobs_here`); then the notebooks that read them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from daformer_lib.compare import open_comparison
from daformer_lib.compare.views import write_page
from daformer_lib.course.chapter import TITLES, Kit, start
from daformer_lib.course.notebooks import NotebookRun, finished, run_notebook
from daformer_lib.course.report_data import ABLATION, COMPARISON, NOTEBOOKS, PANELS, build_report
from daformer_lib.course.report_page import write_report
from daformer_lib.files import read_if_there, write_json
from daformer_lib.runs.folder import is_finished, run_folder
from daformer_lib.runs.places import notebooks, project_root
from daformer_lib.train.trainable import require_trainable

FIRST_ROWS = ("source_only", "oracle")  # chapter 00
OTHER_ROWS = (
    "cnn_source_only", "cnn_self_training", "segformer_self_training", "no_warmup", "short_memory",
)  # fmt: skip
NOTEBOOK_TIMEOUT = 1800  # seconds


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
    clock.step("runs of chapter 00", lambda: kit.runs(*FIRST_ROWS))
    first, *others = chapters()
    failed = [_chapter(kit, clock, first)]
    rest = tuple(row for row in (*ABLATION, *OTHER_ROWS) if row not in FIRST_ROWS)
    clock.step("runs of chapters 01-06", lambda: kit.runs(*rest))
    failed += [_chapter(kit, clock, notebook) for notebook in others]
    clock.step("comparison", lambda: compare_runs(kit))
    path = write_report(build_report(kit, clock.seconds), kit.output_dir / "report.html")
    problems = [run.sentence() for run in failed if not run.done]
    if problems:
        raise CourseFailed("; ".join(problems) + f"; report: {path}")
    return path


def compare_runs(kit: Kit) -> Path:
    """The page that the report leads to: the runs of its pictures, image by image."""
    folders = {TITLES[row]: run_folder(kit.experiment(row), kit.output_dir) for row in PANELS}
    threshold = kit.experiment("daformer").uda.threshold
    return write_page(open_comparison(folders), kit.output_dir / COMPARISON, threshold)


def chapters() -> list[Path]:
    """The notebooks of the course, in order."""
    return sorted(notebooks().glob("0[0-6]_*.ipynb"))


def require_course() -> None:
    """Raises FileNotFoundError or ModuleNotFoundError where notebooks could not be run later."""
    chapters()
    for name in ("papermill", "ipykernel"):
        if find_spec(name) is None:
            raise ModuleNotFoundError(name=name)


def _chapter(kit: Kit, clock: StepClock, notebook: Path) -> NotebookRun:
    folder = kit.output_dir
    root = project_root()
    place = folder.relative_to(root) if folder.is_relative_to(root) else folder
    parameters = {"profile": kit.profile, "seed": kit.seed, "output_dir": str(place)}
    output = folder / NOTEBOOKS / notebook.name
    earlier = finished(notebook, output, parameters)

    def work() -> NotebookRun:
        return earlier or run_notebook(notebook, output, parameters, NOTEBOOK_TIMEOUT, cwd=root)

    return clock.step(notebook.stem, work)


class StepClock:
    """Seconds of each step, kept over interruptions: a skipped step keeps its first time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: dict[str, float] = read_if_there(path)

    def step(self, name: str, work: Callable):
        print(f"== {name}", flush=True)
        before = time.perf_counter()
        result = work()
        spent = time.perf_counter() - before
        self.seconds[name] = max(spent, self.seconds.get(name, 0.0))
        write_json(self.path, self.seconds)
        return result
