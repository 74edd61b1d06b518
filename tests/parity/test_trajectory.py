"""Ten whole training steps replayed against the authors' DACS.train_step (golden trajectory A).

Training amplifies rounding, so no fixed tolerance holds at iteration 9 on every processor. Up to
iteration 2 the step is well conditioned and the tolerances are fixed and tight. Later ones are
measured here, on the processor at hand: a second replay starts from weights that differ in their
last place, and ours may be APART times as far from the authors' as these two are from each other.
"""

import copy
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import nn

from daformer_lib.batch import Labelled, Unlabelled
from daformer_lib.config import ModelConfig, OptimConfig, UDAConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_official
from daformer_lib.models.checkpoints.official_names import official_names
from daformer_lib.models.resize import resize_bilinear
from daformer_lib.specs import THINGS
from daformer_lib.train.optim import build_optimizer, set_learning_rates
from daformer_lib.uda.classmix import MixPlan
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.losses import daformer_losses
from daformer_lib.uda.teacher import Teacher
from tests.helpers.rounding import APART, assert_same_labels, near_ties, nudge

pytestmark = pytest.mark.numeric

MODEL = ModelConfig(encoder="mit_b0", decoder="daformer", drop_path=0, dropout=0)
UDA = UDAConfig(threshold=0.5, ignore_top=4, ignore_bottom=30, fd_weight=0.005)
OPTIM = OptimConfig(warmup_steps=5)
CLASSES = [0, 2, 8, 10, 11, 13, 18, 5, 255]

WELL_CONDITIONED = 3  # iterations 0-2
# Relative; the last two absolute: shares of 32,768 pixels, of which a handful may change sides. One
# that does moves the weight of the mix, and so its loss, by 3e-5.
TIGHT = {"source": 1e-5, "fd": 1e-5, "mixed": 1e-4, "gradient": 2e-3, "share": 2e-4, "weight": 2e-4}
ABSOLUTE = ("share", "weight")
LOSSES = {
    "decode.loss_seg": "source",
    "src.loss_imnet_feat_dist": "fd",
    "mix.decode.loss_seg": "mixed",
}


@dataclass
class Replay:
    """What ten iterations left behind."""

    student: nn.Module
    teacher: Teacher
    start: dict[str, torch.Tensor]
    first: dict[str, float] = field(default_factory=dict)  # gradient norm of each parameter at 0
    rows: list[dict[str, object]] = field(default_factory=list)
    seen: list[dict[str, object]] = field(default_factory=list)
    rates: list[list[float]] = field(default_factory=list)
    ties: np.ndarray | None = None  # of the first pseudo-labels

    def series(self) -> dict[str, np.ndarray]:
        return {name: np.array([row[name] for row in self.rows]) for name in self.rows[0]}


def det_state(network, det, prefix=""):
    """Deterministic weights under the authors' names."""
    shapes = {
        official: network.state_dict()[ours].shape
        for ours, official in official_names(network).items()
    }
    return {
        k: torch.from_numpy(np.asarray(det.det_weights(prefix + k, s))) for k, s in shapes.items()
    }


def replayed(facts, det, uda=UDA, steps=10, nudged=False, teacher_type=Teacher):
    student = build_segmentor(MODEL)
    load_official(student, det_state(student, det))
    if nudged:
        nudge(student, seed=1)
    teacher = teacher_type(student, 0.999)
    load_official(teacher.model, det_state(student, det, "ema_model."))
    imagenet = build_segmentor(MODEL)
    load_official(imagenet, det_state(imagenet, det, "imnet_model."))
    anchor = ImageNetAnchor(imagenet.encoder, THINGS, 19, uda.fd_min_share)
    student.train()
    found = Replay(student, teacher, {k: v.clone() for k, v in student.named_parameters()})
    optimizer = build_optimizer(student, OPTIM)
    for i, classes in enumerate(facts["mix_classes"][:steps]):
        set_learning_rates(optimizer, i, 10, OPTIM)
        optimizer.zero_grad()
        teacher.update(student, i)
        one_step(found, anchor, uda, det, i, MixPlan(tuple(map(tuple, classes))))
        found.rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
    return found


def one_step(found, anchor, uda, det, i, plan):
    label = det.det_labels(f"traj.lbl.{i}", (2, 1, 128, 128), CLASSES)[:, 0]
    image, target = (
        torch.from_numpy(det.det_image(f"traj.{domain}.{i}", (2, 3, 128, 128)))
        for domain in ("src", "trg")
    )
    if i == 0:
        found.ties = ties_of(found.teacher.model, target)
    source, target = Labelled.certain(image, torch.from_numpy(label)), Unlabelled(target)
    losses, norms, seen = {}, [], {}
    rng = np.random.default_rng(0)
    for part in daformer_losses(
        found.student, found.teacher, anchor, source, target, uda, rng, plan=plan, seen=seen
    ):
        sum(part.values()).backward()
        losses |= {name: loss.item() for name, loss in part.items()}
        norms.append([grad_norm(found.student.encoder), grad_norm(found.student.decoder)])
    if i == 0:
        found.first = {k: p.grad.norm().item() for k, p in found.student.named_parameters()}
    share = seen["pseudo"].weight.amax().item()
    weight = seen["mixed"].weight.double().mean().item()
    found.rows.append({**losses, "gradient": norms, "share": share, "weight": weight})
    found.seen.append(seen)


@torch.no_grad()
def ties_of(teacher, image):
    logits = copy.deepcopy(teacher)(image)[0]
    return near_ties(resize_bilinear(logits, image.shape[-2:]), teacher)


def grad_norm(module):
    grads = [p.grad.double().norm() for p in module.parameters() if p.grad is not None]
    return torch.stack(grads).norm().item()


@pytest.fixture(scope="module")
def facts(golden):
    return golden("trajectory.json")["A"]


@pytest.fixture(scope="module")
def gold(golden):
    data = golden("trajectory.npz")
    return {k.removeprefix("A/"): data[k] for k in data.files if k.startswith("A/")}


@pytest.fixture(scope="module")
def theirs(gold):
    """The authors' series, under the names of ours."""
    keys = [str(k) for k in gold["log_keys"]]
    losses = {name: gold["logs"][:, keys.index(key)] for key, name in LOSSES.items()}
    # Ours has one backward for source and FD: the authors' norms after FD and after the mix.
    gradient = gold["grad_norm_after_backward"][:, 1:]
    shares = {"share": gold["teacher_conf_fraction"], "weight": gold["mixed_weight_mean"]}
    return {**losses, "gradient": gradient, **shares}


@pytest.fixture(scope="module")
def beginning(facts, det):
    """The iterations that are well conditioned."""
    return replayed(facts, det, steps=WELL_CONDITIONED)


@pytest.fixture(scope="module")
def replay(facts, det):
    return replayed(facts, det)


@pytest.fixture(scope="module")
def nudged(facts, det):
    """The same ten iterations from weights that differ in their last place."""
    return replayed(facts, det, nudged=True)


def distances(ours, theirs):
    """Name -> distance at each iteration: relative, or absolute for shares."""
    found = {}
    for name, series in ours.items():
        apart = np.abs(series - theirs[name][: len(series)])
        apart = apart if name in ABSOLUTE else apart / np.abs(theirs[name][: len(series)])
        found[name] = apart.reshape(len(series), -1).max(1)
    return found


def assert_follows(ours, theirs, spread=None):
    """Every series within TIGHT; after the well-conditioned iterations within APART x `spread`."""
    for name, apart in distances(ours, theirs).items():
        allowed = np.full(len(apart), TIGHT[name])
        if spread is not None:
            grown = APART * np.maximum.accumulate(spread[name])
            allowed[WELL_CONDITIONED:] = np.maximum(allowed, grown)[WELL_CONDITIONED:]
        assert (apart <= allowed).all(), f"{name}: {apart} where {allowed} is allowed"


def test_the_first_iterations_are_the_authors(beginning, theirs):
    assert set(theirs) == set(beginning.series())
    assert_follows(beginning.series(), theirs)


@pytest.mark.notebook  # trains twice
def test_losses_gradients_and_shares_of_every_iteration(replay, nudged, theirs):
    spread = distances(nudged.series(), replay.series())
    assert_follows(replay.series(), theirs, spread)
    # What is allowed at the end still means something.
    assert APART * spread["source"].max() < 0.02 and APART * spread["gradient"].max() < 0.2


class LateTeacher(Teacher):
    """Its average is one step late."""

    def update(self, student, step):
        before = getattr(self, "before", student)
        self.before = copy.deepcopy(student)
        super().update(before, step)


class EagerTeacher(Teacher):
    """Its alpha is one step late."""

    def update(self, student, step):
        super().update(student, max(step - 1, 0))


def without_one_class(facts):
    return facts | {"mix_classes": [[classes[:-1] for classes in i] for i in facts["mix_classes"]]}


@pytest.mark.notebook  # trains
@pytest.mark.parametrize(
    "wrong",
    ["EMA late", "alpha late", "threshold", "mix class missed", "FD weight", "row ignored"],
)
def test_a_wrong_method_is_noticed_within_three_iterations(facts, det, theirs, wrong):
    """The tight tolerances are not so wide that a mistake fits in."""
    changes = {
        "EMA late": {"teacher_type": LateTeacher},
        "alpha late": {"teacher_type": EagerTeacher},
        "threshold": {"uda": replace(UDA, threshold=0.51)},
        "mix class missed": {},
        "FD weight": {"uda": replace(UDA, fd_weight=0.00525)},
        "row ignored": {"uda": replace(UDA, ignore_bottom=31)},
    }
    facts = without_one_class(facts) if wrong == "mix class missed" else facts
    found = replayed(facts, det, steps=WELL_CONDITIONED, **changes[wrong])
    with pytest.raises(AssertionError, match="is allowed"):
        assert_follows(found.series(), theirs)


@pytest.mark.notebook
def test_learning_rates(replay, gold):
    for i, rates in enumerate(replay.rates):
        np.testing.assert_allclose(rates, [gold["lr_backbone"][i]] * 2 + [gold["lr_head"][i]], 1e-9)


@pytest.mark.notebook
def test_first_gradient_of_every_parameter(replay, nudged, gold):
    names = official_names(replay.student)
    expected = dict(zip(map(str, gold["param_names"]), gold["grad_norm_iter0"]))
    felt = {name: value for name, value in replay.first.items() if value > 1e-6}
    spread = max(abs(nudged.first[name] / value - 1) for name, value in felt.items())
    rel = max(1e-3, APART * spread)
    assert rel < 0.02 and len(felt) > 190
    for ours, value in replay.first.items():
        assert value == pytest.approx(expected[names[ours]], rel=rel, abs=1e-6), ours


def test_first_pseudo_and_mixed_labels(beginning, gold):
    seen, ties = beginning.seen[0], beginning.ties
    assert_same_labels(seen["pseudo"].label.numpy(), gold["iter0/pseudo_label"], ties)
    assert_same_labels(seen["mixed"].label.numpy(), gold["iter0/mixed_label"][:, 0], ties)
    np.testing.assert_allclose(
        seen["mixed"].weight, gold["iter0/mixed_weight"], atol=TIGHT["share"]
    )


@pytest.mark.notebook
def test_last_pseudo_and_mixed_labels(replay, nudged, gold):
    for name, expected in {
        "pseudo": gold["iter9/pseudo_label"],
        "mixed": gold["iter9/mixed_label"][:, 0],
    }.items():
        ours, other = (run.seen[9][name].label.numpy() for run in (replay, nudged))
        spread = max((ours != other).mean(), 1e-4)
        assert (ours != expected).mean() <= APART * spread < 0.05, name


@pytest.mark.notebook
def test_images_are_mixed_of_the_right_pixels(replay, gold):
    """Pixels are moved, not computed: only their sum is rounded."""
    for i, seen in enumerate(replay.seen):
        total = seen["mixed"].image.abs().double().sum().item()
        assert total == pytest.approx(gold["mixed_img_abs_sum"][i], rel=1e-6)


def model_of(replay, which):
    return replay.student if which == "student" else replay.teacher.model


def moved(replay, which):
    """Name -> how far a parameter is from where it started, and its norm."""
    return {
        name: [(p.detach() - replay.start[name]).double().norm().item(), p.double().norm().item()]
        for name, p in model_of(replay, which).named_parameters()
    }


@pytest.mark.notebook
@pytest.mark.parametrize("which", ["student", "ema"])
def test_final_parameters(replay, nudged, gold, which):
    ours, other = moved(replay, which), moved(nudged, which)
    names, order = official_names(replay.student), list(map(str, gold["param_names"]))
    # A key's bias has no gradient but rounding, which AdamW scales up to a full step.
    noise = {name for name in ours if "attn.kv.bias" in name}
    for group in (noise, set(ours) - noise):
        relative = [np.abs(np.subtract(ours[n], other[n])) / np.maximum(ours[n], 1e-7)
                    for n in sorted(group)]  # fmt: skip
        # 2.5e-2 and 3e-5 are what the authors' code differs from itself with other kernels.
        least = np.array([0.1 if group is noise else 2.5e-2, 1e-4])
        allowed = np.maximum(APART * np.max(relative, axis=0), least)
        for name in group:
            i = order.index(names[name])
            expected = [gold[f"{which}_delta_norm"][i], gold[f"{which}_norm"][i]]
            apart = np.abs(np.subtract(ours[name], expected))
            assert (apart <= allowed * expected + 1e-7).all(), name
        assert allowed[1] < 0.01


@pytest.mark.notebook
@pytest.mark.parametrize("which", ["student", "ema"])
def test_final_batchnorm_statistics(replay, nudged, gold, which):
    names = official_names(replay.student)
    expected = dict(zip(map(str, gold["buffer_names"]), gold[f"{which}_buffer_norm"]))
    norms = [
        {names[n]: b.double().norm().item() for n, b in model_of(run, which).named_buffers()
         if names.get(n) in expected and "num_batches" not in n}
        for run in (replay, nudged)
    ]  # fmt: skip
    assert norms[0].keys() == expected.keys()
    spread = max(abs(a / b - 1) for a, b in zip(*(n.values() for n in norms), strict=True))
    for name, norm in norms[0].items():
        assert norm == pytest.approx(expected[name], rel=max(1e-3, APART * spread)), name
    assert APART * spread < 0.05
