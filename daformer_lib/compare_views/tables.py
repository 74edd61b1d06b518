"""The comparison as tables: the sources' scores, and class by class who wins."""

from __future__ import annotations

import numpy as np

from daformer_lib.compare import Survey, class_table, reliability, wins
from daformer_lib.specs import DatasetSpec
from daformer_lib.viz.tables import MISSING, Table


def percent(value: float) -> str:
    return f"{100 * value:.1f}" if np.isfinite(value) else MISSING


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
    """One sentence: who is best, by how much, and in how many classes."""
    tables = {name: class_table(tally) for name, tally in found.tallies.items()}
    scores = {name: table.miou(spec.mean_ids) for name, table in tables.items()}
    known = sorted((n for n in scores if np.isfinite(scores[n])), key=lambda n: -scores[n])
    if len(tables) < 2:
        return f"{next(iter(tables))} alone, on {len(found.images)} images."
    if len(known) < 2:
        share = 100 * found.disagreement
        return f"Without truth nobody wins; the sources differ at {share:.1f} % of the pixels."
    first, second = known[:2]
    lead = 100 * (scores[first] - scores[second])
    won = sum(win.winner == first and win.lead > 0 for win in wins(tables))
    return (
        f"{first} leads with {100 * scores[first]:.1f} mIoU on {len(found.images)} images, "
        f"{lead:.1f} points before {second}; it has the best IoU in {won} of {len(wins(tables))} "
        "classes."
    )
