"""What `choose.json` holds: every network that was measured where labels could tell.

New runs are added to those of before, whose folders need not be at hand any more.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from daformer_lib.choosing.alarms import Alarms
from daformer_lib.choosing.candidates import NAN, Candidate, grouped
from daformer_lib.files import read_if_there
from daformer_lib.means import json_values

DIGITS = 4  # of its numbers

# Sets of candidates among which a choice is made, by the name of what is chosen.
Tables = Mapping[str, Sequence[Sequence[Candidate]]]


@dataclass(frozen=True)
class Record:
    """Networks with their criteria and true scores, and what the findings of their runs said."""

    networks: tuple[Candidate, ...] = ()  # students and teachers, at the end of their runs
    steps: tuple[Candidate, ...] = ()  # what labels in a run, at each of its evaluations
    alarms: tuple[Alarms, ...] = ()

    def joined(self, newer: Record) -> Record:
        """With what was measured later; a network measured twice is there once, as last."""
        return Record(
            _last_of_each((*self.networks, *newer.networks), _network),
            _last_of_each((*self.steps, *newer.steps), _network),
            _last_of_each((*self.alarms, *newer.alarms), lambda one: (one.run, one.key)),
        )

    def tables(self) -> dict[str, list[list[Candidate]]]:
        """Only what shares sets and length is compared: elsewhere nobody would choose."""
        students = [one for one in self.networks if one.model == "student"]
        tables = {
            "students of all runs": grouped(students, lambda one: one.setting),
            "students and teachers": grouped(self.networks, lambda one: one.setting),
            "students of one seed": grouped(students, lambda one: (one.setting, one.seed)),
        }
        if self.steps:
            tables["steps of one run"] = grouped(self.steps, lambda one: (one.run, one.key))
        return tables

    def values(self) -> dict[str, Any]:
        """For JSON."""
        return {
            name: [json_values(asdict(one), DIGITS) for one in getattr(self, name)]
            for name in ("networks", "steps", "alarms")
        }


def read_record(path: Path) -> Record:
    """Empty where there is no such file."""
    known = read_if_there(path)
    networks, steps = (
        tuple(_candidate(one) for one in known.get(name, ())) for name in ("networks", "steps")
    )
    lists = ("right", "false", "missed", "others")
    alarms = (
        Alarms(**{k: tuple(v) if k in lists else v for k, v in one.items()})
        for one in known.get("alarms", ())
    )
    return Record(networks, steps, tuple(alarms))


def _candidate(written: dict[str, Any]) -> Candidate:
    """JSON has no NaN: what is not known stands there as null."""
    values = {name: NAN if value is None else value for name, value in written["values"].items()}
    miou = NAN if written["miou"] is None else written["miou"]
    return Candidate(**{**written, "values": values, "miou": miou})


def _network(one: Candidate) -> Hashable:
    return one.run, one.key, one.model, one.step


def _last_of_each(found: Iterable, mark: Callable[[Any], Hashable]) -> tuple:
    return tuple({mark(one): one for one in found}.values())
