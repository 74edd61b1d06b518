"""Still pictures of a comparison: panels, reliability diagrams, flows, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from daformer_lib.compare import Comparison, Flow, Tally, View, class_table, reliability
from daformer_lib.compare.views.layers import (
    PLAIN,
    SCENE_TITLES,
    Look,
    image,
    layer_chips,
    picture,
    truth,
)
from daformer_lib.means import known_mean, percent
from daformer_lib.specs import DatasetSpec
from daformer_lib.viz.lines import line_chart
from daformer_lib.viz.panels import Chip, miou_note, panel_grid, wrong_share
from daformer_lib.viz.style import (
    BAD,
    GOOD,
    MUTED,
    NEITHER,
    Plate,
    new_figure,
    run_colours,
    styled,
)

ROWS = ("pseudo-label", "confidence", "error", "disagreement")

# Gained, lost, neither: neighbours are told apart by a gap and a hatch, not by colour alone.
FLOW_LOOKS = (
    {"color": GOOD},
    {"color": BAD, "hatch": "////"},
    {"color": NEITHER},
)

FLOW_EDGE = {"edgecolor": "white", "linewidth": 1.5}


def comparison_panels(
    comparison: Comparison,
    stem: str,
    step: int | None = None,
    look: Look = PLAIN,
    rows: Sequence[str] | None = None,
) -> Plate:
    """One image: a row per layer, a column for the scene and one per source."""
    view, spec = comparison.view(stem, step), comparison.spec
    rows = rows or [row for row in ROWS if _shown(row, comparison)]
    pictures, captions, chips = [], [], []
    for layer in rows:
        here = replace(look, layer=layer)
        columns = range(len(view.labels))
        pictures.append([picture(view, i, spec, here) for i in (None, *columns)])
        captions.append([SCENE_TITLES[layer], *(_caption(view, i, spec, here) for i in columns)])
        chips += [chip for chip in layer_chips(view, spec, layer) if chip not in chips]
    return panel_grid(
        pictures, list(rows), ["scene", *comparison.names], captions=captions, legend=chips,
        title=f"{stem}, step {view.step}",
    )  # fmt: skip


def _shown(layer: str, comparison: Comparison) -> bool:
    """Whether there is anything to see in a layer."""
    return {
        "confidence": any(source.has_confidence for source in comparison.sources),
        "error": comparison.has_truth,
        "disagreement": len(comparison.sources) > 1,
    }.get(layer, True)


def _caption(view: View, i: int, spec: DatasetSpec, look: Look) -> str | None:
    """The number that belongs in a panel's corner."""
    sure = view.confidences[i]
    if look.layer == "pseudo-label" and view.truth is not None:
        return miou_note(view.labels[i], view.truth, spec)
    if look.layer == "confidence" and sure is not None:
        return f"weight {(sure / 255 >= look.threshold).mean():.2f}"
    if look.layer == "error" and view.truth is not None:
        return f"{percent(wrong_share(view.labels[i], view.truth, spec), 0)} % wrong"
    return None


def evolution_panels(
    comparison: Comparison, stem: str, steps: Sequence[int] | None = None, look: Look = PLAIN
) -> Plate:
    """One image over training: a row per source, a column per step, image and truth first."""
    spec, steps = comparison.spec, list(steps or comparison.steps)
    views = [comparison.view(stem, step) for step in steps]
    rows, captions = [], []
    for i in range(len(comparison.names)):
        scene = image(views[0]) if i % 2 == 0 else truth(views[0], spec, look)
        rows.append([scene, *(picture(view, i, spec, look) for view in views)])
        captions.append([("image", "truth")[i % 2], *(_caption(v, i, spec, look) for v in views)])
    chips: list[Chip] = []
    for view in views:
        chips += [chip for chip in layer_chips(view, spec, look.layer) if chip not in chips]
    columns = ["scene", *(f"step {step}" for step in steps)]
    return panel_grid(rows, list(comparison.names), columns, captions=captions, legend=chips)


@styled
def reliability_diagram(tallies: Mapping[str, Tally], bins: int = 10) -> Plate:
    """Accuracy against confidence for each source, with its ECE; below, where its pixels lie."""
    names = [n for n, t in tallies.items() if t.has_confidence and t.has_truth]
    if not names:
        raise ValueError("calibration needs truth and confidence, and no source has both")
    figure = new_figure(7.4, 5.2, "reliability of " + ", ".join(names))
    axes = figure.add_axes((0.1, 0.36, 0.52, 0.57))
    below = figure.add_axes((0.1, 0.1, 0.52, 0.19))
    axes.plot([0, 1], [0, 1], color="#9aa5b1", linewidth=1, linestyle=(0, (4, 3)))
    for name, colour in zip(names, run_colours(names), strict=True):
        found = reliability(tallies[name], bins)
        middle = (found.edges[1:] + found.edges[:-1]) / 2
        drawn = found.pixels > 0
        label = f"{name}: ECE {percent(found.ece)} %"
        sure, right = found.confidence[drawn], found.accuracy[drawn]
        axes.plot(sure, right, "o-", color=colour, label=label, markersize=4)
        share = 100 * found.pixels / max(found.pixels.sum(), 1)
        below.step(middle, share, where="mid", color=colour)
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
    axes.set_title("Calibration: under the diagonal is overconfident")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
    below.set(xlim=(0, 1), xlabel="confidence", ylabel="% of pixels")
    for each in (axes, below):
        each.grid()
    return figure


@styled
def flow_bars(found: Flow, spec: DatasetSpec, most: int = 12) -> Plate:
    """The largest changes of class as bars: what became right, what became wrong, the rest."""
    moves = found.moves(most)
    names = (*spec.classes, "nothing")
    total = max(int(found.table.sum()), 1)
    figure = new_figure(8.6, 0.27 * max(len(moves), 1) + 1.1, "which class became which")
    height = figure.get_size_inches()[1]
    axes = figure.add_axes((0.3, 0.5 / height, 0.67, 1 - 1.1 / height))
    for row, move in enumerate(moves):
        left = 0.0
        rest = move.pixels - move.gained - move.lost
        for part, look in zip((move.gained, move.lost, rest), FLOW_LOOKS, strict=True):
            axes.barh(
                row, 100 * part / total, 0.7, left=left, edgecolor="white", linewidth=1.5, **look
            )
            left += 100 * part / total
        axes.text(left, row, f"  {left:.2f} %", va="center", fontsize=8, color=MUTED)
    axes.set_yticks(range(len(moves)), [f"{names[m.before]} → {names[m.after]}" for m in moves])
    axes.set_ylim(max(len(moves), 1) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.set_xlabel("% of all pixels; teal: right only now, hatched: only before, grey: neither")
    (first, a), (second, b) = found.before, found.after
    at = (f"step {a}", f"step {b}") if first == second else (first, second)
    axes.set_title(f"{at[0]} → {at[1]}: {100 * found.changed:.1f} % of the pixels change")
    axes.grid(axis="x")
    return figure


def evolution_curves(
    evolutions: Mapping[str, Mapping[int, Tally]],
    spec: DatasetSpec,
    class_id: int | None = None,
    measure: str = "iou",
    threshold: float = 0.968,
) -> Plate:
    """A measure of one class (None: the mean over classes) over steps, a line per source.

    `measure`: iou, precision, recall, coverage, sure_precision or predicted (share of all pixels).
    """
    lines = {}
    for name, tallies in evolutions.items():
        values = [_measured(t, spec, class_id, measure, threshold) for t in tallies.values()]
        lines[name] = (list(tallies), values)
    what = "mean over classes" if class_id is None else spec.classes[class_id]
    title = f"{what}: {measure.replace('iou', 'IoU').replace('_', ' ')} (%)"
    return line_chart(lines, title=title, x_label="step", y_label="%")


def _measured(
    tally: Tally, spec: DatasetSpec, class_id: int | None, measure: str, threshold: float
) -> float:
    values = getattr(class_table(tally, threshold), measure)
    return 100 * float(known_mean(values[list(spec.mean_ids) if class_id is None else class_id]))
