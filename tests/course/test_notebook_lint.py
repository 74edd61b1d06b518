"""The rules for notebooks: each one finds its own violation, and the course keeps them all."""

import re
import socket
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from daformer_lib.course import notebook_lint
from daformer_lib.course.notebook_lint import advise, lint

PARAMETERS = """profile = "demo"
seed: int = 0
source = "minigta"
target = "minicityscapes"
data_root = "data"
output_dir = "runs/course"
learning_rates = [1e-3, -1e-4]"""


def stream(text: str, name: str = "stdout"):
    return new_output("stream", name=name, text=text)


def good_book():
    """A small notebook that keeps every rule."""
    book = new_notebook()
    parameters = new_code_cell(PARAMETERS, execution_count=1, metadata={"tags": ["parameters"]})
    counted = new_code_cell(
        "# NBVAL_CHECK_OUTPUT\nprint(19)", execution_count=2, outputs=[stream("19\n")]
    )
    book.cells = [new_markdown_cell("# A"), parameters, new_markdown_cell("Look."), counted]
    return book


def findings(book, tmp_path: Path) -> list[str]:
    path = tmp_path / "book.ipynb"
    nbformat.write(book, path)
    return lint(path)


def test_a_good_notebook_has_no_findings(tmp_path):
    assert findings(good_book(), tmp_path) == []


def add_code(book, source: str = "1", outputs=None, count: int = 3, **extra):
    outputs = [stream("x")] if outputs is None else outputs
    book.cells += [new_markdown_cell("text")]
    book.cells += [new_code_cell(source, outputs=outputs, execution_count=count, **extra)]


def no_parameters(book):
    book.cells[1].metadata["tags"] = []


def two_parameters(book):
    add_code(book, 'profile = "x"', metadata={"tags": ["parameters"]})


def computed_parameters(book):
    book.cells[1].source += "\nsteps = 2 * 400"


def imported_parameters(book):
    book.cells[1].source += "\nimport os"


def missing_parameter(book):
    book.cells[1].source = book.cells[1].source.replace("data_root", "root")


def never_executed(book):
    book.cells[3].execution_count = None


def executed_twice(book):
    book.cells[3].execution_count = 7


def injected(book):
    book.cells[3].metadata["tags"] = ["injected-parameters"]


def ends_in_error(book):
    error = new_output("error", ename="KeyError", evalue="'x'", traceback=[])
    add_code(book, outputs=[error])


def writes_to_stderr(book):
    add_code(book, outputs=[stream("a warning", "stderr")])


def no_text_before(book):
    del book.cells[2]


def too_long(book):
    add_code(book, "\n".join(["x = 1"] * 41))


def magic(book):
    add_code(book, "x = 1\n%matplotlib inline")


def nothing_checked(book):
    book.cells[3].source = "print(19)"


def shows_nothing(book):
    add_code(book, outputs=[])


def widget_alone(book):
    data = {notebook_lint.WIDGET: {"model_id": "a"}, "text/plain": "<control>"}
    add_code(book, outputs=[new_output("display_data", data)])


def path_in_output(book):
    add_code(book, outputs=[stream("wrote /home/me/course/runs")])


def path_in_result(book):
    add_code(book, outputs=[new_output("display_data", {"text/plain": "C:\\\\Users\\\\me"})])


def path_in_metadata(book):
    book.metadata["papermill"] = {"input_path": "/root/course/a.ipynb"}


def host_in_output(book):
    add_code(book, outputs=[stream(f"on {socket.gethostname()}: done")])


def too_large(book):
    picture = new_output("display_data", {"image/png": "A" * 1_600_000})
    add_code(book, outputs=[picture])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_parameters, "0 cells are tagged"),
        (two_parameters, "2 cells are tagged"),
        (computed_parameters, r"computes in lines \[8\]"),
        (imported_parameters, r"computes in lines \[8\]"),
        (missing_parameter, r"lacks \['data_root'\]"),
        (never_executed, "code cell 2 was not executed"),
        (executed_twice, r"execution counts are \[1, 7\]"),
        (injected, "code cell 2 was injected"),
        (ends_in_error, "code cell 3 ends in KeyError"),
        (writes_to_stderr, r"code cell 3 writes to stderr \(a warning\)"),
        (no_text_before, "code cell 2 has no text before it"),
        (too_long, "code cell 3 has 41 lines; the most is 40"),
        (magic, "code cell 3 uses a magic"),
        (nothing_checked, "no cell is marked # NBVAL_CHECK_OUTPUT"),
        (shows_nothing, "code cell 3 shows nothing"),
        (widget_alone, "code cell 3 has a control without a still twin"),
        (path_in_output, r"code cell 3 names this machine \(/home/me\)"),
        (path_in_result, "code cell 3 names this machine"),
        (path_in_metadata, "the metadata names this machine"),
        (host_in_output, "code cell 3 names this machine"),
        (too_large, "the most is 1.5 MB"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_rule_finds_its_violation(tmp_path, monkeypatch, spoil, message):
    monkeypatch.setattr(socket, "gethostname", lambda: "a-learners-laptop")
    book = good_book()
    spoil(book)
    assert [text for text in findings(book, tmp_path) if re.search(message, text)]


@pytest.mark.parametrize(
    "text",
    ["https://example.org/home/page", "runs/course/tmp/x", "and/or", "18/19", "a: b", "~/data"],
)
def test_harmless_texts_are_no_machine_paths(tmp_path, text):
    book = good_book()
    add_code(book, outputs=[stream(text)])
    assert findings(book, tmp_path) == []


def test_pictures_are_not_searched_for_paths(tmp_path):
    book = good_book()
    add_code(book, outputs=[new_output("display_data", {"image/png": "x /root/abc"})])
    assert findings(book, tmp_path) == []


def test_advice_on_length(tmp_path):
    path = tmp_path / "book.ipynb"
    nbformat.write(good_book(), path)
    assert advise(path) == ["2 code cells; a chapter has 25 to 40"]
    book = good_book()
    for count in range(3, 33):
        add_code(book, "\n".join(["x"] * 20), count=count)
    nbformat.write(book, path)
    assert advise(path) == ["half of the code cells have more than 20 lines; aim at 8"]
