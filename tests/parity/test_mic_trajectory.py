"""Training steps with MIC replayed against the authors' (golden_frontier, runs A, B and C).

A: their setting on DAFormer. B: a second teacher, another threshold, weight 0.5. C: source and
target masked, as for ACDC. What is compared, and how closely: `frontier.py`.
"""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import torch

from daformer_lib.batch import Labelled, Unlabelled
from daformer_lib.config import DataConfig, Experiment, MICConfig, OptimConfig, UDAConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_official
from daformer_lib.specs import THINGS
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.method import Method, Objective, Turn, daformer_objective
from daformer_lib.uda.methods.mic import add_mic
from daformer_lib.uda.teacher import Teacher
from tests.helpers.frontier import GOLDEN, plans_of
from tests.helpers.rounding import nudge
from tests.parity import frontier
from tests.parity.replay import CLASSES, MODEL, assert_follows, det_state

pytestmark = pytest.mark.numeric

WHERE = {"separatetrgaug": "target", "separatetrg": "target", "separate": "both"}
LOSSES = {
    "source": ["decode.loss_seg"], "fd": ["src.loss_imnet_feat_dist"],
    "mixed": ["mix.decode.loss_seg"], "masked": ["masked.decode.loss_seg"],
}  # fmt: skip
# An iteration takes three forward and backward passes: B is whole, A and C are in the slow tests.
STEPS, WHOLE = {"A": 2, "B": 6, "C": 2}, 6
NETWORKS = {
    "A": ["student", "ema"], "B": ["student", "ema", "mask_teacher"], "C": ["student", "ema"],
}  # fmt: skip
TO_THE_END = pytest.mark.parametrize(
    "run", ["B", *(pytest.param(run, marks=pytest.mark.slow) for run in "AC")]
)


def facts_of(run):
    return json.loads((GOLDEN / "mic_trajectory.json").read_text())[run]


def gold_of(run):
    data = np.load(GOLDEN / "mic_trajectory.npz")
    return {k.removeprefix(f"{run}/"): data[k] for k in data.files if k.startswith(f"{run}/")}


def experiment_of(facts):
    own = {"mask_alpha": "ema_decay", "mask_pseudo_threshold": "threshold"}
    second = {ours: facts[key] for key, ours in own.items() if facts[key] != "same"}
    mask = facts["mask_generator"]
    mic = MICConfig(
        mask["mask_block_size"], mask["mask_ratio"], facts["mask_lambda"],
        WHERE[facts["mask_mode"]], facts["mask_mode"].endswith("aug"), **second,
    )  # fmt: skip
    uda = UDAConfig(
        threshold=facts["pseudo_threshold"],
        ignore_top=facts["pseudo_weight_ignore_top"],
        ignore_bottom=facts["pseudo_weight_ignore_bottom"],
        fd_weight=facts["imnet_feature_dist_lambda"],
    )
    data = DataConfig(crop=(128, 128))
    return Experiment("mic", model=MODEL, data=data, uda=uda, methods={"mic": mic})


def replayed(run, det, steps, nudged):
    facts, gold = facts_of(run), gold_of(run)
    experiment = experiment_of(facts)
    student, imagenet = build_segmentor(MODEL), build_segmentor(MODEL)
    load_official(student, det_state(student, det))
    load_official(imagenet, det_state(imagenet, det, "imnet_model."))
    if nudged:
        nudge(student, seed=1)
    teacher = Teacher(student, facts["alpha"])
    load_official(teacher.model, det_state(student, det, "ema_model."))
    anchor = ImageNetAnchor(imagenet.encoder, THINGS, 19, experiment.uda.fd_min_share)
    method = Method((Objective(daformer_objective, 2),), teacher, anchor, before=[teacher.update])
    add_mic(method, experiment, student)
    for model in method.models.values():
        load_official(model, det_state(student, det, "mic.teacher.ema_model."))
    student.train()

    def turn_of(i):
        label = det.det_labels(f"{facts['tag']}.lbl.{i}", (2, 1, 128, 128), CLASSES)[:, 0]
        image, target = (
            torch.from_numpy(det.det_image(f"{facts['tag']}.{domain}.{i}", (2, 3, 128, 128)))
            for domain in ("src", "trg")
        )
        source = Labelled.certain(image, torch.from_numpy(label))
        return Turn(
            student, source, Unlabelled(target), experiment, i, teacher, anchor,
            replay=plans_of(facts, gold, i),
        )  # fmt: skip

    return frontier.run(method, student, OptimConfig(warmup_steps=3), steps, turn_of)


@pytest.fixture(scope="module")
def replay(det):
    """replay("A", 2), each made once."""
    made = functools.cache(lambda run, steps, nudged: replayed(run, det, steps, nudged))
    return lambda run, steps, nudged=False: made(run, steps, nudged)


@pytest.fixture
def pair(replay):
    """To the end, as it is and from nudged weights."""
    return lambda run: (replay(run, WHOLE), replay(run, WHOLE, nudged=True))


def theirs_of(run):
    return frontier.theirs_of(gold_of(run), LOSSES)


@pytest.mark.notebook  # trains
@pytest.mark.parametrize("run", STEPS)
def test_the_first_iterations_are_the_authors(replay, run):
    ours = replay(run, STEPS[run]).series(frontier.WELL_CONDITIONED)
    assert set(ours) == set(theirs_of(run))
    assert_follows(ours, theirs_of(run), tight=frontier.TIGHT)


@pytest.mark.notebook
@pytest.mark.parametrize("run", STEPS)
def test_the_first_labels_weights_and_images(replay, run):
    """In C the first source and the first target image are masked."""
    masked = (0, 0) if run == "C" else (0, 1)
    frontier.assert_first_maps(replay(run, STEPS[run]), gold_of(run), masked)


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
def test_the_networks_at_the_end(pair, run):
    for which in NETWORKS[run]:
        frontier.assert_ends(*pair(run), gold_of(run), which)
        frontier.assert_statistics(*pair(run), gold_of(run), which)
