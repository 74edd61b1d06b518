"""CRA's training steps replayed against the authors' (tests/golden_cra, runs A, B and F).

A has the published rates, B large ones, other settings and padding. F is the FADA loop of the same
repository, CRA's first stage there: source and target images in place of the two regions.

Tolerances. `forward_bound` of both networks, in standard deviations of their logits, is what a
forward pass may be off; losses and norms are compared relative to themselves, which are of that
size or larger. A gradient has come through the networks twice. Masks and labels must be equal: what
decides them is given. The recordings' own check without oneDNN is at 1.2e-7.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from torch import nn

from daformer_lib.batch import Labelled, Unlabelled
from daformer_lib.config import CRAConfig, Experiment, UDAConfig
from daformer_lib.uda.method import Turn
from daformer_lib.uda.methods.cra import (
    NOWHERE,
    Discriminator,
    class_logs,
    cra_losses,
    poly_rate,
    rare_classes,
    region_loss,
    soft_label,
    split_regions,
    trusted_loss,
)
from tests.helpers.cra import GOLD, aligned
from tests.helpers.rounding import APART, forward_bound

pytestmark = pytest.mark.numeric
CLASSES = [0, 2, 8, 10, 11, 13, 18, 5]
COUNTS = torch.full((19,), 1e6).index_put_(
    (torch.tensor([5, 11, 16, 18]),), torch.tensor([1e5, 3e5, 0.0, 5e4])
)
RUNS = {  # shape, rates of network and discriminator, length, threshold, factor, gain, labels
    "A": ((2, 64, 128), 2.5e-4, 1e-4, 62500, 0.01, 0.5, 3, CLASSES),
    "B": ((1, 64, 96), 0.02, 0.01, 10, 0.02, 1.0, 6, [*CLASSES, 255]),
    "F": ((2, 64, 128), 0.01, 0.005, 10, None, 1.0, 3, [*CLASSES, 255]),
}


class Extractor(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)

    def forward(self, image):
        return self.bn2(self.conv2(self.bn1(self.conv1(image)).relu())).relu()


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv2d_list = nn.ModuleList(
            nn.Conv2d(32, 19, 3, padding=d, dilation=d) for d in (6, 12, 18, 24)
        )

    def forward(self, feature):
        return sum(conv(feature) for conv in self.conv2d_list)


class Student(nn.Module):
    """The authors' two networks as one; `seen` is the feature of the last pass."""

    def __init__(self):
        super().__init__()
        self.fea, self.cls = Extractor(), Classifier()

    def with_final_feature(self, image):
        self.seen = self.fea(image)
        return self.cls(self.seen), self.seen


@torch.no_grad()
def begin(network, det, prefix, gain=1):
    for name, tensor in network.state_dict().items():
        made = torch.from_numpy(np.asarray(det.det_weights(prefix + name, tensor.shape)))
        tensor.copy_(made * gain if name.endswith("weight") else made)


def entropy_of(det, run, i, shape, threshold):
    b, h, w = shape
    u = det.rng_for(f"cra.{run}.ent.{i}").random((b, h // 4, w // 4))
    entropy = (0.04 * u * u).repeat(4, 1).repeat(4, 2).astype(np.float32)
    edge = np.float32(threshold)
    entropy[:, 0, :3] = edge, np.nextafter(edge, np.float32(1)), np.nextafter(edge, np.float32(0))
    return torch.from_numpy(entropy)


def stats(array):
    """As recorded, but the mean of |x| in place of its sum: all five are of x's size."""
    x = array.double()
    return np.array([x.mean(), x.std(correction=0), x.abs().mean(), x.min(), x.max()])


class Replay:
    """Networks, optimizers and what was measured; `step` is an iteration of the authors' loop."""

    def __init__(self, run, det):
        self.run, self.det = run, det
        self.shape, self.rate, self.rate_d, self.length, *rest = RUNS[run]
        self.threshold, self.factor, gain, self.classes = rest
        self.student, self.discriminator = Student(), Discriminator(32, 16, 19)
        begin(self.student.fea, det, f"cra.{run}.fea.")
        begin(self.student.cls, det, f"cra.{run}.cls.", gain)
        begin(self.discriminator, det, f"cra.{run}.dis.")
        sgd = functools.partial(torch.optim.SGD, momentum=0.9, weight_decay=5e-4)
        self.optimizers = {
            "fea": sgd(self.student.fea.parameters(), 1),
            "cls": sgd(self.student.cls.parameters(), 1),
            "dis": torch.optim.Adam(self.discriminator.parameters(), 1, betas=(0.9, 0.99)),
        }
        self.start = {name: tensor.clone() for name, tensor in self.state().items()}
        self.rows = []

    def gold(self, name):
        return GOLD[f"train/{self.run}/{name}"]

    @property
    def bound(self):
        return forward_bound(self.student) + forward_bound(self.discriminator)

    def state(self):
        beside = self.discriminator.state_dict().items()
        return {**self.student.state_dict(), **{f"dis.{name}": tensor for name, tensor in beside}}

    def image(self, tag, i):
        b, h, w = self.shape
        return torch.from_numpy(self.det.det_image(f"cra.{self.run}.{tag}.{i}", (b, 3, h, w)))

    def label(self, i):
        b, h, w = self.shape
        made = self.det.det_labels(
            f"cra.{self.run}.lbl.{i}", (b, 1, h, w), self.classes, block=16, small=8
        )
        return torch.from_numpy(made)[:, 0]

    def regions(self, i):
        label = self.label(i)
        entropy = entropy_of(self.det, self.run, i, self.shape, self.threshold)
        if self.run == "B":
            entropy[..., -16:], label[..., -16:] = NOWHERE, 255
        return split_regions(
            label, entropy, self.threshold, rare_classes(COUNTS, 0.01), self.factor
        )

    def step(self, i):
        rates = {"fea": self.rate, "cls": 10 * self.rate, "dis": self.rate_d}
        self.logits, row = [], {}
        for name, optimizer in self.optimizers.items():
            rate = poly_rate(rates[name], i, self.length)
            optimizer.zero_grad()
            optimizer.param_groups[0]["lr"] = row[f"lr_{name}"] = rate
        losses = self.fada(i) if self.run == "F" else self.cra(i)
        row["adv_feature_grad"] = torch.autograd.grad(
            losses["adversarial"], self.student.seen, retain_graph=True
        )[0]
        sum(losses.values()).backward()
        row |= {name: loss.item() for name, loss in losses.items()}
        row["resized"] = [logits.detach() for logits in self.logits]
        for name, optimizer in self.optimizers.items():
            own = optimizer.param_groups[0]["params"]
            row[f"grad_norm_{name}"] = [p.grad.double().norm().item() for p in own]
            optimizer.step()
        self.rows.append(row)

    def resized(self, logits, size):
        """As the authors resize; all that passes here is kept."""
        self.logits.append(aligned(logits, size))
        return self.logits[-1]

    def halves(self, i):
        """Source and target: logits over T, soft labels and the discriminator's logits. Of CRA's
        one image both are the same."""
        said, *rest = self.rows[i]["resized"]
        found = [(said, rest[0]), (rest[1], rest[3])] if self.run == "F" else [(said, rest[1])] * 2
        return [(said, soft_label(said, CRAConfig().clip), told) for said, told in found]

    def cra(self, i):
        with torch.no_grad():  # the authors pass each image twice, which only statistics show
            self.student.with_final_feature(self.image("img", i))
        experiment = Experiment("cra", uda=UDAConfig(), methods={"cra": CRAConfig()})
        self.seen = self.regions(i)
        turn = Turn(
            self.student, None, Unlabelled(self.image("img", i)), experiment, i,
            replay={"regions": self.seen},
        )  # fmt: skip
        (losses,) = cra_losses(turn, None, self.discriminator, self.resized)
        return losses

    def fada(self, i):
        """Source images are the trusted region of one batch, target images the other of another."""
        config, size = CRAConfig(), self.shape[1:]
        source = Labelled.certain(self.image("img", i), self.label(i))
        everywhere = torch.ones(self.shape, dtype=torch.bool)
        logits, feature = self.student.with_final_feature(source.image)
        logits = self.resized(logits / config.temperature, size)
        soft = soft_label(logits, config.clip)
        known, _ = class_logs(self.resized(self.discriminator(feature.detach()), size))
        losses = {
            "trusted": trusted_loss(logits, source.label, (source.label != 255).sum()),
            "source": 0.5 * region_loss(known, soft, everywhere),
        }
        logits, feature = self.student.with_final_feature(self.image("trg", i))
        soft = soft_label(self.resized(logits / config.temperature, size), config.clip)
        fooled, _ = class_logs(self.resized(self.discriminator.without_learning(feature), size))
        _, told = class_logs(self.resized(self.discriminator(feature.detach()), size))
        losses["adversarial"] = config.weight * region_loss(fooled, soft, everywhere)
        losses["target"] = 0.5 * region_loss(told, soft, everywhere)
        return losses


@pytest.fixture(scope="module", params=RUNS)
def replay(request, det):
    made = Replay(request.param, det)
    for i in range(3):
        made.step(i)
    return made


def column(replay, name):
    return np.array([row[name] for row in replay.rows])


def test_losses(replay):
    told = ("source", "target") if replay.run == "F" else ("discriminator",)
    ours = {
        "loss_seg": column(replay, "trusted"),
        "loss_adv_tgt": column(replay, "adversarial"),
        "loss_D": sum(column(replay, name) for name in told),
    }
    for name, series in ours.items():
        np.testing.assert_allclose(series, replay.gold(name), rtol=replay.bound, err_msg=name)


def parts_of_the_discriminators_loss(replay, i):
    if replay.run == "F":
        return [replay.rows[i][name] for name in ("source", "target")]
    _, soft, told = replay.halves(i)[0]
    halves = zip(class_logs(told), replay.regions(i)[1:], strict=True)
    return [0.5 * region_loss(logs, soft, region).item() for logs, region in halves]


def test_losses_of_the_discriminator_apart(replay):
    ours = [parts_of_the_discriminators_loss(replay, i) for i in range(3)]
    theirs = [replay.gold("loss_D_src"), replay.gold("loss_D_tgt")]
    np.testing.assert_allclose(np.transpose(ours), theirs, rtol=replay.bound)


@pytest.mark.parametrize("i", range(3))
def test_logits_and_soft_labels(replay, i):
    (said, soft, told), (_, soft_target, told_target) = replay.halves(i)
    none = torch.zeros_like(soft)
    for name, ours, scale in (
        ("logits_over_T", said, said), ("disc_source", told, told),
        ("disc_target", told_target, told_target),
        ("soft_source", torch.cat([soft, none], 1), said),  # changes by less than its logits
        ("soft_target", torch.cat([none, soft_target], 1), said),
    ):  # fmt: skip
        theirs = replay.gold(f"iter{i}/{name}_stats") / [1, 1, ours.numel(), 1, 1]
        apart = replay.bound * float(scale.std())
        np.testing.assert_allclose(stats(ours), theirs, rtol=0, atol=apart, err_msg=name)


def test_first_soft_labels_and_how_many_are_clipped(replay):
    (said, soft, _), _ = replay.halves(0)
    apart = replay.bound * float(said.std())
    theirs = replay.gold("iter0/soft_first_slice4")
    np.testing.assert_allclose(soft[..., ::4, ::4], theirs, rtol=0, atol=apart)
    surest, clip = said.softmax(1).amax(1), CRAConfig().clip
    fewest, most = (float((surest > clip + d).double().mean()) for d in (apart, -apart))
    assert fewest <= replay.gold("iter0/clipped_share") <= most < fewest + 1e-3
    assert ((soft == np.float32(clip)).any(1).double().mean() - fewest).abs() <= most - fewest


def test_rates_and_gradients(replay):
    for name in replay.optimizers:
        rates, norms = column(replay, f"lr_{name}"), column(replay, f"grad_norm_{name}")
        np.testing.assert_allclose(rates, replay.gold(f"lr_{name}"), rtol=1e-12)
        theirs = replay.gold(f"grad_norm_{name}")
        np.testing.assert_allclose(norms, theirs, rtol=2 * replay.bound, err_msg=name)


def test_what_the_adversary_asks_of_the_features(replay):
    norms = [row["adv_feature_grad"].double().norm().item() for row in replay.rows]
    theirs = replay.gold("adv_feature_grad_norm")
    np.testing.assert_allclose(norms, theirs, rtol=2 * replay.bound)
    ours = replay.rows[0]["adv_feature_grad"][:, ::4, ::4, ::4]
    theirs = replay.gold("adv_feature_grad_iter0_slice4")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2 * replay.bound * np.abs(theirs).max())


def test_weights_and_statistics_after_three_iterations(replay):
    """Adam moves a weight by its rate, whatever the gradient: the sign of a tiny one may differ."""
    state = replay.state()
    for i, name in enumerate(map(str, replay.gold("names"))):
        norm, moved = state[name].norm().item(), (state[name] - replay.start[name]).norm().item()
        assert norm == pytest.approx(replay.gold("end_norm")[i], rel=APART * replay.bound), name
        total, apart = state[name].double().sum().item(), APART * replay.bound * norm
        apart *= state[name].numel() ** 0.5  # a vector of that norm has no larger sum
        assert total == pytest.approx(replay.gold("end_sum")[i], abs=apart), name
        assert moved == pytest.approx(replay.gold("delta_norm")[i], rel=APART * replay.bound), name


def test_whole_tensors_at_the_end(replay):
    """Also how many batches BatchNorm has seen: two an iteration."""
    state, prefix = replay.state(), f"train/{replay.run}/end/"
    recorded = [name.removeprefix(prefix) for name in GOLD.files if name.startswith(prefix)]
    assert len(recorded) == 5
    for name in recorded:
        theirs = torch.from_numpy(np.asarray(GOLD[prefix + name])).double()
        apart = (state[name].double() - theirs).norm()
        exact = name.endswith("num_batches_tracked")
        assert apart <= (0 if exact else APART * replay.bound * theirs.norm()), name


@pytest.mark.parametrize("run", ["A", "B"])
@pytest.mark.parametrize("i", range(3))
def test_regions(det, run, i):
    """With the threshold itself, its two neighbours, rare classes (A) and padding (B)."""
    ours = Replay(run, det).regions(i)
    for mine, name in ((ours.label, "used_label"), (ours.trusted, "trusted"),
                       (ours.untrusted, "untrusted")):  # fmt: skip
        np.testing.assert_array_equal(mine, GOLD[f"train/{run}/iter{i}/{name}"], err_msg=name)
    assert (ours.label[..., -16:] == 255).all() or run == "A"
