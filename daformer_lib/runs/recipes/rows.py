"""Named experiments: the rows of the course at each profile, with the values tuned for it.

What a profile and a row's pieces change is in `profiles.py`. `full` also knows the rows of the
paper's tables (`paper.py`), of MIC's (`mic.py`) and of the VisDA-2022 challenge (`visda.py`) by
name.
"""

from __future__ import annotations

from typing import Any

from daformer_lib.config import Experiment
from daformer_lib.runs.recipes.mic import MIC_RECIPES
from daformer_lib.runs.recipes.paper import PAPER_RECIPES, T_INFINITE
from daformer_lib.runs.recipes.profiles import PIECES, PROFILES, Changes
from daformer_lib.runs.recipes.visda import VISDA_RECIPES
from daformer_lib.specs import DatasetSpec, check_same_classes, get_spec, get_specs
from daformer_lib.texts import nearest

# Recipes with experiments of their own, by name; whose they are.
PUBLISHED = (
    (PAPER_RECIPES, "the paper"), (VISDA_RECIPES, "VisDA-2022"), (MIC_RECIPES, "MIC's paper"),
)  # fmt: skip
# What differs from the profile's base experiment (mode "uda", no RCS, no FD).
ROWS: dict[str, Changes] = {
    "source_only": {"mode": "source_only", "data": {"photometric": True}},
    "oracle": {"mode": "oracle", "data": {"photometric": True}},
    "self_training": {},
    "rcs": {"use": ("rcs",)},
    "rcs_uniform": {"use": ("rcs",), "data": {"rcs_temperature": T_INFINITE}},
    "fd": {"use": ("fd",)},
    "daformer": {"use": ("rcs", "fd")},
    "fd_all": {"use": ("rcs", "fd"), "uda": {"fd_on": "all"}},
    "mic": {"use": ("rcs", "fd"), "mic": {}},
    "no_warmup": {"use": ("rcs", "fd"), "optim": {"warmup_steps": 0}},
    "short_memory": {"use": ("rcs", "fd"), "uda": {"ema_decay": 0.9}},
    "cnn_source_only": {"mode": "source_only", "use": ("cnn",), "data": {"photometric": True}},
    "cnn_oracle": {"mode": "oracle", "use": ("cnn",), "data": {"photometric": True}},
    "cnn_self_training": {"use": ("cnn",)},
    "segformer_self_training": {"use": ("segformer",)},
}

# The names under which figures and tables show the rows.
TITLES = {
    "source_only": "source-only",
    "oracle": "oracle",
    "self_training": "self-training",
    "rcs": "self-training + RCS",
    "rcs_uniform": "self-training + RCS, T = ∞",
    "fd": "self-training + FD",
    "daformer": "DAFormer",
    "fd_all": "FD on all classes",
    "mic": "DAFormer + MIC",
    "no_warmup": "without warm-up",
    "short_memory": "short memory",
    "cnn_source_only": "CNN source-only",
    "cnn_oracle": "CNN oracle",
    "cnn_self_training": "CNN self-training",
    "segformer_self_training": "SegFormer decoder self-training",
}


def experiment(
    row: str,
    profile: str = "demo",
    seed: int = 0,
    source: str | None = None,
    target: str | None = None,
    data_root: str | None = None,
) -> Experiment:
    """The named row at the named profile; at `full` also a row of the paper's tables.

    A `data_root` is taken as it is; without one it is `default_root(profile)`.

    Raises:
        KeyError: unknown row, profile or data set; the message has the nearest names.
        ValueError: source and target have other classes, or a spec's file is wrong.
    """
    base = _row(row, profile)
    data = {"source": source, "target": target, "data_root": data_root}
    data = {key: value for key, value in data.items() if value is not None}
    built = base.changed(name=row, data=data, train={"seed": seed})
    specs = (*get_specs(built.data.source), get_spec(built.data.target))
    check_same_classes(specs)
    built = _own_data(built, specs[:-1], specs[-1])
    return built.changed(model={"num_classes": specs[-1].num_classes})


def default_root(profile: str) -> str:
    """Where a profile's data lie unless a root is given: at smoke apart from the others'."""
    return _named(PROFILES, profile, "profile").data.data_root


def _own_data(
    built: Experiment, sources: tuple[DatasetSpec, ...], target: DatasetSpec
) -> Experiment:
    """What a profile takes for granted of street scenes does not hold for sets from a file."""
    if any(spec.origin for spec in sources):  # label files of any size
        built = built.changed(data={"rcs_min_pixels": None, "rcs_min_crop_pixels": None})
    if target.origin:
        # No car's bonnet at the bottom of the pictures; and there may be no `test` split.
        scored = tuple(s for s in built.train.final_splits if s in target.splits)
        rows = {"ignore_top": 0, "ignore_bottom": 0}
        built = built.changed(uda=rows, train={"final_splits": scored or ("val",)})
    return built


def _row(row: str, profile: str) -> Experiment:
    base = _named(PROFILES, profile, "profile")
    for published, whose in PUBLISHED:
        if row in published:
            if profile != "full":
                raise KeyError(f"{row} is a row of {whose}: profile 'full', not {profile!r}")
            return published[row].experiment
    known = dict(ROWS)
    for published, _ in PUBLISHED if profile == "full" else ():
        known |= published
    changes = _named(known, row, "row")
    pieces = PIECES["full" if profile == "full" else "mini"]
    for piece in changes.get("use", ()):
        base = base.changed(**pieces[piece])
    return base.changed(**{key: value for key, value in changes.items() if key != "use"})


def _named(table: dict[str, Any], name: str, kind: str) -> Any:
    if name not in table:
        raise KeyError(f"unknown {kind} {name!r}; {nearest(name, table)}")
    return table[name]
