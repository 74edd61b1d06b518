"""The packages of the library as its imports show them: floors, circles, sizes, public faces.

python -m tests.house draws docs/extend/house.svg and writes the tables of architecture.md beside it
anew; tests/whole/test_house.py finds out where they are out of date.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIBRARY = "daformer_lib"
PAGE, PICTURE = ROOT / "docs/extend/architecture.md", ROOT / "docs/extend/house.svg"
BEGIN, END = "<!-- {}: written by `make house` -->", "<!-- end of {} -->"
GREY = "#8a94a6"
Graph = dict[str, set[str]]  # who -> what it imports


@cache
def modules() -> Mapping[str, ast.Module]:
    """Dotted name -> syntax tree, of every file of the library."""
    found = {}
    for path in sorted((ROOT / LIBRARY).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text())
    return found


def is_package(name: str) -> bool:
    return (ROOT / name.replace(".", "/")).is_dir()


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of each import of the library, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(LIBRARY):
            yield from ((node.module, alias.name) for alias in node.names)
        if isinstance(node, ast.Import):
            yield from ((a.name, "") for a in node.names if a.name.startswith(LIBRARY))


@cache
def handed_on(package: str) -> Mapping[str, str]:
    """Names that a package's face only hands on -> the module they are from."""
    own = modules()[package].body
    lines = [node for node in own if isinstance(node, ast.ImportFrom)]
    return {a.asname or a.name: node.module or "" for node in lines for a in node.names}


def defined_in(module: str, name: str) -> str:
    """The file that an import of `name` from `module` is really about."""
    if f"{module}.{name}" in modules():
        return f"{module}.{name}"
    if is_package(module) and handed_on(module).get(name, "").startswith(LIBRARY):
        return defined_in(handed_on(module)[name], name)
    return module


@cache
def file_graph() -> Graph:
    return {
        name: {defined_in(*one) for one in imported(tree)} - {name}
        for name, tree in modules().items()
    }


def room(module: str) -> str:
    """The package or top file that a module lies in; "" for the library itself."""
    return module.removeprefix(LIBRARY).removeprefix(".").partition(".")[0]


def room_graph() -> Graph:
    rooms: Graph = {room(name): set() for name in modules() if room(name)}
    for name, wanted in file_graph().items():
        if room(name):
            rooms[room(name)] |= {room(other) for other in wanted} - {room(name), ""}
    return rooms


def circles(graph: Graph) -> list[list[str]]:
    """A circle through each start that has one; empty where there is none."""
    done: set[str] = set()
    found = []

    def walk(name: str, way: list[str]) -> None:
        if name in way:
            found.append([*way[way.index(name) :], name])
            return
        if name in done:
            return
        for other in sorted(graph.get(name, ())):
            walk(other, [*way, name])
        done.add(name)

    for start in sorted(graph):
        walk(start, [])
    return found


def floors(graph: Graph) -> dict[str, int]:
    """Room -> the longest way down from it, 1 at the ground; the graph has no circles."""
    height: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in height:
            height[name] = 1 + max(map(of, graph[name]), default=0)
        return height[name]

    for name in graph:
        of(name)
    return height


def sizes() -> dict[str, int]:
    """Package -> modules at its own level."""
    packages = {name: 0 for name in modules() if is_package(name)}
    for name in modules():
        if not is_package(name):
            packages[name.rpartition(".")[0]] += 1
    return packages


def sentence(name: str) -> str:
    """The first sentence of a module's text."""
    text = ast.get_docstring(modules()[name]) or ""
    return " ".join(text.partition("\n\n")[0].split())


def face(package: str) -> list[str]:
    """What a package hands on."""
    for node in modules()[package].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def tree_table() -> str:
    """Each package with its sentence and its modules."""
    lines = ["| where | what | modules |", "|---|---|---|"]
    for package in sizes():
        own = [n for n in modules() if n.rpartition(".")[0] == package and not is_package(n)]
        names = " ".join(f"`{name.rpartition('.')[2]}`" for name in own)
        place = package.replace(".", "/") + "/"
        lines.append(f"| `{place}` | {sentence(package)} | {names} |")
    return "\n".join(lines)


def face_table() -> str:
    """What each package is meant to be used by."""
    lines = ["| package | names |", "|---|---|"]
    for package in sizes():
        if names := face(package):
            listed = ", ".join(f"`{name}`" for name in names)
            lines.append(f"| `{package}` | {listed} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """The page with its tables as they should be."""
    for name, table in {"tree": tree_table(), "faces": face_table()}.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return page


def needed(graph: Graph) -> Graph:
    """Arrows without those that a longer way makes too."""

    def below(name: str) -> set[str]:
        return set().union(*({other} | below(other) for other in graph[name]))

    return {
        name: {o for o in wanted if not any(o in below(p) for p in wanted - {o})}
        for name, wanted in graph.items()
    }


def picture() -> str:
    """An SVG: rooms on their floors, packages filled; arrows point at what a room stands on."""
    graph = {name: wanted for name, wanted in room_graph().items() if name != "__main__"}
    height = floors(graph)
    top, width, row, box = max(height.values()), 980, 74, (104, 34)
    at: dict[str, tuple[float, float]] = {}
    for floor in range(1, top + 1):
        names = sorted(name for name in graph if height[name] == floor)
        for i, name in enumerate(names):
            at[name] = (width * (i + 1) / (len(names) + 1), 40 + row * (top - floor))
    lines = []
    for name, wanted in sorted(needed(graph).items()):
        for other in sorted(wanted):
            (x, y), (u, v) = at[name], at[other]
            y, v = y + box[1] / 2, v - box[1] / 2
            way = f"M{x:.0f} {y:.0f} C{x:.0f} {y + 33:.0f} {u:.0f} {v - 33:.0f} {u:.0f} {v:.0f}"
            lines.append(f'<path d="{way}" fill="none" stroke="{GREY}" marker-end="url(#tip)"/>')
    boxes = []
    for name, (x, y) in at.items():
        package = is_package(f"{LIBRARY}.{name}")
        fill, edge = ("#dbe7f5", "#3b6ea5") if package else ("#ffffff", GREY)
        files = sum(room(module) == name for module in modules()) - package
        label = f"{name}/  {files}" if package else name
        boxes.append(
            f'<rect x="{x - box[0] / 2:.0f}" y="{y - box[1] / 2:.0f}" width="{box[0]}" '
            f'height="{box[1]}" rx="6" fill="{fill}" stroke="{edge}"/>'
            f'<text x="{x:.0f}" y="{y + 5:.0f}">{escape(label)}</text>'
        )
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {row * top + 10}" '
        'font-family="sans-serif" font-size="13" text-anchor="middle">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{GREY}"/></marker>',
        "</defs>",
        f'<rect width="{width}" height="{row * top + 10}" fill="#ffffff"/>',
        *lines, *boxes, "</svg>\n",
    ])  # fmt: skip


def main() -> None:
    PAGE.write_text(written(PAGE.read_text()))
    PICTURE.write_text(picture())
    print(f"wrote {PAGE.relative_to(ROOT)} and {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
