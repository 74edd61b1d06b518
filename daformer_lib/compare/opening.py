"""Opening a comparison: runs and folders brought together on the images that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from daformer_lib.compare.comparison import Comparison, Size
from daformer_lib.compare.sources import MapIds, Model, PngFolder, RunSource, Source
from daformer_lib.compare.truth import GroundTruth
from daformer_lib.data.on_disk import spread
from daformer_lib.runs import Run
from daformer_lib.specs import DatasetSpec, check_same_classes, get_spec, scored_spec

Input = str | Path | Run | Source


def open_comparison(
    inputs: Sequence[Input] | Mapping[str, Input],
    *,
    spec: str | Path | DatasetSpec | None = None,
    data_root: str | Path | None = None,
    split: str | None = None,
    model: Model = "pseudo-label",
    ids: MapIds = "auto",
    suffix: str | None = None,
    size: Size | None = None,
    max_images: int | None = None,
) -> Comparison:
    """Folders of runs, or of PNG label maps of any tool, as one comparison.

    Args:
        inputs: folders, open runs or sources; as a mapping: by the name to show.
        spec, data_root, split: where truth and images are; by default as the first run was
            evaluated. A comparison of label maps alone needs `spec`.
        model: "student" instead of the pseudo-labels (the teacher's) of runs.
        ids, suffix: of folders of label maps; see `PngFolder`.
        size: (width, height) to bring all to; left out, sizes must agree.
        max_images: at most this many, evenly spaced.

    Raises:
        FileNotFoundError, KeyError, ValueError: with the folder, what is wrong, and the remedy.
    """
    if not inputs:
        raise ValueError("nothing to compare; name runs or folders of PNG label maps")
    named = isinstance(inputs, Mapping)
    given = [_as_run(value) for value in (inputs.values() if named else inputs)]
    runs = [value.run if isinstance(value, RunSource) else value for value in given]
    runs = [run for run in runs if isinstance(run, Run)]
    known = _spec(spec, runs)
    titles = list(inputs) if named else [""] * len(given)
    sources = _told_apart(
        [_open(v, known, t, model, ids, suffix) for v, t in zip(given, titles, strict=True)]
    )
    ground = _ground(known, runs, data_root, split)
    matched = spread(_matched(sources, ground), max_images)
    own = tuple({stem: names[i] for stem, names in matched} for i in range(len(sources)))
    first = tuple(stem for stem, _ in matched)
    wanted = size or _size_of(sources[0], own[0][first[0]])
    return Comparison(sources, known, first, own, wanted, size is not None, ground)


def _as_run(value: Input) -> Input:
    """A folder with a config.json is a run."""
    if isinstance(value, (str, Path)) and (Path(value) / "config.json").is_file():
        return Run(value)
    return value


def _spec(spec: str | Path | DatasetSpec | None, runs: Sequence[Run]) -> DatasetSpec:
    if spec is None and not runs:
        raise ValueError(
            "which classes do these label maps have? Name their data set: spec='cityscapes' "
            "(--spec cityscapes), or the .yaml file of your own"
        )
    if spec is None:
        sources = (run.experiment.data.source for run in runs)
        spec = scored_spec(runs[0].experiment.data.target, *sources)
    found = spec if isinstance(spec, DatasetSpec) else get_spec(spec)
    for run in runs:
        check_same_classes([found, get_spec(run.experiment.data.target)])
    return found


def _open(
    value: Input, spec: DatasetSpec, name: str, model: Model, ids: MapIds, suffix: str | None
) -> Source:
    if isinstance(value, Run):
        return RunSource(value, name, model)
    if isinstance(value, (str, Path)):
        return PngFolder(value, spec, name, ids, suffix)
    if name:
        value.name = name
    return value


def _told_apart(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Of equal names each gets its folder's, then a number."""
    names = [source.name for source in sources]
    for source in sources:
        if names.count(source.name) > 1:
            folder = source.run.folder if isinstance(source, RunSource) else source.folder
            source.name = f"{source.name} ({folder.name})"
    names = [source.name for source in sources]
    for i, source in enumerate(sources):
        if names.count(source.name) > 1:
            source.name = f"{source.name} #{names[: i + 1].count(names[i])}"
    return tuple(sources)


def _ground(
    spec: DatasetSpec, runs: Sequence[Run], data_root: str | Path | None, split: str | None
) -> GroundTruth:
    experiment = runs[0].experiment if runs else None
    root = data_root or (experiment.data.data_root if experiment else "data")
    if split is None:
        split = experiment.train.eval_split if experiment else "val"
        split = split if split in spec.splits else spec.splits[-1]
    return GroundTruth(spec, Path(root), split)


def _matched(sources: Sequence[Source], ground: GroundTruth) -> list[tuple[str, tuple[str, ...]]]:
    """(stem, the name that each source has for it) of the images that all sources have.

    Images are the same if their file names are; where that is not unique, their folders count.
    """
    lists = [source.stems for source in sources]
    whole = any(len({PurePosixPath(s).name for s in stems}) < len(stems) for stems in lists)
    own = [{_key(stem, whole): stem for stem in stems} for stems in lists]
    official = {_key(stem, whole): stem for stem in ground.stems}
    common = [key for key in own[0] if all(key in names for names in own)]
    if not common:
        some = "; ".join(f"{s.name}: {', '.join(s.stems[:3])}" for s in sources)
        raise ValueError(
            f"no image that all have in common ({some}); label maps are matched by file name: "
            "rename them, or say with suffix (--suffix) what their tool adds to the name"
        )
    return [(official.get(key, own[0][key]), tuple(names[key] for names in own)) for key in common]


def _key(stem: str, whole: bool) -> str:
    stem = normalize("NFC", stem)  # the same letters may be stored in two ways
    return stem if whole else PurePosixPath(stem).name


def _size_of(source: Source, stem: str) -> Size:
    height, width = source.label(source.steps[-1], stem).shape
    return width, height
