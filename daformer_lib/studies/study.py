"""A study: rows x seeds of one table, trained side by side, then written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daformer_lib.config import Experiment
from daformer_lib.data.changes.run_data import note_data
from daformer_lib.progress import Progress, current_look
from daformer_lib.runs import Run
from daformer_lib.runs.batch import Batch, RunFailed, Starter, require_jobs, run_all
from daformer_lib.runs.folder import is_finished, run_folder
from daformer_lib.runs.results import read_entries, write_results
from daformer_lib.studies.live import LiveTable
from daformer_lib.studies.notebook_runs import NotebookPlan
from daformer_lib.studies.tables import write_pages
from daformer_lib.train.pretrain import missing_priors
from daformer_lib.train.trainable import find_start, require_trainable


@dataclass(frozen=True)
class Study:
    """Which runs there are."""

    table: str
    rows: tuple[str, ...]
    seeds: tuple[int, ...]
    plan: NotebookPlan

    def __post_init__(self) -> None:
        if not self.rows or not self.seeds:
            raise ValueError("a study needs at least one of --rows and one of --seeds")

    @property
    def experiments(self) -> list[Experiment]:
        return [self.plan.experiment(row, seed) for seed in self.seeds for row in self.rows]

    @property
    def split(self) -> str:
        """The split that its tables are of: the last that is scored."""
        return self.plan.experiment(self.rows[0], self.seeds[0]).train.final_splits[-1]

    @property
    def command(self) -> str:
        """What to type to get these results again."""
        plan, what = self.plan, f"{self.table} --rows {' '.join(self.rows)}"
        if self.rows == plan.rows_of(self.table):
            what = self.table
        text = f"python -m daformer_lib study {what} --seeds {' '.join(map(str, self.seeds))}"
        text += f" --profile {plan.profile}"
        for name, value in {
            "source": plan.source,
            "target": plan.target,
            "steps": plan.steps,
        }.items():
            text += f" --{name} {value}" if value else ""
        return text + (f" --set {' '.join(plan.settings)}" if plan.settings else "")

    def still_to_run(self, results: Path | None) -> list[Experiment]:
        """Those that a file of results does not have, by their key."""
        known = {entry["key"] for entry in read_entries(results)} if results else set()
        return [e for e in self.experiments if e.key not in known]


@dataclass(frozen=True)
class Way:
    """How the runs of a study are made."""

    jobs: int = 2  # side by side
    tries: int = 2  # starts of a run that fails; it goes on from its checkpoint
    notebooks: bool = True
    start: Starter | None = None  # something else than a process on this machine


def require_startable(study: Study, way: Way, wanted: list[Experiment]) -> None:
    """Raises what can be known before data are drawn and hours are spent."""
    require_jobs(way.jobs)
    missing = {e.name: e for e in wanted if not is_finished(e, study.plan.output_dir)}
    trained_before = {e.key for e in wanted}
    for one in missing.values():  # of each row: seeds change nothing that could be wrong
        made_later = missing_priors([one.model])
        require_trainable(one.changed(model={"pretrained": None}) if made_later else one)
        if one.train.start_from not in trained_before:
            find_start(one, run_folder(one, study.plan.output_dir))


def train_study(study: Study, way: Way, wanted: list[Experiment]) -> tuple[list[Run], list[str]]:
    """Train what is not finished; the finished runs, and what went wrong with others."""
    folder = study.plan.output_dir
    places = {run_folder(e, folder): e for e in wanted}
    start: Starter | None = way.start
    is_done: Callable[[Path], bool] | None = None
    if way.notebooks and start is None:
        start = study.plan.start

        def is_done(place: Path) -> bool:
            return study.plan.is_done(places[place])

    problems: list[str] = []
    with _shown() as (report, watch):
        try:
            for stage in stages(wanted):
                run_all(
                    stage, folder, way.jobs, report, begun=note_data, start=start,
                    is_done=is_done, tries=way.tries, keep_going=True, watch=watch,
                )  # fmt: skip
        except RunFailed as error:
            problems.append(str(error))
    return [Run(place) for place, e in places.items() if is_finished(e, folder)], problems


def stages(wanted: list[Experiment]) -> list[list[Experiment]]:
    """In the order in which they can be trained: a run after the one that it starts from."""
    keys, found = {e.key for e in wanted}, []
    while wanted:
        later = [e for e in wanted if e.train.start_from in keys]
        now = [e for e in wanted if e not in later]
        if not now:
            raise ValueError("runs that start from one another; leave out train.start_from")
        found.append(now)
        wanted, keys = later, {e.key for e in later}
    return found


@contextmanager
def _shown() -> Iterator[tuple[Progress, Callable[[Batch], None] | None]]:
    """A live table where someone watches a terminal, else the usual lines."""
    if current_look() != "terminal":
        with Progress(None, "study") as bar:
            yield bar, None
        return
    with LiveTable() as live:
        yield Progress(None, "study", look="quiet"), live.watch


def write_study(study: Study, runs: list[Run], results: Path) -> list[Path]:
    """Add the runs to the file of results, and make the table's pages anew; returns the files."""
    write_results(runs, results, study.command)
    pages = write_pages(results, study.table, study.rows, study.split, study.command)
    return [results, *pages]
