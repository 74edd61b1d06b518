"""One self-contained HTML page: the comparison with working controls, no kernel, no network.

Layout in `page.html` and `page.css`; `page_*.js` is what the controls do. Everything that comes
from data reaches the page as JSON whose markup characters are escaped, and is shown as text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment

from daformer_lib.compare import Comparison, Survey, missing, survey
from daformer_lib.compare.views.page_data import USUAL, Limits, notes, page_data
from daformer_lib.compare.views.tables import scores_table, verdict
from daformer_lib.files import write_atomic
from daformer_lib.progress import Report, silent
from daformer_lib.viz.safe_colours import theme_css
from daformer_lib.viz.style import run_colours

HERE = Path(__file__).parent
SCRIPTS = (
    "page_state.js", "page_panels.js", "page_charts.js", "page_pointer.js", "page_address.js",
    "page_main.js",
)  # fmt: skip


def render_page(
    comparison: Comparison,
    threshold: float = 0.968,
    *,
    found: Survey | None = None,
    title: str = "Pseudo-labels compared",
    command: str = "",
    limits: Limits = USUAL,
    report: Report = silent,
) -> str:
    """The page as text. `found`: a survey that was made already."""
    found = found or survey(comparison)
    data = page_data(comparison, found, threshold, limits, report)
    return _template().render(
        title=title,
        verdict=verdict(found, comparison.spec),
        missing=missing(comparison, found),
        notes=notes(comparison, limits, len(data["images"])),
        facts=_facts(comparison, command),
        table=scores_table(found, comparison.spec, threshold),
        data=as_script(data),
        theme=theme_css({f"run-{r}": c for r, c in enumerate(run_colours(comparison.names))}),
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        script="\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
    )


def write_page(
    comparison: Comparison, path: str | Path, threshold: float = 0.968, **options: Any
) -> Path:
    """Write the page, whole or not at all; options as for `render_page`."""
    return write_atomic(path, render_page(comparison, threshold, **options).encode())


def as_script(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _facts(comparison: Comparison, command: str) -> dict[str, str]:
    width, height = comparison.size
    facts = {
        "classes of": comparison.spec.name,
        "images": f"{len(comparison.stems)}, {width}x{height}",
        "split": comparison.ground.split if comparison.ground else "",
        "steps": ", ".join(map(str, comparison.steps)),
        "with": command,
    }
    return {name: text for name, text in facts.items() if text}


def _template() -> Any:
    text = (HERE / "page.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)
