"""A data set spec as a YAML file: the keys are the fields of `DatasetSpec`, nothing else.

Strict: an unknown, missing or doubled key and a value of another kind raise, and the error names
the file, the key, the rule and the remedy. docs/your-own-data.md has a commented example.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from daformer_lib.dataset_spec import DatasetSpec
from daformer_lib.files import write_atomic
from daformer_lib.texts import nearest, shortened

EXAMPLE = "docs/your-own-data.md"
MAX_BYTES = 2**20  # of a file: ids and colours of 255 classes need a few thousand
MAX_DEPTH = 8  # of lists and mappings in one another: a palette has three
FIELDS = {field.name: field for field in dataclasses.fields(DatasetSpec) if field.name != "origin"}
REQUIRED = [name for name, f in FIELDS.items() if f.default is dataclasses.MISSING]
# None changes what is learned: where files lie, how patterns spell it, what tables set apart.
PLACES = ("folder", "image_pattern", "label_pattern", "train_id_pattern", "rare")


class Wrong(Exception):
    """A value of another kind; the text names key, rule and remedy."""


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice; PyYAML alone takes the last one without a word.

    It also refuses aliases, of which a few lines can describe a billion values, and deep nesting,
    which would overflow the stack; a spec needs neither.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        line = self.peek_event().start_mark.line + 1
        if self.check_event(yaml.AliasEvent):
            raise Wrong(f"line {line}: aliases (*name) are not read here; write the value out")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Wrong(f"line {line}: lists in lists in lists; a spec is at most {MAX_DEPTH} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        found: dict = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (str, int)) and key in found:
                line = key_node.start_mark.line + 1
                raise Wrong(f"line {line}: {key!r} is given twice; keep one of them")
            found[key] = None
        return super().construct_mapping(node, deep)


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
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        return _trustworthy(DatasetSpec(**_checked(values), origin=str(path)))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        if "escape character" in reason:
            reason += "; folders are separated by '/', not by a back-slash, on every system"
        raise ValueError(f"{path} is no YAML ({reason}); {EXAMPLE} has an example") from None
    except (Wrong, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def save_spec(spec: DatasetSpec, path: str | Path) -> Path:
    """Write a spec as YAML, atomically; keys that have their default are left out."""
    values = {
        name: _plain(getattr(spec, name))
        for name, field in FIELDS.items()
        if name in REQUIRED or getattr(spec, name) != field.default
    }
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=88)
    return write_atomic(path, text.encode())


def fingerprint(spec: DatasetSpec) -> str:
    """Eight hex digits of everything in a spec that can change a result: not where files lie."""
    values = {name: _plain(getattr(spec, name)) for name in FIELDS if name not in PLACES}
    values["id_map"] = sorted(spec.id_map.items())
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def _plain(value: Any) -> Any:
    """Tuples as lists and mappings as dicts, for YAML and JSON."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


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
    if not isinstance(value, str):
        raise Wrong(f"{key}: {shortened(value)} is no text; put it in quotes")
    return value


def _switch(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"{key}: {shortened(value)} must be true or false")
    return value


def _number(key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(
            f"{key}: {shortened(value)} is no whole number; write it without quotes and point"
        )
    return value


def _list_of(kind: Callable[[str, Any], Any]) -> Callable[[str, Any], tuple]:
    def read(key: str, value: Any) -> tuple:
        if not isinstance(value, list):
            raise Wrong(f"{key}: {shortened(value)} is no list; write [first, second]")
        return tuple(kind(f"{key}[{i}]", item) for i, item in enumerate(value))

    return read


def _id_map(key: str, value: Any) -> dict[int, int]:
    if not isinstance(value, dict):
        raise Wrong(f"{key}: {shortened(value)} maps nothing; write {{own id: train id, ...}}")
    return {
        _number(f"{key}: own id", own): _number(f"{key}[{own!r}]", train)
        for own, train in value.items()
    }


KINDS: dict[str, Callable[[str, Any], Any]] = {
    "name": _text,
    "classes": _list_of(_text),
    "palette": _list_of(_list_of(_number)),
    "things": _list_of(_number),
    "id_map": _id_map,
    "image_pattern": _text,
    "label_pattern": _text,
    "train_id_pattern": _text,
    "splits": _list_of(_text),
    "size": _list_of(_number),
    "keep_ratio": _switch,
    "label_encoding": _text,
    "folder": _text,
    "include": _text,
    "ignore": _number,
    "evaluated": _list_of(_number),
    "rare": _list_of(_number),
    "stand_in_for": _text,
    "version": _text,
}
