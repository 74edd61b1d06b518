"""Exercises: each accepts its solution, knows typical mistakes, and shows only what is asked."""

import ast
from collections import Counter
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from daformer_lib.course import exercises
from daformer_lib.course.exercises import TOOLS, Exercise, Wrong, check, hint, solution, verdict
from tests import solutions
from tests.helpers.solving import exercises as exercise_cells
from tests.helpers.solving import open_names

BOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
ALL = list(exercises.exercises().values())
each_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda e: f"{e.chapter} {e.name}")
MISTAKES = [pytest.param(e, w, id=f"{e.name}: {w.says[:30]}") for e in ALL for w in e.wrong]


def stand_ins(exercise: Exercise) -> dict:
    """What the chapter would hand over, made small."""
    names = dict(TOOLS)
    exec(exercise.given, names)
    return {k: v for k, v in names.items() if k not in {*TOOLS, "__builtins__"}}


def judged(exercise: Exercise, code: str) -> tuple[str, str]:
    given = stand_ins(exercise)
    return verdict(exercise, exercises.run_answer(exercise, code, given), given)


@each_exercise
def test_its_solution_is_right(exercise):
    assert judged(exercise, exercise.solution) == ("right", "")


@pytest.mark.parametrize(("exercise", "wrong"), MISTAKES)
def test_a_typical_mistake_hears_what_leads_on(exercise, wrong):
    assert judged(exercise, wrong.code) == ("not yet", wrong.says)


@each_exercise
def test_two_mistakes_and_hints_at_least_and_none_says_the_answer_outright(exercise):
    assert len(exercise.wrong) >= 2 and len(exercise.hints) >= 2 and exercise.then
    for said in [*exercise.hints, *(w.says for w in exercise.wrong)]:
        assert exercise.solution.strip() not in said


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_chapter_asks_by_hand_in_code_and_for_a_look(path):
    kinds = Counter(e.kind for e in ALL if e.chapter == path.name[:2])
    assert set(kinds) == {"hand", "code", "look"}, kinds


def calls(book: nbformat.NotebookNode) -> dict[str, tuple[ast.Call, str]]:
    """Exercise's name -> its `check` in the chapter, and that cell."""
    found = {}
    for cell in exercise_cells(book):
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.Expr) and ast.unparse(node.value).startswith("check("):
                found[node.value.args[0].value] = node.value, cell.source
    return found


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_chapter_checks_each_of_its_exercises_with_what_it_needs(path):
    book = nbformat.read(path, as_version=4)
    wanted = {e.name: e for e in ALL if e.chapter == path.name[:2]}
    found = calls(book)
    assert set(found) == set(wanted)
    for name, (call, cell) in found.items():
        exercise = wanted[name]
        assert ast.unparse(call.args[1]) == ast.unparse(ast.parse(exercise.answer))
        given = call.args[2].keys if len(call.args) > 2 else []
        needed = set(stand_ins(exercise)) - local_names(exercise)
        assert {key.value for key in given} >= needed, name
        asked = {node.id for node in ast.walk(ast.parse(exercise.answer)) if hasattr(node, "id")}
        assert asked <= open_names(cell), f"{name} is answered already"


def local_names(exercise: Exercise) -> set[str]:
    """Names of the stand-ins' code that no judged expression and no answer asks for."""
    codes = [str(exercise.value), str(exercise.right), exercise.solution]
    codes += [wrong.code for wrong in exercise.wrong]
    used = {n.id for c in codes for n in ast.walk(ast.parse(c)) if isinstance(n, ast.Name)}
    return set(stand_ins(exercise)) - used


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_chapter_shows_no_hint_and_no_solution_and_says_how_to_ask(path):
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells)
    assert "<summary>Solution" not in text
    for exercise in (e for e in ALL if e.chapter == path.name[:2]):
        assert f'hint("{exercise.name}")' in text and f'solution("{exercise.name}")' in text
        assert not any(said in text for said in exercise.hints)


def test_the_page_of_solutions_is_of_today():
    assert solutions.PAGE.read_text(encoding="utf-8") == solutions.page(), solutions.REMEDY


PAIR = Exercise(
    "99", "a pair", "hand", "(a, b)", "[1, 2]", ("one", "two"),
    (Wrong("a, b = 2, 1", "swapped"), Wrong("a, b = 1, 3", "b is too large")), "a, b = 1, 2", "So.",
)  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ((1, 2), ("right", "")),
        (np.array([1, 2]), ("right", "")),
        (torch.tensor([1.0, 2.0]), ("right", "")),
        ((2, 1), ("not yet", "swapped")),
        ((7, 3), ("not yet", "b is too large")),  # whatever the other part says
        ((7, 2), ("not yet", "")),
        (1, ("not yet", "")),
        ((1, 2, 3), ("not yet", "")),
        (("1", "2"), ("not yet", "")),
        (None, ("open", "")),
        (..., ("open", "")),
        ((1, ...), ("open", "")),
    ],
)
def test_verdict(answer, found):
    assert verdict(PAIR, answer, {}) == found


def function(source: str):
    exercise = exercises.exercises()["share of the gap"]
    return verdict(exercise, exercises.run_answer(exercise, source, {}), {})


def test_a_function_may_be_open_or_stop():
    assert function("def gap_closed(a, b, c):\n    ...") == ("open", "")
    assert function("def gap_closed(a, b, c):\n    raise NotImplementedError") == ("open", "")
    state, remark = function("def gap_closed(a, b, c):\n    return 1 / 0")
    assert state == "not yet" and "ZeroDivisionError" in remark


def said(capsys) -> str:
    return capsys.readouterr().out.strip()


@pytest.fixture
def pair(monkeypatch):
    monkeypatch.setattr(exercises, "exercises", lambda: {"a pair": PAIR})
    monkeypatch.setattr(exercises, "_asked", {})


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((1, 2), "✓ a pair: right, well done."),
        ((2, 1), "✗ a pair: not right yet. swapped"),
        ((9, 9), '✗ a pair: not right yet. `hint("a pair")` leads on.'),
        (..., '… a pair: not answered yet. `hint("a pair")` leads on.'),
    ],
)
def test_the_sentence(capsys, pair, answer, sentence):
    assert check("a pair", answer) is None
    assert said(capsys) == sentence


def test_hints_come_one_after_the_other_and_the_last_points_to_the_solution(capsys, pair):
    lines = []
    for _ in range(3):
        hint("a pair")
        lines.append(said(capsys))
    first, last = "Hint 1 of 2: one", 'Hint 2 of 2: two `solution("a pair")` has the answer.'
    assert lines == [first, last, first]
    solution("a pair")
    assert said(capsys) == "```python\na, b = 1, 2\n```\n\nSo."


@pytest.mark.parametrize("ask", [lambda name: check(name, 1), hint, solution])
def test_an_unknown_name_gets_the_nearest(capsys, pair, ask):
    ask("a pear")
    assert "no exercise 'a pear'; did you mean a pair?" in said(capsys)
