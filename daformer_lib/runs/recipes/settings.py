"""Single values of an experiment by name: `train.compile=default`, `data.prepared=true`.

The command line's way to every field of the configuration without an option for each.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import re
from collections.abc import Sequence
from typing import Any, get_type_hints

import tyro

from daformer_lib.config import METHOD_SETTINGS, SECTIONS, Experiment


def with_settings(experiment: Experiment, settings: Sequence[str]) -> Experiment:
    """The experiment with `part.field=value` changed; None, true, false and numbers are read.

    Raises:
        ValueError: no such field, or a value of another type; the message names what is known.
    """
    changes: dict[str, dict[str, Any]] = {}
    known = [*SECTIONS, *METHOD_SETTINGS]
    for setting in settings:
        place, _, text = setting.partition("=")
        part, _, field = place.partition(".")
        if part not in known or not field or not text:
            raise ValueError(
                f"setting {setting!r} must be part.field=value, such as train.compile=default; "
                f"parts: {known}"
            )
        changes.setdefault(part, {})[field] = _value(experiment, part, field, text)
    return experiment.changed(**changes)  # together: one may need the other


def _value(experiment: Experiment, part: str, field: str, text: str) -> Any:
    kinds = get_type_hints(type(experiment.section(part)))
    if field not in kinds:
        near = difflib.get_close_matches(field, kinds) or sorted(kinds)
        raise ValueError(f"{part} has no field {field!r}; did you mean {' or '.join(near)}?")
    sides = re.fullmatch(r"\d+x\d+", text)
    words = text.replace("x", ",").split(",") if sides else text.split(",")
    words = [{"true": "True", "false": "False"}.get(w, w) for w in words]
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # our message is the one to read
            return tyro.cli(kinds[field], args=words)
    except SystemExit:
        known = str(kinds[field]).replace("typing.", "").removeprefix("<class '").removesuffix("'>")
        raise ValueError(f"{part}.{field}={text}: the value must be of type {known}") from None
