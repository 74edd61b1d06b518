"""The house rules for notebooks, as checks: what papermill and nbval would let pass.

A notebook is committed executed, as a learner opens it. Each finding is a sentence that names the
cell (code cells counted from 1), the rule and the remedy.
"""

from __future__ import annotations

import ast
import re
import socket
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

REQUIRED_PARAMETERS = ("profile", "seed", "source", "target", "data_root", "output_dir")
MAX_BYTES = 1_500_000
MAX_LINES = 40  # of a code cell
CELLS = (25, 40)  # code cells of a chapter: advice
MEDIAN_LINES = 12  # advice; 8 is the aim
CHECK_MARK = "# NBVAL_CHECK_OUTPUT"
WIDGET = "application/vnd.jupyter.widget-view+json"

# A path or an address of one machine; no part of a longer word or of a web address.
_MACHINE = re.compile(
    r"(?<![\w.:/~-])/(?:home|root|tmp|work|workspace|Users|private|var|mnt|opt|usr|srv|data)/[\w.-]+"
    r"|\b[A-Za-z]:\\\\?\w+|\blocalhost:\d+|\b127\.0\.0\.1\b"
)


def _read(path: Path) -> tuple[Any, list[Any]]:
    """The notebook and its code cells."""
    book = nbformat.read(path, as_version=4)
    return book, [cell for cell in book.cells if cell.cell_type == "code"]


def _tags(cell: Any) -> list[str]:
    return cell.metadata.get("tags", [])


def _is_literal(node: ast.AST) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def _assigned(source: str) -> tuple[list[str], list[int]]:
    """Names assigned in a cell, and the lines that are no plain `name = literal`."""
    names, wrong = [], []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target = node.target
        else:
            wrong.append(node.lineno)
            continue
        if isinstance(target, ast.Name) and _is_literal(node.value):
            names.append(target.id)
        else:
            wrong.append(node.lineno)
    return names, wrong


def _parameters(code: list[Any]) -> Iterator[str]:
    tagged = [cell for cell in code if "parameters" in _tags(cell)]
    if len(tagged) != 1:
        yield f"{len(tagged)} cells are tagged `parameters`; tag exactly one"
        return
    try:
        names, wrong = _assigned(tagged[0].source)
    except SyntaxError as problem:
        yield f"the parameters cell does not parse: {problem}"
        return
    if wrong:
        yield (
            f"the parameters cell computes in lines {wrong}: a derived value would keep its old "
            "value under -p; keep only `name = literal` there and derive in the next cell"
        )
    missing = [name for name in REQUIRED_PARAMETERS if name not in names]
    if missing:
        yield f"the parameters cell lacks {missing}; every notebook has {REQUIRED_PARAMETERS}"


def _execution(code: list[Any]) -> Iterator[str]:
    counts = [cell.execution_count for cell in code]
    for number, (cell, count) in enumerate(zip(code, counts, strict=True), 1):
        if "injected-parameters" in _tags(cell):
            yield f"code cell {number} was injected by papermill; commit a run without parameters"
        if count is None:
            yield f"code cell {number} was not executed: nbval never compares it; execute it"
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"code cell {number} ends in {output.ename}; repair it and execute again"
            if output.get("name") == "stderr":
                text = output.text.strip().splitlines()[0][:60] if output.text.strip() else ""
                yield f"code cell {number} writes to stderr ({text}); keep it quiet"
    if None not in counts and counts != list(range(1, len(code) + 1)):
        yield f"execution counts are {counts[:6]}...; restart the kernel and run all cells once"


def _reading(book: Any, code: list[Any]) -> Iterator[str]:
    before = None
    number = 0
    for cell in book.cells:
        if cell.cell_type == "code":
            number += 1
            if before is None or before.cell_type != "markdown" or not before.source.strip():
                yield f"code cell {number} has no text before it; say what to look for"
        before = cell
    for number, cell in enumerate(code, 1):
        lines = len(cell.source.splitlines())
        if lines > MAX_LINES:
            yield f"code cell {number} has {lines} lines; the most is {MAX_LINES}: split it"
        if re.search(r"^\s*[%!]", cell.source, re.MULTILINE):
            yield f"code cell {number} uses a magic or a shell line; write Python"
    if not any(CHECK_MARK in cell.source for cell in code):
        yield f"no cell is marked {CHECK_MARK}; mark those with stable output"


def _showing(code: list[Any]) -> Iterator[str]:
    for number, cell in enumerate(code, 1):
        if not cell.outputs and not {"parameters", "injected-parameters"} & set(_tags(cell)):
            yield f"code cell {number} shows nothing; end it in a shape, a number or a picture"
        kinds = [kind for output in cell.outputs for kind in output.get("data", {})]
        if WIDGET in kinds and "image/png" not in kinds:
            yield f"code cell {number} has a control without a still twin; add the PNG beside it"


def _texts(node: Any) -> Iterator[str]:
    """Every text in outputs or metadata, pictures left out."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if not str(key).startswith("image/") and key != "buffers":
                yield from _texts(value)


def _private(book: Any, code: list[Any]) -> Iterator[str]:
    host = socket.gethostname()
    places = [(f"code cell {n}", [cell.source, cell.outputs]) for n, cell in enumerate(code, 1)]
    metadata = {key: value for key, value in book.metadata.items() if key != "widgets"}
    places.append(("the metadata", [metadata, [cell.metadata for cell in book.cells]]))
    for place, content in places:
        for text in _texts(content):
            found = _MACHINE.search(text)
            name = found.group() if found else None
            if name is None and len(host) > 4 and re.search(rf"\b{re.escape(host)}\b", text):
                name = host
            if name:
                yield f"{place} names this machine ({name}); print a relative path or nothing"
                break


def lint(path: str | Path) -> list[str]:
    """What is wrong with a notebook, one sentence each; empty if nothing is."""
    path = Path(path)
    book, code = _read(path)
    findings = [
        *_parameters(code), *_execution(code), *_reading(book, code), *_showing(code),
        *_private(book, code),
    ]  # fmt: skip
    size = path.stat().st_size
    if size > MAX_BYTES:
        findings.append(
            f"the file has {size / 1e6:.2f} MB, the most is {MAX_BYTES / 1e6} MB: show fewer or "
            "smaller pictures"
        )
    return findings


def advise(path: str | Path) -> list[str]:
    """What a chapter of the course might do better; nothing here is an error."""
    _, code = _read(Path(path))
    advice = []
    if not CELLS[0] <= len(code) <= CELLS[1]:
        advice.append(f"{len(code)} code cells; a chapter has {CELLS[0]} to {CELLS[1]}")
    median = statistics.median(len(cell.source.splitlines()) for cell in code) if code else 0
    if median > MEDIAN_LINES:
        advice.append(f"half of the code cells have more than {median:g} lines; aim at 8")
    return advice
