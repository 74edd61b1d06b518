"""The files that something was made from: are they still what they were?

A file is known by its stamp (size, times of change, number on the disk) and by a hash of its
content. The stamp costs no reading: where it is as it was, so is the file. Where it differs the
content decides, since copying, unpacking, `git checkout` and `touch` change stamps and no content.
The time of the last change (ctime) is set by the system alone, so the stamp also shows an edit that
kept size and modification time. Windows has no such time: there only the content tells (`recheck`).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

# A change so soon after another one may leave the stamp as it is: clocks of file systems tick every
# few ms, of some (FAT) every 2 s.
UNSETTLED_NS = 2 * 10**9
CONTENT_BYTES = 16  # of SHA-256: enough to tell files apart that nobody forged

Stamp = tuple[int, int, int, int]  # bytes, mtime_ns, ctime_ns, inode

ABSENT: Stamp = (-1, 0, 0, 0)  # nothing there that the system can describe
UNSETTLED: Stamp = (-2, 0, 0, 0)  # like no file's: the content will be asked


class Seen(NamedTuple):
    """A file as it was when something was made from it."""

    stamp: Stamp
    content: bytes  # CONTENT_BYTES of a hash; zeros where nothing could be read


def stamp(path: str | Path) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return ABSENT
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino % 2**63


def content(path: str | Path) -> bytes:
    """A hash of all bytes in the file."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()[:CONTENT_BYTES]
    except OSError:  # whoever wants to use the file says what is wrong with it
        return bytes(CONTENT_BYTES)


def look(path: str | Path, settled: bool = False) -> Seen:
    """The file as it is now. Look before reading it: a change in between is then noticed.

    Args:
        settled: nobody else changes the file now, even if it is a moment old.
    """
    before = stamp(path)
    sure = settled or before[2] < time.time_ns() - UNSETTLED_NS
    return Seen(before if sure else UNSETTLED, content(path))


def same_content(now: Iterable[Seen], then: Iterable[Seen]) -> bool:
    return [seen.content for seen in now] == [seen.content for seen in then]
