"""Where predictions come from: a run's snapshots, or a folder of PNG label maps of any tool.

Both are read lazily, one image (or one snapshot) at a time, and give train ids.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

import numpy as np

from daformer_lib.files import color_mode, read_gray, read_palette
from daformer_lib.folders import canonical, contents, in_words
from daformer_lib.runs import Run
from daformer_lib.specs import DatasetSpec
from daformer_lib.specs.patterns import HOLES
from daformer_lib.texts import printable

Model = Literal["pseudo-label", "student"]
MapIds = Literal["auto", "train", "own"]
ONLY_STEP = 0  # of a folder that does not say when its labels were made
SAMPLE = 24  # files looked into to tell train ids from the data set's own
CONFIDENCE = "_confidence"
NOT_LABELS = (CONFIDENCE, "_overlay", "_color", "_color_preview", "_instanceIds")
ENDINGS = ("_labels", "_labelTrainIds", "_labelIds", "_pred", "_prediction")


class Source(Protocol):
    """Predictions under one name, for some images at some steps."""

    name: str
    steps: tuple[int, ...]  # ascending; (0,) where there is only one state
    stems: tuple[str, ...]  # images, as the source names them
    has_confidence: bool

    def label(self, step: int, stem: str) -> np.ndarray:
        """(H, W) uint8 train ids, 255 = nothing said."""

    def confidence(self, step: int, stem: str) -> np.ndarray | None:
        """(H, W) uint8, probability x 255; None where it is not known."""


def step_at(source: Source, step: int) -> int:
    """The source's state at a step: its last one not after it, else its first."""
    return max((s for s in source.steps if s <= step), default=source.steps[0])


class RunSource:
    """The snapshots of a run: its pseudo-labels (the teacher's where there is one), or its student.

    One snapshot stays in memory, since all its images lie in one file.
    """

    def __init__(self, run: Run | str | Path, name: str = "", model: Model = "pseudo-label"):
        self.run = run if isinstance(run, Run) else Run(run)
        self.model = model
        self.name = name or self.run.name + (" (student)" if model == "student" else "")
        self.steps = tuple(self.run.snapshot_steps())
        if not self.steps:
            raise ValueError(
                f"{self.run.folder} has no snapshots: it was trained with snapshot_every 0, or not "
                "far enough; train on, or label images with `python -m daformer_lib predict --run "
                f"{self.run.folder}` and compare that folder"
            )
        self._kept: tuple[int, dict[str, int], np.ndarray, np.ndarray | None]
        self._read(self.steps[-1])
        self.stems = tuple(self._kept[1])
        self.has_confidence = self._kept[3] is not None

    def label(self, step: int, stem: str) -> np.ndarray:
        self._read(step)
        return self._kept[2][self._place(stem)]

    def confidence(self, step: int, stem: str) -> np.ndarray | None:
        self._read(step)
        return None if self._kept[3] is None else self._kept[3][self._place(stem)]

    def _place(self, stem: str) -> int:
        step, places = self._kept[:2]
        if stem not in places:
            raise KeyError(f"{self.run.folder} has no {stem} at step {step}; it has {list(places)}")
        return places[stem]

    def _read(self, step: int) -> None:
        if hasattr(self, "_kept") and self._kept[0] == step:
            return
        seen = self.run.snapshot(step)
        if self.model == "student" and seen.teacher_label is not None:
            label, confidence = seen.student_label, seen.student_confidence
        else:
            label = seen.student_label if seen.teacher_label is None else seen.teacher_label
            confidence = seen.confidence
        self._kept = (step, {stem: i for i, stem in enumerate(seen.stems)}, label, confidence)


class PngFolder:
    """A folder of label maps, one PNG per image, as another tool (or `predict`) writes them.

    A file `a_labels.png` belongs to image `a`: what the data set puts after its names and the usual
    endings are cut off (`suffix` names another one). `a_confidence.png` beside it, or
    in the folder `confidence`, holds probability x 255. Sub-folders `step_000200` are steps.
    """

    def __init__(
        self,
        folder: str | Path,
        spec: DatasetSpec,
        name: str = "",
        ids: MapIds = "auto",
        suffix: str | None = None,
        confidence: str | Path | None = None,
    ):
        self.folder, self.spec = Path(folder), spec
        self.name = name or self.folder.name
        self._sure = Path(confidence) if confidence else self.folder
        endings = (suffix,) if suffix is not None else (*_endings(spec), *ENDINGS)
        self._files = {
            step: _label_files(below, endings) for step, below in _steps(self.folder).items()
        }
        self.steps = tuple(self._files)
        self.stems = tuple(s for s in self._files[self.steps[-1]] if self._has(s))
        self.has_confidence = self._confidence_path(self.steps[-1], self.stems[0]).is_file()
        self.ids = _told_apart(self._some_labels(), spec, self.folder) if ids == "auto" else ids
        self._table = _table(spec, self.ids)

    def label(self, step: int, stem: str) -> np.ndarray:
        path = self._path(step, stem)
        ids = self._table[read_label(path)]
        if (ids < 0).any():
            wrong = np.unique(read_label(path)[ids < 0])[:5].tolist()
            limit = self.spec.num_classes - 1 if self.ids == "train" else max(self.spec.id_map)
            other = "own" if self.ids == "train" else "train"
            raise ValueError(
                f"{path} holds {wrong}; read as {self.ids} ids of {self.spec.name}, only 0..{limit}"
                f" and {self.spec.ignore} are known: choose ids {other!r}, or another data set"
            )
        return ids.astype(np.uint8)

    def confidence(self, step: int, stem: str) -> np.ndarray | None:
        path = self._confidence_path(step, stem)
        return read_gray(path) if self.has_confidence and path.is_file() else None

    def _has(self, stem: str) -> bool:
        return all(stem in files for files in self._files.values())

    def _path(self, step: int, stem: str) -> Path:
        try:
            return self._files[step][stem]
        except KeyError:
            raise KeyError(f"{self.folder} has no label map of {stem} at step {step}") from None

    def _confidence_path(self, step: int, stem: str) -> Path:
        path = self._path(step, stem)
        if self._sure != self.folder:
            path = self._sure / path.relative_to(self.folder)
        beside = path.with_name(f"{Path(stem).name}{CONFIDENCE}.png")
        return path if self._sure != self.folder and path.is_file() else beside

    def _some_labels(self) -> Iterable[np.ndarray]:
        files = list(self._files[self.steps[-1]].values())
        return (read_label(path) for path in files[:: max(1, len(files) // SAMPLE)])


def read_label(path: Path) -> np.ndarray:
    """(H, W) uint8 as the file holds it; palette PNGs give their indices."""
    return read_palette(path)[0] if color_mode(path) == "P" else read_gray(path)


def _endings(spec: DatasetSpec) -> list[str]:
    """What the data set writes after a stem: _leftImg8bit, _gtFine_labelIds, ..."""
    patterns = (spec.image_pattern, spec.label_pattern, spec.train_id_pattern)
    after = [Path(HOLES.split(p)[-1]).with_suffix("").name for p in patterns]
    return [ending for ending in after if ending.startswith(("_", "-"))]


def _steps(folder: Path) -> dict[int, Path]:
    """Step -> folder of its label maps."""
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}; name a run, or a folder of PNG label maps")
    found = {
        int(match[1]): below
        for below in sorted(folder.iterdir())
        if below.is_dir() and (match := re.fullmatch(r"step_(\d+)", below.name))
    }
    return dict(sorted(found.items())) or {ONLY_STEP: folder}


def _label_files(folder: Path, endings: Sequence[str]) -> dict[str, Path]:
    """Stem -> file, sorted by stem."""
    found: dict[str, Path] = {}
    listed = contents(folder)
    for name in listed.files:
        path, stem = folder / name, str(PurePosixPath(canonical(name, ".png")).with_suffix(""))
        if path.suffix.lower() != ".png" or stem.endswith(NOT_LABELS):
            continue
        stem = _cut(stem, endings)
        if stem in found:
            raise ValueError(
                f"{found[stem].name} and {path.name} in {folder} would both be the label map of "
                f"{stem}; keep one kind in the folder, or say which by its suffix"
            )
        found[stem] = path
    lost = in_words(one for one in listed.left_out if one.why.lost)
    if lost:
        warnings.warn(printable(f"label maps in {folder} that are not read: {lost}"), stacklevel=2)
    if not found:
        raise FileNotFoundError(
            f"{folder} is neither a run (no config.json) nor does it hold PNG label maps; "
            "name a run's folder, or one with a PNG of train ids per image"
        )
    return found


def _cut(stem: str, endings: Sequence[str]) -> str:
    longest = max((e for e in endings if e and stem.endswith(e)), key=len, default="")
    return stem.removesuffix(longest)


def _table(spec: DatasetSpec, ids: MapIds) -> np.ndarray:
    """(256,) int16 train id of each value in a file; -1 where it can mean nothing."""
    table = np.full(256, -1, np.int16)
    if ids == "train":
        table[: spec.num_classes] = range(spec.num_classes)
    else:
        table[: max(spec.id_map) + 1] = spec.ignore  # classes that the data set leaves out
        for own, train in spec.id_map.items():
            table[own] = train
    table[spec.ignore] = spec.ignore
    return table


def _told_apart(labels: Iterable[np.ndarray], spec: DatasetSpec, folder: Path) -> MapIds:
    """Train ids or the data set's own, by the values that occur."""
    if all(own == train for own, train in spec.id_map.items()):
        return "train"
    seen: set[int] = set()
    for label in labels:
        seen |= set(np.unique(label).tolist()) - {spec.ignore}
    as_train = all(value < spec.num_classes for value in seen)
    as_own = bool(seen & set(spec.id_map)) and max(seen, default=0) <= max(spec.id_map)
    if as_train and as_own and seen <= set(spec.id_map):
        raise ValueError(
            f"the values {sorted(seen)} in {folder} can be train ids or {spec.name}'s own; "
            "say which: ids 'train' or 'own'"
        )
    if not as_train and not as_own:
        raise ValueError(
            f"{folder} holds {sorted(seen)[:8]}: neither train ids of {spec.name} (0.."
            f"{spec.num_classes - 1}, {spec.ignore}) nor its own ids (up to {max(spec.id_map)}); "
            "name the data set that the label maps belong to"
        )
    return "train" if as_train else "own"
