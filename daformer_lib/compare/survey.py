"""One pass over the images of a comparison: tables of each source, and a line per image.

Only one image is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from daformer_lib.compare.comparison import Comparison
from daformer_lib.compare.disagreement import differ, pairwise
from daformer_lib.compare.tally import Tally, count_predictions
from daformer_lib.means import known_mean
from daformer_lib.progress import Report, silent

Order = Literal["name", "disagreement", "error", "class error"]


@dataclass(frozen=True)
class ImageRow:
    """What images are sorted by; shares in [0, 1], NaN where it is not known."""

    stem: str
    disagreement: float  # share of the pixels at which not all sources agree; 0 for one source
    error: tuple[float, ...]  # of each source: share of the pixels with truth that are wrong
    class_error: np.ndarray  # (R, K) share of the pixels with truth that a class gets wrong:
    # missed, or claimed where it is not; NaN where it is in neither truth nor prediction

    def error_of(self, class_id: int | None = None) -> float:
        """Mean over the sources, of all classes or one."""
        values = self.error if class_id is None else self.class_error[:, class_id]
        return float(known_mean(values))


@dataclass(frozen=True)
class Survey:
    """All images at one step."""

    step: int
    tallies: dict[str, Tally]  # by source
    images: tuple[ImageRow, ...]
    apart: np.ndarray  # (R, R) share of all pixels at which two sources differ

    @property
    def has_truth(self) -> bool:
        """Whether any pixel is labelled; truth files may be there and void."""
        return any(tally.has_truth for tally in self.tallies.values())

    @property
    def disagreement(self) -> float:
        """Share of all pixels at which not all sources agree."""
        return float(np.mean([row.disagreement for row in self.images]))


def survey(comparison: Comparison, step: int | None = None, report: Report = silent) -> Survey:
    """Count every image of every source at a step (the last one by default)."""
    step = comparison.step_at(step)
    tallies = {
        source.name: Tally(comparison.spec.num_classes, source.has_confidence)
        for source in comparison.sources
    }
    rows, apart = [], np.zeros((len(tallies), len(tallies)))
    for done, stem in enumerate(comparison.stems, 1):
        truth, tables = comparison.truth(stem), []
        labels = [comparison.label(name, step, stem) for name in tallies]
        for (name, tally), label in zip(tallies.items(), labels):
            sure = comparison.confidence(name, step, stem)  # one in memory at a time
            counts = count_predictions(truth, label, sure, tally.num_classes)
            tally.add(counts)
            tables.append(counts[:-1].sum(-1))  # (K, K + 1)
        rows.append(image_row(stem, labels, tables))
        apart += pairwise(labels)
        report(done, len(comparison.stems), stem)
    return Survey(step, tallies, tuple(rows), apart / len(rows))


def missing(comparison: Comparison, found: Survey) -> tuple[str, ...]:
    """What `comparison.missing` says, and what shows only when the pixels are counted."""
    if found.has_truth or not comparison.has_truth:
        return comparison.missing
    said = (
        "No labelled pixel in the truth of these images: IoU, precision, recall, errors, "
        "calibration and who wins are left out."
    )
    return said, *comparison.missing


def image_row(stem: str, labels: Sequence[np.ndarray], tables: Sequence[np.ndarray]) -> ImageRow:
    """From the (K, K + 1) tables of an image, one per source."""
    errors, of_classes = [], []
    for table in tables:
        total = max(int(table.sum()), 1)
        hit = np.diag(table)
        wrong = table.sum(1) + table[:, :-1].sum(0) - 2 * hit  # missed and falsely claimed
        errors.append(1 - hit.sum() / total if table.any() else float("nan"))
        of_classes.append(np.where(wrong + hit > 0, wrong / total, np.nan))
    return ImageRow(stem, float(differ(labels).mean()), tuple(errors), np.array(of_classes))


def ranking(found: Survey, order: Order = "disagreement", class_id: int | None = None) -> list[str]:
    """Stems, the most telling first; images of which nothing is known come last."""
    if order == "name":
        return sorted(row.stem for row in found.images)
    if order == "disagreement":
        values = [row.disagreement for row in found.images]
    elif order == "error":
        values = [row.error_of() for row in found.images]
    elif class_id is None:
        raise ValueError(f"order {order!r} needs a class; pass class_id")
    else:
        values = [row.error_of(class_id) for row in found.images]
    place = np.argsort(-np.nan_to_num(values, nan=-1.0), kind="stable")
    return [found.images[i].stem for i in place]


def evolution(comparison: Comparison, name: str, report: Report = silent) -> dict[int, Tally]:
    """One source over its training: its tally at every one of its steps."""
    source, found = comparison.source(name), {}
    for step in source.steps:
        tally = found[step] = Tally(comparison.spec.num_classes, source.has_confidence)
        for stem in comparison.stems:
            truth = comparison.truth(stem)
            label = comparison.label(name, step, stem)
            sure = comparison.confidence(name, step, stem)
            tally.add(count_predictions(truth, label, sure, tally.num_classes))
        report(len(found), len(source.steps), f"{name}, step {step}")
    return found
