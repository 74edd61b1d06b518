"""Self-distillation's loss: cross-entropy with every label that the finished network gives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.probe import noise_batch
from daformer_lib.train.step import build_learner, turn_of
from tests.helpers.rounding import forward_bound

pytestmark = pytest.mark.numeric


def test_every_pixel_counts_also_in_the_rows_that_daformer_ignores(smoke):
    experiment = smoke("distillation", model={"dropout": 0.0, "drop_path": 0.0})
    learner = build_learner(experiment, PlainEngine())
    batch = noise_batch(experiment)
    image, uda = batch.target.image, experiment.uda
    full = lambda logits: F.interpolate(logits, image.shape[-2:], mode="bilinear")
    with torch.no_grad():
        label = full(learner.method.kept["labeller"](image)[0]).argmax(1)
        logits = full(learner.network(image)[0])
    (losses,) = learner.method.losses(turn_of(learner, experiment, 0, batch, PlainEngine()))
    assert len(label.unique()) > 1 and losses.keys() == {"distilled"}
    rel = forward_bound(learner.network)
    assert losses["distilled"].item() == pytest.approx(F.cross_entropy(logits, label).item(), rel)
    kept = slice(uda.ignore_top, label.shape[1] - uda.ignore_bottom)
    without = F.cross_entropy(logits[:, :, kept], label[:, kept]).item()
    assert losses["distilled"].item() != pytest.approx(without, rel)
