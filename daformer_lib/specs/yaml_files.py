"""A data set spec as a YAML file: the keys are the fields of `DatasetSpec`, nothing else.

Strict: an unknown, missing or doubled key and a value of another kind raise, and the error names
the file, the key, the rule and the remedy. docs/start/your-own-data.md has a commented example.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from daformer_lib.files import write_atomic
from daformer_lib.foreign_files import HEAD, page_or_pointer
from daformer_lib.specs.dataset_spec import DatasetSpec
from daformer_lib.texts import nearest, printable, shortened

EXAMPLE = "docs/start/your-own-data.md"
MAX_BYTES = 2**20  # of a file: ids and colours of 255 classes need a few thousand
MAX_DEPTH = 8  # of lists and mappings in one another: a palette has three
FIELDS = {field.name: field for field in dataclasses.fields(DatasetSpec) if field.name != "origin"}
REQUIRED = [
    name
    for name, f in FIELDS.items()
    if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
]
TAG = "tag:yaml.org,2002:"  # how YAML spells the !! of !!int
STR = f"{TAG}str"  # the one tag that changes nothing: it stands for quotes
SURPRISING = re.compile(r"[-+]?(0[0-7_]+|.*:.*)")  # octal, sexagesimal
NOTHING = "there is no value"
COLOURS = (
    "where label files hold colours, set label_encoding: palette and give every class exactly its "
    "colour in palette"
)
# What a key may be, where something is no key at all.
KEYS = {"id_map": f"id_map takes numbers, {{own id: train id, ...}}; {COLOURS}"}
# None changes what is learned: where files lie, how patterns spell it, what tables set apart.
PLACES = ("folder", "image_pattern", "label_pattern", "train_id_pattern", "rare")
LATER = ("label_colours",)  # keys that came when runs existed: without a value no run is another


class Wrong(Exception):
    """A value of another kind; the text names key, rule and remedy."""


class _Loader(yaml.SafeLoader):
    """YAML of which nothing is taken for what was not meant: every surprise raises `Wrong`.

    PyYAML alone takes the last of two equal keys, 010 for eight, 1:30 for ninety and 2024-05-01 for
    a date, without a word. Refused are also tags, aliases, of which a few lines can describe a
    billion values, and deep nesting, which would overflow the stack; a spec needs none of them.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise Wrong(f"line {line}: aliases (*name) are not read here; write the value out")
        if getattr(event, "tag", None) not in (None, "!", STR):
            shown = printable(event.tag.replace(TAG, "!!"))
            raise Wrong(
                f"line {line}: tags ({shown}) are not read here; write the plain value, text that "
                "looks like something else in quotes"
            )
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Wrong(f"line {line}: lists in lists in lists; a spec is at most {MAX_DEPTH} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_document(self, node: yaml.Node) -> Any:
        return self._read(node, "")

    def _read(self, node: yaml.Node, place: str) -> Any:
        """The value of a node; `place` is what an error calls it, such as id_map or palette[2]."""
        if isinstance(node, yaml.SequenceNode):
            return [self._read(item, f"{place}[{i}]") for i, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        return self._scalar(node, place)

    def _mapping(self, node: yaml.MappingNode, place: str) -> dict:
        found: dict = {}
        for key_node, value in node.value:
            where = _where(key_node, place)
            if not isinstance(key_node, yaml.ScalarNode):
                shown = shortened(self._read(key_node, place))
                raise Wrong(f"{where}{shown} is no key; {KEYS.get(place, 'a key is one word')}")
            key = self._scalar(key_node, place)
            if isinstance(key, bool):
                shown = f"the key {key_node.value} for {key}"
                raise Wrong(f"{where}YAML takes {shown}; a name needs quotes, an id digits")
            if key in found:
                raise Wrong(f"{where}{shortened(key)} is given twice; keep one of them")
            found[key] = self._read(value, f"{place}[{key!r}]" if place else str(key))
        return found

    def _scalar(self, node: yaml.ScalarNode, place: str) -> Any:
        where, text = _where(node, place), shortened(node.value)
        kind = node.tag.removeprefix(TAG)
        if kind == "timestamp":
            raise Wrong(f"{where}YAML takes {text} for a date; put it in quotes")
        if kind == "int" and SURPRISING.fullmatch(node.value):
            raise Wrong(
                f"{where}YAML takes {text} for {shortened(self.construct_object(node))}; write a "
                "number without leading zeros and colons, and text in quotes"
            )
        if kind in ("merge", "value"):  # << and =
            raise Wrong(f"{where}{text} is a command to YAML; put it in quotes, or write it out")
        return self.construct_object(node)


def _where(node: yaml.Node, place: str) -> str:
    return f"line {node.start_mark.line + 1}: " + (f"{place}: " if place else "")


def load_spec(path: str | Path) -> DatasetSpec:
    """The spec in a YAML file.

    Raises:
        FileNotFoundError: no such file. ValueError: no valid spec in it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no spec file at {path}; {EXAMPLE} says how to write one")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(
            f"{path} has {path.stat().st_size:,} bytes, a spec at most {MAX_BYTES:,}; is it "
            f"another file? {EXAMPLE} has an example"
        )
    if found := page_or_pointer(path.read_bytes()[:HEAD], "a spec"):
        raise ValueError(f"{path} {found.what}; {found.remedy}")
    values = _values(path)
    try:
        return _trustworthy(DatasetSpec(**_checked(values), origin=str(path)))
    except (Wrong, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _values(path: Path) -> Any:
    """What the file says, before anything is known of its keys."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except Wrong as error:
        raise ValueError(f"{path}: {error}") from None
    # Of a text that is no UTF-8, an escape that is no letter, a number of thousands of digits.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path} is no YAML ({reason}){_hint(path, error)}; {EXAMPLE} has an example"
        ) from None


def _hint(path: Path, error: Exception) -> str:
    """What is likely meant: a pattern without quotes, where { begins a mapping; a back-slash."""
    if "escape character" in str(error):
        return "; folders are separated by '/', not by a back-slash, on every system"
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ""
    lines = path.read_text(encoding="utf-8").splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    bare = re.search(r"[:,\[-]\s*\{(split|stem)\}", line)
    return f"; put the pattern of line {mark.line + 1} in quotes" if bare else ""


def save_spec(spec: DatasetSpec, path: str | Path) -> Path:
    """Write a spec as YAML, atomically; keys that have their default are left out."""
    values = {
        name: _plain(getattr(spec, name))
        for name, field in FIELDS.items()
        if name in REQUIRED or getattr(spec, name) != _default(field)
    }
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=88)
    return write_atomic(path, text.encode())


def fingerprint(spec: DatasetSpec) -> str:
    """Eight hex digits of everything in a spec that can change a result: not where files lie."""
    values = {name: _plain(getattr(spec, name)) for name in FIELDS if name not in PLACES}
    values["id_map"] = sorted(spec.id_map.items())
    values["label_colours"] = sorted(spec.label_colours.items())
    values = {name: value for name, value in values.items() if value or name not in LATER}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def _default(field: dataclasses.Field) -> Any:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def _plain(value: Any) -> Any:
    """Tuples as lists and mappings as dicts, for YAML and JSON."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _checked(values: Any) -> dict[str, Any]:
    """The fields with values of their kind; what they mean is checked by `DatasetSpec` itself."""
    if not isinstance(values, dict):
        what = "is empty" if values is None else f"holds a {type(values).__name__}"
        raise Wrong(f"{what}, not keys with values; {EXAMPLE} has an example")
    for key in values:
        if key not in FIELDS:
            raise Wrong(f"unknown key {shortened(key)}; {nearest(key, FIELDS)}")
    missing = [name for name in REQUIRED if name not in values]
    if missing:
        raise Wrong(f"missing {', '.join(missing)}; {EXAMPLE} says what each is")
    return {key: KINDS[key](key, value) for key, value in values.items()}


def _trustworthy(spec: DatasetSpec) -> DatasetSpec:
    """The spec, if its files cannot be mistaken for others: converting would overwrite them."""
    for key in ("label_pattern", "train_id_pattern"):
        if getattr(spec, key) == spec.image_pattern:
            raise Wrong(f"{key} is the same as image_pattern; labels need names of their own")
    if spec.train_id_pattern == spec.label_pattern and len(spec.id_map) < spec.num_classes:
        raise Wrong(
            "label_pattern and train_id_pattern are the same, so label files are used as they are, "
            "but id_map leaves ids out; map all classes, or give train ids another name"
        )
    return spec


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        raise Wrong(
            f"{key}: YAML takes yes, no, on, off, true and false for {value} where they stand "
            "without quotes; put the word in quotes"
        )
    if value is None:
        raise Wrong(f"{key}: {NOTHING}; write text, in quotes where it is null, ~ or has a #")
    if not isinstance(value, str):
        raise Wrong(f"{key}: {shortened(value)} is no text; put it in quotes")
    return value


def _switch(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"{key}: {shortened(value)} must be true or false; write it without quotes")
    return value


def _number(key: str, value: Any) -> int:
    if value is None:
        raise Wrong(f"{key}: {NOTHING}; write a whole number")
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(
            f"{key}: {shortened(value)} is no whole number; write it in digits, without quotes, "
            "point and leading zeros"
        )
    return value


def _list_of(
    kind: Callable[[str, Any], Any], example: str = "[first, second]"
) -> Callable[[str, Any], tuple]:
    def read(key: str, value: Any) -> tuple:
        if not isinstance(value, list):
            shown = NOTHING if value is None else f"{shortened(value)} is no list"
            raise Wrong(f"{key}: {shown}; write {example}")
        return tuple(kind(f"{key}[{i}]", item) for i, item in enumerate(value))

    return read


def _id_map(key: str, value: Any) -> dict[int, int]:
    if not isinstance(value, dict):
        shown = NOTHING if value is None else f"{shortened(value)} maps nothing"
        raise Wrong(f"{key}: {shown}; write {{own id: train id, ...}}")
    return {_own_id(key, own): _train_id(f"{key}[{own!r}]", v) for own, v in value.items()}


def _own_id(key: str, own: Any) -> int:
    if isinstance(own, str) and not re.fullmatch(r"\d+", own):
        raise Wrong(
            f"{key}: own id: {shortened(own)} is no whole number; the value in the label files "
            "comes first, then the class's train id"
        )
    return _number(f"{key}: own id", own)


def _train_id(key: str, value: Any) -> int:
    if value is None:
        raise Wrong(f"{key}: {NOTHING}; leave an id out of the map to ignore it")
    if isinstance(value, str) and not re.fullmatch(r"\d+", value):
        raise Wrong(
            f"{key}: {shortened(value)} is no whole number; a train id is a class's place in "
            "classes, counted from 0"
        )
    return _number(key, value)


_COLOUR = _list_of(_number, "[red, green, blue], three numbers 0-255")
_COLOURS = _list_of(_COLOUR, "one [red, green, blue] for every class")


def _label_colours(key: str, value: Any) -> dict[int, tuple[int, ...]]:
    if not isinstance(value, dict):
        shown = NOTHING if value is None else f"{shortened(value)} maps nothing"
        raise Wrong(f"{key}: {shown}; write {{own id: [red, green, blue], ...}}")
    return {_own_id(key, own): _COLOUR(f"{key}[{own!r}]", c) for own, c in value.items()}


KINDS: dict[str, Callable[[str, Any], Any]] = {
    "name": _text,
    "classes": _list_of(_text),
    "palette": _COLOURS,
    "things": _list_of(_number),
    "id_map": _id_map,
    "image_pattern": _text,
    "label_pattern": _text,
    "train_id_pattern": _text,
    "splits": _list_of(_text),
    "size": _list_of(_number),
    "keep_ratio": _switch,
    "label_encoding": _text,
    "label_colours": _label_colours,
    "folder": _text,
    "include": _text,
    "ignore": _number,
    "evaluated": _list_of(_number),
    "rare": _list_of(_number),
    "stand_in_for": _text,
    "version": _text,
}
