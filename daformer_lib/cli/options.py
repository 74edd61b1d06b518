"""Options and steps that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro

from daformer_lib.config import Experiment
from daformer_lib.data.intake.prepare import prepare
from daformer_lib.progress import Progress

Profile = Literal["smoke", "demo", "study", "full"]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set")]
Recheck = Annotated[
    bool,
    tyro.conf.arg(
        help="read every file to see whether it has changed since it was converted, not only those "
        "whose size or times differ."
    ),
]


def prepare_with_bar(experiment: Experiment, profile: str, recheck: bool) -> None:
    """Draw or convert what an experiment learns from, where it is not there."""
    with Progress(None, "data") as bar:
        prepare(experiment.data, profile, bar, recheck)
