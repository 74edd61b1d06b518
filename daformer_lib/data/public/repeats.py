"""Near-duplicates between splits: neighbouring frames of one drive, on which scores flatter.

By a difference hash of 64 bits (dHash: N. Krawetz, "Kind of Like That", 2013): the image as 8x9
greys, each bit saying whether a grey is brighter than its right neighbour. Two images repeat one
another if at most NEAR bits differ. Hand-set on the drawn street: driving on by 1 % of the picture
changes 2 bits (at most 5), by 2 % 3 (at most 9); of 8,128 pairs of scenes none differs by less than
10. So slow frames are found and fast ones missed; a few false finds among millions of pairs are
likely.

The cost is that of reading images: each that is looked at is decoded once, which took 7 ms of one
core for a PNG of 480x360, 73 ms for one of 2048x1024, 8 ms for a JPEG of 1280x720. Of a split with
more than LIMIT images so many are looked at, evenly spaced, and the two that come by name before
and after each one chosen of another split: for two splits of any size at most six times LIMIT in
all. Comparing takes less than a second for ten million pairs, in blocks of bounded memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np

from daformer_lib import files
from daformer_lib.data.on_disk import spread
from daformer_lib.progress import Report, silent
from daformer_lib.specs import DatasetSpec

NEAR = 6  # bits of 64
FLAT = 2.0  # grey levels: an image that varies less has no structure to compare
LIMIT = 1000  # images of a split that are looked at for themselves
BLOCK = 2**22  # pairs compared at once: 32 MB


@dataclass(frozen=True)
class Repeats:
    """What two splits have in common."""

    first: str
    second: str
    looked: tuple[int, int]  # images that were looked at
    images: tuple[int, int]  # images that there are
    repeated: int  # images of `second` that repeat one of `first`
    example: tuple[str, str]  # stems of the closest pair; empty without one

    def text(self) -> str:
        """One sentence."""
        looked = f"{self.looked[1]:,} of {self.images[1]:,} images of {self.second}"
        if not self.repeated:
            return f"no image of {self.second} repeats one of {self.first} ({looked} looked at)"
        return (
            f"{self.repeated:,} nearly repeat one of {self.first} ({looked} looked at), such as "
            f"{self.example[1]} and {self.example[0]}: scores on {self.second} flatter whoever "
            f"trains on {self.first}; split by drive, not by frame, or say so beside the scores"
        )


def find_repeats(
    spec: DatasetSpec, data_root: str | Path, limit: int = LIMIT, report: Report = silent
) -> tuple[Repeats, ...]:
    """Every pair of splits that have images, in the spec's order.

    Args:
        limit: images of a larger split that are looked at, besides the two that come by name next
            to each one chosen of another split.

    Raises:
        ValueError: a limit below 1.
    """
    stems = {split: spec.stems(data_root, split) for split in spec.splits}
    chosen = _chosen({split: names for split, names in stems.items() if names}, limit)
    hashes = {}
    for split, names in chosen.items():
        hashes[split] = _hashes(spec, data_root, split, names, report)
    return tuple(
        _compared((a, b), (hashes[a], hashes[b]), (len(stems[a]), len(stems[b])))
        for a, b in combinations(hashes, 2)
    )


def _chosen(stems: dict[str, list[str]], limit: int) -> dict[str, list[str]]:
    """Stems to look at: all, or some evenly spaced and the neighbours of other splits' ones."""
    some = {split: spread(names, limit) for split, names in stems.items()}
    if len(stems) < 2:
        return {}
    return {
        split: sorted(
            {*some[split]}.union(*(_beside(names, some[o]) for o in stems if o != split))
            if len(names) > limit
            else names
        )
        for split, names in stems.items()
    }


def _beside(names: Sequence[str], others: Sequence[str]) -> set[str]:
    """Of `names`, by the files' own names, those just before and after each of `others`."""
    ordered = sorted(names, key=_file_name)
    keys = [_file_name(name) for name in ordered]
    places = {bisect_left(keys, _file_name(other)) for other in others}
    return {ordered[i] for place in places for i in (place - 1, place) if 0 <= i < len(ordered)}


def _file_name(stem: str) -> str:
    return stem.rpartition("/")[2]


def difference_hash(image: np.ndarray) -> np.uint64 | None:
    """64 bits of an (H, W, 3) uint8 RGB image; None where it has no structure."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)  # (8, 9)
    if small.std() < FLAT:
        return None
    bits = small[:, :-1] > small[:, 1:]  # (8, 8)
    return np.packbits(bits.ravel()).view(np.uint64)[0]


def _hashes(
    spec: DatasetSpec, data_root: str | Path, split: str, stems: Sequence[str], report: Report
) -> tuple[list[str], np.ndarray]:
    """Stems and their (N,) uint64 hashes; what cannot be read or is flat is left out."""
    kept, found = [], []
    label = f"look for repeats {spec.name}/{split}"
    report(0, len(stems), label)
    for done, stem in enumerate(stems, start=1):
        try:
            value = difference_hash(files.read_image(spec.image_file(data_root, split, stem)))
        except (files.BrokenImage, OSError):  # the conversion has named it
            value = None
        if value is not None:
            kept.append(stem)
            found.append(value)
        report(done, len(stems), label)
    return kept, np.array(found, np.uint64)


def _compared(
    splits: tuple[str, str],
    hashed: tuple[tuple[list[str], np.ndarray], tuple[list[str], np.ndarray]],
    images: tuple[int, int],
) -> Repeats:
    (names, first), (others, second) = hashed
    nearest = [pair for block in _blocks(first, second) for pair in block]
    near = [(bits, i, j) for j, (bits, i) in enumerate(nearest) if bits <= NEAR]
    example = ("", "")
    if near:
        _, i, j = min(near)
        example = (names[i], others[j])
    return Repeats(*splits, (len(first), len(second)), images, len(near), example)


def _blocks(first: np.ndarray, second: np.ndarray) -> Iterator[list[tuple[int, int]]]:
    """For each of `second` the bits that differ from the nearest of `first`, and its place."""
    rows = max(1, BLOCK // max(1, len(first)))
    for start in range(0, len(second) if len(first) else 0, rows):
        apart = np.bitwise_count(second[start : start + rows, None] ^ first[None])  # (rows, N)
        at = apart.argmin(axis=1)
        yield [(int(row[i]), int(i)) for row, i in zip(apart, at)]
