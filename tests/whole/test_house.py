"""The house keeps its shape: few floors, no circles, small packages, and a page that says so."""

from __future__ import annotations

import ast

import pytest

from tests import house

FLOORS = 10  # without __main__; studies run notebooks, so they stand on the course
MODULES = 8  # of a package at its own level, save
FAMILIES = {  # sets of equal pieces, or of steps that are read one by one
    "daformer_lib": 14,
    "daformer_lib.models.decoders": 14,
    "daformer_lib.viz": 10,
    "daformer_lib.compare": 10,
    "daformer_lib.data.drawn.things": 9,
    "daformer_lib.train": 10,
    "daformer_lib.course": 10,
    "daformer_lib.inference": 9,
    "daformer_lib.runs.recipes": 10,
    "daformer_lib.studies": 9,
}
TABLES = ("daformer_lib.specs", "daformer_lib.uda.methods")  # faces that also look up by name


def test_few_floors():
    graph = house.room_graph()
    graph.pop("__main__")
    assert max(house.floors(graph).values()) <= FLOORS


def test_no_circle_of_rooms_or_files():
    assert house.circles(house.room_graph()) == []
    assert house.circles(house.file_graph()) == []


def test_a_circle_would_be_found():
    assert house.circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c", "b"]]


def test_packages_are_small():
    large = {name: count for name, count in house.sizes().items() if count > MODULES}
    assert set(large) <= set(FAMILIES), "split it by what its modules do"
    assert all(count <= FAMILIES[name] for name, count in large.items()), large


@pytest.mark.parametrize("package", [p for p in house.sizes() if p not in TABLES])
def test_a_face_only_hands_on_names(package):
    """Its text, imports and __all__; heavy ones would be paid for by every import below it."""
    kinds = (ast.Expr, ast.ImportFrom, ast.Assign)
    tree = house.modules()[package]
    assert all(isinstance(node, kinds) for node in tree.body) and ast.get_docstring(tree)
    handed = set(house.handed_on(package)) - {"annotations"}
    assert handed == set(house.face(package))


def test_the_page_and_its_picture_are_of_today():
    page = house.PAGE.read_text()
    assert house.written(page) == page, "run: make house"
    assert house.picture() == house.PICTURE.read_text(), "run: make house"


def test_the_page_names_what_there_is():
    """Every path in backquotes that looks like one of the library's exists."""
    import re

    text = house.PAGE.read_text()
    known = set(re.findall(r"`((?:cli|config|course|data|models|runs|specs|train|uda)/[\w/]+\.py)`",
                           text))  # fmt: skip
    assert len(known) > 15
    missing = {path for path in known if not (house.ROOT / "daformer_lib" / path).is_file()}
    assert not missing
