"""What the authors of MIC and HRDA recorded (tests/golden_frontier), as our own nouns."""

from __future__ import annotations

from pathlib import Path

from daformer_lib.uda.augment import Jitter
from daformer_lib.uda.classmix import MixPlan
from daformer_lib.uda.methods.mic import MaskPlan

GOLDEN = Path(__file__).parents[1] / "golden_frontier"


def jitters(call):
    """Of a record of colour changes: one for each image; None where there were none."""
    if not call["jitter"]:
        return None
    names = [f"{name}_factor" for name in ("brightness", "contrast", "saturation", "hue")]
    columns = zip(*(call["jitter"][name] for name in names), strict=True)
    return tuple(Jitter(*values, tuple(call["jitter"]["order"])) for values in columns)


def plans_of(facts, gold, i):
    """What the authors drew in iteration `i`, for `Turn.replay`."""
    first, second, *mask = facts["augment"][i]
    jitter, blur = (jitters(first), jitters(second)), (first["blur"], second["blur"])
    mix = MixPlan(
        tuple(map(tuple, facts["mix_classes"][i])),
        (*jitter[0], *jitter[1]) if jitter[0] else None,
        tuple(b["sigma"] for b in blur) if blur[0] else None,
    )
    if "mask_low" not in gold:
        return {"plan": mix}
    keep = gold["mask_low"][i][:, 0].astype(bool)
    drawn = mask[0] if mask else {"jitter": None, "blur": None}
    sigma = drawn["blur"]["sigma"] if drawn["blur"] else None
    return {"plan": mix, "mask": MaskPlan(keep, jitters(drawn), sigma)}


# The authors' named variants of HRDA's network, as our settings: `main`'s but for what is said.
_MAIN = {"detail_crop": (64, 64), "window": None}
HRDA_VARIANTS = {
    "main": _MAIN,
    "nooverlap": _MAIN | {"overlap": False},
    "fixedatt": _MAIN | {"fixed_attention": 0.5},
    "singleatt": _MAIN | {"classwise": False},
    "hrloss0": _MAIN | {"weight": 0.0},
    "lrhr": _MAIN | {"context_weight": 0.1},
    "blurhr": _MAIN | {"blur": True},
    "samescale": _MAIN | {"scale": 1.0},
    "sc0.75": _MAIN | {"scale": 0.75, "detail_crop": (96, 96)},
    "nocrop": _MAIN | {"detail_crop": None},
    "full": _MAIN | {"detail_crop": (128, 128), "context_weight": 0.1, "fd_scales": "both"},
}
