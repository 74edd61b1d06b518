"""Whether the causes that the paper names for its gains are there in the drawn world.

Measured apart from any mIoU, so that a claim that fails to show can be told from one whose cause is
absent. Each verdict follows from the numbers by the rule in its function's text. Of the runs one of
each row is looked at: what seeds of training would change is not in the errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from daformer_lib.causes.cues import FOUND, KEPT, LOST, WINDOW, architecture, context
from daformer_lib.causes.forgetting import feature_distance, warmup
from daformer_lib.causes.pictures import CHANGES
from daformer_lib.causes.probes import FULL, Effort
from daformer_lib.files import write_atomic, write_json
from daformer_lib.means import MISSING, percent
from daformer_lib.progress import Report, silent
from daformer_lib.runs import Run

MOST = 8  # classes in the table of the context


def runs_by_row(folders: Iterable[Path]) -> dict[str, Run]:
    """Complete runs by their row; ValueError for two of one row."""
    runs: dict[str, Run] = {}
    for run in map(Run, folders):
        if not run.is_complete:
            raise ValueError(f"{run.folder} is not complete; train it to its end, or leave it out")
        if run.name in runs:
            first = runs[run.name].folder
            raise ValueError(f"{first} and {run.folder} are both of row {run.name}; leave one out")
        runs[run.name] = run
    return runs


def measure_causes(
    runs: Mapping[str, Run],
    data_root: str | Path,
    seeds: Sequence[int] = (0, 1),
    effort: Effort = FULL,
    report: Report = silent,
) -> dict[str, Any]:
    """All four, ready for JSON. What needs a row that is not among the runs says so.

    Args:
        runs: row -> its run. data_root: of the mini domains. seeds: of drawn pictures and of the
            first training steps.
    """
    parts = {
        "feature_distance": lambda: feature_distance(runs, data_root, seeds, effort),
        "warmup": lambda: warmup(data_root, seeds, effort),
        "architecture": lambda: architecture(seeds, effort),
        "context": lambda: context(runs, data_root, seeds[0], effort),
    }
    found: dict[str, Any] = {
        "seeds": list(seeds),
        "effort": asdict(effort),
        "runs": {
            row: {"key": run.experiment.key, "seed": run.experiment.train.seed}
            for row, run in sorted(runs.items())
        },
    }
    for done, (name, measure) in enumerate(parts.items()):
        report(done, len(parts), name.replace("_", " "))
        found[name] = measure()
    report(len(parts), len(parts), "done")
    return found


def write_causes(found: Mapping[str, Any], path: Path) -> tuple[Path, Path]:
    """The numbers as JSON, and the page beside it."""
    page = write_atomic(path.with_suffix(".md"), causes_page(found).encode())
    return write_json(path, found), page


def causes_page(found: Mapping[str, Any]) -> str:
    """The measurements as Markdown, a section for each cause."""
    runs = ", ".join(f"{row} (seed {one['seed']})" for row, one in found["runs"].items())
    lines = [
        "# Are the paper's causes there in the drawn world?\n",
        f"By `python -m daformer_lib causes`. Runs: {runs or 'none'}; pictures and first steps "
        f"of seeds {', '.join(map(str, found['seeds']))}. Accuracies are of linear probes, in "
        "percent; ± is the standard error over pictures, *clear* more than twice that. One run of "
        "each row: other seeds of training may differ by more.",
    ]
    for name, (title, section) in _SECTIONS.items():
        part = found[name]
        lines += ["", f"## {title}\n"]
        missing = part.get("not_measured")
        lines += [f"Not measured: {missing}."] if missing else section(part)
    return "\n".join(lines) + "\n"


def _feature_distance(part: Mapping[str, Any]) -> list[str]:
    tests = list(part["pictures"])
    rows = [[name, *(percent(one[t]) for t in tests)] for name, one in part["accuracy"].items()]
    lost = part["lost"]
    return [
        "Does training on the source lose what the prior's features tell apart of bus, truck and "
        "train, and would that have helped on the target? *Drawn*: objects as in pretraining; "
        "*target*: objects of the target, the probe fitted to its training split; *source to "
        "target*, *drawn to target*: the probe fitted to the source's, to drawn ones.\n",
        *_table(["encoder", *(f"{t} ({part['pictures'][t]})" for t in tests)], rows),
        "",
        _verdict(
            part,
            f"the prior ({part['prior']}) is above the source-only student by "
            f"{_points(lost['drawn'])} on drawn objects and by {_points(lost['source to target'])} "
            "from source to target",
            "both clear",
        ),
    ]


def _warmup(part: Mapping[str, Any]) -> list[str]:
    steps = part["steps"]
    ways = {
        "with": f"{steps} steps with",
        "without": f"{steps} steps without",
        "as much": f"{part['as_much_steps']} steps without",
    }
    rows = []
    for prior in ("strong", "weak"):
        rows.append([prior, "none", "0.00", percent(part[prior]["accuracy"])])
        for way, title in ways.items():
            one = part[prior][way]
            moved = ", ".join(f"{d:.2f}" for d in one["distance"])
            rows.append([prior, title, moved, ", ".join(map(percent, one["accuracy"]))])
    return [
        f"Do the first {steps} steps of self-training move the prior's features? Relative distance "
        "on target scenes (unrelated features of one length: 1.41), and accuracy on drawn "
        f"vehicles, for each seed. Without warm-up (else {part['warmup_steps']} steps) their rates "
        f"sum to {part['rates']:.1f} times as much; after {part['as_much_steps']} steps to as much "
        "as with it: what differs there is not how much was learned but how abruptly.\n",
        *_table(["prior", "warm-up", "distance", "accuracy"], rows),
        "",
        _verdict(
            part,
            f"after {steps} steps the strong prior's probe has lost "
            f"{_points(part['strong']['lost'])} more without warm-up",
            "clear, and features moved farther for every seed",
        ),
    ]


def _architecture(part: Mapping[str, Any]) -> list[str]:
    both = [part[name] for name in ("tiny_mit", "tiny_resnet")]
    rows = [["encoder's parameters", "", *(f"{one['parameters']:,}" for one in both), ""]]
    held = [percent(one["pretraining_accuracy"]) for one in both]
    rows.append(["held-out accuracy of pretraining", "", *held, ""])
    for change, (kind, _) in CHANGES.items():
        less = part["transformer_loses_less"].get(change)
        values = [percent(one["accuracy"][change]) for one in both]
        rows.append([change, kind, *values, MISSING if less is None else _points(less)])
    shares = [percent(one["shape_share"]) for one in both]
    rows.append(["shape, where shape or texture is named", "", *shares, ""])
    return [
        "Does the Transformer go by shape where the CNN goes by texture? "
        f"{part['pictures']} pictures of drawn objects of all classes, named by a probe that was "
        "fitted to clean ones.\n",
        *_table(["picture", "taken away", "tiny_mit", "tiny_resnet", "Transformer loses less by"],
                rows),
        "",
        _verdict(
            part,
            f"over the changes of texture the Transformer loses {_points(part['texture'])} less",
            "clear",
        ),
    ]  # fmt: skip


def _context(part: Mapping[str, Any]) -> list[str]:
    fall = lambda one: one["whole"] - one["other scene"]
    worst = sorted(part["classes"].items(), key=lambda item: -fall(item[1]))[:MOST]
    rows = [
        [name, *(percent(one[key], 0) for key in ("whole", "mean colour", "other scene")),
         f"{one['turns_into']} ({percent(one['share_of_errors'], 0)} % of errors)"
         if one["turns_into"] else MISSING]
        for name, one in worst
    ]  # fmt: skip
    return [
        "Are there classes that only what is around a pixel tells apart, the rest of its object "
        "included? Recall in percent of the oracle's student for "
        f"pixels of each class: in whole scenes, and when only {WINDOW}x{WINDOW} pixels around "
        "each are left, in mean colour (where a window looks like an object) or in another scene. "
        f"The {len(rows)} classes that lose most to the other scene, and what they turn into "
        "there.\n",
        *_table(["class", "whole", "mean colour", "other scene", "turns into"], rows),
        "",
        _verdict(
            part,
            f"lost to another scene: {', '.join(part['needs']) or 'none'}; kept: "
            f"{', '.join(part['local']) or 'none'}",
            f"at least two of either; lost is {LOST:.0%} of a recall of at least {FOUND:.0%}, kept "
            f"is {KEPT:.0%} of it",
        ),
    ]


_SECTIONS = {
    "feature_distance": ("Feature distance", _feature_distance),
    "warmup": ("Warm-up", _warmup),
    "architecture": ("Transformer against CNN", _architecture),
    "context": ("Context decoder", _context),
}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    line = lambda cells: f"| {' | '.join(cells)} |"
    return [line(head), line(["---"] * len(head)), *map(line, rows)]


def _points(one: Mapping[str, float]) -> str:
    return f"{100 * one['mean']:+.1f} ± {100 * one['error']:.1f} points"


def _verdict(part: Mapping[str, Any], numbers: str, rule: str) -> str:
    said = "there" if part["there"] else "not there"
    return f"**The cause is {said}**: {numbers} (there means: {rule})."
