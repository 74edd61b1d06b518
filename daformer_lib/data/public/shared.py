"""What two sets of different classes share, as a table, and the share of pixels that each loses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from daformer_lib.data.class_stats import read_class_stats
from daformer_lib.specs import DatasetSpec
from daformer_lib.specs.common import Common, common_classes
from daformer_lib.texts import table_cell

UNKNOWN = "not known: not converted"


def lost_share(spec: DatasetSpec, ids: Sequence[int | None], data_root: str | Path) -> float | None:
    """Share, in [0, 1], of a set's pixels with a class that has no counterpart.

    Over the splits with class statistics; None where there are none. Pixels that have no class in
    the set itself are not counted.
    """
    found = [read_class_stats(spec, data_root, split) for split in spec.splits]
    totals = [sum(int(stats.totals[i]) for stats in found if stats) for i in range(len(ids))]
    if not sum(totals):
        return None
    return sum(n for n, meets in zip(totals, ids, strict=True) if meets is None) / sum(totals)


def common_lines(
    sources: Sequence[DatasetSpec], target: DatasetSpec, data_root: str | Path
) -> Iterator[str]:
    """Each common class with the classes of every set that it stands for; what is ignored; and the
    share of pixels lost."""
    specs, common = (*sources, target), common_classes(sources, target)
    rows = [("common class", *(spec.name for spec in specs))]
    for i, name in enumerate(common.classes):
        rows.append((name, *_of(specs, common, i)))
    rows.append(("(ignored)", *_of(specs, common, None)))
    shares = [lost_share(s, ids, data_root) for s, ids in zip(specs, common.ids)]
    rows.append(("pixels lost", *(UNKNOWN if s is None else f"{s:.1%}" for s in shares)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(f"{table_cell(c):{width}s}" for c, width in zip(row, widths))
        yield line.rstrip()


def _of(specs: Sequence[DatasetSpec], common: Common, wanted: int | None) -> Iterator[str]:
    for spec, ids in zip(specs, common.ids, strict=True):
        yield ", ".join(n for n, i in zip(spec.classes, ids) if i == wanted) or "–"
