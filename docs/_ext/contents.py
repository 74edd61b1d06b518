"""The order of the pages, and the first page's table of contents made of it.

A new page under docs/, notebooks/ or results/ is found by its section's last pattern; a name that
stands before it puts the page in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sphinx.util.matching import patfilter

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FIRST = "README"
SECTIONS = {  # title -> pages in order, without endings; "name <page>" gives one a shorter name
    "The course": ["docs/start/chapters", "notebooks/0*", "notebooks/1*", "notebooks/solutions/*"],
    "Installing, and data": ["docs/start/install", "docs/start/your-own-data", "docs/start/*"],
    "The method": ["docs/method/parity", "docs/method/*"],
    "Results": [
        "docs/studies/what-it-shows",
        "The study <results/mini_study>",
        "The study, as the paper's Table 5 <results/mini_study_table5>",
        "Eight decoders, as its Table 7 <results/mini_study_1500_table7>",
        "The course's runs <results/demo_study>",
        "results/CLAIMS",
        "results/*",
        "docs/studies/*",
        "notebooks/run",
    ],
    "Use": [
        "docs/use/commands",
        "docs/use/training",
        "docs/use/short-runs",
        "docs/use/predicting",
        "docs/use/comparing",
        "docs/use/speed",
        "docs/use/*",
        "daformer_lib/weights/study/*",
        "daformer_lib/weights/hd/*",
    ],
    "Extend": ["docs/extend/*", "CONTRIBUTING", "CHANGELOG", "tests/golden*/*"],
}
FOLDERS = [
    "docs/**", "results/", "daformer_lib/weights/study/", "daformer_lib/weights/hd/",
    "tests/golden/", "tests/golden_cra/", "tests/golden_frontier/",
]  # fmt: skip
LISTED = ["*.md", "notebooks/**.ipynb", *(f"{folder}*.md" for folder in FOLDERS)]


def contents(known: set[str]) -> str:
    """The sections as Markdown that Sphinx reads, nothing of which is seen in the page itself.

    A pattern for pages that are yet to come is left out. No page is lost by that: one that is in
    no section is a warning of Sphinx, and so an error of `make site`.
    """
    text = ""
    for title, pages in SECTIONS.items():
        listed = [page for page in pages if "<" in page or patfilter(known, page)]
        text += f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {title}\n\n"
        text += "\n".join(listed) + "\n```\n"
    return text


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    if page == FIRST:
        source[0] += contents(app.env.found_docs)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", add_contents)
    return {"parallel_read_safe": True}
