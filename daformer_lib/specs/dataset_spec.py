"""A data set in one dataclass: class names, colours, label encoding and folder layout.

Everything that depends on the classes (head, metric, Rare Class Sampling, feature distance,
figures, export) reads it from here. A contradiction raises at construction; its message names the
key, the rule and the remedy, since a spec may come from a user's YAML file (`yaml_files.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Literal, get_args

from daformer_lib.folders import is_system, on_disk
from daformer_lib.image_rules import MAX_PIXELS
from daformer_lib.specs.listing import PATTERNS, Listing, PatternKey, list_files
from daformer_lib.specs.patterns import fill
from daformer_lib.texts import nearest, printable

IGNORE = 255  # the field's usual "no label here"

LabelEncoding = Literal["id", "palette", "red8", "red16"]
# Values that a label file can hold.
OWN_IDS = {"id": 2**8, "palette": 2**8, "red8": 2**8, "red16": 2**16}

Colour = tuple[int, int, int]  # RGB, 0-255


@dataclass(frozen=True)
class DatasetSpec:
    """How one data set looks on disk and what its labels mean.

    Patterns hold ``{split}`` and ``{stem}``; a stem may contain folders (``aachen/aachen_000``).
    Where other folders stand between those and the file's name, they hold ``{scene}`` and
    ``{frame}`` instead of ``{stem}`` (`patterns.py`).
    They are meant from ``folder``, and that from the data root: ``.`` is the data root itself, an
    absolute folder stands alone.
    """

    name: str
    classes: tuple[str, ...]  # position = train id
    palette: tuple[Colour, ...]  # one per class
    things: tuple[int, ...]  # train ids of countable objects (feature distance looks at these)
    id_map: Mapping[int, int]  # value in the label file -> train id; what is missing is ignored
    image_pattern: str
    label_pattern: str  # the data set's own label files
    train_id_pattern: str  # what data_scripts/ writes: uint8 PNG of train ids, 255 = ignore
    splits: tuple[str, ...]
    size: tuple[int, int]  # (width, height) that images are resized to for training
    keep_ratio: bool = False  # fit into `size` instead of stretching to it
    label_encoding: LabelEncoding = "id"
    # Of label files that hold colours: own id -> its colour. Without it the palette's are meant.
    label_colours: Mapping[int, Colour] = field(default_factory=dict)
    folder: str = ""  # under data_root; the name by default
    include: str = "*"  # only stems like this one (shell wildcards; * also crosses folders)
    ignore: int = IGNORE
    evaluated: tuple[int, ...] = field(default=())  # train ids in the mean IoU; all by default
    rare: tuple[int, ...] = field(default=())  # train ids that tables and figures set apart
    stand_in_for: str = ""  # the real data set that a drawn mini domain imitates
    version: str = ""  # of the files: runs on another version are other runs
    origin: str = field(default="", compare=False)  # the YAML file it was read from; "" = built in

    def __post_init__(self) -> None:
        for broken in (*_class_problems(self), *_layout_problems(self)):
            raise ValueError(f"spec {self.name!r}: {broken}")

    @property
    def part_mark(self) -> str:
        """Tells files apart that several specs leave in one folder: "fog_1f3a9c_"; empty for a
        whole built-in set."""
        part = "" if self.include == "*" else f"{self.name}_"
        if not self.origin:
            return part
        return part + hashlib.sha256(self.train_id_pattern.encode()).hexdigest()[:6] + "_"

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def mean_ids(self) -> tuple[int, ...]:
        """Train ids that enter the mean IoU."""
        return self.evaluated or tuple(range(self.num_classes))

    @property
    def own_ids(self) -> dict[int, int]:
        """Train id -> its value in the own label files, the smallest where several mean it."""
        return {train: own for own, train in sorted(self.id_map.items(), reverse=True)}

    @property
    def train_id_of(self) -> dict[Colour, int]:
        """Colour in a label file -> train id, or the ignore id."""
        if not self.label_colours:
            return {colour: train for train, colour in enumerate(self.palette)}
        return {c: self.id_map.get(own, self.ignore) for own, c in self.label_colours.items()}

    def root(self, data_root: str | Path) -> Path:
        return Path(data_root) / (self.folder or self.name)

    def image_path(self, data_root: str | Path, split: str, stem: str) -> Path:
        return self.root(data_root) / fill(self.image_pattern, split, stem)

    def label_path(self, data_root: str | Path, split: str, stem: str) -> Path:
        return self.root(data_root) / fill(self.label_pattern, split, stem)

    def train_id_path(self, data_root: str | Path, split: str, stem: str) -> Path:
        return self.root(data_root) / fill(self.train_id_pattern, split, stem)

    def require_split(self, split: str) -> None:
        if split not in self.splits:
            raise ValueError(f"{self.name} has no split {split!r}; {nearest(split, self.splits)}")

    def image_file(self, data_root: str | Path, split: str, stem: str) -> Path:
        """`image_path`, or the file there whose name is another spelling of it (`.JPG`)."""
        return on_disk(self.image_path(data_root, split, stem))

    def label_file(self, data_root: str | Path, split: str, stem: str) -> Path:
        return on_disk(self.label_path(data_root, split, stem))

    def train_id_file(self, data_root: str | Path, split: str, stem: str) -> Path:
        return on_disk(self.train_id_path(data_root, split, stem))

    def stems(self, data_root: str | Path, split: str) -> list[str]:
        """Sorted stems of the images that exist on disk."""
        return list(self.listing(data_root, split).files)

    def listing(
        self, data_root: str | Path, split: str, key: PatternKey = "image_pattern"
    ) -> Listing:
        """All that lies in the folder of a split's images, or of its labels or train ids."""
        self.require_split(split)
        return list_files(self, data_root, split, key)


def is_below(path: str) -> bool:
    """Whether a relative path stays in the folder that it is meant from."""
    return bool(path) and not path.startswith("/") and ".." not in path.split("/")


def _class_problems(spec: DatasetSpec) -> Iterator[str]:
    """What contradicts itself in names, colours and ids: key, rule and remedy."""
    count = spec.num_classes
    if not 2 <= count <= IGNORE:
        yield f"classes holds {count} names; give 2 to {IGNORE}, background included if it counts"
    twice = sorted({name for name in spec.classes if spec.classes.count(name) > 1})
    if twice:
        yield f"classes names {twice} twice; give every class a name of its own"
    odd = [name for name in spec.classes if printable(name) != name or not name.strip()]
    if odd:
        yield f"classes holds {odd[0]!r}; a name is text that can be seen: drop control characters"
    if len(spec.palette) != count:
        yield (
            f"palette has {len(spec.palette)} colours for {count} classes; "
            "give one RGB triple per class"
        )
    for key, colours in (("palette", spec.palette), ("label_colours", spec.label_colours.values())):
        bad = [c for c in colours if len(c) != 3 or not all(0 <= v <= 255 for v in c)]
        if bad:
            yield f"{key} holds {list(bad[0])}; a colour is three numbers 0-255, red first"
    yield from _label_colour_problems(spec)
    for key in ("things", "evaluated", "rare"):
        outside = [i for i in getattr(spec, key) if not 0 <= i < count]
        if outside:
            yield f"{key}: train ids {outside} are outside 0..{count - 1}; count classes from 0"
        ids = getattr(spec, key)
        if len(set(ids)) < len(ids):
            yield f"{key} names {max(ids, key=ids.count)} twice; give every train id once"
    wrong = sorted({t for t in spec.id_map.values() if not 0 <= t < count})
    if wrong:
        yield (f"id_map maps to {wrong}; allowed are 0..{count - 1} (leave an id out to ignore it)")
    if spec.ignore != IGNORE:
        yield (
            f"ignore is {spec.ignore}, but losses and metric know only {IGNORE}; drop the key, and "
            "leave an own id out of id_map to ignore it"
        )


def _label_colour_problems(spec: DatasetSpec) -> Iterator[str]:
    colours = list(spec.label_colours.values())
    if colours and spec.label_encoding != "palette":
        yield (
            f"label_colours is for files of colours, label_encoding is {spec.label_encoding!r}; "
            "set it to palette, or drop label_colours"
        )
    twice = [c for c in colours if colours.count(c) > 1]
    if twice:
        yield f"label_colours gives two ids the colour {list(twice[0])}; give each its own"


def _layout_problems(spec: DatasetSpec) -> Iterator[str]:
    """What cannot be found on disk, or not be read: key, rule and remedy."""
    if not re.fullmatch(r"[\w.-]+", spec.name) or set(spec.name) == {"."}:
        yield "name may hold letters, digits, '_', '-' and '.', and not dots alone; rename it"
    for key, text in (("include", spec.include), *(("splits", split) for split in spec.splits)):
        yield from _separator_problems(key, text)
    if not spec.splits:
        yield "splits is empty; name at least one, such as [train]"
    outside = [split for split in spec.splits if not is_below(split)]
    if outside:
        yield (
            f"splits holds {outside[0]!r}, which leads out of `folder`; a split is part of a path: "
            "drop '..' and the '/' at its start"
        )
    for key in PATTERNS:
        yield from _pattern_problems(spec, key, getattr(spec, key))
    if not spec.train_id_pattern.endswith(".png"):
        yield f"train_id_pattern {spec.train_id_pattern!r} must end in .png: PNGs are written there"
    moved = {own: train for own, train in spec.id_map.items() if own != train}
    if spec.train_id_pattern == spec.label_pattern and moved:
        yield (
            "label_pattern and train_id_pattern are the same, so the label files must hold train "
            f"ids, but id_map holds {moved}; give train ids another name, such as {{stem}}_ids.png"
        )
    if spec.label_encoding not in get_args(LabelEncoding):
        known = list(get_args(LabelEncoding))
        yield f"label_encoding is {spec.label_encoding!r}; known: {known}"
    else:
        top = OWN_IDS[spec.label_encoding] - 1
        if never := [own for own in spec.id_map if not 0 <= own <= top]:
            yield f"id_map: {spec.label_encoding!r} labels hold 0..{top}, not {never[0]}; drop it"
    if len(spec.size) != 2 or min(spec.size) < 32:
        yield f"size is {list(spec.size)}; give [width, height] in pixels, at least 32 each"
    elif spec.size[0] * spec.size[1] > MAX_PIXELS:
        yield f"size is {list(spec.size)}; no image here has more than {MAX_PIXELS:,} pixels"


def _pattern_problems(spec: DatasetSpec, key: str, pattern: str) -> Iterator[str]:
    try:
        names = [name for _, name, _, _ in Formatter().parse(pattern) if name is not None]
    except ValueError as error:
        yield f"{key} {pattern!r} has an unpaired brace ({error}); write {{split}} and {{stem}}"
        return
    unknown = sorted(set(names) - {"split", "stem", "scene", "frame"})
    if unknown:
        yield (
            f"{key} {pattern!r} holds {unknown}; only {{split}} and {{stem}}, or {{scene}} and "
            "{frame}, are filled in"
        )
    holes = [name for name in names if name != "split"]
    if holes not in (["stem"], ["scene", "frame"]) and not unknown:
        yield (
            f"{key} {pattern!r} needs {{stem}} once; write it where a file's own name stands "
            "({scene}, for its folders, and {frame} where other folders stand between them)"
        )
    if len(spec.splits) > 1 and "split" not in names:
        yield (
            f"{key} {pattern!r} lacks {{split}}, so {list(spec.splits)} would be the same files; "
            "sort them into folders of that name, or name one split only"
        )
    yield from _separator_problems(key, pattern)
    if pattern.startswith("/"):
        yield f"{key} {pattern!r} starts with '/'; patterns are meant from `folder`"
    elif not is_below(pattern):
        yield f"{key} {pattern!r} holds '..', which leads out of `folder`; set `folder` instead"
    elif any(map(is_system, _parts_of_stems(pattern))):
        yield (
            f"{key} {pattern!r} names hidden files or the system's own, which are not read; begin "
            "the names of files and of folders below {stem} with another sign than '.'"
        )


def _parts_of_stems(pattern: str) -> list[str]:
    """The names in a pattern from that with {stem} on; before it stand folders to look in."""
    parts = pattern.split("/")
    holes = ("{stem}", "{scene}")
    return parts[next((i for i, p in enumerate(parts) if any(h in p for h in holes)), 0) :]


def _separator_problems(key: str, text: str) -> Iterator[str]:
    if "\\" in text:
        right = re.sub(r"\\+", "/", text)
        yield (
            f"{key} {text!r} holds a back-slash; folders are separated by '/' on every system: "
            f"write {right!r}"
        )
    elif not text.isprintable():
        yield (
            f"{key} {text!r} holds a sign that cannot be seen, such as YAML makes of \\t and \\n "
            "between double quotes; folders are separated by '/': write it so"
        )
