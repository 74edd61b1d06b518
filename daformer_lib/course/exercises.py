"""Answers to exercises, checked with a friendly sentence. Nothing here ever raises.

An exercise that is not answered yet (its value is None or ...) says so, and the notebook runs on.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from IPython.display import display

GIVEN = object()  # no separate answer was passed
COLOURS = {"right": "#2a8f7f", "not yet": "#d9a036", "open": "#8a94a0"}


def _is_open(value: Any) -> bool:
    """Not answered: None or the dots that stand in the exercise's cell."""
    return value is None or value is Ellipsis


def _holds(condition: Any) -> bool:
    """Truth of a bool, of a function without arguments, or of an array of bools (all of them)."""
    value = condition() if callable(condition) else condition
    return bool(value.all()) if hasattr(value, "all") else bool(value)


def verdict(condition: Any, answer: Any = GIVEN) -> tuple[str, str]:
    """("right" | "not yet" | "open", a remark). Errors become remarks."""
    if _is_open(answer) or _is_open(condition):
        return "open", ""
    try:
        value = condition() if callable(condition) else condition
        if _is_open(value):
            return "open", ""
        return ("right" if _holds(value) else "not yet"), ""
    except NotImplementedError:
        return "open", ""
    except Exception as problem:
        return "not yet", f"It stopped with {type(problem).__name__}: {problem}. "


class _Line:
    """One sentence with a coloured edge; plain text where there is no browser."""

    def __init__(self, text: str, colour: str) -> None:
        self.text, self.colour = text, colour

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return (
            f'<div style="border-left:5px solid {self.colour};padding:3px 12px;margin:3px 0">'
            f"{escape(self.text)}</div>"
        )


def check(
    name: str,
    condition: bool | Callable[[], Any] | Any,
    hint: str = "",
    answer: Any = GIVEN,
) -> None:
    """Say whether an exercise is solved.

    `condition`: a bool, an array of bools, or a function without arguments, which may fail.
    `answer`: the learner's value, if the condition cannot tell that it is still missing::

        check("Exercise 1", lambda: abs(share - 0.25) < 1e-3, "count the pixels first", share)
    """
    state, remark = verdict(condition, answer)
    sentence = {
        "right": f"✓ {name}: right, well done.",
        "not yet": f"✗ {name}: not right yet. {remark}{f'Hint: {hint}' if hint else ''}".rstrip(),
        "open": f"… {name}: not answered yet.{f' Hint: {hint}' if hint else ''}",
    }[state]
    display(_Line(sentence, COLOURS[state]))
