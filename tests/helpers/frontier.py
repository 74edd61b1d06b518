"""What the authors of MIC recorded (tests/golden_frontier), as this project's own nouns."""

from __future__ import annotations

from pathlib import Path

from daformer_lib.uda.augment import Jitter

GOLDEN = Path(__file__).parents[1] / "golden_frontier"


def jitters(call):
    """Of a record of colour changes: one for each image; None where there were none."""
    if not call["jitter"]:
        return None
    names = [f"{name}_factor" for name in ("brightness", "contrast", "saturation", "hue")]
    columns = zip(*(call["jitter"][name] for name in names), strict=True)
    return tuple(Jitter(*values, tuple(call["jitter"]["order"])) for values in columns)
