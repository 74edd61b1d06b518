"""Means over the scores that exist, and how a score that does not exist is written.

A class in neither truth nor prediction has no IoU, an image without labels no error: NaN in arrays,
null in JSON (which knows no NaN), a dash in tables. It is left out of means and never counts as 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MISSING = "–"


def known_mean(values: Any, axis: int | None = None) -> Any:
    """Mean of the values that are not NaN; NaN, without numpy's warning, where none is.

    >>> float(known_mean([0.5, float("nan"), 1.0]))
    0.75
    """
    values = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0).sum(axis), known.sum(axis)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def percent(share: float, digits: int = 1) -> str:
    """A score in percent; a dash where there is none."""
    return MISSING if np.isnan(share) else f"{100 * share:.{digits}f}"


def json_number(value: float, digits: int) -> float | None:
    """Rounded for JSON; None where there is no number.

    >>> json_number(0.123456, 3), json_number(float("nan"), 3)
    (0.123, None)
    """
    return round(float(value), digits) if np.isfinite(value) else None


def json_values(values: Any, digits: int) -> Any:
    """The same for every float in a value, in lists, and in dicts of dicts; other things stay.

    >>> json_values({"step": 5, "flip": 0.123456, "student": {"entropy": float("nan")}}, 3)
    {'step': 5, 'flip': 0.123, 'student': {'entropy': None}}
    """
    if isinstance(values, dict):
        return {name: json_values(value, digits) for name, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [json_values(value, digits) for value in values]
    return json_number(values, digits) if isinstance(values, float) else values
