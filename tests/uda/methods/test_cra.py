"""CRA's pieces against the authors' code (tests/golden_cra), and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from daformer_lib.config import CRAConfig, Experiment
from daformer_lib.models import build_segmentor
from daformer_lib.models.statistics import batch_norms
from daformer_lib.ranks import Ranks
from daformer_lib.runs.recipes.settings import with_settings
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.probe import noise_batch
from daformer_lib.train.step import build_learner, training_step, turn_of
from daformer_lib.uda.methods.cra import (
    NOWHERE,
    Discriminator,
    Labeller,
    class_logs,
    mean_entropy,
    poly_rate,
    rare_classes,
    region_loss,
    soft_label,
    split_regions,
    trusted_loss,
)
from tests.helpers.cra import GOLD, aligned
from tests.helpers.rounding import UNIT, forward_bound

pytestmark = pytest.mark.numeric
# A softmax, a logarithm, a product and the sums over classes and pixels round a few times each;
# sums of numbers of one sign lose no digit. Sixteen roundings leave room for any order.
FEW = 16 * UNIT


def tensor(name):
    return torch.from_numpy(np.asarray(GOLD[name]))


@pytest.mark.parametrize(
    ("case", "classes", "low", "size"),
    [("c19", 19, (16, 32), (32, 64)), ("c16", 16, (12, 20), (33, 57))],
)
def test_entropy_and_label(det, case, classes, low, size):
    rng = det.rng_for(f"cra.ent.{case}")
    z = rng.standard_normal((classes, *low))
    gain = rng.uniform(0, 8, (low[0] // 4, low[1] // 4)).repeat(4, 0).repeat(4, 1)
    logits = aligned(torch.from_numpy((gain * z).astype(np.float32))[None], size)
    probability, entropy = logits.softmax(1), mean_entropy(logits.softmax(1))[0]
    # A logit of size s rounds by s UNIT, and p log p of a class by as much: entropies are in bits
    # of the mean over classes, which are smaller than one logit's rounding.
    apart = FEW * float(logits.abs().max()) / classes
    np.testing.assert_allclose(entropy, GOLD[f"entropy/{case}/map"], rtol=0, atol=apart)
    np.testing.assert_array_equal(probability.argmax(1)[0], GOLD[f"entropy/{case}/label"])
    apart *= classes  # and no probability changes by more than the logits
    for ours, name in (
        (probability.amax(1)[0], "max_prob"), (probability[0, :, ::8, ::8], "prob_slice8"),
    ):  # fmt: skip
        np.testing.assert_allclose(ours, GOLD[f"entropy/{case}/{name}"], rtol=0, atol=apart)
    shares = [float((entropy <= limit).double().mean()) for limit in (0.005, 0.01, 0.02)]
    np.testing.assert_allclose(shares, GOLD[f"entropy/{case}/trusted_share"], atol=1e-3)


def test_entropy_of_what_can_be_counted_by_hand():
    rows = torch.zeros(4, 19)
    rows[0, 0], rows[1], rows[2, :2] = 1, 1 / 19, 0.5
    rows[3, 0], rows[3, 1] = 0.75, 0.25
    ours = mean_entropy(rows[:, :, None, None]).flatten()
    np.testing.assert_allclose(ours, GOLD["entropy/special"], rtol=0, atol=FEW / 19)
    assert ours[0] == 0 and ours[1] == pytest.approx(1 / 19)


@pytest.mark.parametrize(
    ("case", "channels", "width", "shape", "size"),
    [("a", 32, 16, (2, 32, 9, 11), (36, 44)), ("b", 256, 256, (1, 256, 6, 8), (21, 32))],
)
def test_discriminator(det, case, channels, width, shape, size):
    ours = Discriminator(channels, width, 19)
    keys = [f"{k}:{','.join(map(str, v.shape))}" for k, v in ours.state_dict().items()]
    assert keys == [str(key) for key in GOLD[f"disc/{case}/keys"]]
    weights = {k: det.det_weights(f"cra.disc.{case}.{k}", v.shape)
               for k, v in ours.state_dict().items()}  # fmt: skip
    ours.load_state_dict({k: torch.from_numpy(np.asarray(v)) for k, v in weights.items()})
    x = det.rng_for(f"cra.disc.{case}.x").standard_normal(shape).astype(np.float32)
    x = torch.from_numpy(x).requires_grad_()
    out = ours(x)
    apart = forward_bound(ours) * float(out.detach().std())
    np.testing.assert_allclose(out.detach(), GOLD[f"disc/{case}/out"], rtol=0, atol=apart)
    row = aligned(out, size)[:, :, size[0] // 2].detach()
    np.testing.assert_allclose(row, GOLD[f"disc/{case}/up_row"], rtol=0, atol=2 * apart)
    ours.without_learning(x).sum().backward()
    assert x.grad is not None and all(p.grad is None for p in ours.parameters())


def test_parameters_of_the_discriminator():
    counts = [
        sum(p.numel() for p in Discriminator(channels, 256, 19).parameters())
        for channels in (2048, 1024, 256)
    ]
    assert counts == GOLD["disc/params"].tolist()


@pytest.mark.parametrize("half", ["first", "second"])
@pytest.mark.parametrize("kind", ["masked", "all", "masked_weighted", "none_in_region"])
def test_region_loss_and_its_gradient(half, kind):
    pred, mask = tensor("loss/pred").requires_grad_(), tensor("loss/mask").float()
    region = {
        "masked": mask, "all": torch.ones_like(mask), "none_in_region": torch.zeros_like(mask),
        "masked_weighted": mask * tensor("loss/weights"),
    }[kind]  # fmt: skip
    logs = class_logs(pred)[("first", "second").index(half)]
    loss = region_loss(logs, tensor("loss/soft"), region)
    loss.backward()
    assert loss.item() == pytest.approx(float(GOLD[f"loss/{half}/{kind}"]), rel=FEW)
    stats = GOLD[f"loss/{half}/{kind}_grad_stats"]
    largest = np.abs(stats[3:]).max()
    assert float(pred.grad.double().abs().sum()) == pytest.approx(stats[2], rel=FEW)
    assert float(pred.grad.max()) == pytest.approx(stats[4], abs=FEW * largest)
    if (name := f"loss/{half}/{kind}_grad_slice2") in GOLD:
        ours = pred.grad[0, :, ::2, ::2]
        np.testing.assert_allclose(ours, GOLD[name], rtol=0, atol=FEW * largest)


@pytest.mark.parametrize("base", [2.5e-4, 1e-4, 5e-4])
def test_rates(base):
    steps = 31250 if base == 5e-4 else 62500
    ours = [poly_rate(base, int(i), steps) for i in GOLD["lr/iters"] if i <= steps]
    name = f"lr/base{'0.00025' if base == 2.5e-4 else f'{base:.4f}'}_max{steps}"
    np.testing.assert_allclose(ours, GOLD[name], rtol=1e-12)


def test_soft_labels_are_cut_off_and_take_no_gradient():
    logits = torch.tensor([[[[8.0]], [[0.0]], [[1.0]]]], requires_grad=True)
    soft = soft_label(logits, 0.9)
    assert not soft.requires_grad and soft.max() == np.float32(0.9) and soft.sum() < 0.91


def test_a_batch_without_a_trusted_pixel_teaches_nothing():
    """The authors' code gives NaN there."""
    logits = torch.zeros(1, 3, 2, 2, requires_grad=True)
    loss = trusted_loss(logits, torch.full((1, 2, 2), 255), torch.tensor(0))
    loss.backward()
    assert loss == 0 and (logits.grad == 0).all()


def test_rare_classes_are_trusted_sooner_and_padding_never():
    label = torch.tensor([[[0, 1, 1, 255]]])
    entropy = torch.tensor([[[0.03, 0.03, 0.05, NOWHERE]]])
    rare = rare_classes(torch.tensor([1000.0, 9.0, 0.0]), 0.01)
    assert rare.tolist() == [False, True, True]
    found = split_regions(label, entropy, 0.02, rare, 0.5)
    assert found.trusted.tolist() == [[[False, True, False, False]]]
    assert found.untrusted.tolist() == [[[True, False, True, False]]]
    assert found.label.tolist() == [[[255, 1, 255, 255]]]


def test_the_edge_of_what_rare_classes_are_trusted_by():
    """In float32 and with the edge itself; padding is none of theirs, whatever its label."""
    edge = np.float32(0.02 / 0.5)
    entropy = [np.nextafter(edge, np.float32(0)), edge, np.nextafter(edge, np.float32(1)), NOWHERE]
    label = torch.ones(1, 1, 4, dtype=torch.int64)
    rare = torch.tensor([False, True])
    found = split_regions(label, torch.tensor(np.float32([[entropy]])), 0.02, rare, 0.5)
    assert found.trusted.tolist() == [[[True, True, False, False]]]
    assert found.untrusted.tolist() == [[[False, False, True, False]]]
    assert found.label.tolist() == [[[1, 1, 255, 255]]]
    assert CRAConfig().threshold / 19 == 0.01  # the authors' own


@pytest.fixture(scope="module")
def learner(smoke_data):
    from daformer_lib.runs import recipes

    def make(row="cra", **changes):
        experiment = recipes.experiment(row, "smoke", data_root=str(smoke_data)).changed(**changes)
        return experiment, build_learner(experiment, PlainEngine())

    return make


def test_the_labeller_keeps_to_the_rows_that_daformer_sees(learner):
    experiment, made = learner(cra={"threshold": 1.0})
    batch = noise_batch(experiment)
    turn = turn_of(made, experiment, 0, batch, PlainEngine())
    found = Labeller(made.network, experiment.model.num_classes).regions(turn)
    uda, height = experiment.uda, experiment.data.crop[0]
    assert found.trusted[:, uda.ignore_top : height - uda.ignore_bottom].all()
    assert found.trusted.sum() == found.trusted[:, uda.ignore_top : -uda.ignore_bottom].sum()
    assert not found.untrusted.any()


def test_a_survey_counts_every_image_once_whoever_sees_it(smoke):
    model = smoke("cra").model
    labeller = Labeller(build_segmentor(model), model.num_classes)
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    labeller.survey(images)
    assert labeller.counts.sum() == images[:, 0].numel()
    whole = labeller.counts
    labeller.survey(images[1:], Ranks())
    assert (labeller.counts <= whole).all() and labeller.counts.sum() == 2 * 64 * 64


def test_parts_of_a_batch_add_up_to_the_whole(learner):
    """The student's gradient of two parts is that of one, but for BatchNorm's batches."""
    found = []
    for parts in (1, 2):
        experiment, made = learner(train={"accumulate": parts}, model={"dropout": 0.0,
                                   "drop_path": 0.0}, cra={"threshold": 0.9})  # fmt: skip
        for module in made.network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()
        losses = training_step(made, experiment, 0, noise_batch(experiment), PlainEngine())
        found.append({k: float(v) for k, v in losses.items()})
        network = made.method.trained["discriminator"].network
        bound = forward_bound(made.network) + forward_bound(network)
    assert found[0] == pytest.approx(found[1], rel=bound)


def test_the_student_learns_from_its_own_losses_and_so_does_the_discriminator(learner):
    """With the adversary off, nothing of the discriminator reaches the student."""
    experiment, made = learner("cra_no_adversary")
    turn = turn_of(made, experiment, 0, noise_batch(experiment), PlainEngine())
    (losses,) = made.method.losses(turn)
    losses["discriminator"].backward()
    assert all(p.grad is None for p in made.network.parameters())
    network = made.method.trained["discriminator"].network
    assert all(p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_adversary_moves_the_features_and_not_who_reads_them(learner):
    experiment, made = learner("cra")
    turn = turn_of(made, experiment, 0, noise_batch(experiment), PlainEngine())
    (losses,) = made.method.losses(turn)
    assert turn.seen["regions"].untrusted.any()
    losses["adversarial"].backward()
    for name, parameter in made.network.named_parameters():
        assert (parameter.grad is None) == name.startswith("decoder.conv_seg"), name
    for half in (made.network.encoder, made.network.decoder):
        assert any(p.grad.any() for p in half.parameters() if p.grad is not None)
    discriminator = made.method.trained["discriminator"].network
    assert all(p.grad is None for p in discriminator.parameters())


def test_what_health_watches_is_the_students_and_not_the_labels_that_never_change(learner):
    experiment, made = learner("cra")
    batch = noise_batch(experiment)
    with torch.no_grad():  # a student that says road everywhere
        made.network.decoder.conv_seg.bias[0] += 1e6
    turn = turn_of(made, experiment, 0, batch, PlainEngine())
    list(made.method.losses(turn))
    assert (turn.seen["pseudo"].label == 0).all()
    assert (turn.seen["regions"].label != 0).any()
    trusted = turn.seen["regions"].trusted.float().mean()
    assert torch.equal(turn.seen["pseudo"].weight.unique(), trusted[None])


def test_beside_daformer_every_loss_of_its_step_stays(learner):
    plain, with_cra = (
        training_step(made, experiment, 0, noise_batch(experiment), PlainEngine())
        for experiment, made in map(learner, ("daformer", "cra_daformer"))  # dropout begins anew
    )
    assert with_cra.keys() - plain.keys() == {"adversarial", "discriminator"}
    assert all(torch.equal(with_cra[name], loss) for name, loss in plain.items())


@pytest.mark.parametrize(
    ("row", "change", "told"),
    [
        ("cra", {"cra": {"threshold": 1.5}}, r"cra.threshold 1.5 must lie in \[0, 1\]"),
        ("cra", {"cra": {"temperature": 0.0}}, "cra.temperature 0.0 must be positive"),
        ("cra", {"cra": {"horizon": 0.5}}, "cra.horizon 0.5 must be at least 1"),
        ("cra", {"cra": {"step": "all"}}, "cra.step 'all' must be one of"),
        ("cra", {"uda": {"fd_weight": 0.1}}, "fd_weight 0.1 must be 0; or take cra.step=daformer"),
        ("cra", {"mode": "oracle"}, "mode 'oracle' does not see; take mode 'uda'"),
        ("cra", {"mic": {}}, "cra stands alone, without mic; or take cra.step=daformer"),
        ("cra", {"hrda": {"window": None}}, "start from a run without hrda"),
        ("cra_daformer", {"hrda": {"window": None}}, "start from a run without hrda"),
        ("distillation", {"mic": {}}, "distillation stands alone, without mic"),
        ("daformer", {"train": {"start_from": "runs/x"}}, "--start-from takes the folder itself"),
    ],
)
def test_settings_that_do_not_fit_are_named(smoke, row, change, told):
    with pytest.raises(ValueError, match=told):
        smoke(row).changed(**change)


def test_a_start_makes_another_run(smoke):
    plain = smoke("daformer")
    started = with_settings(plain, ["train.start_from=0123abcd"])
    assert started.key != plain.key and Experiment.from_dict(started.to_dict()) == started
    assert smoke("cra").methods == {"cra": CRAConfig(width=48)}


@pytest.mark.parametrize("row", ["cra", "distillation"])
def test_a_teacher_that_labels_nothing_has_the_students_statistics(smoke, row):
    """Else a next stage would start from weights of now and statistics of the start."""
    experiment, engine = smoke(row), PlainEngine()
    learner, batch = build_learner(experiment, engine), noise_batch(experiment)
    for step in range(3):
        training_step(learner, experiment, step, batch, engine)
    learner.method.teacher.update(learner.network, 3)
    pairs = zip(batch_norms(learner.method.teacher.model), batch_norms(learner.network))
    for ours, theirs in pairs:
        assert torch.equal(ours.running_mean, theirs.running_mean)
        assert torch.equal(ours.running_var, theirs.running_var)
