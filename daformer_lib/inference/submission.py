"""The archive that the VisDA-2022 challenge takes: labels without and with adaptation.

Two folders, `source_only` and `uda`, of label maps in the data set's own ids, each under its
image's file name (dbash/visda2022-org, README.md, "Submission format"); zipped.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from daformer_lib.inference.official import export_labels
from daformer_lib.progress import Report, silent
from daformer_lib.specs import DatasetSpec

FOLDERS = ("source_only", "uda")


def write_submission(
    networks: Mapping[str, nn.Module],  # by folder: "source_only" and "uda"
    spec: DatasetSpec,
    data_root: str | Path,
    archive: str | Path,
    split: str = "test",
    report: Report = silent,
) -> Path:
    """Label every image of a split by both networks and zip the result, atomically."""
    archive = Path(archive)
    if set(networks) != set(FOLDERS):
        raise ValueError(f"networks of {sorted(networks)}; a submission has {list(FOLDERS)}")
    if archive.suffix != ".zip":
        raise ValueError(f"{archive} must end in .zip, which is what the challenge takes")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".submission") as place:
        for folder in FOLDERS:
            where = Path(place) / folder
            export_labels(networks[folder], spec, data_root, where, split, "label", report)
        packed = _zip(Path(place))
        os.replace(packed, archive)
    return archive


def _zip(place: Path) -> Path:
    """All PNGs of the two folders, sorted, as <place>/packed.zip; PNGs are compressed already."""
    packed = place / "packed.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for folder in FOLDERS:
            for path in sorted((place / folder).iterdir()):
                archive.write(path, f"{folder}/{path.name}")
    return packed
