"""Data sets by name or file: `get_spec("cityscapes")`, `get_spec("my.yaml")`, `get_specs("a+b")`.

The one place where the rest of the code finds specs; what a spec is stands in `dataset_spec.py`,
the built-in ones in `builtin.py` and `public/`, how one is read from YAML in `yaml_files.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from daformer_lib.specs.builtin import (
    ACDC,
    ACDC_FOG,
    ACDC_NIGHT,
    ACDC_RAIN,
    ACDC_SNOW,
    BDD100K,
    CITYSCAPES,
    CITYSCAPES_CLASSES,
    CITYSCAPES_IDS,
    CITYSCAPES_PALETTE,
    DARK_ZURICH,
    GTA,
    MAPILLARY,
    MINI_SIZE,
    MINICITYSCAPES,
    MINIGTA,
    MINISYNTHIA,
    RARE,
    SYNTHIA,
    SYNTHIA_13,
    SYNTHIA_16,
    SYNTHIA_IDS,
    THINGS,
)
from daformer_lib.specs.builtin import SPECS as BUILTIN
from daformer_lib.specs.dataset_spec import IGNORE, DatasetSpec, LabelEncoding
from daformer_lib.specs.public.table import ABOUT, PUBLIC
from daformer_lib.specs.visda import SYNTHWASTE_AUG, ZEROWASTE_V1, ZEROWASTE_V2
from daformer_lib.specs.yaml_files import fingerprint, load_spec, save_spec
from daformer_lib.texts import nearest

__all__ = [
    "ABOUT",
    "ACDC",
    "ACDC_FOG",
    "ACDC_NIGHT",
    "ACDC_RAIN",
    "ACDC_SNOW",
    "BDD100K",
    "CITYSCAPES",
    "CITYSCAPES_CLASSES",
    "CITYSCAPES_IDS",
    "CITYSCAPES_PALETTE",
    "DARK_ZURICH",
    "GTA",
    "IGNORE",
    "JOIN",
    "MAPILLARY",
    "MINICITYSCAPES",
    "MINIGTA",
    "MINISYNTHIA",
    "MINI_SIZE",
    "RARE",
    "SPECS",
    "SYNTHIA",
    "SYNTHIA_13",
    "SYNTHIA_16",
    "SYNTHIA_IDS",
    "SYNTHWASTE_AUG",
    "THINGS",
    "ZEROWASTE_V1",
    "ZEROWASTE_V2",
    "DatasetSpec",
    "LabelEncoding",
    "check_same_classes",
    "data_names",
    "fingerprint",
    "get_spec",
    "get_specs",
    "is_file_name",
    "load_spec",
    "save_spec",
    "scored_spec",
    "source_names",
    "stable_name",
]
SPECS: dict[str, DatasetSpec] = {**BUILTIN, **PUBLIC}
JOIN = "+"  # "synthwaste_aug+zerowaste_v1": several data sets as one source


def get_spec(name: str | Path) -> DatasetSpec:
    """The built-in spec of that name, or the one in that YAML file.

    Raises:
        KeyError: no such built-in; the message has the known names. FileNotFoundError, ValueError:
        no such file, or no valid spec in it.
    """
    if is_file_name(name):
        return load_spec(name)
    if name in SPECS:
        return SPECS[str(name)]
    if JOIN in str(name):
        raise KeyError(f"{name!r} is several data sets, which only a source may be; name one")
    raise KeyError(f"unknown data set {name!r} (and no spec's .yaml file); {nearest(name, SPECS)}")


def get_specs(names: str, same: bool = True) -> tuple[DatasetSpec, ...]:
    """The specs of a source: one, or several joined by "+".

    Args:
        same: they must have the same classes, as one network needs.
    """
    specs = tuple(get_spec(name) for name in source_names(names))
    twice = sorted({spec.name for spec in specs if [s.name for s in specs].count(spec.name) > 1})
    if twice:
        raise ValueError(f"source {names!r} names {twice} twice; name every data set once")
    if same:
        check_same_classes(specs)
    return specs


def scored_spec(target: str, *sources: str) -> DatasetSpec:
    """The target's spec as networks trained on these sources are scored: by what all of them know.

    SYNTHIA has no terrain, truck or train, so the mean of its networks is over 16 classes (Table
    6). A source of several data sets knows what any of them has.
    """
    spec = get_spec(target)
    known = [{i for one in get_specs(names) for i in one.mean_ids} for names in sources]
    common = tuple(i for i in spec.mean_ids if all(i in ids for ids in known))
    if common in ((), spec.mean_ids):
        return spec
    return replace(spec, evaluated=common, rare=tuple(i for i in spec.rare if i in common))


def source_names(names: str) -> list[str]:
    """ "a+b" -> ["a", "b"]; a file whose path has a "+" is one name."""
    return [names] if Path(names).is_file() else str(names).split(JOIN)


def check_same_classes(specs: Sequence[DatasetSpec]) -> None:
    """One network can learn from these: the same class names in the same order."""
    first = specs[0]
    for other in specs[1:]:
        if other.classes != first.classes:
            pairs = zip(first.classes, other.classes)
            at = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
            if at is None:
                what = f"{first.num_classes} and {other.num_classes} classes"
            else:
                what = f"class {at} {first.classes[at]!r} and {other.classes[at]!r}"
            raise ValueError(
                f"{first.name} and {other.name} differ: {what}; one network needs the same classes "
                "in the same order: train with --classes common (docs/use/public-data.md), or map "
                "both in their id_map (docs/start/your-own-data.md)"
            )


def stable_name(names: str) -> str:
    """What tells data sets apart in a run's key: built-in names; of a file its name and content."""
    return JOIN.join(_stable_name(name) for name in source_names(names))


def _stable_name(name: str) -> str:
    if not is_file_name(name):
        return name
    spec = load_spec(name)
    return f"{spec.name}-{fingerprint(spec)}"


def data_names(names: str) -> str:
    """The same for people: of a spec's file the name that it gives, not where it lies."""
    return JOIN.join(get_spec(n).name if is_file_name(n) else n for n in source_names(names))


def is_file_name(name: str | Path) -> bool:
    """Whether a data set is named by its spec's file."""
    return Path(name).suffix in (".yaml", ".yml")
