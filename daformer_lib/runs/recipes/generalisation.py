"""Domain generalisation: the authors' two experiments that never see a target image.

Hoyer, Dai, Van Gool, TPAMI 2023, arXiv:2304.13615. Expected, mIoU in percent on the validation
splits of Cityscapes, BDD100K and Mapillary, by the README of HRDA: `GeneralisationRecipe.miou`.
None was reproduced here. 40,000 steps; the detail crop of HRDA is 384, since both halves of a
doubled batch have to fit into 24 GB. Command:
python -m daformer_lib train --profile full --row dg_gta_daformer
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from daformer_lib.config import Experiment
from daformer_lib.runs.recipes.hrda import changed
from daformer_lib.runs.recipes.paper import DAFORMER, FD_THINGS, RCS, SUPERVISED
from daformer_lib.runs.recipes.profiles import HIGH_RESOLUTION, Changes

TARGETS = ("cityscapes", "bdd100k", "mapillary")  # that a run is scored on


@dataclass(frozen=True)
class GeneralisationRecipe:
    """One of the authors' experiments."""

    paper: str  # what it is about
    source: str  # the authors' experiment: number and what tells its name from the other's
    experiment: Experiment  # seed 0
    miou: tuple[float, ...]  # on `TARGETS`


STYLE: Changes = {"mode": "source_only", "style": {}}
WITHOUT_TARGET = (RCS, FD_THINGS, SUPERVISED, STYLE)
# No pseudo-labels, so no margins.
ON_HRDA: Changes = {"data": {"target_margins": None}, "hrda": {"detail_crop": (384, 384)}}


GENERALISATION_RECIPES: Mapping[str, GeneralisationRecipe] = {
    recipe.experiment.name: recipe
    for recipe in (
        GeneralisationRecipe(
            "DAFormer, styles made up", "50 gtaCAug2cs",
            changed("dg_gta_daformer", DAFORMER, *WITHOUT_TARGET), (52.65, 47.89, 54.66),
        ),
        GeneralisationRecipe(
            "HRDA, styles made up", "50 gtaCAugHR2csHR",
            changed("dg_gta_hrda", DAFORMER, *WITHOUT_TARGET, HIGH_RESOLUTION, ON_HRDA),
            (57.41, 49.11, 61.16),
        ),
    )
}  # fmt: skip
