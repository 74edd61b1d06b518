"""The comparison as tables: the sources' scores, and class by class who wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from daformer_lib.compare import ClassTable, Survey, class_table, reliability, wins
from daformer_lib.means import MISSING, percent
from daformer_lib.specs import DatasetSpec
from daformer_lib.viz.tables import Table

LEVEL = 0.05  # points of mIoU: a lead that would be printed as 0.0


def scores_table(found: Survey, spec: DatasetSpec, threshold: float) -> Table:
    """A line per source: mIoU, share of wrong pixels, confidence weight, ECE."""
    headings = ("", "mIoU", "wrong pixels", "weight", "ECE")
    details = ("%", "%, of those with truth", f"% of pixels ≥ {threshold:g}", "%")
    rows = []
    for name, tally in found.tallies.items():
        table = class_table(tally, threshold)
        weight = tally.weight(threshold) if tally.has_confidence else float("nan")
        calibrated = tally.has_confidence and tally.has_truth
        ece = reliability(tally).ece if calibrated else float("nan")
        values = (table.miou(spec.mean_ids), tally.error, weight, ece)
        rows.append((name, *map(percent, values)))
    return Table(headings, ("", *details), tuple(rows), ("",) * len(headings))


def class_wins_table(found: Survey, spec: DatasetSpec, threshold: float) -> Table:
    """A line per class that occurs: IoU / precision / recall / coverage of each, and who wins."""
    tables = {name: class_table(tally, threshold) for name, tally in found.tallies.items()}
    best = {win.class_id: win for win in wins(tables)}
    rows = []
    for i, name in enumerate(spec.classes):
        if not any(np.isfinite(t.iou[i]) or t.predicted[i] > 0 for t in tables.values()):
            continue
        cells = [
            " / ".join(percent(v[i]) for v in (t.iou, t.precision, t.recall, t.coverage))
            for t in tables.values()
        ]
        win = best.get(i)
        said = MISSING if win is None else "tie" if win.lead == 0 else win.winner
        lead = "" if win is None or win.lead == 0 else f" +{100 * win.lead:.1f}"
        rows.append((name, *cells, said + lead))
    headings = ("class", *tables, "who wins")
    each = f"IoU / precision / recall / coverage ≥ {threshold:g}"
    details = ("", *(each for _ in tables), "by IoU points")
    return Table(headings, details, tuple(rows), ("",) * len(headings))


def verdict(found: Survey, spec: DatasetSpec) -> str:
    """Who is best, by how much, and in how many classes, in a sentence or two.

    The mean is over the classes that occur in the truth, the same for all. In the scores table a
    class that a source predicts where none is true counts as 0 for that source, as in the authors'
    metric, so that on few images the means there are over different classes.
    """
    tables = {name: class_table(tally) for name, tally in found.tallies.items()}
    if len(tables) < 2:
        return f"{next(iter(tables))} alone, on {len(found.images)} images."
    occurring = [i for i in spec.mean_ids if any(np.isfinite(t.recall[i]) for t in tables.values())]
    scores = {name: table.miou(occurring) for name, table in tables.items()}
    known = sorted((n for n in scores if np.isfinite(scores[n])), key=lambda n: -scores[n])
    if not occurring or len(known) < 2:
        share = 100 * found.disagreement
        return f"Without truth nobody wins; the sources differ at {share:.1f} % of the pixels."
    first, second = known[:2]
    lead = 100 * (scores[first] - scores[second])
    where = f"over the {len(occurring)} classes that occur on {len(found.images)} images"
    extra = _only_predicted(tables, occurring, spec)
    if lead < LEVEL:
        return f"{first} and {second} are level: {100 * scores[first]:.1f} mIoU {where}.{extra}"
    won = sum(win.winner == first and win.lead > 0 for win in wins(tables))
    return (
        f"{first} leads with {100 * scores[first]:.1f} mIoU {where}, {lead:.1f} points before "
        f"{second}; it has the best IoU in {won} of {len(wins(tables))} classes.{extra}"
    )


def _only_predicted(
    tables: Mapping[str, ClassTable], occurring: Sequence[int], spec: DatasetSpec
) -> str:
    """Names the classes for which the mIoU of a source in the table has a 0 that others lack."""
    extra = {
        name: [spec.classes[i] for i in spec.mean_ids if i not in occurring and table.iou[i] == 0]
        for name, table in tables.items()
    }
    named = [f"{', '.join(classes)} ({name})" for name, classes in extra.items() if classes]
    if not named:
        return ""
    said = "; ".join(named)
    return f" Predicted where none is true, so 0 in a mean that counts them: {said}."
