"""What training steps add up between two looks: the teacher's labels, FD's cells, RCS's draws.

All of it passes by anyway; nothing is computed for it but counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from daformer_lib.batch import TrainBatch
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.uda.health.measures import class_counts
from daformer_lib.uda.method import Turn


class Tally:
    """Counts since the last `take`.

    Args:
        wanted_pixels: so many pixels of the drawn class make an RCS crop hold enough.
    """

    def __init__(self, num_classes: int, wanted_pixels: int | None, device: torch.device) -> None:
        self.num_classes, self.wanted_pixels, self.device = num_classes, wanted_pixels, device
        self._clear()

    def _clear(self) -> None:
        classes, one = self.num_classes, {"dtype": torch.float64, "device": self.device}
        self._counts = {
            "steps": torch.zeros(1, **one),
            "source": torch.zeros(classes, **one),  # pixels of the source's crops
            "pseudo": torch.zeros(classes, **one),  # pixels of the teacher's labels
            "cells": torch.zeros(2, **one),  # on which FD acted, of how many
            "drawn": torch.zeros(classes, **one),  # by RCS
            "held": torch.zeros(classes, **one),  # of these: the crop held enough
        }

    def add(self, batch: TrainBatch, turn: Turn) -> None:
        """What one step showed."""
        counts, classes = self._counts, self.num_classes
        counts["steps"] += 1
        counts["source"] += class_counts(turn.source.label, classes)
        if "pseudo" in turn.seen:
            counts["pseudo"] += class_counts(turn.seen["pseudo"].label, classes)
        if turn.anchor is not None and turn.anchor.acted is not None:
            counts["cells"] += torch.stack(turn.anchor.acted).double()
        for label, wanted in zip(batch.source.label, batch.wanted, strict=False):
            counts["drawn"][wanted] += 1
            enough = int((label == wanted).sum()) > (self.wanted_pixels or 0)
            counts["held"][wanted] += enough

    def take(self, ranks: Ranks = ALONE) -> dict[str, Any]:
        """The counts of all processes as plain values, and a fresh start."""
        found = {k: ranks.sum(v).cpu().numpy() for k, v in self._counts.items()}
        self._clear()
        values: dict[str, Any] = {"steps": int(found["steps"][0] / ranks.world)}
        values["source_shares"] = _shares(found["source"])
        if found["pseudo"].any():
            values["teacher_shares"] = _shares(found["pseudo"])
        if found["cells"][1]:
            values["fd_cells"] = round(float(found["cells"][0] / found["cells"][1]), 6)
        if found["drawn"].any():
            values["rcs_drawn"] = found["drawn"].astype(int).tolist()
            values["rcs_held"] = found["held"].astype(int).tolist()
        return values

    def state(self) -> dict[str, Tensor]:
        return {name: count.cpu() for name, count in self._counts.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        self._counts = {name: count.to(self.device) for name, count in state.items()}


def _shares(counts: np.ndarray) -> list[float]:
    return [round(float(v), 6) for v in counts / max(1.0, counts.sum())]
