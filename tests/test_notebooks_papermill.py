"""Every notebook from the first cell to the last, by papermill at the `smoke` profile.

Data and runs are shared by the session: a run that one chapter trains is found by the next. So
these tests belong on one worker (`pytest -n 2 --dist loadscope`); in any order they still pass.
"""

from pathlib import Path

import nbformat
import pytest

from daformer_lib import notebooks

pytestmark = pytest.mark.notebook

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
LIMIT = 600.0  # seconds; most of it is the training of a chapter's first-met rows
MOST_RUNS = 11  # distinct live runs of the whole course, the budget of `make course`


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """One folder for data, runs and executed notebooks."""
    return tmp_path_factory.mktemp("course")


def stderr_of(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [output.text for output in outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_the_first_cell_to_the_last(path, course):
    output = course / path.name
    values = {
        "profile": "smoke",
        "data_root": str(course / "data"),
        "output_dir": str(course / "runs"),
    }
    run = notebooks.run_notebook(path, output, values, LIMIT, {"OMP_NUM_THREADS": "1"})
    log = notebooks.log_path(output).read_text()[-3000:]
    assert run.done, f"{run.sentence()}\n{log}"
    assert stderr_of(output) == []


def test_the_course_trains_no_more_runs_than_agreed(course):
    """Runs last here: it counts what the notebooks above have trained."""
    trained = sorted(folder.parent.name for folder in (course / "runs").glob("*/config.json"))
    assert len(trained) <= MOST_RUNS, trained
