"""Notebooks as a page without a kernel shows them: a control becomes a sentence.

The stills that stand beside each control show its key settings, so no picture is lost. The mark by
which tests know a cell whose output never changes is no part of the lesson, and is left out. A link
in an output, which Sphinx does not look into, leads to the page that is made of its file.
"""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

WIDGET = "application/vnd.jupyter.widget-view+json"
TEXT = "text/markdown"
FILE = re.compile(r"(\]\((?!\w+:)[^)\s#]+)\.(?:md|ipynb)(?=[)#])")
MARK = "# NBVAL_CHECK_OUTPUT\n"
NOTE = '<p class="control">In Jupyter a control moves this picture ({}). Here: stills.</p>'


def still(output: dict[str, Any]) -> dict[str, Any]:
    """The output with links to pages, or the sentence in place of a control."""
    data = output.get("data", {})
    if TEXT in data:
        return {**output, "data": {**data, TEXT: FILE.sub(r"\1.html", "".join(data[TEXT]))}}
    if WIDGET not in data:
        return output
    name = "".join(data.get("text/plain", "")).removeprefix("<control: ").removesuffix(">")
    return {**output, "data": {"text/html": NOTE.format(escape(name))}}


def as_read(text: str) -> str:
    """A notebook's file without controls, their saved state and the tests' marks."""
    book = json.loads(text)
    book["metadata"].pop("widgets", None)
    for cell in book["cells"]:
        if "outputs" in cell:
            cell["source"] = "".join(cell["source"]).removeprefix(MARK)
            cell["outputs"] = [still(output) for output in cell["outputs"]]
    return json.dumps(book)


def take_controls_out(app: Sphinx, page: str, source: list[str]) -> None:
    if app.env.doc2path(page).suffix == ".ipynb":
        source[0] = as_read(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", take_controls_out)
    return {"parallel_read_safe": True}
