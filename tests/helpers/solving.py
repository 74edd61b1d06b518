"""A notebook as a learner leaves it who has answered every exercise with its solution."""

import ast
import re
from collections.abc import Iterator

import nbformat

BLOCK = re.compile(r"<details><summary>Solution</summary>.*?```python\n(.*?)```", re.DOTALL)
OPEN = ("...", "raise NotImplementedError", "return ...")  # what stands where an answer is due


def solutions(book: nbformat.NotebookNode) -> Iterator[tuple[nbformat.NotebookNode, str]]:
    """(cell of the exercise, code of its solution), which stands right before or after it."""
    for i, cell in enumerate(book.cells):
        if cell.cell_type == "markdown" and "<summary>Solution</summary>" in cell.source:
            found = BLOCK.search(cell.source)
            assert found, f"a solution without code, after cell {i}: {cell.source[:80]}"
            beside = book.cells[i + 1 if "### Exercise" in cell.source else i - 1]
            yield beside, found[1]


def solved(source: str, answer: str) -> str:
    """The exercise's cell, its open places taken out and the answer where the first one was."""
    lines = source.splitlines()
    places = [n for n in ast.parse(source).body if is_open(n)]
    assert places, f"nothing to answer in: {source}"
    names, given = {name_of(n) for n in places}, {name_of(n) for n in ast.parse(answer).body}
    assert names <= given, f"the solution says nothing about {names - given}"
    for node in reversed(places):
        lines[node.lineno - 1 : node.end_lineno] = []
    return "\n".join([*lines[: places[0].lineno - 1], answer, *lines[places[0].lineno - 1 :]])


def is_open(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return ast.unparse(node.value) == "..."
    return isinstance(node, ast.FunctionDef) and ast.unparse(node.body[-1]) in OPEN


def name_of(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0])
    return getattr(node, "name", None)


def solved_book(book: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """With every exercise answered."""
    found = list(solutions(book))
    assert [cell.id for cell, _ in found] == [cell.id for cell in exercises(book)], "one each"
    for cell, answer in found:
        cell.source = solved(cell.source, answer)
    return book


def exercises(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code" and checks(cell)]


def checks(cell: nbformat.NotebookNode) -> int:
    return len(re.findall(r"^check\(", cell.source, re.MULTILINE))


def verdicts(book: nbformat.NotebookNode) -> list[str]:
    """What the checks have said, in order; one each, or it shows."""
    said = []
    for cell in exercises(book):
        texts = [o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
        lines = [line for text in texts for line in text.splitlines()]
        found = [line for line in lines if re.match("[✓✗…] ", line)]
        assert len(found) == checks(cell), lines
        said += found
    return said
