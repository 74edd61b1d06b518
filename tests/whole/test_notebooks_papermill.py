"""Every notebook, its exercises answered, from the first cell to the last by papermill at `smoke`.

Data and runs are those of the smoke profile in the project's own folders, as for nbval: a run that
one notebook trained is found by the next. `make test` runs each notebook by nbval and two of them
here, the first and the whole method; the others are slow tests, as is the course from nothing.
"""

from pathlib import Path
from typing import Any

import nbformat
import pytest

from daformer_lib.course import notebooks
from tests.helpers.solving import solved_book, verdicts

pytestmark = pytest.mark.notebook

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
IN_EVERY_TEST = ("00_domain_gap", "06_daformer")
LIMIT = 600.0  # seconds; most of it is the training of a chapter's first-met rows


def stderr_of(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [output.text for output in outputs if output.get("name") == "stderr"]


def chosen() -> list[Any]:
    marks = {path: () if path.stem in IN_EVERY_TEST else (pytest.mark.slow,) for path in NOTEBOOKS}
    return [pytest.param(path, marks=mark, id=path.stem) for path, mark in marks.items()]


@pytest.mark.parametrize("path", chosen())
def test_it_runs_to_its_last_cell_and_finds_every_solution_right(path, tmp_path):
    """As a learner has it in the end; nbval runs the chapters with their exercises open."""
    book = solved_book(nbformat.read(path, as_version=4))
    nbformat.write(book, tmp_path / path.name)
    output = tmp_path / "out" / path.name
    values = {"profile": "smoke"}
    run = notebooks.run_notebook(
        tmp_path / path.name, output, values, LIMIT, {"OMP_NUM_THREADS": "1"}, cwd=path.parent
    )
    log = notebooks.log_path(output).read_text()[-3000:]
    assert run.done, f"{run.sentence()}\n{log}"
    assert stderr_of(output) == []
    said = verdicts(nbformat.read(output, as_version=4))
    assert said and all(line.startswith("✓") for line in said), said
