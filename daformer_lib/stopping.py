"""Processes that end in order: when they are asked to, and when whoever started them is gone.

A training that is asked to stop (Ctrl-C, SIGTERM) ends its step and saves; asked again, it ends at
once. A child whose parent was killed ends too: it would go on unseen, beside the one that the next
start makes. A pipe tells it so on every system: the parent holds its other end open and never
writes, so the child reads the end of it when the parent is gone.

`python -m daformer_lib.stopping <module> <arguments>` runs another program's module that way.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

GRACE = 20.0  # seconds that a process gets to end after SIGTERM
NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stopped(KeyboardInterrupt):
    """Ended because a signal asked for it."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


def exit_status(error: KeyboardInterrupt) -> int:
    """What a shell expects of a program that a signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + getattr(error, "number", signal.SIGINT)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()  # others get no signals


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Within, SIGTERM raises `Stopped`, as Ctrl-C raises KeyboardInterrupt: clean-ups then run."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number, "ended by SIGTERM")

    if not _in_main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class StopRequest:
    """Notes Ctrl-C and SIGTERM instead of ending in the middle; the same one again ends at once.

    >>> with StopRequest() as stop:
    ...     stop.requested
    False
    """

    def __init__(self) -> None:
        self.number: int | None = None  # of the signal that came
        self._listens = _in_main_thread()
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        for number in NAMES if self._listens else ():
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == self.number:
            raise Stopped(number, f"ended at once: {NAMES[number]} came twice")
        self.number = self.number or number  # Ctrl-C and a parent's SIGTERM often come together

    @property
    def requested(self) -> bool:
        return self.number is not None

    def check(self, done: str) -> None:
        """Raise if a signal came; `done` says what is safe."""
        if self.number is not None:
            raise Stopped(self.number, f"{NAMES[self.number]}: {done}")


def end_with_parent() -> None:
    """End this process when standard input, a pipe that the parent holds, comes to its end."""
    threading.Thread(target=_await_end, daemon=True).start()


def _await_end() -> None:
    os.read(0, 1)  # not sys.stdin, whose lock this thread would hold when the process ends
    os.kill(os.getpid(), signal.SIGTERM)  # a training saves its state
    time.sleep(GRACE)
    os._exit(1)


class Job(Protocol):
    """What was started and can be ended: a process, or something that answers like one."""

    def poll(self) -> int | None:
        """The exit status; None while it runs."""

    def terminate(self) -> None:
        """Ask it to save and end."""

    def kill(self) -> None: ...

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired where it has not ended by then."""


def stop_all(processes: Iterable[Job]) -> None:
    """Ask processes to end, wait, and end for good those that have not."""
    alive = [process for process in processes if process.poll() is None]
    for process in alive:
        process.terminate()
    until = time.monotonic() + GRACE
    for process in alive:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def usable_cores() -> int:
    """That this process may use, where the system says so; else all."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def process_pool(
    workers: int, start: Callable[[], None] | None = None
) -> Iterator[ProcessPoolExecutor]:
    """New processes for many small jobs, which end with this one; `start` runs first in each.

    Spawned, so that no thread or lock is copied. Unlike multiprocessing.Pool, an executor notices
    when a worker cannot start or is killed for its memory.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _start_worker, (start,)) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # else leaving waits for all jobs
            raise


def _start_worker(start: Callable[[], None] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells them, in order
    threading.Thread(target=_end_after_parent, daemon=True).start()
    if start is not None:
        start()


def _end_after_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)  # what it was writing stays a .part file, and nobody reads those


if __name__ == "__main__":
    end_with_parent()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
