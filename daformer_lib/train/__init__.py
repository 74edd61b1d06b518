"""From losses to a run's folder: the step, the loop around it, and what watches both."""

from daformer_lib.train.loop import batches, train

__all__ = ["batches", "train"]
