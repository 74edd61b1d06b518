"""A run as a notebook: `notebooks/run.ipynb`, executed by papermill, one process for each run.

The notebook trains the run in its own folder, so whatever ends it, the next start goes on from the
last checkpoint. A run that was trained without a notebook gets one in seconds: the same cells find
it finished.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daformer_lib.config import Experiment
from daformer_lib.course.notebooks import NotebookRun, finished, run_notebook
from daformer_lib.runs import recipes
from daformer_lib.runs.batch import start_process
from daformer_lib.runs.folder import is_finished, run_folder
from daformer_lib.runs.places import notebooks, project_root
from daformer_lib.runs.recipes.lengths import length_settings
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.stopping import Job

TIME_LIMIT = 7 * 24 * 3600.0  # seconds for a notebook: a week


def template() -> Path:
    return notebooks() / "run.ipynb"


@dataclass(frozen=True)
class NotebookPlan:
    """What the runs of a study have in common; each run's notebook stands in its folder."""

    profile: str
    output_dir: Path
    source: str | None = None  # None: the row's own
    target: str | None = None
    data_root: str | None = None
    settings: Sequence[str] = ()
    steps: int | None = None  # None: the profile's

    def experiment(self, row: str, seed: int) -> Experiment:
        plain = self._plain(row, seed)
        return with_settings(plain, self._settings(plain))

    def _plain(self, row: str, seed: int) -> Experiment:
        own = self.source, self.target, self.data_root
        return recipes.experiment(row, self.profile, seed, *own)

    def _settings(self, plain: Experiment) -> list[str]:
        """Those of the length asked for, the run to start from, then those that were given."""
        length = length_settings(plain, self.profile, self.steps)
        return [*length, *self._start(plain), *self.settings]

    def _start(self, plain: Experiment) -> list[str]:
        """The first stage's key, unless the settings name another."""
        first = recipes.SECOND_STAGES.get(plain.name)
        if first is None or any(s.startswith("train.start_from=") for s in self.settings):
            return []
        return [f"train.start_from={self.experiment(first, plain.train.seed).key}"]

    def rows_of(self, table: str) -> tuple[str, ...]:
        return recipes.study_rows(table, self.profile)

    def parameters(self, experiment: Experiment) -> dict[str, Any]:
        """Of the template's `parameters` cell; folders as they are seen from this process."""
        root = self.data_root or recipes.default_root(self.profile)
        plain = self._plain(experiment.name, experiment.train.seed)
        return {
            "row": experiment.name, "profile": self.profile, "seed": experiment.train.seed,
            "source": self.source, "target": self.target, "data_root": str(Path(root).resolve()),
            "output_dir": str(self.output_dir.resolve()), "settings": self._settings(plain),
        }  # fmt: skip

    def is_done(self, experiment: Experiment) -> bool:
        """Trained, and shown by the template as it is now."""
        if not is_finished(experiment, self.output_dir):
            return False
        folder = run_folder(experiment, self.output_dir)
        return finished(template(), notebook_of(folder), self.parameters(experiment)) is not None

    def start(self, folder: Path, experiment: Experiment) -> Job:
        """A `Starter` (runs/batch.py): `run-notebook` for this run."""
        command = [sys.executable, "-m", "daformer_lib", "run-notebook", "--with-parent"]
        parameters = self.parameters(experiment)
        if settings := parameters.pop("settings"):
            command += ["--set", *settings]
        for name, value in parameters.items():
            if value is not None:
                command += [f"--{name.replace('_', '-')}", str(value)]
        # A notebook obeys DAFORMER_PROFILE; a study's is what was asked for.
        return start_process(command, folder, {"DAFORMER_PROFILE": self.profile})

    def execute(self, experiment: Experiment) -> NotebookRun:
        """Run the notebook of one run; its completion record is written last."""
        path = notebook_of(run_folder(experiment, self.output_dir))
        parameters = self.parameters(experiment)
        return run_notebook(template(), path, parameters, TIME_LIMIT, cwd=project_root())


def notebook_of(folder: Path) -> Path:
    """Where the executed notebook of a run stands."""
    return folder / "run.ipynb"
