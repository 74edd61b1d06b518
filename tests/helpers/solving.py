"""A notebook as a learner leaves it who has answered every exercise with its solution."""

import ast
import re

import nbformat

from daformer_lib.course import exercises as course

OPEN = ("...", "raise NotImplementedError", "return ...")  # what stands where an answer is due


def solved(source: str, answer: str) -> str:
    """The exercise's cell, its open places taken out and the answer where the first one was."""
    lines = source.splitlines()
    places = [n for n in ast.parse(source).body if is_open(n)]
    assert places, f"nothing to answer in: {source}"
    names, given = {name_of(n) for n in places}, names_in(answer)
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


def names_in(code: str) -> set[str]:
    """Names that this code assigns or defines."""
    tree = ast.parse(code)
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
    stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return stored | {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}


def open_names(source: str) -> set[str]:
    """What an exercise's cell leaves to be answered."""
    return {str(name_of(node)) for node in ast.parse(source).body if is_open(node)}


def solved_book(book: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """With every exercise answered."""
    for cell in exercises(book):
        (name,) = names_of_checks(cell)
        cell.source = solved(cell.source, course.exercises()[name].solution)
    return book


def exercises(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code" and names_of_checks(cell)]


def names_of_checks(cell: nbformat.NotebookNode) -> list[str]:
    return re.findall(r'^check\("([^"]+)"', cell.source, re.MULTILINE)


def verdicts(book: nbformat.NotebookNode) -> list[str]:
    """What the checks have said, in order; one each, or it shows."""
    said = []
    for cell in exercises(book):
        texts = [o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs]
        lines = [line for text in texts for line in text.splitlines()]
        found = [line for line in lines if re.match("[✓✗…] ", line)]
        assert len(found) == len(names_of_checks(cell)), lines
        said += found
    return said
