"""Training steps with HRDA replayed against the authors' (golden_frontier, runs H, L and M).

H: their setting at a quarter of the size. L: the detail crop is the whole crop, with a loss of the
context's own and feature distance on both scales. M: MIC on H. Tolerances as in
`test_mic_trajectory.py`.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from daformer_lib.batch import Labelled, Unlabelled
from daformer_lib.config import (
    DataConfig,
    Experiment,
    HRDAConfig,
    MICConfig,
    OptimConfig,
    UDAConfig,
)
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_official
from daformer_lib.models.multi_resolution import Region
from daformer_lib.specs import THINGS
from daformer_lib.train.optim import build_optimizer, set_learning_rates
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.method import Method, Objective, Turn, daformer_objective
from daformer_lib.uda.methods.hrda import add_hrda
from daformer_lib.uda.methods.mic import add_mic
from daformer_lib.uda.teacher import Teacher
from tests.helpers.frontier import GOLDEN, plans_of
from tests.helpers.rounding import APART, nudge
from tests.parity.replay import CLASSES, MODEL, assert_follows, det_state, distances, grad_norm

pytestmark = pytest.mark.numeric

TIGHT = {
    "source": 1e-5, "detail": 1e-5, "context": 1e-5, "fd": 1e-5,
    "mixed": 1e-4, "masked": 1e-4, "gradient": 3e-3,
}  # fmt: skip
WELL_CONDITIONED = 2  # iterations 0 and 1
LATER = 3  # of four: each takes two or three forward and backward passes at two scales, twice
SOURCE = {
    "source": "decode.loss_seg", "detail": "decode.hr.loss_seg", "context": "decode.lr.loss_seg",
    "fd": "src.loss_imnet_feat_dist",
}  # fmt: skip


def facts_of(run):
    return json.loads((GOLDEN / "hrda_trajectory.json").read_text(encoding="utf-8"))[run]


def gold_of(run):
    data = np.load(GOLDEN / "hrda_trajectory.npz")
    return {k.removeprefix(f"{run}/"): data[k] for k in data.files if k.startswith(f"{run}/")}


def theirs_of(run):
    gold = gold_of(run)
    logs = dict(zip(map(str, gold["log_keys"]), gold["logs"].T, strict=True))
    losses = {name: logs[key] for name, key in SOURCE.items() if key in logs}
    for ours, theirs in {"mixed": "mix.", "masked": "masked."}.items():
        terms = [logs[k] for k in logs if k.startswith(theirs) and k.endswith("loss_seg")]
        if terms:
            losses[ours] = np.sum(terms, axis=0)
    # Ours has one backward pass for source and FD: theirs after FD, the mix and the masked images.
    return {**losses, "gradient": gold["grad_norm_after_backward"][:, 1:]}


def experiment_of(facts):
    head, model = facts["model"]["decode_head"], facts["model"]
    hrda = HRDAConfig(
        tuple(model["hr_crop_size"]),
        min(model["scales"]),
        model["crop_coord_divisible"],
        head["hr_loss_weight"],
        head.get("lr_loss_weight", 0.0),
        fd_scales="both" if model["feature_scale"] == "all" else "context",
        window=None,
    )
    methods = {"hrda": hrda}
    if "mask_generator" in facts:
        mask = facts["mask_generator"]
        methods["mic"] = MICConfig(
            mask["mask_block_size"], mask["mask_ratio"], facts["mask_lambda"]
        )
    uda = UDAConfig(
        threshold=facts["pseudo_threshold"], ignore_top=0, ignore_bottom=0,
        fd_weight=facts["imnet_feature_dist_lambda"],
    )  # fmt: skip
    data = DataConfig(crop=(facts["size"], facts["size"]))
    return Experiment("hrda", model=MODEL, data=data, uda=uda, methods=methods)


def built(facts, experiment, det, nudged):
    """Student, and DAFormer's method with HRDA's and MIC's additions."""
    student, imagenet = (
        build_segmentor(MODEL, experiment.methods["hrda"]) for _ in range(2)
    )  # fmt: skip
    load_official(student, det_state(student, det))
    load_official(imagenet, det_state(imagenet, det, "imnet_model."))
    if nudged:
        nudge(student, seed=1)
    teacher = Teacher(student, facts["alpha"])
    load_official(teacher.model, det_state(student, det, "ema_model."))
    anchor = ImageNetAnchor(imagenet.encoder, THINGS, 19, experiment.uda.fd_min_share)
    method = Method((Objective(daformer_objective, 2),), teacher, anchor, before=[teacher.update])
    add_hrda(method, experiment, student)
    if "mic" in experiment.methods:
        add_mic(method, experiment, student)
    student.train()
    return student, method


def turn_of(facts, gold, experiment, student, method, det, i):
    shape = (facts["batch"], 3, facts["size"], facts["size"])
    block, small = facts["label_block_small"]
    name = lambda domain: f"{facts['tag']}.{domain}.{i}"
    label = det.det_labels(name("lbl"), (shape[0], 1, *shape[2:]), CLASSES, block, small)
    image, target = (torch.from_numpy(det.det_image(name(d), shape)) for d in ("src", "trg"))
    valid = torch.from_numpy(gold["valid_pseudo_mask"][:, 0].astype(bool))
    regions = [Region(*box) for box in facts["crop_boxes"][i]]
    return Turn(
        student, Labelled.certain(image, torch.from_numpy(label[:, 0])), Unlabelled(target, valid),
        experiment, i, method.teacher, method.anchor,
        replay=plans_of(facts, gold, i) | {"regions": regions},
    )  # fmt: skip


def replayed(run, det, steps, nudged=False):
    """Losses and gradients of the first iterations, and the last turn."""
    facts, gold = facts_of(run), gold_of(run)
    experiment, optim = experiment_of(facts), OptimConfig(warmup_steps=facts["warmup"])
    student, method = built(facts, experiment, det, nudged)
    optimizer = build_optimizer(student, optim)
    groups = student.encoder, student.decoder.head, student.decoder.scale_attention
    rows, turn = [], None
    for i in range(steps):
        set_learning_rates(optimizer, i, facts["max_iters"], optim)
        optimizer.zero_grad()
        for prepare in method.before:
            prepare(student, i)
        turn = turn_of(facts, gold, experiment, student, method, det, i)
        row, norms = {}, []
        for named in method.losses(turn):
            sum(named.values()).backward()
            row |= {name: loss.item() for name, loss in named.items()}
            norms.append([grad_norm(group) for group in groups])
        rows.append({**row, "gradient": norms})
        optimizer.step()
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}, turn


@pytest.mark.notebook  # trains
@pytest.mark.parametrize("run", ["H", "L", "M"])
def test_the_first_iterations_are_the_authors(det, run):
    ours, turn = replayed(run, det, WELL_CONDITIONED)
    assert set(ours) == set(theirs_of(run))
    assert_follows(ours, theirs_of(run), tight=TIGHT)
    gold, last = gold_of(run), WELL_CONDITIONED - 1
    for name in {"mixed", "masked"} & set(turn.seen):
        batch = turn.seen[name]
        passes = 1 if name == "mixed" else 2
        total = batch.image.abs().double().sum().item()
        assert total == pytest.approx(gold["forward_img_abs_sum"][last, passes], rel=1e-6)
        weight = batch.weight.double().mean().item()
        assert weight == pytest.approx(gold["forward_weight_mean"][last, passes], abs=2e-4)
        counts = np.bincount(batch.label.numpy().ravel(), minlength=256)
        changed = np.abs(counts - gold[f"{name}_label_hist"][last]).sum() / batch.label.numel()
        assert changed < 1e-3


@pytest.mark.notebook  # trains twice
def test_later_iterations_are_as_near_as_rounding_allows(det):
    ours, _ = replayed("L", det, LATER)
    nudged, _ = replayed("L", det, LATER, nudged=True)
    spread = distances(nudged, ours)
    assert_follows(ours, theirs_of("L"), spread, TIGHT, WELL_CONDITIONED)
    assert APART * spread["source"].max() < 0.02
