"""What the page carries: numbers as JSON, label maps and counts as packed bytes.

Bytes are deflated and written in base64; the page unpacks them with the browser's own
DecompressionStream. Maps are stored as differences to the row above, which halves their size.
"""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image

from daformer_lib.compare import Comparison, Survey, Tally, evolution, ranking
from daformer_lib.compare.sources import step_at
from daformer_lib.compare.views.layers import AGREE, APART, FADED
from daformer_lib.means import json_number
from daformer_lib.progress import Report, silent
from daformer_lib.viz import draw
from daformer_lib.viz.safe_colours import palettes

Evolutions = dict[str, dict[int, Tally]]  # by source, then step


@dataclass(frozen=True)
class Limits:
    """How much of a large comparison goes into the page."""

    images: int = 12
    megabytes: float = 24  # no further image is added beyond this
    width: int = 512  # pixels; wider maps are scaled down


USUAL = Limits()


def packed(array: np.ndarray) -> str:
    """Base64 of the deflated bytes."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()


def packed_map(values: np.ndarray) -> str:
    """(H, W) uint8 as differences to the row above."""
    above = np.vstack([np.zeros((1, values.shape[1]), np.uint8), values[:-1]])
    return packed(values - above)


def packed_tally(tally: Tally) -> str:
    """float64: said (K + 1, 256), said with truth (K, 256), right (K, 256), true (K)."""
    counts, known = tally.counts, tally.counts[:-1, :-1]
    parts = (
        counts.sum(0),  # (K + 1, 256); the last row: nothing predicted
        known.sum(0),
        np.einsum("iic->ic", known),
        tally.table.sum(1),
    )
    return packed(np.concatenate([part.ravel() for part in parts]).astype("<f8"))


def page_data(
    comparison: Comparison,
    found: Survey,
    threshold: float,
    limits: Limits = USUAL,
    report: Report = silent,
) -> dict[str, Any]:
    """Everything that the page's script reads."""
    order = "disagreement" if len(comparison.sources) > 1 else "error"
    size = _size(comparison, limits)
    evolutions = {name: _states(comparison, found, name) for name in comparison.names}
    shades = draw.scalar_map(np.arange(256)[None] / 255, 0, 1, draw.CONFIDENCE_MAP)[0]
    return {
        "spec": _spec(comparison),
        "colours": {
            "ignored": draw.IGNORE_DARK, "faded": FADED, "agree": AGREE, "right": draw.RIGHT,
            "wrong": draw.WRONG, "apart": [list(bytes.fromhex(c[1:])) for c in APART],
        },
        "confidenceColours": shades.tolist(),
        "threshold": threshold,
        "size": size,
        "steps": list(comparison.steps),
        "step": found.step,
        "hasTruth": found.has_truth,
        "scored": _scored(comparison, found),
        "hasImages": comparison.has_images,
        "runs": [
            {
                "name": source.name, "steps": list(source.steps),
                "hasConfidence": source.has_confidence,
                "tallies": [packed_tally(t) for t in evolutions[source.name].values()],
            }
            for source in comparison.sources
        ],
        "apart": np.round(found.apart, 5).tolist(),
        "images": _images(comparison, found, ranking(found, order), limits, report),
    }  # fmt: skip


def notes(comparison: Comparison, limits: Limits, shown: int) -> list[str]:
    """What of the comparison is not in the page, or only smaller."""
    said, count = [], len(comparison.stems)
    if count > shown:
        why = (
            "--images" if shown == limits.images else f"--page-megabytes (now {limits.megabytes:g})"
        )
        said.append(
            f"{shown} of the {count} images are in this page, those with most to see; the "
            f"tables count all of them. More: {why}."
        )
    size = _size(comparison, limits)
    if size != list(comparison.size):
        said.append(
            f"The maps are scaled from {comparison.size[0]}x{comparison.size[1]} to "
            f"{size[0]}x{size[1]} pixels; the tables count the full size. Larger: --width."
        )
    return said


def _size(comparison: Comparison, limits: Limits) -> list[int]:
    width, height = comparison.size
    small = min(width, limits.width)
    return [small, max(1, round(height * small / width))]


def _spec(comparison: Comparison) -> dict[str, Any]:
    spec = comparison.spec
    return {
        "name": spec.name,
        "classes": list(spec.classes),
        "palettes": {name: list(map(list, p)) for name, p in palettes(spec).items()},
        "meanIds": list(spec.mean_ids),
    }


def _scored(comparison: Comparison, found: Survey) -> list[int]:
    """Classes whose mean is the mIoU: those in the truth, the same for all; all without truth."""
    true = sum(tally.table.sum(1) for tally in found.tallies.values())  # (K,)
    ids = list(comparison.spec.mean_ids)
    return [i for i in ids if true[i]] if found.has_truth else ids


def _states(comparison: Comparison, found: Survey, name: str) -> dict[int, Tally]:
    """The tally of every step; that of the survey is not counted again."""
    steps = comparison.source(name).steps
    if steps == (step_at(comparison.source(name), found.step),):
        return {steps[0]: found.tallies[name]}
    return evolution(comparison, name)


def _images(
    comparison: Comparison, found: Survey, stems: Sequence[str], limits: Limits, report: Report
) -> list[dict[str, Any]]:
    """As many images as the limits allow, one at least."""
    chosen, size, taken, images = stems[: limits.images], _size(comparison, limits), 0, []
    for stem in chosen:
        image = _image(comparison, found, stem, size)
        taken += len(json.dumps(image))
        if images and taken > limits.megabytes * 1e6:
            break
        images.append(image)
        report(len(images), len(chosen), stem)
    return images


def _image(comparison: Comparison, found: Survey, stem: str, size: Sequence[int]) -> dict[str, Any]:
    """One image with the maps of every source at each of its steps."""
    row = next(row for row in found.images if row.stem == stem)
    truth, picture = comparison.truth(stem), comparison.image(stem)
    labels, sures = [], []
    for source in comparison.sources:
        at = [(comparison.label(source.name, s, stem), comparison.confidence(source.name, s, stem))
              for s in source.steps]  # fmt: skip
        labels.append([packed_map(_nearest(label, size)) for label, _ in at])
        sures.append([None if c is None else packed_map(_nearest(c, size)) for _, c in at])
    ids = range(comparison.spec.num_classes)
    return {
        "stem": stem,
        "disagreement": round(row.disagreement, 5),
        "error": json_number(row.error_of(), 5),
        "classError": [json_number(row.error_of(i), 5) for i in ids],
        "picture": None if picture is None else _jpeg(picture, size),
        "truth": None if truth is None else packed_map(_nearest(truth, size)),
        "labels": labels,
        "confidences": sures,
    }


def _nearest(values: np.ndarray, size: Sequence[int]) -> np.ndarray:
    if (values.shape[1], values.shape[0]) == tuple(size):
        return values
    return cv2.resize(values, tuple(size), interpolation=cv2.INTER_NEAREST)


def _jpeg(picture: np.ndarray, size: Sequence[int]) -> str:
    """The photograph as a data address; JPEG, since only eyes read it."""
    small = cv2.resize(picture, tuple(size), interpolation=cv2.INTER_AREA)
    data = io.BytesIO()
    Image.fromarray(small).save(data, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
