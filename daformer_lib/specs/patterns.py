"""Paths by patterns: {split}, and {stem}, or {scene} and {frame} where folders stand between.

A stem is the same text either way: of Virtual KITTI 2, "Scene01/clone/00001" has the scene
"Scene01/clone" and the frame "00001".
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePosixPath
from unicodedata import normalize

HOLES = re.compile(r"\{stem\}|\{scene\}|\{frame\}")


def fill(pattern: str, split: str, stem: str) -> str:
    """The path of a stem; one without a folder has the scene `<scene>`, for messages."""
    scene, _, frame = stem.rpartition("/")
    return pattern.format(split=split, stem=stem, scene=scene or "<scene>", frame=frame)


def pieces(pattern: str, split: str) -> tuple[str, ...]:
    """What stands around a stem: two texts, or three around a scene and a frame."""
    return tuple(text.format(split=split) for text in HOLES.split(pattern))


def joined(around: tuple[str, ...], stem: str) -> str:
    """`fill` from pieces: text is put together far faster than a pattern is read."""
    if len(around) == 2:
        return around[0] + stem + around[1]
    scene, _, frame = stem.rpartition("/")
    return around[0] + scene + around[1] + frame + around[2]


@lru_cache(maxsize=64)
def compiled(pattern: str, split: str) -> tuple[re.Pattern[str], str]:
    """Matches the paths of a pattern, its groups the stem's parts; and the ending of the paths."""
    around = [normalize("NFC", text) for text in pieces(pattern, split)]
    groups = ("(.+)",) if len(around) == 2 else ("(.+)", "([^/]+)")
    texts = [re.escape(text) for text in around]
    regex = "".join(text + group for text, group in zip(texts, (*groups, "")))
    return re.compile(regex, re.DOTALL), PurePosixPath("x" + around[-1]).suffix


def stem_of(match: re.Match[str]) -> str:
    return "/".join(match.groups())
