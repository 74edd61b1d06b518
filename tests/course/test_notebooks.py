"""Running notebooks: only a notebook that came to its end counts as done."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from daformer_lib.course import notebooks
from daformer_lib.files import read_json

pytestmark = pytest.mark.notebook  # each test starts a kernel
LIMIT = 120.0  # seconds; a kernel starts slowly on a busy machine


def write_book(path: Path, *sources: str) -> Path:
    """A notebook with `seed` and `profile` as parameters, then these cells."""
    book = new_notebook()
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "P", "language": "python"}
    parameters = new_code_cell('seed = 0\nprofile = "demo"', metadata={"tags": ["parameters"]})
    book.cells = [new_markdown_cell("# A book"), parameters, *map(new_code_cell, sources)]
    nbformat.write(book, path)
    return path


def test_a_notebook_runs_with_its_parameters_and_leaves_a_record(tmp_path):
    source = "import os\nprint(seed, profile, os.environ['DAFORMER_BATCH'], os.environ['EXTRA'])"
    path = write_book(tmp_path / "a.ipynb", source)
    output, seen = tmp_path / "out" / "a.ipynb", []
    values = {"seed": 7, "profile": "001"}
    run = notebooks.run_notebook(path, output, values, LIMIT, {"EXTRA": "yes"}, on_line=seen.append)
    assert run.done and run.failed_cell is None and 0 < run.seconds < LIMIT
    assert "7 001 1 yes" in seen  # "001" stayed a text
    assert "7 001 1 yes" in notebooks.log_path(output).read_text()
    assert read_json(notebooks.record_path(output))["status"] == "done"
    assert notebooks.finished(path, output, values) == run
    assert notebooks.finished(path, output, {"seed": 8, "profile": "001"}) is None
    write_book(path, source + "\n# changed")
    assert notebooks.finished(path, output, values) is None


def test_a_failing_cell_is_named(tmp_path):
    path = write_book(tmp_path / "a.ipynb", "print(1)", "# divide\nx = 1 / 0", "print(2)")
    output = tmp_path / "out.ipynb"
    run = notebooks.run_notebook(path, output, {"seed": 1}, LIMIT)
    assert run.status == "failed"
    assert run.failed_cell == notebooks.FailedCell(
        3, "x = 1 / 0", "ZeroDivisionError: division by zero"
    )
    assert "in code cell 3 (x = 1 / 0)" in run.sentence()
    assert notebooks.finished(path, output, {"seed": 1}) is None


def test_a_kernel_that_dies_is_no_success(tmp_path):
    path = write_book(tmp_path / "a.ipynb", "import os\nos.kill(os.getpid(), 9)", "print(2)")
    run = notebooks.run_notebook(path, tmp_path / "out.ipynb", {}, LIMIT)
    assert run.status == "died"
    assert run.failed_cell is not None and run.failed_cell.number == 2


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


@pytest.mark.slow
def test_time_runs_out_and_the_kernel_is_gone(tmp_path):
    pid_file = tmp_path / "pid"
    source = (
        f"import os, time\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    )
    path = write_book(tmp_path / "a.ipynb", source)
    start = time.monotonic()
    run = notebooks.run_notebook(path, tmp_path / "out.ipynb", {}, 20)
    assert run.status == "timeout"
    assert time.monotonic() - start < 20 + 2 * notebooks.GRACE
    time.sleep(2)
    assert not _alive(int(pid_file.read_text()))


def test_unknown_parameters_are_refused_before_anything_runs(tmp_path):
    path = write_book(tmp_path / "a.ipynb")
    with pytest.raises(
        ValueError, match=r"\['sed'\]; sed: did you mean seed\? known: profile, seed"
    ):
        notebooks.run_notebook(path, tmp_path / "out.ipynb", {"sed": 1}, LIMIT)
    assert list(tmp_path.iterdir()) == [path]


def test_executing_in_place_keeps_outputs_and_no_traces(tmp_path):
    path = write_book(tmp_path / "a.ipynb", "print(6 * 7)")
    assert notebooks.execute_in_place(path, LIMIT).done
    book = nbformat.read(path, as_version=4)
    assert book.cells[2].outputs[0].text == "42\n" and book.cells[2].execution_count == 2
    assert "papermill" not in str(book)
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_in_place_stays_as_it_was(tmp_path):
    path = write_book(tmp_path / "a.ipynb", "print(6 * 7)", "1 / 0")
    before = path.read_bytes()
    assert notebooks.execute_in_place(path, LIMIT).status == "failed"
    assert path.read_bytes() == before
    kept = nbformat.read(tmp_path / "a.failed.ipynb", as_version=4)
    assert kept.cells[-1].outputs[0].ename == "ZeroDivisionError"
    assert notebooks.log_path(tmp_path / "a.failed.ipynb").exists()


def fake(monkeypatch, *codes, cells_run: int = 0):
    """Replace the process by these exit statuses; count the calls."""
    left, calls = list(codes), []

    def execute(command, log_file, timeout_s, env, cwd, on_line):
        calls.append(command)
        book_file, output = command[command.index("papermill") + 1 :][:2]
        book = nbformat.read(book_file, as_version=4)
        for k, cell in enumerate(book.cells[1 : 1 + cells_run]):
            cell.execution_count = k + 1
        nbformat.write(book, output)
        return left.pop(0)

    monkeypatch.setattr(notebooks, "_execute", execute)
    return calls


def test_a_kernel_that_never_started_is_tried_again(tmp_path, monkeypatch):
    path = write_book(tmp_path / "a.ipynb", "1")
    calls = fake(monkeypatch, 1, 0)
    assert notebooks.run_notebook(path, tmp_path / "o.ipynb", {}, LIMIT).done
    assert len(calls) == 2


def test_a_notebook_that_began_is_not_tried_again(tmp_path, monkeypatch):
    path = write_book(tmp_path / "a.ipynb", "1")
    calls = fake(monkeypatch, 138, cells_run=1)
    assert notebooks.run_notebook(path, tmp_path / "o.ipynb", {}, LIMIT).status == "died"
    assert len(calls) == 1


def test_every_run_has_a_cell_limit_and_no_bar(tmp_path, monkeypatch):
    calls = fake(monkeypatch, 0)
    path = write_book(tmp_path / "a.ipynb", "1")
    notebooks.run_notebook(path, tmp_path / "o.ipynb", {"seed": 3}, 33)
    assert calls[0][calls[0].index("--execution-timeout") + 1] == "33"
    assert "--no-progress-bar" in calls[0]


def test_an_old_record_is_gone_while_the_notebook_runs(tmp_path, monkeypatch):
    path = write_book(tmp_path / "a.ipynb", "1")
    output = tmp_path / "o.ipynb"
    fake(monkeypatch, 0)
    notebooks.run_notebook(path, output, {}, LIMIT)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(notebooks, "_execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        notebooks.run_notebook(path, output, {}, LIMIT)
    assert notebooks.finished(path, output, {}) is None


@pytest.mark.parametrize("record", ["", "{", '{"status": "done"}', '{"other": 1}'])
def test_a_damaged_record_means_not_finished(tmp_path, record):
    path = write_book(tmp_path / "a.ipynb")
    output = write_book(tmp_path / "o.ipynb")
    notebooks.record_path(output).write_text(record)
    assert notebooks.finished(path, output, {}) is None


def test_a_process_that_ignores_the_polite_request_is_killed(monkeypatch):
    monkeypatch.setattr(notebooks, "GRACE", 0.3)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code + "; time.sleep(60)"],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    process.stdout.readline()
    notebooks.stop_process(process)
    assert process.poll() is not None
    process.stdout.close()
