"""Which data a run began with, so that other files under the same names do not go unsaid.

data.json in the run's folder holds a fingerprint of each split: of what its images and train ids
hold where they are converted (`conversion_record.py`), else of its images' names and sizes.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

from daformer_lib.config import Experiment
from daformer_lib.data.changes.conversion_record import read_record
from daformer_lib.data.changes.inputs import stamp
from daformer_lib.files import read_json, write_json
from daformer_lib.specs import DatasetSpec, get_spec, get_specs
from daformer_lib.texts import printable

FILE = "data.json"


def note_data(folder: Path, experiment: Experiment) -> None:
    """Write down which data a run begins with; warn if a run that began has others now."""
    path, now = folder / FILE, fingerprints(experiment)
    complete = (folder / "result.json").exists()
    if not path.is_file():
        if not complete:  # of a finished run of an earlier version nobody knows
            write_json(path, now)
        return
    began = read_json(path)
    changed = [split for split, found in now.items() if _differ(began.get(split), found)]
    if not changed:
        return
    so = "it goes on with the files as they are now"
    if complete:
        so = "it is complete, and its scores are of the files as they were"
    text = (
        f"the files of {', '.join(changed)} have changed since the run in {folder} began: "
        f"{so}; for a run on these files alone choose another --output-dir"
    )
    warnings.warn(printable(text), stacklevel=2)


def fingerprints(experiment: Experiment) -> dict[str, str]:
    """By set and split, of those that are there and that the run reads."""
    data, train = experiment.data, experiment.train
    target = get_spec(data.target)
    scored = [s for s in (train.eval_split, *train.final_splits) if s in target.splits]
    wanted = [(spec, "train") for spec in get_specs(data.source)]
    wanted += [(target, split) for split in ("train", *scored) if split in target.splits]
    found = {
        f"{spec.name}/{split}": _of_split(spec, data.data_root, split) for spec, split in wanted
    }
    return {name: text for name, text in found.items() if text}


def _of_split(spec: DatasetSpec, data_root: str, split: str) -> str:
    if record := read_record(spec, data_root, split):
        return f"content {record.fingerprint}"
    stems = spec.stems(data_root, split)
    sizes = [stamp(spec.image_file(data_root, split, stem))[0] for stem in stems]
    listed = "".join(f"{stem}\0{size}\0" for stem, size in zip(stems, sizes, strict=True))
    digest = hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest()
    return f"names and sizes {digest[:16]}" if stems else ""


def _differ(before: str | None, now: str) -> bool:
    """Only like is compared with like: labels may have been converted since."""
    return before is not None and before != now and before.split()[:-1] == now.split()[:-1]
