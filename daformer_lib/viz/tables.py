"""The three kinds of numbers of a claim in one table, each under its own heading.

A table shows itself in a notebook as HTML, in a terminal drawn by rich, elsewhere as Markdown, and
takes no colour from the theme, so that it reads on light and on dark pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from daformer_lib.means import MISSING
from daformer_lib.texts import printable, table_cell
from daformer_lib.viz.style import KIND_COLOURS, KIND_NAMES

if TYPE_CHECKING:
    from rich.table import Table as Drawn


def format_score(value: Any) -> str:
    """``45.6``, ``35.1 ± 1.1 (3 seeds)`` for a list of seeds, – for None and NaN.

    Seeds without a score are left out, and that is said: ``35.1 ± 1.1 (2 of 3 seeds)``.
    """
    known, count = known_values(value), np.size(value)
    if not len(known):
        return MISSING
    if count == 1:
        return f"{known[0]:.1f}"
    seeds = f"{count} seeds" if len(known) == count else f"{len(known)} of {count} seeds"
    spread = f" ± {known.std(ddof=1):.1f}" if len(known) > 1 else ""
    return f"{known.mean():.1f}{spread} ({seeds})"


def known_values(value: Any) -> np.ndarray:
    """(n,) the numbers among a row's value, which may be None, a number, or one per seed."""
    values = np.atleast_1d(np.asarray(np.nan if value is None else value, dtype=float))
    return values[~np.isnan(values)]


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; the first column is the row's name."""

    headings: tuple[str, ...]
    details: tuple[str, ...]  # a small line under each heading
    rows: tuple[tuple[str, ...], ...]
    colours: tuple[str, ...]  # a stripe over each column; "" = none

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col" style="text-align:{"left" if k == 0 else "right"};'
            f"padding:6px 14px;border-top:3px solid {colour or 'transparent'};"
            f'border-bottom:1px solid #9aa5b1">{escape(title)}'
            f'<br><small style="font-weight:normal;opacity:.75">{escape(detail)}</small></th>'
            for k, (title, detail, colour) in enumerate(
                zip(self.headings, self.details, self.colours, strict=True)
            )
        )
        body = "".join(
            "<tr>"
            + f'<th scope="row" style="text-align:left;padding:4px 14px">{escape(row[0])}</th>'
            + "".join(
                f'<td style="text-align:right;padding:4px 14px">{escape(text)}</td>'
                for text in row[1:]
            )
            + "</tr>"
            for row in self.rows
        )
        return (
            '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    def markdown(self) -> str:
        titles = [
            f"{t} ({d})" if d else t for t, d in zip(self.headings, self.details, strict=True)
        ]
        lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *self.rows]
        return "\n".join("| " + " | ".join(map(table_cell, line)) + " |" for line in lines)

    def __rich__(self) -> Drawn:
        """For `rich.print`: numbers end at the right, long cells break within their column."""
        from rich import box  # only here: few who open a table print it in a terminal
        from rich.table import Table as Drawn
        from rich.text import Text

        drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False)
        for k, (title, detail) in enumerate(zip(self.headings, self.details, strict=True)):
            head = Text.assemble(printable(title), (f"\n{detail}" if detail else "", "dim"))
            drawn.add_column(head, justify="right" if k else "left")
        for row in self.rows:
            drawn.add_row(*(Text(printable(cell)) for cell in row))
        return drawn

    def __repr__(self) -> str:
        return self.markdown()


def three_numbers_table(
    paper: Mapping[str, Any] | None = None,
    study: Mapping[str, Any] | None = None,
    live: Mapping[str, Any] | None = None,
    *,
    paper_table: str = "",
    study_detail: str = "",
    live_detail: str = "",
    unit: str = "mIoU",
) -> Table:
    """The paper's, the committed study's and the live run's number of every row, never mixed.

    A value is a number, a list of one per seed, or None. The details say what a kind was measured
    on (profile, seeds, data); `paper_table` names the table, as in "Table 5".
    """
    given = {"paper": paper, "study": study, "live": live}
    own = {"paper": paper_table, "study": study_detail, "live": live_detail}
    kinds = [kind for kind, scores in given.items() if scores is not None]
    if not kinds:
        raise ValueError("three_numbers_table got no numbers; pass paper, study or live")
    names = list(dict.fromkeys(name for kind in kinds for name in given[kind]))
    rows = [(n, *(format_score(given[kind].get(n)) for kind in kinds)) for n in names]
    details = [", ".join(filter(None, (own[kind], KIND_NAMES[kind][1]))) for kind in kinds]
    return Table(
        headings=(unit, *(KIND_NAMES[kind][0] for kind in kinds)),
        details=("", *details),
        rows=tuple(rows),
        colours=("", *(KIND_COLOURS[kind] for kind in kinds)),
    )


def plain_table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Any small table in the same look; numbers are shown with one decimal."""
    texts = [
        (str(row[0]), *(format_score(v) if isinstance(v, float) else str(v) for v in row[1:]))
        for row in rows
    ]
    blank = tuple("" for _ in headings)
    return Table(tuple(headings), blank, tuple(texts), blank)
