"""Progress for every long job: a bar where someone watches, a few lines where a log is written.

One facade with three looks, chosen when the job starts:
- ``notebook``: one line that redraws itself in a live kernel; saved, it reads as plain text;
- ``terminal``: a bar on a terminal;
- ``lines``: at most one line per ``every`` seconds (``DAFORMER_BATCH=1``, or output to a file);
- ``quiet``: nothing (``DAFORMER_QUIET=1``).
A bar library's automatic choice floods the log of a batch run; a widget bar is empty when the saved
notebook is opened without a kernel.
"""

from __future__ import annotations

import html
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Protocol, TypeVar

from daformer_lib.texts import printable

Look = Literal["notebook", "terminal", "lines", "quiet"]
LOOKS: tuple[Look, ...] = ("notebook", "terminal", "lines", "quiet")
REDRAW = 0.1  # seconds between two redraws of a bar
BAR = 24  # characters

T = TypeVar("T")


class Report(Protocol):
    """What long jobs call: ``report(done, total, label)``; `Progress` is one."""

    def __call__(self, done: int, total: int | None, label: str) -> None: ...


def silent(done: int, total: int | None, label: str) -> None:
    """A `Report` that shows nothing."""


def current_look() -> Look:
    """The look for this process, from its environment, kernel and output."""
    if os.environ.get("DAFORMER_QUIET") == "1":
        return "quiet"
    if os.environ.get("DAFORMER_BATCH") == "1":
        return "lines"
    if _in_live_kernel():
        return "notebook"
    return "terminal" if sys.stdout.isatty() else "lines"


def _in_live_kernel() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "kernel", None) is not None


class Progress:
    """Shows how far a job is. Use it as a context manager, or pass it on as a `Report`.

    >>> with Progress(10, "draw", look="quiet") as bar:
    ...     bar.advance()
    """

    def __init__(
        self,
        total: int | None = None,
        title: str = "",
        *,
        every: float = 10.0,  # seconds between lines
        look: Look | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if look is not None and look not in LOOKS:
            raise ValueError(f"look {look!r} is unknown; known: {sorted(LOOKS)}")
        self.title, self.look, self.every, self._clock = title, look or current_look(), every, clock
        self._begin(total, 0)

    def _begin(self, total: int | None, done: int) -> None:
        self.total, self.done, self.note = total, done, ""
        self._first = done  # a resumed job's rate counts from here
        self._start = self._shown_at = self._clock()
        self._shown: tuple[int, str] | None = None  # what the last display said
        self._called = self._closed = False
        self._handle: Any = None  # IPython's display handle

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type | None, error: object, trace: object) -> None:
        self.close(finished=kind is None)

    def __call__(self, done: int, total: int | None, label: str) -> None:
        """The `Report` form: going back, or another total, is another job on its own line."""
        other = self._called and (self._closed or done < self.done or total != self.total)
        if other:
            self.close()
            self._begin(total, max(0, done - 1))
        if not self._called:
            self._first, self.total, self._called = max(0, done - 1), total, True
        self.update(done, label)
        if total is not None and done >= total:
            self.close()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.update(self.done + steps, note)

    def update(self, done: int, note: str = "") -> None:
        """Set the position; ``note`` (the losses, a file name) stays until the next one."""
        self.done, self.note = done, note or self.note
        wait = self.every if self.look == "lines" else REDRAW
        if not self._closed and self._clock() - self._shown_at >= wait:
            self._show()

    def close(self, finished: bool = True) -> None:
        """Leave one final line. Called twice, it does nothing the second time."""
        if self._closed:
            return
        if not finished:
            self.note = "stopped"
        used = self._called or self.done > 0 or self.total is not None
        if used and (self.done, self.note) != self._shown:
            self._show()
        self._closed = True
        if self.look == "terminal":
            print(flush=True)

    def text(self) -> str:
        """``draw: 30/100, 12 s, 28 s left, loss 0.41``"""
        seconds, steps = self._clock() - self._start, self.done - self._first
        parts = [f"{self.done}" if self.total is None else f"{self.done}/{self.total}"]
        parts.append(duration(seconds))
        if self.total and steps > 0 and self.done < self.total:
            parts.append(f"{duration(seconds / steps * (self.total - self.done))} left")
        if self.title and self.note:
            parts.append(self.note)
        head = self.title or self.note
        return printable(f"{head}: " * bool(head) + ", ".join(parts))

    def _show(self) -> None:
        self._shown_at, self._shown = self._clock(), (self.done, self.note)
        if self.look == "lines":
            print(self.text(), flush=True)
        elif self.look == "terminal":
            print(f"\r\033[K{self._bar()}{self.text()}", end="", flush=True)
        elif self.look == "notebook":
            self._show_in_notebook()

    def _bar(self) -> str:
        if not self.total:
            return ""
        full = min(BAR, BAR * self.done // self.total)
        return "[" + "#" * full + "." * (BAR - full) + "] "

    def _show_in_notebook(self) -> None:
        from IPython.display import display

        share = 100 * min(1.0, self.done / self.total) if self.total else 100
        text = self.text()
        page = (
            '<div style="font-family:monospace;max-width:48em">'
            f'<div style="background:#2a7f62;height:4px;width:{share:.1f}%"></div>'
            f"{html.escape(text)}</div>"
        )
        bundle = {"text/html": page, "text/plain": text}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def track(items: Iterable[T], title: str = "", total: int | None = None) -> Iterator[T]:
    """Iterate over ``items`` and show the position."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)
    with Progress(total, title) as bar:
        for item in items:
            yield item
            bar.advance()


def duration(seconds: float) -> str:
    """``8 s``, ``3 min 05 s``, ``2 h 10 min``"""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
