"""Which runs there are: rows of the course, of the paper's tables, of VisDA-2022. Data, no code."""

from daformer_lib.runs.recipes.beyond import SECOND_STAGES
from daformer_lib.runs.recipes.profiles import PROFILES
from daformer_lib.runs.recipes.rows import (
    NETWORKS,
    ROWS,
    SCALED,
    STUDIES,
    TITLES,
    default_root,
    experiment,
    study_rows,
)

__all__ = [
    "NETWORKS", "PROFILES", "ROWS", "SCALED", "SECOND_STAGES", "STUDIES", "TITLES", "default_root",
    "experiment", "study_rows",
]  # fmt: skip
