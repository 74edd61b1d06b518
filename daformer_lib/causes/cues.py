"""What networks go by: shape or texture, the pixels themselves or what is around them.

The causes behind a Transformer encoder (DAFormer, Sec. 3.2: less drawn to texture than a CNN) and a
context-aware decoder (Sec. 3.2: some classes only their surroundings tell apart).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from daformer_lib.causes.pictures import (
    CHANGES,
    Point,
    altered,
    draw_points,
    draw_set,
    drawn_pictures,
    in_window,
    mean_colour,
    other_of,
)
from daformer_lib.causes.probes import (
    FIT,
    Effort,
    as_dict,
    fit_probe,
    fresh_encoder,
    lacks,
    paired,
    pooled,
    rounded,
)
from daformer_lib.config import ModelConfig
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.data.drawn.objects import OBJECT_CLASSES
from daformer_lib.data.transforms import stack_images
from daformer_lib.evaluate import predict
from daformer_lib.files import read_json
from daformer_lib.inference import load_network
from daformer_lib.models.checkpoints.load import SHIPPED, shipped_name
from daformer_lib.runs import Run

WINDOW = 24  # px
FOUND, LOST, KEPT = 0.5, 0.5, 0.8  # shares of recall, see `context`


def architecture(seeds: Sequence[int], effort: Effort) -> dict[str, Any]:
    """What each pretrained encoder still names of drawn objects when texture or shape is gone.

    By a probe of all object classes, fitted to clean pictures: the shipped weights hold no
    classifier. There: over the changes of texture the Transformer clearly loses less than the CNN.
    """
    fit = drawn_pictures(OBJECT_CLASSES, effort.objects, FIT)
    sets = [draw_set(OBJECT_CLASSES, max(1, effort.objects // 2), seed) for seed in seeds]
    labels = torch.tensor([one.class_id for samples in sets for one in samples])
    others = torch.tensor([other_of(s, i).class_id for s in sets for i in range(len(s))])
    pictures = {c: [image for seed, s in zip(seeds, sets) for image in altered(s, c, seed)]
                for c in CHANGES}  # fmt: skip
    found: dict[str, Any] = {"pictures": len(labels)}
    hits: dict[str, dict[str, Tensor]] = {}
    for name in ("tiny_mit", "tiny_resnet"):
        encoder = fresh_encoder(ModelConfig(name, "segformer", pretrained="strong"))
        probe = fit_probe(pooled(encoder, fit.images), fit.labels, len(OBJECT_CLASSES))
        answers = {change: probe(pooled(encoder, p)) for change, p in pictures.items()}
        hits[name] = {change: (a == labels).float() for change, a in answers.items()}
        foreign = answers["foreign texture"]
        by_shape, by_texture = ((foreign == of).float().mean() for of in (labels, others))
        log = read_json((SHIPPED / shipped_name(name, "strong")).with_suffix(".json"))["log"]
        found[name] = {
            "parameters": sum(p.numel() for p in encoder.parameters()),
            "pretraining_accuracy": log[-1]["held_out_accuracy"],
            "accuracy": {change: rounded(h.mean()) for change, h in hits[name].items()},
            "shape_share": rounded(by_shape / (by_shape + by_texture).clamp_min(1e-9)),
        }
    gain = {change: hits["tiny_mit"][change] - hits["tiny_resnet"][change] for change in CHANGES}
    ahead = {c: paired(gain[c], gain["clean"]) for c in CHANGES if c != "clean"}
    of_texture = [gain[c] for c, (kind, _) in CHANGES.items() if kind == "texture"]
    texture = paired(sum(of_texture) / len(of_texture), gain["clean"])
    found["transformer_loses_less"] = {change: as_dict(one) for change, one in ahead.items()}
    found["texture"] = as_dict(texture)
    return found | {"there": texture.is_clear}


def context(
    runs: Mapping[str, Run], data_root: str | Path, seed: int, effort: Effort
) -> dict[str, Any]:
    """Recall of pixels in whole target scenes, and when only a `WINDOW` around each is left.

    The rest is the mean colour, in which a window looks like an object; or, so that a picture of a
    street remains, another scene. There: with another scene around, at least two classes lose
    `LOST` of a recall of at least `FOUND`, while two others keep `KEPT` of theirs.
    """
    if "oracle" not in runs:
        return lacks("oracle")
    run = runs["oracle"]
    rng = np.random.default_rng(seed)
    dataset = SegmentationDataset(run.spec, data_root, "val")
    scenes, labels = zip(*(dataset.load(i) for i in range(len(dataset))))
    points = draw_points(labels, len(run.classes), effort.pixels, rng)
    seen = _seen(load_network(run), scenes, points, rng)
    classes = {}
    for class_id, name in enumerate(run.classes):
        own = np.array([found for point, found in zip(points, seen) if point.class_id == class_id])
        if len(own):
            recall = dict(zip(("whole", "mean colour", "other scene"), (own == class_id).mean(0)))
            wrong = Counter(own[own[:, 2] != class_id, 2].tolist()).most_common(1)
            classes[name] = {
                "pixels": len(own), **{key: rounded(value) for key, value in recall.items()},
                "turns_into": run.classes[wrong[0][0]] if wrong else None,
                "share_of_errors": rounded(wrong[0][1] / (own[:, 2] != class_id).sum())
                if wrong else None,
            }  # fmt: skip
    needs = [n for n, c in classes.items()
             if c["whole"] >= FOUND and c["other scene"] <= (1 - LOST) * c["whole"]]  # fmt: skip
    local = [n for n, c in classes.items()
             if c["whole"] >= FOUND and c["other scene"] >= KEPT * c["whole"]]  # fmt: skip
    there = len(needs) >= 2 and len(local) >= 2
    return {"window": WINDOW, "classes": classes, "needs": needs, "local": local, "there": there}


def _seen(
    network: nn.Module, scenes: Sequence[np.ndarray], points: Sequence[Point],
    rng: np.random.Generator,
) -> list[tuple[int, int, int]]:  # fmt: skip
    """What the network makes of each point: in the whole scene, in mean colour, in another."""
    found = []
    for point in points:
        image = scenes[point.scene]
        other = scenes[(point.scene + int(rng.integers(1, len(scenes)))) % len(scenes)]
        grounds = (mean_colour(image), other)
        views = [image, *(in_window(image, ground, point, WINDOW) for ground in grounds)]
        label = predict(network, stack_images(views, image.shape[:2]))[0]
        found.append(tuple(label[:, point.row, point.column].tolist()))
    return found
