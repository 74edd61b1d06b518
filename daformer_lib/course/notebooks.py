"""Run one notebook with papermill, as its own process, and judge whether it really finished.

papermill warns where it should fail (an unknown parameter), and a kernel that dies leaves a
notebook without any mark of an error. So names are checked first, the exit status decides, every
cell has a time limit, and a completion record is written last: `finished` reads it, which is how
an interrupted course goes on where it stopped. The house rules are in `notebook_lint`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

import nbformat
import yaml

from daformer_lib.course.notebook_lint import advise, lint
from daformer_lib.files import read_json, write_atomic, write_json
from daformer_lib.stopping import GRACE
from daformer_lib.texts import nearest

__all__ = [
    "FailedCell", "NotebookRun", "advise", "check_parameters", "execute_in_place", "failed_cell",
    "finished", "lint", "log_path", "parameter_names", "record_path", "run_notebook",
]  # fmt: skip

Status = Literal["done", "failed", "timeout", "died"]
UNFINISHED = "did not come to its end"
TRIES = 3  # parallel kernels race for ports: a kernel that never started is tried again


@dataclass(frozen=True)
class FailedCell:
    """Where a notebook stopped."""

    number: int  # code cells counted from 1
    source: str  # its first line that is no comment
    error: str  # "ValueError: ..." or what is known


@dataclass(frozen=True)
class NotebookRun:
    """What became of one notebook; `status` "done" is the only success."""

    notebook: str  # file name
    status: Status
    seconds: float
    parameters: Mapping[str, Any]
    source_sha256: str  # of the notebook that was run
    failed_cell: FailedCell | None = None

    @property
    def done(self) -> bool:
        return self.status == "done"

    def sentence(self) -> str:
        """One line for a log."""
        text = f"{self.notebook}: {self.status} after {self.seconds:.0f} s"
        if self.failed_cell is None:
            return text
        cell = self.failed_cell
        return f"{text}, in code cell {cell.number} ({cell.source}): {cell.error}"


def record_path(output_path: str | Path) -> Path:
    """Where the completion record of an executed notebook stands."""
    return Path(output_path).with_suffix(".run.json")


def log_path(output_path: str | Path) -> Path:
    return Path(output_path).with_suffix(".log")


def parameter_names(path: str | Path) -> list[str]:
    """Names in the notebook's cell tagged `parameters`."""
    from papermill import inspect_notebook  # slow to import

    return sorted(inspect_notebook(str(path)))


def check_parameters(path: str | Path, parameters: Mapping[str, Any]) -> None:
    """Raise on a name that the notebook does not have; papermill itself only warns."""
    known = parameter_names(path)
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        hints = "; ".join(f"{name}: {nearest(name, known)}" for name in unknown)
        raise ValueError(f"{Path(path).name} has no parameters {unknown}; {hints}")


def _sha256(path: Path) -> str:
    """Digest of the code and text, not of the outputs: executing a notebook does not change it."""
    cells = nbformat.read(path, as_version=4).cells
    text = "\0".join(f"{cell.cell_type}\0{cell.source}" for cell in cells)
    return hashlib.sha256(text.encode()).hexdigest()


def finished(
    path: str | Path, output_path: str | Path, parameters: Mapping[str, Any]
) -> NotebookRun | None:
    """The earlier run of just this notebook text with just these parameters, if it succeeded."""
    record = record_path(output_path)
    if not (record.exists() and Path(output_path).exists()):
        return None
    try:
        values = read_json(record)
        run = NotebookRun(**{**values, "failed_cell": None})
    except (ValueError, TypeError):
        return None  # a record of another version of this program
    same = (run.source_sha256, dict(run.parameters)) == (_sha256(Path(path)), dict(parameters))
    return run if run.done and same else None


def _command(path: Path, output_path: Path, parameters_file: Path, timeout_s: float) -> list[str]:
    """papermill, which ends when this process does: its kernel and their trainings then end too."""
    return [
        sys.executable, "-m", "daformer_lib.stopping", "papermill", str(path), str(output_path),
        "--parameters_file", str(parameters_file), "--execution-timeout", str(int(timeout_s) or 1),
        "--start-timeout", "120", "--no-progress-bar", "--log-output", "--autosave-cell-every", "5",
    ]  # fmt: skip


def _forward(stream: IO[str], log: IO[str], on_line: Callable[[str], None] | None) -> None:
    """Copy a process's lines into the log, and to the listener."""
    for line in stream:
        log.write(line)
        log.flush()
        if on_line is not None and line.strip():
            on_line(line.rstrip())


def stop_process(process: subprocess.Popen[str]) -> None:
    """End a process group: politely first (papermill then ends its kernel), then for good."""
    for how, wait in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, how)
            process.wait(wait)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _execute(
    command: list[str],
    log_file: Path,
    timeout_s: float,
    env: Mapping[str, str],
    cwd: Path | None,
    on_line: Callable[[str], None] | None,
) -> int | None:
    """Exit status of the process, or None if it ran out of time."""
    with open(log_file, "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env=dict(env), cwd=cwd, start_new_session=True, errors="replace",
        )  # fmt: skip
        reader = threading.Thread(target=_forward, args=(process.stdout, log, on_line), daemon=True)
        reader.start()
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            stop_process(process)  # also when this program is interrupted
        reader.join(5)
    return status


def _first_line(source: str) -> str:
    lines = [line.strip() for line in source.splitlines()]
    return next((line for line in lines if line and not line.startswith("#")), "")[:80]


def failed_cell(output_path: str | Path) -> FailedCell | None:
    """The cell with an error, or the one that was running when the kernel died."""
    if not Path(output_path).exists():
        return None
    cells = nbformat.read(output_path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code" and not _is_injected(cell)]
    for number, cell in enumerate(code, 1):
        for output in cell.outputs:
            if output.output_type == "error":
                error = f"{output.ename}: {output.evalue}"
                return FailedCell(number, _first_line(cell.source), error)
    for number, cell in enumerate(code, 1):
        if not _has_ended(cell):
            return FailedCell(number, _first_line(cell.source), UNFINISHED)
    return None


def _is_injected(cell: Any) -> bool:
    """papermill's own cell, which does not count."""
    return "injected-parameters" in cell.metadata.get("tags", [])


def _has_ended(cell: Any) -> bool:
    """The kernel has answered: papermill marks a cell completed even if the kernel died in it."""
    times = cell.metadata.get("execution", {})
    return "shell.execute_reply" in times or not cell.source.strip()


def _never_started(output_path: Path) -> bool:
    """No cell was executed: the kernel did not come up."""
    if not output_path.exists():
        return True
    cells = nbformat.read(output_path, as_version=4).cells
    return not any(cell.get("execution_count") for cell in cells)


def _status(exit_status: int | None, output_path: Path) -> Status:
    if exit_status is None:
        return "timeout"
    if exit_status == 0:
        return "done"
    found = failed_cell(output_path)
    if found and "CellTimeoutError" in found.error:
        return "timeout"
    return "failed" if found and found.error != UNFINISHED else "died"


def run_notebook(
    path: str | Path,
    output_path: str | Path,
    parameters: Mapping[str, Any],
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    *,
    cwd: str | Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> NotebookRun:
    """Execute a notebook into `output_path`; log and completion record stand beside it.

    Args:
        parameters: names of the notebook's `parameters` cell; an unknown one raises.
        timeout_s: for the whole notebook and thereby for each cell.
        env: added to this process's environment; DAFORMER_BATCH=1 is always set.
        cwd: the folder that the notebook runs in; this process's by default.
        on_line: gets every line of the log while the notebook runs.
    """
    path, output_path = Path(path).resolve(), Path(output_path).resolve()
    check_parameters(path, parameters)
    output_path.parent.mkdir(parents=True, exist_ok=True)
    record_path(output_path).unlink(missing_ok=True)
    output_path.unlink(missing_ok=True)
    parameters_file = output_path.with_suffix(".parameters.yaml")
    write_atomic(parameters_file, yaml.safe_dump(dict(parameters)).encode())
    command = _command(path, output_path, parameters_file, timeout_s)
    environment = {**os.environ, **(env or {}), "DAFORMER_BATCH": "1"}
    start = time.monotonic()
    for _ in range(TRIES):
        left = timeout_s - (time.monotonic() - start)
        folder = Path(cwd) if cwd else None
        code = _execute(command, log_path(output_path), left, environment, folder, on_line)
        if code in (0, None) or not _never_started(output_path):
            break
    seconds = round(time.monotonic() - start, 2)
    status = _status(code, output_path)
    cell = None if status == "done" else failed_cell(output_path)
    run = NotebookRun(path.name, status, seconds, dict(parameters), _sha256(path), cell)
    write_json(record_path(output_path), asdict(run))  # last: its presence means the end was seen
    return run


def execute_in_place(
    path: str | Path,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
) -> NotebookRun:
    """Execute a notebook with its own parameters and keep the outputs in it, for a commit.

    It runs in its own folder, as in Jupyter, or in `cwd`.

    papermill's traces (paths, times) are taken out; a notebook that fails stays as it was, and
    what was executed of it lies beside it as `<name>.failed.ipynb`.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        output_path = Path(folder) / path.name
        run = run_notebook(path, output_path, {}, timeout_s, env, cwd=cwd or path.parent)
        if run.done:
            book = nbformat.read(output_path, as_version=4)
            book.metadata.pop("papermill", None)
            for cell in book.cells:
                for trace in ("papermill", "execution"):
                    cell.metadata.pop(trace, None)
            write_atomic(path, nbformat.writes(book).encode())
        else:
            failed = path.with_name(f"{path.stem}.failed.ipynb")
            for file, kept in {
                output_path: failed,
                log_path(output_path): log_path(failed),
            }.items():
                if file.exists():
                    shutil.copyfile(file, kept)
    return run
