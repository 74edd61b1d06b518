"""Which runs there are: rows of the course, of the paper's tables, of VisDA-2022. Data, no code."""

from daformer_lib.runs.recipes.profiles import PROFILES
from daformer_lib.runs.recipes.rows import ROWS, TITLES, default_root, experiment

__all__ = ["PROFILES", "ROWS", "TITLES", "default_root", "experiment"]
