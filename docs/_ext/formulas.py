"""Formulas as SVG drawn while building: no script, no font and nothing from the net to see them.

ziamath draws with its own STIX Two; MathML would need a mathematical font on the reader's machine,
and MathJax several megabytes beside the pages.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import TYPE_CHECKING

import ziamath
from docutils import nodes
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SIZE, EM = 18, 16  # STIX Two is slender: a little larger than the text of the page
SPELLED = {r"\lVert": "‖", r"\rVert": "‖"}  # commands that ziamath does not know
NOT_READ = re.compile(r"\\[A-Za-z]+")
log = logging.getLogger(__name__)
ziamath.config.svg2 = False  # as paths: a shape that several formulas share would need one page


@cache
def drawn(formula: str, inline: bool) -> str:
    """An <svg> in the page's colour, as high as its text.

    Raises:
        ValueError: a command that the drawing would show as it is written.
    """
    for known, other in SPELLED.items():
        formula = formula.replace(known, other)
    made = ziamath.Latex(formula, size=SIZE, inline=inline, color="currentColor")
    if unknown := NOT_READ.findall(made.mathmlstr()):
        raise ValueError(f"the formula {formula!r} has commands that cannot be drawn: {unknown}")
    svg = made.svgxml()
    _, top, width, height = map(float, svg.attrib["viewBox"].split())
    svg.attrib |= {
        "width": f"{width / EM:.3f}em", "height": f"{height / EM:.3f}em",
        "style": f"vertical-align: {-(top + height) / EM:.3f}em",
    }  # fmt: skip
    return ziamath.zmath.ET.tostring(svg, encoding="unicode")


def image(node: nodes.Element, inline: bool) -> str:
    """The formula with its source as what a screen reader says."""
    text = node.astext()
    try:
        svg = drawn(text, inline)
    except Exception as error:  # whatever a formula does: it fails the build, in its place
        log.warning("formula: %s", error, location=node)
        svg = escape(text)
    return f'<span class="math" role="img" aria-label="{escape(text)}">{svg}</span>'


def visit_inline(writer, node: nodes.math) -> None:
    writer.body.append(image(node, inline=True))
    raise nodes.SkipNode


def visit_block(writer, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{image(node, inline=False)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("formulas", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
