"""One run, many runs, and what they add up to; opens without the networks' libraries."""

from daformer_lib.runs.folder import Evaluation, Run, Snapshot
from daformer_lib.runs.writer import RunWriter

__all__ = ["Evaluation", "Run", "RunWriter", "Snapshot"]
