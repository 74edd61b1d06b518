"""HRDA's experiments (Hoyer et al., ECCV 2022, arXiv:2204.13132, Tables 1 to 7).

Expected, mIoU in percent on Cityscapes' val split and on the test splits of ACDC and Dark Zurich:
`HrdaRecipe.miou`, from the authors' README; the numbers of the ablations were not at hand and stay
blank, and none was reproduced here. 40,000 steps on one Titan RTX (24 GB) by the authors'
configurations; on ResNet-101 see `hrda_table2_*`. Left out are the rows that need adversarial
training, entropy minimisation or one common crop of both domains (their `sync_crop_size`), and
networks without HRDA that are tested through windows (their oracles, and DAFormer at other crops;
`table1_deeplabv2_uda` is their DACS without HRDA). Command:
python -m daformer_lib train --profile full --row hrda_table1_gta
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daformer_lib.config import Experiment, ModelConfig
from daformer_lib.runs.recipes.paper import DAFORMER, DEEPLABV2, FINAL, PLAIN
from daformer_lib.runs.recipes.profiles import HIGH_RESOLUTION, Changes


@dataclass(frozen=True)
class HrdaRecipe:
    """One of the authors' experiments."""

    paper: str  # what it is about
    source: str  # the authors' experiment: number and what tells its name from the others'
    experiment: Experiment  # seed 0
    miou: float | None = None


# From one pair of data sets to another; without the margins of Cityscapes where the target has none
SYNTHIA: Changes = {"data": {"source": "synthia_hr"}}
ACDC: Changes = {
    "data": {"source": "cityscapes_hr", "target": "acdc_hr", "target_margins": None},
}
DARK_ZURICH: Changes = {
    "data": {"source": "cityscapes_hr", "target": "darkzurich_hr", "target_margins": None},
}
# ResNet-101 with DeepLabV2 is tested on whole images.
WHOLE: Changes = {"hrda": {"window": None}}
# Detail at the context's resolution, that of DAFormer: margins and RCS as there.
SAME_SCALE: Changes = {
    "data": {
        "source": "gta", "target": "cityscapes", "crop": (512, 512),
        "rcs_min_crop_pixels": 1500, "target_margins": (15, 120, 15, 15),
    },
    "hrda": {"scale": 1.0, "detail_crop": (256, 256), "window": (512, 512)},
}  # fmt: skip
# DACS: a shorter memory, no RCS, no FD, no margins.
DACS: Changes = {"data": {"target_margins": None}, "hrda": {"window": None}}


def changed(name: str, model: ModelConfig, *changes: Changes) -> Experiment:
    """`changes` one after the other, to the dataclasses' defaults."""
    experiment = Experiment(name, model=model)
    for change in changes:
        experiment = experiment.changed(**change)
    return experiment


def _recipe(
    row: str, paper: str, source: str, *changes: Changes,
    model: ModelConfig = DAFORMER, miou: float | None = None,
) -> HrdaRecipe:  # fmt: skip
    experiment = changed(f"hrda_{row}", model, *FINAL, HIGH_RESOLUTION, *changes)
    return HrdaRecipe(paper, source, experiment, miou)


def _ablation(row: str, paper: str, source: str, **hrda: object) -> HrdaRecipe:
    return _recipe(f"ablation_{row}", paper, f"44 {source}", {"hrda": hrda})


def _dacs() -> HrdaRecipe:
    changes = (PLAIN, HIGH_RESOLUTION, DACS)
    experiment = changed("hrda_table2_dacs", DEEPLABV2, *changes)
    return HrdaRecipe("DACS on ResNet-101", "41 _dacs_hrda1-512-01_dlv2red", experiment)


HRDA_RECIPES: Mapping[str, HrdaRecipe] = {
    recipe.experiment.name: recipe
    for recipe in (
        _recipe("table1_gta", "GTA to Cityscapes", "40 gtaHR2csHR", miou=73.8),
        _recipe("table1_synthia", "SYNTHIA to Cityscapes", "40 synHR2csHR", SYNTHIA, miou=65.8),
        _recipe("acdc", "Cityscapes to ACDC", "49 csHR2acdcHR", ACDC, miou=68.0),
        _recipe("darkzurich", "Cityscapes to Dark Zurich", "49 csHR2dzurHR", DARK_ZURICH,
                miou=55.9),
        _dacs(),
        _recipe("table2_daformer", "DAFormer on ResNet-101",
                "41 a999_fdthings hrda1-512-01_dlv2red", WHOLE, model=DEEPLABV2),
        _ablation("detail256", "detail crops of 256", "rcs001-20_cpl2_hrda1-256-01_",
                  detail_crop=(256, 256)),
        _ablation("detail384", "detail crops of 384", "rcs001-20_cpl2_hrda1-384-01_",
                  detail_crop=(384, 384)),
        _recipe("ablation_same_scale", "detail at the context's resolution", "44 samescale",
                SAME_SCALE),
        _ablation("blurred", "detail without its information", "blurhr", blur=True),
        _ablation("fixed_attention", "both branches count the same", "fixedatt-nooverlap",
                  weight=0.0, overlap=False, fixed_attention=0.5),
        _ablation("no_overlap", "detail crops side by side", "hrda1-512-0-nooverlap",
                  weight=0.0, overlap=False),
        _ablation("weight0", "no loss of the detail's own", "hrda1-512-0_daformer", weight=0.0),
        *(_ablation(f"weight{n}", f"detail loss 0.{n}", f"rcs001-20_cpl2_hrda1-512-0{n}_daformer",
                    weight=n / 10) for n in range(2, 8)),
    )
}  # fmt: skip
