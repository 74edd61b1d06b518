"""What one setting does to the result: DAFormer trained over the range of it, to look at and turn.

Short runs, one seed each, that differ in one value. What is kept of them is small and comes with
the kit: scores, and what each teacher makes of a few target training images in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from daformer_lib import viz
from daformer_lib.config import Experiment
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.drawn.mini import mini_stem
from daformer_lib.data.drawn.scenes import draw_scene
from daformer_lib.data.transforms import to_tensors
from daformer_lib.evaluate import predict
from daformer_lib.files import read_gray, read_json, write_json, write_label_png
from daformer_lib.inference import load_network
from daformer_lib.means import json_values, known_mean
from daformer_lib.runs import Run, recipes
from daformer_lib.runs.places import results
from daformer_lib.runs.recipes.lengths import length_settings
from daformer_lib.runs.recipes.paper import T_INFINITE
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.specs import IGNORE, get_spec

STEPS = 800
OUTCOMES = "outcomes.json"  # in results/; the label maps lie beside it, as one tall PNG
GROUPS = {
    "rider, motorcycle, bicycle": ("rider", "motorcycle", "bicycle"),
    "truck, bus, train": ("truck", "bus", "train"),
}


@dataclass(frozen=True)
class Sweep:
    """The values of one setting, by what a reader calls them; the kit's own is among them."""

    title: str
    place: str  # part.field
    values: Mapping[str, str]  # text -> value, as `--set` takes it


def _memory(steps: int) -> str:
    return f"{1 - 1 / steps:g}"


SWEEPS: dict[str, Sweep] = {
    "memory": Sweep(
        "the teacher's memory", "uda.ema_decay",
        {f"{n} steps": _memory(n) for n in (4, 40, 400)},
    ),
    "threshold": Sweep(
        "the threshold", "uda.threshold", {v: v for v in ("0.5", "0.968", "0.99")}
    ),
    "temperature": Sweep(
        "the temperature", "data.rcs_temperature",
        {"0.001": "0.001", "0.01": "0.01", "∞": f"{T_INFINITE:g}"},
    ),
    "distance": Sweep(
        "the weight of the feature distance", "uda.fd_weight",
        {v: v for v in ("0", "0.02", "0.5")},
    ),
    "warm-up": Sweep(
        "the warm-up", "optim.warmup_steps", {f"{n} steps": str(n) for n in (0, 80, 400)}
    ),
}  # fmt: skip


def experiments(data_root: str | None = None) -> dict[tuple[str, str], Experiment]:
    """(sweep, text of the value) -> a run. The kit's own value is one and the same in all."""
    base = recipes.experiment("daformer", "study", data_root=data_root)
    base = with_settings(base, length_settings(base, "study", STEPS))
    return {
        (name, text): with_settings(base, [f"{sweep.place}={value}"])
        for name, sweep in SWEEPS.items()
        for text, value in sweep.values.items()
    }


def keep_outcomes(runs: Mapping[tuple[str, str], Run], folder: Path, command: str) -> Path:
    """Scores and label maps of finished runs, in a folder of results.

    Args:
        runs: of all of `experiments`.
    """
    one = next(iter(runs.values()))
    data = one.experiment.data
    target = SegmentationDataset(get_spec(data.target), data.data_root, "train")
    chosen = _telling(target)
    images = torch.stack([to_tensors(*target.load(i))[0] for i in chosen])
    maps, entries = [], []
    for (sweep, text), run in runs.items():
        label, _ = predict(load_network(run, "teacher"), images)
        final = run.final("student", "test")
        maps.append(label.byte().numpy().reshape(-1, label.shape[-1]))
        entries.append({
            "sweep": sweep, "value": text, "miou": final.miou(), "iou": list(final.iou),
            "teacher": run.final("teacher", "test").miou(),
        })  # fmt: skip
    write_label_png(folder / f"{Path(OUTCOMES).stem}.png", np.concatenate(maps))
    return write_json(
        folder / OUTCOMES,
        {
            "command": command, "steps": STEPS, "seed": one.experiment.train.seed,
            "machine": one.result["machine"], "target": data.target,
            "images": [_scene_of(data.target, target.stems[i]) for i in chosen],
            "runs": json_values(entries, 4),
        },
    )  # fmt: skip


def _telling(target: SegmentationDataset) -> list[int]:
    """The two training images that show most classes, by the truth alone; of equals the first."""
    shown = (target.class_stats().counts > 0).sum(axis=1)
    return sorted(np.argsort(-shown, kind="stable")[:2].tolist())


def _scene_of(name: str, stem: str) -> int:
    """The number under which a training image is drawn; a folder lists them by city."""
    return next(i for i in count() if mini_stem(name, "train", i) == stem)


@cache
def _kept() -> tuple[dict[str, Any], np.ndarray]:
    path = results() / OUTCOMES
    return read_json(path), read_gray(path.with_suffix(".png"))


def outcome_chart(name: str) -> Any:
    """The student's scores over the values of a setting: all classes, the rare, the large ones."""
    kept, _ = _kept()
    spec = get_spec(kept["target"])
    entries = [one for one in kept["runs"] if one["sweep"] == name]
    at = np.arange(len(entries))
    iou = np.array([one["iou"] for one in entries], dtype=float)
    lines = {"all classes": (at, [100 * one["miou"] for one in entries])}
    for group, classes in GROUPS.items():
        ids = [spec.classes.index(c) for c in classes]
        lines[group] = (at, 100 * known_mean(iou[:, ids], axis=1))
    low, high = (pick(entries, key=lambda one: one["miou"]) for pick in (min, max))
    title = (
        f"{SWEEPS[name].title[0].upper()}{SWEEPS[name].title[1:]}: mIoU from "
        f"{100 * low['miou']:.1f} ({low['value']}) to {100 * high['miou']:.1f} ({high['value']})"
    )
    return viz.line_chart(
        lines, x_label=f"one run of {kept['steps']} steps each; distances are not to scale",
        y_label="IoU (%)", title=title, dots=True, x_texts=[one["value"] for one in entries],
    )  # fmt: skip


def outcome_slider(name: str) -> Any:
    """Turn a setting, and see what the teacher of that run makes of a target image."""
    kept, maps = _kept()
    spec = viz.for_learners(get_spec(kept["target"]))
    rows = len(maps) // len(kept["runs"])
    places = {one["value"]: i for i, one in enumerate(kept["runs"]) if one["sweep"] == name}
    image, truth = draw_scene(kept["target"], "train", kept["images"][0])
    judged = truth != IGNORE
    labels = {place: maps[place * rows : place * rows + len(truth)] for place in places.values()}

    def draw(place: int) -> Any:
        one, label = kept["runs"][place], labels[place]
        right = np.mean((label == truth)[judged])
        student, teacher = 100 * one["miou"], 100 * one["teacher"]
        return viz.panel_grid(
            [[image, viz.colorize(truth, spec), viz.colorize(label, spec)]],
            None,
            ["target", "truth", f"teacher at {one['value']}"],
            captions=[[None, None, f"{right:.0%} right"]],
            title=f"mIoU on test: student {student:.1f}, teacher {teacher:.1f}",
            width=6.5,
        )

    texts = list(places)
    return viz.slider_picture(
        draw, places, description=SWEEPS[name].title,
        twin_values=[places[texts[0]], places[texts[-1]]],
        legend=viz.class_chips(spec, [truth, *labels.values()]),
    )  # fmt: skip
