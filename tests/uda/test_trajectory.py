"""Ten whole training steps replayed against the authors' DACS.train_step (golden trajectory A)."""

import numpy as np
import pytest
import torch

from daformer_lib.batch import Labelled, Unlabelled
from daformer_lib.config import ModelConfig, OptimConfig, UDAConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_official
from daformer_lib.models.official_names import official_names
from daformer_lib.optim import build_optimizer, set_learning_rates
from daformer_lib.specs import THINGS
from daformer_lib.uda.classmix import MixPlan
from daformer_lib.uda.feature_distance import ImageNetAnchor
from daformer_lib.uda.losses import daformer_losses
from daformer_lib.uda.teacher import Teacher

MODEL = ModelConfig(encoder="mit_b0", decoder="daformer", drop_path=0, dropout=0)
UDA = UDAConfig(threshold=0.5, ignore_top=4, ignore_bottom=30, fd_weight=0.005)
OPTIM = OptimConfig(warmup_steps=5)
CLASSES = [0, 2, 8, 10, 11, 13, 18, 5, 255]


def det_state(network, det, prefix=""):
    """Deterministic weights under the authors' names."""
    shapes = {
        official: network.state_dict()[ours].shape
        for ours, official in official_names(network).items()
    }
    return {
        k: torch.from_numpy(np.asarray(det.det_weights(prefix + k, s))) for k, s in shapes.items()
    }


@pytest.fixture(scope="module")
def replay(golden, det):
    """Run the ten iterations once; returns what the tests compare."""
    facts = golden("trajectory.json")["A"]
    student = build_segmentor(MODEL)
    load_official(student, det_state(student, det))
    teacher = Teacher(student, 0.999)
    load_official(teacher.model, det_state(student, det, "ema_model."))
    imagenet = build_segmentor(MODEL)
    load_official(imagenet, det_state(imagenet, det, "imnet_model."))
    anchor = ImageNetAnchor(imagenet.encoder, THINGS, 19, UDA.fd_min_share)
    student.train()
    start = {k: v.clone() for k, v in student.named_parameters()}
    optimizer = build_optimizer(student, OPTIM)
    steps = []
    for i, classes in enumerate(facts["mix_classes"]):
        set_learning_rates(optimizer, i, 10, OPTIM)
        optimizer.zero_grad()
        teacher.update(student, i)
        label = det.det_labels(f"traj.lbl.{i}", (2, 1, 128, 128), CLASSES)[:, 0]
        image = torch.from_numpy(det.det_image(f"traj.src.{i}", (2, 3, 128, 128)))
        source = Labelled.certain(image, torch.from_numpy(label))
        target = Unlabelled(torch.from_numpy(det.det_image(f"traj.trg.{i}", (2, 3, 128, 128))))
        plan = MixPlan(tuple(map(tuple, classes)))
        losses, norms, seen = {}, [], {}
        rng = np.random.default_rng(0)
        for part in daformer_losses(
            student, teacher, anchor, source, target, UDA, rng, plan=plan, seen=seen
        ):
            sum(part.values()).backward()
            losses |= {name: loss.item() for name, loss in part.items()}
            norms.append([grad_norm(student.encoder), grad_norm(student.decoder)])
        if i == 0:
            first = {k: p.grad.norm().item() for k, p in student.named_parameters()}
        steps.append((losses, norms, seen, [g["lr"] for g in optimizer.param_groups]))
        optimizer.step()
    return student, teacher, start, steps, first


def grad_norm(module):
    grads = [p.grad.double().norm() for p in module.parameters() if p.grad is not None]
    return torch.stack(grads).norm().item()


@pytest.fixture(scope="module")
def gold(golden):
    data = golden("trajectory.npz")
    return {k.removeprefix("A/"): data[k] for k in data.files if k.startswith("A/")}


def test_every_loss_of_every_iteration(replay, gold):
    keys = [str(k) for k in gold["log_keys"]]
    ours_of = {
        "decode.loss_seg": "source",
        "src.loss_imnet_feat_dist": "fd",
        "mix.decode.loss_seg": "mixed",
    }
    compared = set()
    for key, name in ours_of.items():
        if key not in keys:
            continue
        compared.add(name)
        expected = gold["logs"][:, keys.index(key)]
        ours = np.array([losses[name] for losses, _, _, _ in replay[3]])
        np.testing.assert_allclose(ours[:3], expected[:3], rtol=1e-5, err_msg=key)
        np.testing.assert_allclose(ours[3:], expected[3:], rtol=5e-4, err_msg=key)
    assert compared == {"source", "fd", "mixed"}, keys


def test_learning_rates(replay, gold):
    for i, (_, _, _, rates) in enumerate(replay[3]):
        np.testing.assert_allclose(rates, [gold["lr_backbone"][i]] * 2 + [gold["lr_head"][i]], 1e-9)


def test_gradients_after_each_backward(replay, gold):
    # Ours has one backward for source and FD: the authors' norms after FD and after the mix.
    ours = np.array([norms for _, norms, _, _ in replay[3]])
    np.testing.assert_allclose(ours, gold["grad_norm_after_backward"][:, 1:], rtol=2e-3)


def test_first_gradient_of_every_parameter(replay, gold):
    student, *_, first = replay
    names = official_names(student)
    expected = dict(zip(map(str, gold["param_names"]), gold["grad_norm_iter0"]))
    for ours, value in first.items():
        assert value == pytest.approx(expected[names[ours]], rel=1e-3, abs=1e-6), ours


@pytest.mark.parametrize("iteration", [0, 9])
def test_pseudo_and_mixed_labels(replay, gold, iteration):
    seen = replay[3][iteration][2]
    agree = (seen["pseudo"].label.numpy() == gold[f"iter{iteration}/pseudo_label"]).mean()
    assert agree > (1 - 1e-6 if iteration == 0 else 0.9995)
    mixed = (seen["mixed"].label.numpy() == gold[f"iter{iteration}/mixed_label"][:, 0]).mean()
    assert mixed > 0.9995
    np.testing.assert_allclose(
        seen["mixed"].weight, gold[f"iter{iteration}/mixed_weight"], atol=2e-4
    )


def test_confident_share_and_mix(replay, gold):
    for i, (_, _, seen, _) in enumerate(replay[3]):
        share = seen["pseudo"].weight.amax().item()
        assert share == pytest.approx(gold["teacher_conf_fraction"][i], abs=2e-4)
        weight = seen["mixed"].weight.mean().item()
        assert weight == pytest.approx(gold["mixed_weight_mean"][i], abs=2e-4)
        total = seen["mixed"].image.abs().double().sum().item()
        assert total == pytest.approx(gold["mixed_img_abs_sum"][i], rel=1e-6)


@pytest.mark.parametrize("which", ["student", "ema"])
def test_final_parameters(replay, gold, which):
    student, teacher, start, *_ = replay
    model = student if which == "student" else teacher.model
    names = official_names(student)
    order = {str(n): i for i, n in enumerate(gold["param_names"])}
    for ours, parameter in model.named_parameters():
        i = order[names[ours]]
        norm = parameter.detach().double().norm().item()
        assert norm == pytest.approx(gold[f"{which}_norm"][i], rel=1e-4), ours
        moved = (parameter.detach() - start[ours]).double().norm().item()
        # A key's bias has no gradient but rounding, which AdamW scales up to a full step.
        rel = 0.1 if "attn.kv.bias" in ours else 2.5e-2
        assert moved == pytest.approx(gold[f"{which}_delta_norm"][i], rel=rel, abs=1e-7), ours


@pytest.mark.parametrize("which", ["student", "ema"])
def test_final_batchnorm_statistics(replay, gold, which):
    student, teacher, *_ = replay
    model = student if which == "student" else teacher.model
    names = official_names(student)
    expected = dict(zip(map(str, gold["buffer_names"]), gold[f"{which}_buffer_norm"]))
    seen = 0
    for ours, buffer in model.named_buffers():
        if names.get(ours) in expected and "num_batches" not in ours:
            seen += 1
            assert buffer.double().norm().item() == pytest.approx(expected[names[ours]], rel=1e-3)
    assert seen == len(expected)
