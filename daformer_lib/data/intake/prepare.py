"""Have the data that an experiment needs: drawn if the kit draws them, converted, checked."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from daformer_lib.config import DataConfig
from daformer_lib.data.drawn.fields import FIELD_SPECS, SMOKE_FIELDS, FieldCounts, make_fields
from daformer_lib.data.drawn.mini import (
    MINI_NAMES,
    NAMED_ONLY,
    SMOKE_COUNTS,
    MiniCounts,
    make_mini,
)
from daformer_lib.data.intake.convert import convert, only_train_ids_are_left, taken_as_they_are
from daformer_lib.data.on_disk import reading_notes
from daformer_lib.folders import NO_IMAGE, LeftOut, in_words
from daformer_lib.progress import Report, silent
from daformer_lib.specs import DatasetSpec, get_spec, get_specs
from daformer_lib.texts import printable

WORKERS = 2
SHOWN = 3  # pairs that are left out and named one by one


def mini_counts(profile: str) -> MiniCounts:
    """Images per set: a handful at smoke, else enough to train on."""
    return SMOKE_COUNTS if profile == "smoke" else MiniCounts()


def field_counts(profile: str) -> FieldCounts:
    """Photos of the fields: a handful at smoke."""
    return SMOKE_FIELDS if profile == "smoke" else FieldCounts()


def prepare(data: DataConfig, profile: str, report: Report = silent, recheck: bool = False) -> None:
    """Draw missing mini domains and fields, convert labels that are new or have changed.

    Quick when all is there, unless `recheck` asks for the content of every file.

    Raises:
        FileNotFoundError: a real data set is missing; the message says what is expected where.
    """
    sources = get_specs(data.source)
    specs = [*sources, *(s for s in [get_spec(data.target)] if s not in sources)]
    mini = [spec.name for spec in specs if spec.name in (*MINI_NAMES, *NAMED_ONLY)]
    if mini:
        make_mini(data.data_root, mini, mini_counts(profile), workers=WORKERS, report=report)
    # A spec's file may be a user's own variant: only those that say what the kit says are drawn.
    if any(spec in FIELD_SPECS.values() for spec in specs):
        make_fields(data.data_root, field_counts(profile), workers=WORKERS, report=report)
    _warn_of_padding(data, specs)
    _say_what_is_left_out(data, specs)
    for spec in specs:
        for split in spec.splits:
            must = spec in sources and split == "train"
            bring_up_to_date(spec, data.data_root, split, must, report, recheck)


def bring_up_to_date(
    spec: DatasetSpec,
    data_root: str | Path,
    split: str,
    must: bool = False,
    report: Report = silent,
    recheck: bool = False,
) -> None:
    """Convert the labels of a split that are new or have changed; what is left out is said.

    Only the source's labels are a `must`: a target's train or test split may have none.
    """
    if not recheck and taken_as_they_are(spec, data_root, split):
        _warn(
            f"{spec.root(data_root)} cannot be written to, so what the train ids of {spec.name}/"
            f"{split} were made from is not recorded: they are used, since none is older than its "
            "label file; --recheck compares them all"
        )
        return
    try:
        summary = convert(spec, data_root, split, WORKERS, report, recheck)
    except FileNotFoundError:
        if only_train_ids_are_left(spec, data_root, split):
            _warn(
                f"the label files of {spec.name}/{split} are gone: the train ids that were made "
                f"from them are used; put the labels back to change them"
            )
        elif must:
            raise
        return
    if summary.problems:
        named = "; ".join(f"{stem}: {why}" for stem, why in summary.problems[:SHOWN])
        more = "; ..." if len(summary.problems) > SHOWN else ""
        _warn(
            f"{len(summary.problems)} pairs of {spec.name}/{split} are left out "
            f"({named}{more}); mend them and start again, or go on without them"
        )


def _warn(text: str) -> None:
    warnings.warn(printable(text), stacklevel=3)


def _say_what_is_left_out(data: DataConfig, specs: Sequence[DatasetSpec]) -> None:
    """One line for all sets; texts and the like beside the images are not worth one here."""
    named: dict[str, LeftOut] = {}
    for spec in specs:
        for split in spec.splits:
            for one in reading_notes(spec, data.data_root, split).left_out:
                path = os.path.join(spec.folder or spec.name, one.path)  # keeps a folder's "/"
                named[path] = LeftOut(path, one.why)
    said = in_words(one for one in named.values() if one.why is not NO_IMAGE)
    if said:
        warnings.warn(printable(f"not read: {said}"), stacklevel=3)


def _warn_of_padding(data: DataConfig, specs: Sequence[DatasetSpec]) -> None:
    """A crop larger than the images is allowed, as in the authors' code, and mostly a mistake."""
    for spec in specs:
        width, height = spec.size
        inside = min(height, data.crop[0]) * min(width, data.crop[1])
        share = 1 - inside / (data.crop[0] * data.crop[1])
        if share > 0:
            warnings.warn(
                f"crop {data.crop[0]}x{data.crop[1]} is larger than the images of {spec.name} in "
                f"training, {height}x{width}: {share:.0%} of it is padding, which teaches nothing; "
                f"try a crop of at most {height // 32 * 32}x{width // 32 * 32}, or a larger size "
                "in the spec",
                stacklevel=3,
            )
