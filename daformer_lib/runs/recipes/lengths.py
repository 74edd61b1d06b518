"""What depends on how long a run is, as formulas: `train --steps N`.

At 4,000 steps they give what profile `study` was tuned to on the drawn domains, at 40,000 the
authors' settings; in between there is one rule for all rows. What a row sets itself stays.
"""

from __future__ import annotations

from daformer_lib.config import Experiment
from daformer_lib.runs.recipes.profiles import PROFILES


def length_settings(experiment: Experiment, profile: str, steps: int | None) -> tuple[str, ...]:
    """`part.field=value` for a run of `steps` steps; none where the profile's length stays.

    Raises:
        ValueError: fewer than one step.
    """
    if steps is None:
        return ()
    if steps < 1:
        raise ValueError(f"steps {steps} must be at least 1")
    memory = min(1000, max(10, steps // 20))  # 1000 of 4000 steps left the teacher 8 points behind
    rules = {
        "train.steps": steps,
        "optim.warmup_steps": min(1500, steps // 10),
        "uda.ema_decay": round(1 - 1 / memory, 6),
        "train.eval_every": max(1, steps // 8),
        "train.checkpoint_every": max(1, steps // 8),
        "train.snapshot_every": max(1, steps // 4),
    }
    return tuple(
        f"{place}={value}"
        for place, value in rules.items()
        if _value(experiment, place) == _value(PROFILES[profile], place)
    )


def _value(experiment: Experiment, place: str) -> object:
    part, field = place.split(".")
    return getattr(getattr(experiment, part), field)
