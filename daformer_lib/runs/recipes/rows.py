"""Named experiments: the rows of the course at each profile, with the values tuned for it.

What a profile and a row's pieces change is in `profiles.py`. `full` also knows the rows of the
paper's tables (`paper.py`), of MIC's (`mic.py`), of HRDA's (`hrda.py`), of domain generalisation's
(`generalisation.py`) and of the VisDA-2022 challenge (`visda.py`) by name.
"""

from __future__ import annotations

from typing import Any

from daformer_lib.config import Experiment
from daformer_lib.runs.recipes import beyond
from daformer_lib.runs.recipes.generalisation import GENERALISATION_RECIPES
from daformer_lib.runs.recipes.hrda import HRDA_RECIPES
from daformer_lib.runs.recipes.mic import MIC_RECIPES
from daformer_lib.runs.recipes.paper import PAPER_RECIPES, T_INFINITE
from daformer_lib.runs.recipes.profiles import PIECES, PROFILES, Changes
from daformer_lib.runs.recipes.visda import VISDA_RECIPES
from daformer_lib.specs import DatasetSpec, check_same_classes, get_spec, get_specs
from daformer_lib.texts import nearest

# Recipes with experiments of their own, by name; whose they are.
PUBLISHED = (
    (PAPER_RECIPES, "the paper"), (VISDA_RECIPES, "VisDA-2022"), (MIC_RECIPES, "MIC's paper"),
    (HRDA_RECIPES, "HRDA's paper"), (GENERALISATION_RECIPES, "the paper on generalisation"),
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
    "no_warmup": {"use": ("rcs", "fd"), "optim": {"warmup_steps": 0}},
    "short_memory": {"use": ("rcs", "fd"), "uda": {"ema_decay": 0.9}},
    # Table 4: the warm-up under self-training, as the paper has it.
    "self_training_no_warmup": {"optim": {"warmup_steps": 0}},
    "segformer_no_warmup": {"use": ("segformer",), "optim": {"warmup_steps": 0}},
    # Table 5: temperatures, cells of the feature distance, ignored rows.
    "rcs_01": {"use": ("rcs",), "data": {"rcs_temperature": 0.1}},
    "rcs_0001": {"use": ("rcs",), "data": {"rcs_temperature": 0.001}},
    "fd_everywhere": {"use": ("fd",), "uda": {"fd_on": "everywhere"}},
    "no_ignored_rows": {"use": ("rcs", "fd"), "uda": {"ignore_top": 0, "ignore_bottom": 0}},
    # The devices of self-training, each taken out of the whole method.
    "no_classmix": {"use": ("rcs", "fd"), "uda": {"classmix": False}},
    "no_jitter": {"use": ("rcs", "fd"), "uda": {"jitter_above": 1.0}},
    "no_blur": {"use": ("rcs", "fd"), "uda": {"blur_above": 1.0}},
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
    "no_warmup": "without warm-up",
    "short_memory": "short memory",
    "self_training_no_warmup": "self-training without warm-up",
    "segformer_no_warmup": "SegFormer decoder self-training without warm-up",
    "rcs_01": "self-training + RCS, T = 0.1",
    "rcs_0001": "self-training + RCS, T = 0.001",
    "fd_everywhere": "self-training + FD everywhere",
    "no_ignored_rows": "DAFormer without ignored rows",
    "no_classmix": "DAFormer without ClassMix",
    "no_jitter": "DAFormer without colour jitter",
    "no_blur": "DAFormer without blur",
}

ROWS |= beyond.ROWS
TITLES |= beyond.TITLES
# Tables 1 to 3: other networks without adaptation, with it, and with the target's labels.
NETWORKS = {
    "cnn": "CNN",
    "danet": "DANet",
    "isanet": "ISANet",
    "deeplabv3plus": "DeepLabV3+",
    "cnn_segformer": "CNN with SegFormer decoder",
    "mit_deeplabv3plus": "DeepLabV3+ decoder",
    "segformer": "SegFormer decoder",
    "cnn_half": "CNN of half the weights",
    "cnn_quarter": "CNN of a quarter of the weights",
    "mit_half": "SegFormer decoder on half the encoder",
    "mit_quarter": "SegFormer decoder on a quarter of the encoder",
}
_THREE = ("source_only", "oracle", "self_training")
ROWS |= {f"{n}_{row}": {"use": (n,), **ROWS[row]} for n in NETWORKS for row in _THREE}
TITLES |= {f"{n}_{row}": f"{name} {TITLES[row]}" for n, name in NETWORKS.items() for row in _THREE}
ROWS |= {
    f"{vit}_{row}": {**ROWS[row], "use": (*pieces, *ROWS[row].get("use", ()))}
    for row in beyond.VIT_ROWS
    for vit, (_, pieces) in beyond.VITS.items()
}
TITLES |= {
    f"{vit}_{row}": f"{title}, {TITLES[row]}"
    for row in beyond.VIT_ROWS
    for vit, (title, _) in beyond.VITS.items()
}
# Table 7: DAFormer's training on other decoders. The paper's SegFormer with 256 channels is
# `daformer_conv1`; `segformer256` is ours.
DECODER_ROWS = (
    "segformer", "daformer_conv1", "segformer256", "upernet512", "upernet256", "isa_fusion",
    "context_f4", "daformer_no_dsc",
)  # fmt: skip
ROWS |= {f"decoder_{d}": {"use": ("rcs", "fd"), "model": {"decoder": d}} for d in DECODER_ROWS}
TITLES |= {f"decoder_{d}": f"DAFormer with decoder {d}" for d in DECODER_ROWS}
# Half and double of what the profile has, one setting at a time.
SCALED = {
    "memory": "uda.ema_decay", "fd_weight": "uda.fd_weight", "warmup": "optim.warmup_steps",
    "lr": "optim.lr", "temperature": "data.rcs_temperature",
}  # fmt: skip
_FACTORS = {"half": 0.5, "double": 2.0}
ROWS |= {
    f"{name}_{word}": {"use": ("rcs", "fd"), "times": (place, factor)}
    for name, place in SCALED.items()
    for word, factor in _FACTORS.items()
}
TITLES |= {
    f"{name}_{word}": f"DAFormer, {name.replace('_', ' ')} {word}"
    for name in SCALED
    for word in _FACTORS
}

# What `study TABLE` runs at the mini profiles; at `full` a table is the paper's rows of its number,
# and what goes beyond DAFormer has the same rows.
STUDIES: dict[str, tuple[str, ...]] = {
    "main": ("source_only", "self_training", "rcs", "daformer", "oracle"),
    "table1": tuple(
        f"{piece}{row}"
        for piece in ("cnn_", "danet_", "isanet_", "deeplabv3plus_", "segformer_", "")
        for row in ("source_only", "self_training", "oracle")
    ),
    "table2": tuple(
        f"{piece}_{row}"
        for piece in ("segformer", "mit_deeplabv3plus", "cnn_segformer", "deeplabv3plus")
        for row in ("self_training", "oracle")
    ),
    "table3": tuple(
        f"{piece}_{row}"
        for piece in ("cnn_quarter", "cnn_half", "cnn", "mit_quarter", "mit_half", "segformer")
        for row in ("source_only", "self_training", "oracle")
    ),
    "table4": (
        "segformer_no_warmup", "segformer_self_training", "self_training_no_warmup",
        "self_training", "no_warmup", "daformer",
    ),
    "table5": (
        "source_only", "self_training", "rcs_uniform", "rcs_01", "rcs", "rcs_0001",
        "fd_everywhere", "fd", "fd_all", "no_ignored_rows", "short_memory", "daformer", "oracle",
    ),
    "table7": (*(f"decoder_{decoder}" for decoder in DECODER_ROWS), "daformer"),
    "settings": (
        "daformer", "no_classmix", "no_jitter", "no_blur", "no_ignored_rows",
        *(f"{name}_{word}" for name in SCALED for word in _FACTORS),
    ),
    **beyond.STUDIES,
}  # fmt: skip


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


def study_rows(table: str, profile: str) -> tuple[str, ...]:
    """The rows of a study by name; KeyError with the nearest names."""
    if profile != "full":
        return _named(STUDIES, table, "study")
    tables: dict[str, tuple[str, ...]] = {"main": STUDIES["main"], **beyond.STUDIES}
    for row in PAPER_RECIPES:
        number = row.partition("_")[0]
        tables[number] = (*tables.get(number, ()), row)
    return _named(tables, table, "study")


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
        splits = {"final_splits": scored or ("val",)}
        built = built.changed(uda=rows, data={"target_margins": None}, train=splits)
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
    pieces = PIECES.get(profile, PIECES["mini"])
    for piece in changes.get("use", ()):
        if piece not in pieces:
            raise KeyError(
                f"{row} is a size of the tiny encoders, and profile {profile!r} has others; there "
                "the paper's Table 3 has its own: full's table3_resnet50_uda, table3_mit_b3_uda"
            )
        base = base.changed(**pieces[piece])
    if "times" in changes:
        base = _times(base, *changes["times"])
    return base.changed(**{k: v for k, v in changes.items() if k not in ("use", "times")})


def _times(base: Experiment, place: str, factor: float) -> Experiment:
    """One setting multiplied; of the teacher's average its memory, 1 / (1 - decay) steps."""
    part, field = place.split(".")
    value = getattr(getattr(base, part), field)
    if field == "ema_decay":
        value = round(1 - (1 - value) / factor, 6)
    else:
        value = type(value)(value * factor)
    return base.changed(**{part: {field: value}})


def _named(table: dict[str, Any], name: str, kind: str) -> Any:
    if name not in table:
        raise KeyError(f"unknown {kind} {name!r}; {nearest(name, table)}")
    return table[name]
