"""Exercises: a check that leads on; hints and a solution for who asks. Nothing here ever raises.

The texts lie in `questions/NN.yaml`, one file a chapter. What is in them is code of ours, run as
code: the answer's `value` is compared with `right`, then with what each typical `wrong` answer
comes to, and the learner hears what that mistake should hear. A cell never shows a hint or a
solution that nobody asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from IPython.display import display

from daformer_lib.texts import nearest
from daformer_lib.viz.style import GOOD, NEITHER

QUESTIONS = Path(__file__).parent / "questions"
COLOURS = {"right": GOOD, "not yet": "#b37d14", "open": NEITHER}
TOOLS = {"np": np, "torch": torch}  # what the code of an exercise may use unasked


@dataclass(frozen=True)
class Wrong:
    """A typical wrong answer, as code, and the sentence that leads on from it."""

    code: str
    says: str


@dataclass(frozen=True)
class Exercise:
    """What an exercise is judged by, and what it gives when asked.

    `answer` is the name that the learner fills, or several in brackets; `value` what is judged of
    it, `right` what that should be: three expressions. `given` makes stand-ins, for tests, of what
    the notebook hands to `check`. `within` is how far a number may be off.
    """

    chapter: str
    name: str
    kind: str  # "hand", "code", or "look": an experiment or a question about a figure
    answer: str
    right: str
    hints: tuple[str, ...]
    wrong: tuple[Wrong, ...]
    solution: str  # code
    then: str = ""  # Markdown
    value: str = "answer"
    given: str = ""
    within: float = 1e-6


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises of the course by name."""
    found = {}
    for path in sorted(QUESTIONS.glob("*.yaml")):
        for name, fields in yaml.safe_load(path.read_text("utf-8")).items():
            wrong = tuple(Wrong(**one) for one in fields.pop("wrong"))
            hints = tuple(fields.pop("hints"))
            found[name] = Exercise(path.stem, name, hints=hints, wrong=wrong, **fields)
    return found


def check(name: str, answer: Any, given: Mapping[str, Any] | None = None) -> None:
    """Say whether an exercise is solved; `given` hands over what the chapter has computed."""
    _with(name, lambda exercise: _Line(*_sentence(name, *verdict(exercise, answer, given or {}))))


def hint(name: str) -> None:
    """The next hint of an exercise; begins anew after the last."""
    _with(name, lambda exercise: _Line(_next_hint(exercise), COLOURS["open"]))


def solution(name: str) -> None:
    """An exercise's solution and what follows from it."""
    _with(name, lambda e: _Markdown(f"```python\n{e.solution.rstrip()}\n```\n\n{e.then}".rstrip()))


def verdict(exercise: Exercise, answer: Any, given: Mapping[str, Any]) -> tuple[str, str]:
    """("right" | "not yet" | "open", a remark). Errors become remarks."""
    if _is_open(answer):
        return "open", ""
    try:
        found = _value(exercise.value, given, answer=answer)
        if _is_open(found):
            return "open", ""
        right = _value(exercise.right, given)
        if _same(found, right, exercise.within):
            return "right", ""
    except NotImplementedError:
        return "open", ""
    except Exception as problem:
        return "not yet", f"It stopped with {type(problem).__name__}: {problem}."
    for wrong in exercise.wrong:
        mistaken = _value(exercise.value, given, answer=run_answer(exercise, wrong.code, given))
        if _is_mistake(found, mistaken, right, exercise.within):
            return "not yet", wrong.says
    return "not yet", ""


def run_answer(exercise: Exercise, code: str, given: Mapping[str, Any]) -> Any:
    """What the exercise's answer is after this code."""
    names = TOOLS | dict(given)
    exec(code, names)
    return eval(exercise.answer, names)


def _value(expression: str, given: Mapping[str, Any], **more: Any) -> list[Any]:
    """The parts of what an expression comes to: numbers, texts, or whatever has no parts."""
    return _parts(eval(str(expression), TOOLS | dict(given) | more))


def _parts(value: Any) -> list[Any]:
    if hasattr(value, "tolist"):  # arrays, tensors, their scalars
        value = value.tolist()
    if type(value) in (list, tuple):  # a NamedTuple is one thing
        return [part for item in value for part in _parts(item)]
    return [value]


def _is_open(value: Any) -> bool:
    """Not answered: None, or the dots that stand in the exercise's cell, anywhere in it."""
    return any(part is None or part is Ellipsis for part in _parts(value))


def _equal(a: Any, b: Any, within: float) -> bool:
    if isinstance(a, Number) and isinstance(b, Number):
        return bool(abs(a - b) <= within)
    if isinstance(a, str) and isinstance(b, str):
        return a.strip().casefold() == b.strip().casefold()
    return type(a) is type(b) and bool(a == b)


def _same(found: list[Any], right: list[Any], within: float) -> bool:
    pairs = zip(found, right, strict=False)
    return len(found) == len(right) and all(_equal(a, b, within) for a, b in pairs)


def _is_mistake(found: list, mistaken: list, right: list, within: float) -> bool:
    """Whether an answer is this wrong one in every part in which that one is wrong."""
    if len(found) != len(mistaken):
        return False
    pairs = [
        (a, b)
        for a, b, good in zip(found, mistaken, right, strict=False)
        if not _equal(b, good, within)
    ]
    return bool(pairs) and all(_equal(a, b, within) for a, b in pairs)


def _sentence(name: str, state: str, remark: str) -> tuple[str, str]:
    """The line of a check and its colour."""
    asked = f'`hint("{name}")` leads on.'
    text = {
        "right": f"✓ {name}: right, well done.",
        "not yet": f"✗ {name}: not right yet. {remark or asked}",
        "open": f"… {name}: not answered yet. {asked}",
    }[state]
    return text, COLOURS[state]


_asked: dict[str, int] = {}  # hints given so far, by exercise


def _next_hint(exercise: Exercise) -> str:
    number, count = _asked.get(exercise.name, 0) % len(exercise.hints), len(exercise.hints)
    _asked[exercise.name] = number + 1
    after = f'`solution("{exercise.name}")` has the answer.' if number + 1 == count else ""
    return f"Hint {number + 1} of {count}: {exercise.hints[number].strip()} {after}".rstrip()


def _with(name: str, show: Callable[[Exercise], Any]) -> None:
    """Display what `show` makes of the exercise, or say which names there are."""
    known = exercises()
    if name in known:
        display(show(known[name]))
    else:
        text = f"There is no exercise {name!r}; {nearest(name, known)}"
        display(_Line(text, COLOURS["not yet"]))


class _Line:
    """One sentence with a coloured edge; plain text where there is no browser."""

    def __init__(self, text: str, colour: str) -> None:
        self.text, self.colour = text, colour

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(self.text, quote=False))
        look = f"border-left:5px solid {self.colour};padding:3px 12px;margin:3px 0"
        return f'<div style="{look}">{text}</div>'


class _Markdown:
    """Markdown in a notebook, the same text elsewhere."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text
