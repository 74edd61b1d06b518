"""Writes a run's folder while it trains; what reads it is in `folder.py`."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from daformer_lib.config import Experiment
from daformer_lib.files import read_json, remove_leftovers, write_atomic, write_json
from daformer_lib.runs.checkpoint_files import checkpoint_paths
from daformer_lib.runs.folder import (
    HEALTH,
    START,
    Evaluation,
    Run,
    Snapshot,
    curve_points,
    health_points,
    read_config,
    read_evaluations,
    write_config,
)
from daformer_lib.specs import scored_spec


class RunWriter:
    """Write access, for training: every file is replaced whole or appended by whole rows."""

    def __init__(self, folder: str | Path, experiment: Experiment) -> None:
        self.folder = Path(folder)
        self.checkpoint_path, self.previous_path = checkpoint_paths(self.folder)
        self._spec = scored_spec(experiment.data.target, experiment.data.source)
        self._evals: list[Evaluation] = []
        self._rows: list[dict[str, Any]] = []
        self._health: list[dict[str, Any]] = []
        if (self.folder / "config.json").exists():
            old = read_config(self.folder)
            if old.key != experiment.key:
                raise ValueError(
                    f"{folder} holds another run ({old.name}, key {old.key}, not "
                    f"{experiment.key}); choose another folder or delete it. A spec's file that "
                    "has changed makes another run"
                )
        write_config(self.folder, experiment)

    def keep_start(self, run: Run) -> None:
        """Copy the weights that this run begins with: other machines and later starts have them."""
        data = io.BytesIO()
        torch.save(run.weights_to_start_from(), data)
        write_atomic(self.folder / START, data.getvalue())

    def rewind(self, step: int) -> None:
        """Forget rows and evaluations after `step`: the run goes on from its checkpoint."""
        remove_leftovers(self.folder)
        if (self.folder / "evals.json").exists():
            kept = read_evaluations(self.folder, self._spec)
            self._evals = [e for e in kept if e.step <= step]
            self._write_evaluations()
        if (self.folder / "metrics.csv").exists():
            with (self.folder / "metrics.csv").open() as file:
                self._rows = [r for r in csv.DictReader(file) if int(r["step"]) <= step]
            self._write_rows()
        if (self.folder / HEALTH).exists():
            self._health = [h for h in read_json(self.folder / HEALTH) if h["step"] <= step]
            self._write_health()
        for path in (self.folder / "snapshots").glob("step_*.npz"):
            if int(path.stem.removeprefix("step_")) > step:
                path.unlink()

    def remove_board(self) -> None:
        shutil.rmtree(self.folder / "tb", ignore_errors=True)

    @property
    def history(self) -> list[tuple[int, dict[str, float]]]:
        """Steps and values of the rows and scores so far: the curves of a run that goes on."""
        rows = [(int(row["step"]), curve_points(row)) for row in self._rows]
        scores = [(e.step, e.curve_point()) for e in self._evals]
        health = [(h["step"], health_points(h)) for h in self._health]
        return rows + scores + health

    def add_metrics(self, row: dict[str, Any]) -> None:
        self._rows.append(row)

    def add_evaluation(self, evaluation: Evaluation) -> None:
        self._evals = [e for e in self._evals if e.place != evaluation.place] + [evaluation]

    def add_health(self, record: dict[str, Any]) -> None:
        """One a step: see `uda/health/look.py` and `uda/health/tally.py`."""
        self._health = [h for h in self._health if h["step"] != record["step"]] + [record]

    def flush(self) -> None:
        """Write rows and evaluations; called with each checkpoint, so that they agree."""
        self._write_rows()
        self._write_evaluations()
        self._write_health()

    def _write_health(self) -> None:
        if self._health:
            write_json(self.folder / HEALTH, self._health, indent=None)

    def _write_evaluations(self) -> None:
        values = [evaluation.to_dict() for evaluation in self._evals]
        write_json(self.folder / "evals.json", values, indent=None)

    def _write_rows(self) -> None:
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomic(self.folder / "metrics.csv", text.getvalue().encode())

    def save_snapshot(self, snapshot: Snapshot) -> None:
        arrays = {
            "stems": np.array(snapshot.stems),
            "student_label": snapshot.student_label,
            "confidence": snapshot.confidence,
        }
        for name in ("teacher_label", "student_confidence"):
            if getattr(snapshot, name) is not None:
                arrays[name] = getattr(snapshot, name)
        data = io.BytesIO()
        np.savez_compressed(data, **arrays)
        write_atomic(self.folder / "snapshots" / f"step_{snapshot.step:06d}.npz", data.getvalue())

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """The one before stays as previous.pt, should the disk damage this one."""
        data = io.BytesIO()
        torch.save(state, data)
        write_atomic(
            self.checkpoint_path, data.getvalue(), durable=True, keep_old_as=self.previous_path
        )

    def finish(self, result: dict[str, Any]) -> None:
        """Nothing goes on from here, so one checkpoint is enough."""
        self.previous_path.unlink(missing_ok=True)
        (self.folder / START).unlink(missing_ok=True)
        write_json(self.folder / "result.json", result)
