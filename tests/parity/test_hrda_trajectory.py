"""Training steps with HRDA replayed against the authors' (golden_frontier, runs H, L and M).

H: their setting at a quarter of the size. L: the detail crop is the whole crop, with a loss of the
context's own and feature distance on both scales. M: MIC on H. What is compared, and how closely:
`frontier.py`.
"""

from __future__ import annotations

import functools
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
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.method import Method, Objective, Turn, daformer_objective
from daformer_lib.uda.methods.hrda import add_hrda
from daformer_lib.uda.methods.mic import add_mic
from daformer_lib.uda.teacher import Teacher
from tests.helpers.frontier import GOLDEN, plans_of
from tests.helpers.rounding import nudge
from tests.parity import frontier
from tests.parity.replay import CLASSES, MODEL, assert_follows, det_state

pytestmark = pytest.mark.numeric

# A pass at two scales takes its time: L is whole, H and M are in the slow tests.
STEPS, WHOLE = {"H": 2, "L": 3, "M": 2}, {"H": 4, "L": 3, "M": 4}
TO_THE_END = pytest.mark.parametrize(
    "run", ["L", *(pytest.param(run, marks=pytest.mark.slow) for run in "HM")]
)
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
    keys = [str(key) for key in gold["log_keys"]]
    losses = {name: [key] for name, key in SOURCE.items() if key in keys}
    for ours, theirs in {"mixed": "mix.", "masked": "masked."}.items():
        terms = [key for key in keys if key.startswith(theirs) and key.endswith("loss_seg")]
        if terms:
            losses[ours] = terms
    return frontier.theirs_of(gold, losses)


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


def replayed(run, det, steps, nudged):
    facts, gold = facts_of(run), gold_of(run)
    experiment, optim = experiment_of(facts), OptimConfig(warmup_steps=facts["warmup"])
    student, method = built(facts, experiment, det, nudged)
    shown = lambda i: turn_of(facts, gold, experiment, student, method, det, i)
    return frontier.run(method, student, optim, steps, shown)


@pytest.fixture(scope="module")
def replay(det):
    """replay("L", 3), each made once."""
    made = functools.cache(lambda run, steps, nudged: replayed(run, det, steps, nudged))
    return lambda run, steps, nudged=False: made(run, steps, nudged)


@pytest.fixture
def pair(replay):
    """To the end, as it is and from nudged weights."""
    return lambda run: (replay(run, WHOLE[run]), replay(run, WHOLE[run], nudged=True))


@pytest.mark.notebook  # trains
@pytest.mark.parametrize("run", STEPS)
def test_the_first_iterations_are_the_authors(replay, run):
    ours = replay(run, STEPS[run]).series(frontier.WELL_CONDITIONED)
    assert set(ours) == set(theirs_of(run))
    assert_follows(ours, theirs_of(run), tight=frontier.TIGHT)


@pytest.mark.notebook
@pytest.mark.parametrize("run", STEPS)
def test_the_first_labels_weights_and_images(replay, run):
    frontier.assert_first_maps(replay(run, STEPS[run]), gold_of(run))


@pytest.mark.notebook  # trains twice
@TO_THE_END
def test_later_iterations_are_as_near_as_rounding_allows(pair, run):
    frontier.assert_later(*pair(run), theirs_of(run))


@pytest.mark.notebook
@TO_THE_END
def test_the_last_labels_weights_and_images(pair, run):
    frontier.assert_last_maps(*pair(run), gold_of(run))


@pytest.mark.notebook
@TO_THE_END
def test_rates_and_first_gradients(pair, run):
    frontier.assert_rates(pair(run)[0], gold_of(run))
    frontier.assert_first_gradients(*pair(run), gold_of(run))


@pytest.mark.notebook
@TO_THE_END
@pytest.mark.parametrize("which", ["student", "ema"])
def test_the_networks_at_the_end(pair, run, which):
    frontier.assert_ends(*pair(run), gold_of(run), which)
    frontier.assert_statistics(*pair(run), gold_of(run), which)
