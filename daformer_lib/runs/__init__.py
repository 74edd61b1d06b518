"""One run, many runs, and what they add up to; opens without the networks' libraries."""

from daformer_lib.runs.folder import Evaluation, Run, RunWriter, Snapshot

__all__ = ["Evaluation", "Run", "RunWriter", "Snapshot"]
