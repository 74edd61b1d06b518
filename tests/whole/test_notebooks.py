"""The course's notebooks as they are committed: executed, readable, and at their defaults.

What needs a kernel is in test_notebooks_papermill.py, and in nbval's run of the Makefile.
"""

import ast
import inspect
from pathlib import Path

import nbformat
import pytest

from daformer_lib.course import chapter
from daformer_lib.course.notebook_lint import WIDGET, lint
from tests.helpers.solving import exercises, solved, solved_book

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))

# The chapters about data that are no streets, and about streets of twice the size.
OTHER_DATA = {
    "09_your_own_data": {
        "source": "data/fields/summer_trees.yaml",
        "target": "data/fields/autumn_trees.yaml",
    },
    "13_high_resolution": {"source": "minigta_hd", "target": "minicityscapes_hd"},
}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list:
    book = nbformat.read(path, as_version=4)
    return [cell for cell in book.cells if cell.cell_type == "code"]


def test_the_chapters_of_the_course_are_all_there():
    numbers = [path.name[:2] for path in NOTEBOOKS]
    assert len(numbers) == len(set(numbers))
    assert numbers[:7] == [f"{n:02d}" for n in range(7)]


@each_notebook
def test_it_keeps_the_house_rules(path):
    assert lint(path) == []


@each_notebook
def test_it_is_a_valid_notebook_with_its_own_cell_ids(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    ids = [cell.id for cell in book.cells]
    assert len(ids) == len(set(ids))
    assert book.metadata.kernelspec.name == "python3"


@each_notebook
def test_its_parameters_are_the_defaults_of_a_chapter(path):
    (cell,) = [cell for cell in code_cells(path) if "parameters" in cell.metadata.get("tags", [])]
    found = {}
    for node in ast.parse(cell.source).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        found[target.id] = ast.literal_eval(node.value)
    wanted = {
        name: parameter.default
        for name, parameter in inspect.signature(chapter.start).parameters.items()
    }
    wanted |= OTHER_DATA.get(path.stem, {})
    assert {name: found.get(name) for name in wanted} == wanted


@each_notebook
def test_it_has_an_exercise_and_a_control(path):
    cells = code_cells(path)
    assert any("check(" in cell.source for cell in cells), "no exercise with a check"
    kinds = {kind for c in cells for output in c.outputs for kind in output.get("data", {})}
    assert WIDGET in kinds, "no control; every chapter has one, with its still twin"


@each_notebook
def test_each_exercise_has_one_solution_that_answers_all_of_it(path):
    """That they are right, test_notebooks_papermill.py shows."""
    book = nbformat.read(path, as_version=4)
    before = [cell.source for cell in exercises(book)]
    after = [cell.source for cell in exercises(solved_book(book))]
    assert before and all(a != b for a, b in zip(before, after, strict=True))


def test_an_answer_takes_the_place_of_what_is_open():
    cell = "a = 1\ndef f(x):\n    ...\nb = ...\ncheck('1', f(a) == b)"
    answer = "def f(x):\n    return x\nb = 1"
    assert solved(cell, answer) == f"a = 1\n{answer}\ncheck('1', f(a) == b)"
    with pytest.raises(AssertionError, match=r"nothing about \{'f'\}"):
        solved(cell, "b = 1")
