"""What usually goes wrong with one's own label files, seen in a sample of them, and the remedy.

Half of the questions that users of lhoyer/DAFormer ask are about one of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daformer_lib import files
from daformer_lib.specs import IGNORE, DatasetSpec

LARGE = 0.05  # share of the pixels from which on an ignored 0 looks like a forgotten background
MOST = 0.5  # share of ignored pixels that can hardly be meant
NOT_LABELLED = ("ignore", "ignored", "undefined", "unlabeled", "unlabelled", "void")
GREY = np.array([0.299, 0.587, 0.114])  # how programs turn colours into grey (ITU-R BT.601)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Mistake:
    """Something that is probably wrong."""

    what: str
    remedy: str


@dataclass(frozen=True)
class LabelSample:
    """One label file as it is, before any id map."""

    stem: str
    mode: str  # Pillow's name of the pixel format: "L", "P", "RGB", ...
    format: str  # "PNG", "JPEG", ...
    values: Mapping[int, int]  # own id -> pixels; empty for files of colours
    colours: Mapping[Colour, int]  # RGB -> pixels; empty for files of ids


def sample_label(spec: DatasetSpec, stem: str, path: str | Path) -> LabelSample:
    """Look at one label file. Raises BrokenImage or OSError where it cannot be read."""
    mode, kind = files.image_kind(path)
    if spec.label_encoding == "red16":
        return LabelSample(stem, mode, kind, _counted(files.read_red16(path)), {})
    if spec.label_encoding == "red8":
        return LabelSample(stem, mode, kind, _counted(files.read_red8(path)), {})
    if mode in ("RGB", "RGBA"):
        return LabelSample(stem, mode, kind, {}, _counted_colours(files.read_image(path)))
    ids = files.read_palette(path)[0] if mode == "P" else files.read_gray(path)
    return LabelSample(stem, mode, kind, _counted(ids), {})


def _counted(ids: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(ids, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _counted_colours(image: np.ndarray) -> dict[Colour, int]:
    packed = image.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)  # (H, W)
    counted = _counted(packed)
    return {(v >> 16, v >> 8 & 255, v & 255): n for v, n in counted.items()}


def total_values(samples: Sequence[LabelSample]) -> Counter[int]:
    """Pixels of every own id in all samples."""
    return sum((Counter(sample.values) for sample in samples), Counter())


def find_mistakes(spec: DatasetSpec, samples: Sequence[LabelSample]) -> tuple[Mistake, ...]:
    """Everything that looks wrong, the likeliest cause first."""
    values = total_values(samples)
    found = [*_wrong_format(spec, samples), *_wrong_colours(spec, samples)]
    if values:
        shifted = _shifted(spec, values) or _grey_levels(spec, values)
        found += [shifted] if shifted else [*_background(spec, values), *_ignored(spec, values)]
    return (*found, *_learned_void(spec))


def _wrong_format(spec: DatasetSpec, samples: Sequence[LabelSample]) -> Iterator[Mistake]:
    jpegs = [s.stem for s in samples if s.format == "JPEG"]
    if jpegs:
        yield Mistake(
            f"{len(jpegs)} of {len(samples)} label files are JPEG (first: {jpegs[0]}): "
            "compression changes ids along every edge",
            "export the labels again as PNG; ids that JPEG has changed cannot be won back",
        )
    if spec.label_encoding == "id" and any(s.mode == "P" for s in samples):
        yield Mistake(
            "the label files have a palette, the spec says label_encoding: id",
            "set label_encoding: palette; id_map then maps the indices, not the colours",
        )


def _wrong_colours(spec: DatasetSpec, samples: Sequence[LabelSample]) -> Iterator[Mistake]:
    colours = sum((Counter(s.colours) for s in samples), Counter())
    if not colours:
        return
    unknown = set(colours) - set(spec.train_id_of)
    if unknown and all(red == green == blue for red, green, blue in colours):
        yield Mistake(
            "the label files hold three equal channels: ids saved as RGB",
            "save one of the channels as 8-bit grey, with label_encoding: id "
            "(Pillow: Image.open(file).getchannel(0).save(file))",
        )
        return
    if spec.label_encoding == "id":
        yield Mistake(
            "the label files hold colours, the spec says label_encoding: id",
            "take the files with ids, if there are any (previews are often beside them), or set "
            "label_encoding: palette and give the classes exactly these colours",
        )
    if not unknown:
        return
    if unknown <= {colour[::-1] for colour in spec.train_id_of}:
        yield Mistake(
            "the label files hold the palette's colours with red and blue exchanged",
            "write the palette of the spec with red first, or save the files as RGB again",
        )
        return
    share = sum(colours[c] for c in unknown) / colours.total()
    most = max(unknown, key=colours.__getitem__)
    yield Mistake(
        f"{share:.0%} of the pixels have {len(unknown)} colours that are not in the palette, "
        f"most often {list(most)}: they are ignored",
        "right if they mean 'not labelled'; else correct the palette of the spec. Thousands of "
        "colours mean smoothed edges: resize labels with nearest neighbour only",
    )


def _shifted(spec: DatasetSpec, values: Counter[int]) -> Mistake | None:
    """All ids fit the map when moved by one: counted from 1 here and from 0 there."""
    known = set(spec.id_map)
    seen = set(values) - ({IGNORE} - known)
    if set(values) == {0, IGNORE} and IGNORE not in known:
        return Mistake(
            "the label files hold 0 and 255, a black and white mask, and 255 is ignored",
            "write id_map: {0: 0, 255: 1}, the second class being white",
        )
    if seen <= known or len(known) < 2:
        return None
    for shift, ids in ((1, seen), (1, seen - {0}), (-1, seen)):
        if len(ids) > 1 and not ids <= known and {v - shift for v in ids} <= known:
            own = {v + shift: train for v, train in sorted(spec.id_map.items())}
            return Mistake(
                f"the ids {_few(ids)} are those of id_map, {_few(known)}, moved by {shift}",
                f"write id_map: {_few_pairs(own)}"
                + ("; 0 then means 'not labelled'" if 0 in seen - ids else ""),
            )
    return None


def _grey_levels(spec: DatasetSpec, values: Counter[int]) -> Mistake | None:
    """Every id is the grey level of a palette colour: colours were read as grey."""
    seen = set(values) - set(spec.id_map) - {0, IGNORE}
    levels = {round(float(np.array(colour) @ GREY)) for colour in spec.palette}
    near = {level + d for level in levels for d in (-1, 0, 1)}
    if len(seen) < 2 or not seen <= near:
        return None
    return Mistake(
        f"the ids {_few(seen)} are the grey levels of the palette's colours: some program turned "
        "coloured labels into grey",
        "take the original label files; from grey levels classes of equal brightness look the same",
    )


def _background(spec: DatasetSpec, values: Counter[int]) -> Iterator[Mistake]:
    share = values[0] / values.total()
    if 0 not in spec.id_map and share > LARGE:
        yield Mistake(
            f"0 covers {share:.0%} of the label pixels and is ignored",
            "if 0 means 'not labelled', all is well; if it is the background, name a class for it "
            "and map 0 to it, or nothing will ever be predicted as background",
        )


def _ignored(spec: DatasetSpec, values: Counter[int]) -> Iterator[Mistake]:
    ignored = {v: n for v, n in values.items() if v not in spec.id_map}
    share = sum(ignored.values()) / values.total()
    if share > MOST and (values[0] if 0 in ignored else 0) < MOST * values.total():
        yield Mistake(
            f"{share:.0%} of the label pixels are ignored: {_few(ignored)} are not in id_map",
            "map every id that means a class; id_map takes the values in the files",
        )
    raw = sorted(set(ignored) - {IGNORE})
    if raw and spec.label_pattern == spec.train_id_pattern:
        yield Mistake(
            f"label files are used as they are, and hold {_few(raw)}, which are no train ids",
            "give train_id_pattern another name than label_pattern: then ids are converted",
        )


def _learned_void(spec: DatasetSpec) -> Iterator[Mistake]:
    void = [name for name in spec.classes if name.lower() in NOT_LABELLED]
    if void:
        yield Mistake(
            f"class {void[0]!r} is learned, and counts in the mean IoU",
            "if it means 'not labelled', take it out of classes, palette and id_map: what id_map "
            "leaves out is ignored",
        )


def _few(ids: set[int] | Mapping[int, int] | Sequence[int]) -> str:
    ordered = sorted(ids)
    shown = ", ".join(map(str, ordered[:8]))
    return shown if len(ordered) <= 8 else f"{shown}, ... {ordered[-1]}"


def _few_pairs(id_map: Mapping[int, int]) -> str:
    pairs = [f"{own}: {train}" for own, train in id_map.items()]
    return "{" + ", ".join(pairs[:6]) + (", ...}" if len(pairs) > 6 else "}")
