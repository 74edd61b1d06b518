"""Candidates in order, and the page that says what each criterion was worth where labels tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from daformer_lib.choosing.alarms import alarms_page
from daformer_lib.choosing.candidates import NAN, Candidate
from daformer_lib.choosing.criteria import CRITERIA
from daformer_lib.choosing.evidence import Trust, best_criterion, trust
from daformer_lib.choosing.record import DIGITS, Record, Tables
from daformer_lib.files import read_json, write_atomic, write_json
from daformer_lib.means import MISSING, json_values
from daformer_lib.runs.places import results

EVIDENCE = "choose.json"  # in results/
DEFAULT = "information"  # without evidence


def ranked(candidates: Sequence[Candidate], criterion: str) -> list[Candidate]:
    """Best first by one criterion.

    Raises:
        KeyError: no such criterion; the message has those that there are.
    """
    if criterion not in CRITERIA:
        raise KeyError(f"criterion {criterion!r} is unknown; known: {', '.join(CRITERIA)}")
    values = [one.values.get(criterion, NAN) for one in candidates]
    return [candidates[i] for i in CRITERIA[criterion].order(values)]


def measure(tables: Tables) -> dict[str, dict[str, Trust]]:
    """Table -> criterion -> what it was worth; a criterion that a table lacks is left out there."""
    found: dict[str, dict[str, Trust]] = {}
    for table, groups in tables.items():
        found[table] = {}
        for name in CRITERIA:
            if (worth := _trusted(name, groups)) is not None:
                found[table][name] = worth
    return found


def _trusted(name: str, groups: Sequence[Sequence[Candidate]]) -> Trust | None:
    pairs = [
        ([c.values.get(name, NAN) for c in group], [c.miou for c in group]) for group in groups
    ]
    return trust(CRITERIA[name], pairs)


def write_evidence(record: Record, path: Path, command: str) -> tuple[Path, Path]:
    """The numbers with every candidate, and the page beside them."""
    tables = record.tables()
    worth = measure(tables)
    best = best_criterion(worth)
    values = {
        "command": command,
        "best": best,
        "tables": {
            table: {name: json_values(asdict(one), DIGITS) for name, one in found.items()}
            for table, found in worth.items()
        },
        **record.values(),
    }
    page = write_atomic(path.with_suffix(".md"), _page(record, tables, worth, command).encode())
    return write_json(path, values, indent=None), page


def evidence_page(record: Record, command: str) -> str:
    """What each criterion was worth, as Markdown."""
    tables = record.tables()
    return _page(record, tables, measure(tables), command)


def _page(
    record: Record, tables: Tables, worth: Mapping[str, Mapping[str, Trust]], command: str
) -> str:
    best = best_criterion(worth)
    runs = len({(one.run, one.key) for one in record.networks})
    lines = [
        "# Choosing without labels: which criterion may be trusted\n",
        f"By `{command}`, {runs} runs. Of every candidate the true mIoU is known, but the criteria "
        "never see it. *Correlation*: of ranks with the true mIoU (1: orders them as labels would; "
        "0: says nothing; in brackets the 95 % interval of a bootstrap). *Regret*: points of mIoU "
        "that its choice is below the best candidate (in brackets: at most, in 95 % of the "
        "samples). Chosen is only among runs that share sets and length; over several such groups "
        "the numbers are means.\n",
        f"**`choose` goes by `{best}`**, {CRITERIA[best].text}: the least mean regret over the "
        "tables of those that all have.",
    ]
    for table, found in worth.items():
        groups = len(tables[table])
        count = max((one.candidates for one in found.values()), default=0)
        among = f", {groups} groups" if groups > 1 else ""
        lines += [
            "", f"## {table[0].upper()}{table[1:]} ({count} candidates{among})\n",
            "| criterion | better | correlation | regret |", "|---|---|---|---|",
        ]  # fmt: skip
        for name, one in sorted(found.items(), key=lambda pair: pair[1].regret):
            better = "high" if CRITERIA[name].high else "low"
            lines.append(f"| {name}: {CRITERIA[name].text} | {better} | {_worth(one)} |")
    lines += ["", *_by_setting(tables["students of all runs"], best)]
    if record.alarms:
        lines += ["", "## Findings of the runs, against labels\n", *alarms_page(record.alarms)]
    return "\n".join(lines) + "\n"


def _worth(one: Trust) -> str:
    return (
        f"{one.correlation:+.2f} ({one.correlation_low:+.2f} to {one.correlation_high:+.2f}) "
        f"| {one.regret:.1f} ({one.regret_high:.1f})"
    )


def _by_setting(groups: Sequence[Sequence[Candidate]], best: str) -> list[str]:
    """Lines of Markdown: where the criterion that is gone by did well, and where not."""
    lines = [
        f"## `{best}` from setting to setting\n",
        "| students of | candidates | correlation | regret |", "|---|---|---|---|",
    ]  # fmt: skip
    for group in groups:
        if (found := _trusted(best, [group])) is not None:
            lines.append(f"| {group[0].setting} | {found.candidates} | {_worth(found)} |")
    return lines


def _number(value: float, digits: int) -> str:
    return MISSING if np.isnan(value) else f"{value:.{digits}f}"


def chosen_by(folder: Path | None = None) -> tuple[str, str]:
    """The criterion to go by, and a sentence on what it was worth when it was measured."""
    path = (folder or results()) / EVIDENCE
    if not path.exists():
        return DEFAULT, f"{DEFAULT} was not measured: there is no {path}"
    known = read_json(path)
    best = known["best"]
    regrets = [f"{one[best]['regret']:.1f} ({name})" for name, one in known["tables"].items()]
    return best, f"measured regret of {best}, in points of mIoU: {', '.join(regrets)}"


def ranking(candidates: Sequence[Candidate], criterion: str, truth: bool) -> str:
    """The candidates in order, as a table of text.

    Args:
        truth: show the true score, where there is one.
    """
    ordered = ranked(candidates, criterion)
    rows = [["", "run", "network", "step", criterion, *(["mIoU"] if truth else [])]]
    for place, one in enumerate(ordered, 1):
        value = one.values.get(criterion, NAN)
        row = [str(place), one.run, one.model, str(one.step), _number(value, 4)]
        rows.append([*row, *([_number(one.miou, 1)] if truth else [])])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
