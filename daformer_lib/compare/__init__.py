"""Comparing pseudo-labels: of runs, of steps, of other tools' label maps.

`comparison = open_comparison(["runs/a", "runs/b", "their_pngs/"])`, then `survey(comparison)`.

`sources` reads predictions, `comparison` brings them to common images at one size, `survey` passes
over them once; `tally`, `classes`, `calibration`, `disagreement` and `flow` are plain arithmetic.
Pictures and controls are in `daformer_lib.compare.views`.
"""

from daformer_lib.compare.calibration import Reliability, reliability
from daformer_lib.compare.classes import ClassTable, Win, class_table, wins
from daformer_lib.compare.comparison import Comparison, View
from daformer_lib.compare.disagreement import disagreement_count, disagreement_map, vote
from daformer_lib.compare.flow import Flow, Move, flow, flow_counts
from daformer_lib.compare.opening import open_comparison
from daformer_lib.compare.sources import PngFolder, RunSource, Source
from daformer_lib.compare.survey import ImageRow, Survey, evolution, missing, ranking, survey
from daformer_lib.compare.tally import Tally, count_predictions

__all__ = [
    "ClassTable", "Comparison", "Flow", "ImageRow", "Move", "PngFolder", "Reliability",
    "RunSource", "Source", "Survey", "Tally", "View", "Win", "class_table", "count_predictions",
    "disagreement_count", "disagreement_map", "evolution", "flow", "flow_counts",
    "missing", "open_comparison", "ranking", "reliability", "survey", "vote", "wins",
]  # fmt: skip
