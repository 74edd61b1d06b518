"""Our parameter names and the authors'.

The optimizer's rules ("norm" or "head" in the name), the golden files and the published checkpoints
all speak in the authors' names: `backbone.*` is our `encoder.*`, `decode_head.*` our `decoder.*`.
Inside a decoder the names are the same; an encoder brings its own rules (`official_rules`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from torch import nn

Rules = tuple[tuple[str, str], ...]  # (pattern, replacement), applied in this order


def rename(name: str, rules: Rules) -> str:
    """Apply the rules one after the other."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def official_name(segmentor: nn.Module, name: str) -> str:
    """`encoder.stages.0.norm.weight` -> `backbone.norm1.weight`."""
    part, _, rest = name.partition(".")
    if part == "encoder":
        rules = getattr(segmentor.encoder, "official_rules", ())
        return "backbone." + rename(rest, rules)
    if part == "decoder":
        return "decode_head." + rest
    raise ValueError(f"{name!r} is no name of a segmentor: it must begin with encoder. or decoder.")


def official_names(segmentor: nn.Module, names: Iterable[str] | None = None) -> dict[str, str]:
    """Our name -> the authors', for these names or the whole state dict, in its order."""
    names = segmentor.state_dict().keys() if names is None else names
    return {name: official_name(segmentor, name) for name in names}
