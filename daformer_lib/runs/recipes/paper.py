"""The rows of the paper's Tables 1-7 as experiments with the authors' settings (profile full).

Hoyer et al., DAFormer, arXiv:2111.14887, as the authors' code runs them: Tables 1-4, and the rows
of Table 5 before the last two, use a teacher memory of 0.99 and no ignored rows; the last two rows
of Table 5, and Tables 6 and 7, use 0.999, RCS, FD on things and the ignored rows 15/120. Optimizer,
length, batch and crop are the same everywhere. Expected results: `papers.TABLES`, through `paper`
of each recipe. In the paper a run took 16 hours on one RTX 2080 Ti.

A name is `table<number>_<row>_<column>`, for instance `table1_segformer_uda`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daformer_lib.config import RCS_TEMPERATURE, Experiment, Mode, ModelConfig, UDAConfig
from daformer_lib.runs.recipes.profiles import Changes

# T = inf without an infinity, which JSON does not know: the float32 softmax is exactly uniform.
T_INFINITE = 1e30
MODES: tuple[Mode, ...] = ("source_only", "uda", "oracle")


@dataclass(frozen=True)
class PaperRecipe:
    """One cell of one table."""

    table: int
    paper: str  # the row's name in `papers.TABLES`; in Table 6 the source's name there
    experiment: Experiment  # seed 0


def network(encoder: str, decoder: str) -> ModelConfig:
    """With ImageNet weights under the authors' file names (docs/start/real-data.md: from where)."""
    return ModelConfig(encoder, decoder, pretrained=f"pretrained/{encoder}.pth")


# Settings of Tables 1-4; Table 5 adds to them, one by one.
PLAIN: Changes = {"uda": {"ema_decay": 0.99, "ignore_top": 0, "ignore_bottom": 0}}
RCS: Changes = {"data": {"rcs_temperature": RCS_TEMPERATURE}}
FD_THINGS: Changes = {"uda": {"fd_weight": 0.005, "fd_on": "things"}}
# The authors' row "all classes" has no mask at all: unlabelled and mixed cells count too.
FD_ALL: Changes = {"uda": {"fd_weight": 0.005, "fd_on": "everywhere"}}
CROP_AND_ALPHA: Changes = {"uda": {"ema_decay": 0.999, "ignore_top": 15, "ignore_bottom": 120}}
FINAL = (PLAIN, RCS, FD_THINGS, CROP_AND_ALPHA)
# Without warm-up the encoder's rate rises from 6e-5 to 1e-4: the authors' schedule poly10.
NO_WARMUP: Changes = {"optim": {"warmup_steps": 0, "min_lr": 1e-4}}
# Source-only and oracle runs have mmseg's colour distortion in the loader; no RCS, FD or teacher.
SUPERVISED: Changes = {"data": {"photometric": True}}

SEGFORMER = network("mit_b5", "segformer")
DEEPLABV2 = network("resnet101_v1c", "deeplabv2")
DEEPLABV3PLUS = network("resnet101_v1c", "deeplabv3plus")
DAFORMER = network("mit_b5", "daformer")

TABLE1 = {
    "deeplabv2": ("DeepLabV2", DEEPLABV2),
    "danet": ("DANet", network("resnet101_v1c", "danet")),
    "isanet": ("ISANet", network("resnet101_v1c", "isanet")),
    "deeplabv3plus": ("DeepLabV3+", DEEPLABV3PLUS),
    "segformer": ("SegFormer", SEGFORMER),
}
TABLE2 = {
    "mit_segformer": ("SegFormer encoder + SegFormer decoder", SEGFORMER),
    "mit_deeplabv3plus": (
        "SegFormer encoder + DeepLabV3+ decoder",
        network("mit_b5", "deeplabv3plus"),
    ),
    "resnet101_segformer": (
        "ResNet-101 + SegFormer decoder",
        network("resnet101_v1c", "segformer"),
    ),
    "resnet101_deeplabv3plus": ("ResNet-101 + DeepLabV3+ decoder", DEEPLABV3PLUS),
}
TABLE3 = {
    "resnet50": ("ResNet-50", network("resnet50_v1c", "deeplabv2")),
    "resnet101": ("ResNet-101", DEEPLABV2),
    "resnest50": ("ResNeSt-50", network("resnest50", "deeplabv2")),
    "resnest101": ("ResNeSt-101", network("resnest101", "deeplabv2")),
    "resnest200": ("ResNeSt-200", network("resnest200", "deeplabv2")),
    "mit_b3": ("MiT-B3", network("mit_b3", "segformer")),
    "mit_b4": ("MiT-B4", network("mit_b4", "segformer")),
    "mit_b5": ("MiT-B5", SEGFORMER),
}
TABLE4 = {
    "segformer_no_warmup": ("SegFormer without warm-up", SEGFORMER, NO_WARMUP),
    "segformer_warmup": ("SegFormer with warm-up", SEGFORMER, {}),
    "resnet101_no_warmup": ("ResNet-101", DEEPLABV2, NO_WARMUP),
    "resnet101_warmup": ("ResNet-101", DEEPLABV2, {}),
}
TABLE5 = {
    "segformer": ("SegFormer", SEGFORMER, (PLAIN,)),
    "rcs_uniform": (
        "RCS, T = ∞",
        SEGFORMER,
        (PLAIN, {"data": {"rcs_temperature": T_INFINITE}}),
    ),
    "rcs": ("RCS, T = 0.01", SEGFORMER, (PLAIN, RCS)),
    "fd_all": ("FD, all classes", SEGFORMER, (PLAIN, FD_ALL)),
    "fd_things": ("FD, things", SEGFORMER, (PLAIN, FD_THINGS)),
    "rcs_fd": ("RCS + FD", SEGFORMER, (PLAIN, RCS, FD_THINGS)),
    "rcs_fd_crop_alpha": ("RCS + FD + crop and alpha", SEGFORMER, FINAL),
    "deeplabv2_rcs_fd_crop_alpha": ("DeepLabV2 with all of it", DEEPLABV2, FINAL),
}
TABLE6 = {
    "daformer": ("gta", DAFORMER, {}),
    "daformer_synthia": ("synthia", DAFORMER, {"data": {"source": "synthia"}}),
}
TABLE7 = {
    "segformer768": ("SegFormer, 768 channels", SEGFORMER),
    # The authors' SegFormer with 256 channels is their DAFormer head with a 1x1 fusion.
    "segformer256": ("SegFormer, 256 channels", network("mit_b5", "daformer_conv1")),
    "upernet512": ("UPerNet, 512 channels", network("mit_b5", "upernet512")),
    "upernet256": ("UPerNet, 256 channels", network("mit_b5", "upernet256")),
    "isa_fusion": ("ISA fusion", network("mit_b5", "isa_fusion")),
    "context_f4": ("context only at F4", network("mit_b5", "context_f4")),
    "daformer_no_dsc": (
        "DAFormer without depthwise separable convolutions",
        network("mit_b5", "daformer_no_dsc"),
    ),
    "daformer": ("DAFormer", DAFORMER),
}


def _recipe(
    table: int, row: str, paper: str, mode: Mode, model: ModelConfig, changes: Sequence[Changes]
) -> PaperRecipe:
    """`changes` are made one after the other to the dataclasses' defaults."""
    name = f"table{table}_{row}_{mode}"
    experiment = Experiment(name, mode, model, uda=UDAConfig())
    for change in changes if mode == "uda" else (SUPERVISED, *_schedules(changes)):
        experiment = experiment.changed(**change)
    return PaperRecipe(table, paper, experiment)


def _schedules(changes: Sequence[Changes]) -> list[Changes]:
    """What a run without a teacher shares with its UDA row."""
    return [{"optim": change["optim"]} for change in changes if "optim" in change]


def _recipes() -> list[PaperRecipe]:
    found = []
    for row, (paper, model) in TABLE1.items():
        found += [_recipe(1, row, paper, mode, model, (PLAIN,)) for mode in MODES]
    for row, (paper, model) in TABLE2.items():
        found += [_recipe(2, row, paper, mode, model, (PLAIN,)) for mode in MODES[1:]]
    for row, (paper, model) in TABLE3.items():
        found += [_recipe(3, row, paper, mode, model, (PLAIN,)) for mode in MODES]
    for row, (paper, model, optim) in TABLE4.items():
        found += [_recipe(4, row, paper, mode, model, (PLAIN, optim)) for mode in MODES[1:]]
    for row, (paper, model, changes) in TABLE5.items():
        found.append(_recipe(5, row, paper, "uda", model, changes))
    for row, (paper, model, source) in TABLE6.items():
        found.append(_recipe(6, row, paper, "uda", model, (*FINAL, source)))
    for row, (paper, model) in TABLE7.items():
        found += [_recipe(7, row, paper, mode, model, FINAL) for mode in MODES[1:]]
    return found


PAPER_RECIPES: Mapping[str, PaperRecipe] = {r.experiment.name: r for r in _recipes()}
