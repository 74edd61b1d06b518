"""What a person needs to know to get a data set: the kit itself fetches none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """A published data set, beside its spec. Terms are pointers, not legal advice."""

    title: str
    licence: str
    address: str  # of the page where it is had
    steps: tuple[str, ...]  # what to fetch, and where it belongs below the spec's folder
    facts: tuple[str, ...]  # where layout, ids and counts are from
    size: str = ""  # to fetch; empty where no source says it


CITYSCAPES_TERMS = "own terms: non-commercial research and teaching; registration"
