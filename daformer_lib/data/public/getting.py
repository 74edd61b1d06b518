"""How a published data set is had, as lines of text; nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daformer_lib.data.on_disk import remedy
from daformer_lib.specs import ABOUT, SPECS, DatasetSpec
from daformer_lib.specs.public.about import About
from daformer_lib.texts import markdown_cell

UNKNOWN = "not found in any source"


def how_to_get(spec: DatasetSpec, data_root: str | Path) -> Iterator[str]:
    """Terms, address, what to unpack where, and the paths that must be there then."""
    about = ABOUT.get(spec.name)
    if about is None:
        yield remedy(spec)
        return
    yield f"how to get it (nothing is fetched for you): {about.title}"
    yield f"  terms: {about.licence}"
    yield f"  from:  {about.address}" + (f" ({about.size})" if about.size else "")
    yield f"  here:  {spec.root(data_root)}"
    yield from (f"  - {step}" for step in about.steps)
    split = spec.splits[0]
    yield f"  then there are files like {spec.image_path(data_root, split, '<name>')}"
    yield f"  and labels like           {spec.label_path(data_root, split, '<name>')}"


def public_table() -> str:
    """Markdown: a row for every data set that is had elsewhere, from its spec and its `About`."""
    rows = [
        "| name | set | classes | images | labels | licence | size | address | sources |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*rows, *(_row(SPECS[name], about) for name, about in ABOUT.items())])


def _row(spec: DatasetSpec, about: About) -> str:
    folder = spec.folder or spec.name
    cells = [
        f"`{spec.name}`", about.title, str(spec.num_classes), f"`{folder}/{spec.image_pattern}`",
        f"`{folder}/{spec.label_pattern}` ({spec.label_encoding})", about.licence,
        about.size or UNKNOWN, about.address, "; ".join(about.facts),
    ]  # fmt: skip
    return f"| {' | '.join(markdown_cell(cell) for cell in cells)} |"
