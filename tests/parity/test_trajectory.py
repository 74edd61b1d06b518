"""Ten whole training steps replayed against the authors' DACS.train_step (golden trajectory A).

Training amplifies rounding, so no fixed tolerance holds at iteration 9 on every processor. Up to
iteration 2 the step is well conditioned and the tolerances are fixed and tight. Later ones are
measured here, on the processor at hand: a second replay starts from weights that differ in their
last place, and ours may be APART times as far from the authors' as these two are from each other.
"""

import numpy as np
import pytest

from daformer_lib.models.checkpoints.official_names import official_names
from tests.helpers.rounding import APART, assert_same_labels
from tests.parity.replay import TIGHT, WELL_CONDITIONED, assert_follows, distances, replayed

pytestmark = pytest.mark.numeric


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


def test_the_first_iterations_are_the_authors(beginning, theirs):
    assert set(theirs) == set(beginning.series())
    assert_follows(beginning.series(), theirs)


@pytest.mark.notebook  # trains twice
def test_losses_gradients_and_shares_of_every_iteration(replay, nudged, theirs):
    spread = distances(nudged.series(), replay.series())
    assert_follows(replay.series(), theirs, spread)
    # What is allowed at the end still means something.
    assert APART * spread["source"].max() < 0.02 and APART * spread["gradient"].max() < 0.2


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
    # Of a weight only the confident share is computed; where it stands is given.
    spread = distances(nudged.series(), replay.series())["share"].max()
    atol = max(TIGHT["share"], APART * spread)
    np.testing.assert_allclose(
        replay.seen[9]["mixed"].weight, gold["iter9/mixed_weight"], rtol=0, atol=atol
    )
    assert atol < 0.05


@pytest.mark.notebook
def test_images_are_mixed_of_the_right_pixels(replay, gold):
    """Pixels are moved, not computed: only their sum is rounded."""
    for i, seen in enumerate(replay.seen):
        total = seen["mixed"].image.abs().double().sum().item()
        assert total == pytest.approx(gold["mixed_img_abs_sum"][i], rel=1e-6)


def model_of(replay, which):
    return replay.student if which == "student" else replay.teacher.model


def moved(replay, which):
    """Name -> how far a parameter is from where it started, its norm, and its sum as the length of
    its part in the direction of a vector of ones: so it is off by no more than the vector is."""
    found = {}
    for name, p in model_of(replay, which).named_parameters():
        p, start = p.detach().double(), replay.start[name].detach().double()
        found[name] = np.array([(p - start).norm(), p.norm(), p.sum() / p.numel() ** 0.5])
    return found


@pytest.mark.notebook
@pytest.mark.parametrize("which", ["student", "ema"])
def test_final_parameters(replay, nudged, gold, which):
    ours, other = moved(replay, which), moved(nudged, which)
    names, order = official_names(replay.student), list(map(str, gold["param_names"]))
    sizes = {name: p.numel() for name, p in replay.student.named_parameters()}
    # A key's bias has no gradient but rounding, which AdamW scales up to a full step.
    noise = {name for name in ours if "attn.kv.bias" in name}
    for group in (noise, set(ours) - noise):
        relative = [np.abs(ours[n] - other[n]) / np.maximum(ours[n][[0, 1, 1]], 1e-7)
                    for n in sorted(group)]  # fmt: skip
        # 2.5e-2 and 3e-5 are what the authors' code differs from itself with other kernels.
        least = np.array([0.1 if group is noise else 2.5e-2, 1e-4, 1e-4])
        allowed = np.maximum(APART * np.max(relative, axis=0), least)
        for name in group:
            i = order.index(names[name])
            moved_by, norm, total = (gold[f"{which}_{k}"][i] for k in ("delta_norm", "norm", "sum"))
            apart = np.abs(ours[name] - [moved_by, norm, total / sizes[name] ** 0.5])
            assert (apart <= allowed * [moved_by, norm, norm] + 1e-7).all(), name
        assert allowed[1:].max() < 0.01


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
    passes = {int(b) for n, b in model_of(replay, which).named_buffers() if "num_batches" in n}
    passed = gold["num_batches_tracked_student_ema_imnet"]  # of the third we have no BatchNorm
    assert passes == {passed[("student", "ema").index(which)]}
    spread = max(abs(a / b - 1) for a, b in zip(*(n.values() for n in norms), strict=True))
    for name, norm in norms[0].items():
        assert norm == pytest.approx(expected[name], rel=max(1e-3, APART * spread)), name
    assert APART * spread < 0.05
