"""HRDA's network against the authors' (tests/golden_frontier/hrda.*), in every named variant.

As in `test_parity.py`: in double precision what is left are the golden files' own roundings; in
single precision the processor's come on top, with a bound that the network's sums give.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from daformer_lib.batch import Labelled
from daformer_lib.config import HRDAConfig, ModelConfig, OptimConfig
from daformer_lib.evaluate import decide, whole
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import load_official
from daformer_lib.models.checkpoints.official_names import official_names
from daformer_lib.models.multi_resolution import Region, detail_regions, fuse, stitch
from daformer_lib.models.statistics import batch_norms
from daformer_lib.runs import recipes
from daformer_lib.train.optim import parameter_groups
from daformer_lib.uda.methods.hrda import branch_losses
from tests.helpers.frontier import GOLDEN, HRDA_VARIANTS, settings_of
from tests.helpers.rounding import assert_same_labels, forward_bound, near_ties

pytestmark = pytest.mark.numeric

FACTS = json.loads((GOLDEN / "hrda.json").read_text(encoding="utf-8"))
GOLD = np.load(GOLDEN / "hrda.npz")
CLASSES = [0, 2, 8, 10, 11, 13, 18, 5, 255]
# Largest difference, in standard deviations of the authors' array, of their own roundings: in train
# mode BatchNorm divides by deviations of few cells, which enlarges them.
PROMISED = {"eval": 1e-5, "train": 3e-5}
MODEL = ModelConfig("mit_b0", "daformer", drop_path=0, dropout=0)
SIDES = {"sc0.75": 192}  # of the variants' images; else 128
# One in `make check`; all in `make test`.
VARIANTS = [
    pytest.param(name, marks=() if name == "main" else pytest.mark.notebook)
    for name in FACTS["variant"]
]


def tensor(array):
    return torch.from_numpy(np.asarray(array))


@pytest.fixture
def network(det_state):
    """network("main", train=True): filled with deterministic weights."""

    def make(variant="main", train=False, **changes):
        made = build_segmentor(MODEL, HRDAConfig(**(HRDA_VARIANTS[variant] | changes)))
        load_official(made, det_state(made))
        return made.train(train)

    return make


@pytest.fixture
def labelled(det):
    """What the authors' losses are taken of."""

    def make(variant="main"):
        side = SIDES.get(variant, 128)
        count, suffix = (2, "") if side == 128 else (1, str(side))
        image = tensor(det.det_image("hrda.img" + suffix, (count, 3, side, side)))
        label = tensor(det.det_labels("hrda.lbl" + suffix, (count, 1, side, side), CLASSES))[:, 0]
        weight = torch.ones(label.shape)
        if not suffix:
            weight = tensor(det.rng_for("hrda.w").random(tuple(label.shape)).astype(np.float32))
        return Labelled(image, label, weight)

    return make


def watched(net):
    """Lists that fill with what the head and the attention's head give."""
    heads, attentions = [], []
    net.decoder.head.register_forward_hook(lambda module, given, out: heads.append(out))
    if net.decoder.fixed is None:
        watch = lambda module, given, out: attentions.append(out)
        net.decoder.scale_attention.register_forward_hook(watch)
    return heads, attentions


def tolerance(net, mode):
    single = next(net.parameters()).dtype == torch.float32
    return PROMISED[mode] + forward_bound(net) * single


def assert_equal(ours, theirs, allowed, key=""):
    ours = ours.detach().double().numpy()
    assert ours.shape == theirs.shape
    error = np.abs(ours - theirs).max() / theirs.std()
    assert error < allowed, f"{key} differs by {error:.1e} standard deviations"


def assert_stats(ours, stats, allowed, key):
    """mean, std, sum of |x|, min, max; the sum grows with the number of elements."""
    x = ours.detach().double()
    found = torch.stack([x.mean(), x.std(correction=0), x.abs().sum(), x.min(), x.max()]).numpy()
    scale = np.array([stats[1], stats[1], stats[2], stats[1], stats[1]])
    apart = (np.abs(found - stats) / scale).max()
    assert apart < allowed, f"{key} differs by {apart:.1e} standard deviations"


def assert_recorded(parts, place, allowed):
    """Every array of the authors' record under `place`."""
    keys = [key for key in GOLD.files if key.startswith(place) and "/after/" not in key]
    assert len(keys) >= 5
    for key in keys:
        name = key.removeprefix(place)
        if name.endswith("_stats"):
            assert_stats(parts[name.removesuffix("_stats")], GOLD[key], allowed, key)
            continue
        every = {"detail_logits_crops": 4, "fused_logits": 1 if "/main/" in place else 6}
        assert_equal(parts[name][:, :: every.get(name, 1)], GOLD[key], allowed, key)


def feature_shapes(variant):
    """Of the context alone, also where the authors hand on both."""
    shapes = FACTS["variant"][variant]["feature_shapes"]
    return shapes[0] if isinstance(shapes[0][0], list) else shapes


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_whole_images(network, labelled, variant):
    """Context, overlapping details, attention and their fusion, as at test."""
    net, image, about = network(variant), labelled(variant).image, FACTS["variant"][variant]
    regions = detail_regions(image.shape[-2:], net.config.detail_crop, net.config.overlap)
    assert [list(r) for r in regions] == (about["eval_boxes"] or [[0, 128, 0, 128]])
    (heads, attentions), (logits, features) = watched(net), net(image)
    assert len(heads) == about["head_calls_eval"]
    assert [list(f.shape) for f in features] == feature_shapes(variant)
    context, crops = heads
    share = net.decoder.attention(features, context)
    full = torch.nn.functional.interpolate(logits, image.shape[-2:], mode="bilinear")
    parts = {
        "fused_logits": logits,
        "context_logits": context,
        "context_logits_attenuated": (1 - share) * context,
        "detail_logits_crops": crops,
        "detail_logits_stitched": stitch(crops, regions, 4),
        "full": full,
        "full_row64": full[:, :, 64],
    }
    if attentions:
        parts["attention_logits"] = attentions[0]
    assert_recorded(parts, f"eval/{variant}/", tolerance(net, "eval"))


def region_of(variant):
    return Region(*(FACTS["variant"][variant]["box"] or [0, 128, 0, 128]))


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_detail_crop_in_training(network, labelled, variant):
    """Logits, losses and gradients with batch statistics."""
    net, batch, about = network(variant, train=True), labelled(variant), FACTS["variant"][variant]
    region, (heads, attentions) = region_of(variant), watched(net)
    seen = net(batch.image, region)
    losses = branch_losses(seen, batch, region, net.config)
    sum(losses.values()).backward()
    parts = {
        "context_logits": heads[0],
        "context_logits_attenuated": seen.context,
        "detail_logits": seen.detail,
        "fused_logits": seen.logits,
    }
    if attentions:
        parts["attention_logits"] = attentions[0]
    assert_recorded(parts, f"train/{variant}/", tolerance(net, "train"))
    names = {"main": "decode", "context": "decode.lr", "detail": "decode.hr"}
    theirs = {k: v for k, v in about["losses"].items() if k.endswith("loss_seg")}
    assert {f"{names[name]}.loss_seg" for name in losses} == set(theirs)
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(theirs[f"{names[name]}.loss_seg"], rel=1e-5), name
    groups = {"backbone": net.encoder, "decode_head.head": net.decoder.head}
    if attentions:
        groups["decode_head.scale_attention"] = net.decoder.scale_attention
    assert set(groups) == set(about["grad_norms"])
    for name, group in groups.items():
        norm = torch.stack([p.grad.double().norm() for p in group.parameters()]).norm().item()
        assert norm == pytest.approx(about["grad_norms"][name], rel=2e-3), name
    if variant == "main":
        assert_buffers(net, about["num_batches_tracked"])


def assert_buffers(net, counted):
    """The head has seen two batches, the context's first; the attention one."""
    names = official_names(net)
    found = {names[name]: buffer for name, buffer in net.named_buffers()}
    for key in GOLD.files:
        if key.startswith("train/main/after/"):
            ours = found[key.removeprefix("train/main/after/")]
            assert_equal(ours, GOLD[key], tolerance(net, "train"), key)
    assert {name: int(found[name]) for name in counted} == counted


@pytest.mark.notebook
def test_in_double_precision(network, labelled):
    """What is left are the authors' own roundings, on any processor."""
    net, batch, region = network(train=True).double(), labelled(), region_of("main")
    image = batch.image.double()
    with torch.no_grad():
        seen = net(image, region)
        for name, ours in {"fused_logits": seen.logits, "detail_logits": seen.detail}.items():
            assert_equal(ours, GOLD[f"train/main/{name}"], PROMISED["train"], name)
        net = network().double()
        logits, features = net(image[:1])
        context = net.decoder.head(features)
    assert_equal(logits, GOLD["eval/main/fused_logits"][:1], PROMISED["eval"], "fused")
    assert_equal(context, GOLD["eval/main/context_logits"][:1], PROMISED["eval"], "context")


@pytest.mark.notebook
@pytest.mark.parametrize("size", ["128x160", "112x176"])
@torch.no_grad()
def test_other_sizes(network, det, size):
    height, width = map(int, size.split("x"))
    net, image = network(), tensor(det.det_image(f"hrda.img.{size}", (1, 3, height, width)))
    full = whole(net, image)
    assert_equal(full[:, ::3, ::4, ::4], GOLD[f"sizes/{size}/full_slice"], tolerance(net, "eval"))
    assert_stats(full, GOLD[f"sizes/{size}/full_stats"], tolerance(net, "eval"), size)


@pytest.mark.notebook
@torch.no_grad()
def test_sliding_windows_over_fused_predictions(network, det):
    net = network(window=(128, 128))
    image = tensor(det.det_image("hrda.infer", (1, 3, 128, 256)))
    logits, allowed = net(image)[0], tolerance(net, "eval")
    assert_equal(logits[:, ::3, ::4, ::4], GOLD["inference/logit_slice"], allowed)
    assert_stats(logits, GOLD["inference/logit_stats"], allowed, "logits")
    full = torch.nn.functional.interpolate(logits, (256, 512), mode="bilinear")
    # A probability is at most half as far apart as its logit.
    assert np.abs(full.softmax(1)[:, :, 128].numpy() - GOLD["inference/prob_row128"]).max() < (
        allowed * float(logits.std())
    )
    ours = decide(logits, (256, 512))[0][:, ::2, ::2].numpy()
    ties = near_ties(full, net)[:, ::2, ::2]
    assert_same_labels(ours, GOLD["inference/argmax_256x512_slice2"], ties)


def test_the_context_alone_does_not_look_at_the_detail(network, det):
    """Logits as if it had: a weight that is nearly 0 asks for the detail again."""
    image = tensor(det.det_image("hrda.alone", (1, 3, 128, 256)))
    region = Region(32, 96, 64, 128)
    alone = {"fixed_attention": 0.0, "weight": 0.0, "detail_crop": (64, 64)}
    slow, quick = network(**alone | {"weight": 1e-30}), network(**alone)
    looks = []
    quick.encoder.register_forward_hook(lambda module, inputs, output: looks.append(inputs[0]))
    with torch.no_grad():
        for inputs in ((image,), (image, region)):
            torch.testing.assert_close(quick(*inputs)[0], slow(*inputs)[0], rtol=0, atol=0)
    assert [tuple(look.shape) for look in looks] == [(1, 3, 64, 128)] * 2


@torch.no_grad()
def test_the_detail_alone():
    """Facts, 24: with an attention of 1 the whole image's logits are the stitched detail's."""
    config = HRDAConfig((64, 64), fixed_attention=1.0, window=None)
    net = build_segmentor(ModelConfig("tiny_mit"), config).eval()
    (heads, _), image = watched(net), torch.randn(2, 3, 128, 96, generator=seeded())
    logits, _ = net(image)
    regions = detail_regions((128, 96), (64, 64), overlap=True)
    assert len(regions) == 6 and logits.std() > 0
    assert torch.equal(logits, stitch(heads[1], regions, 4))


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("row", "batches"), [("hd_low", 1), ("hd_hrda", 2)])
@torch.no_grad()
def test_batches_that_the_heads_statistics_are_of(row, batches):
    """Departs from the authors on purpose: they decode the detail that no loss looks at, too."""
    config = recipes.experiment(row, "demo").methods["hrda"]
    assert config.context_alone == (batches == 1)
    net = build_segmentor(ModelConfig("tiny_mit"), config).train()
    net(torch.zeros(2, 3, 128, 128), Region(8, 72, 16, 80))
    norms = batch_norms(net.decoder.head)
    assert norms and {int(norm.num_batches_tracked) for norm in norms} == {batches}


def by_hand(net, image, region, scale):
    """Facts, 18: fused, attenuated context and detail logits, all at stride 8."""
    times = lambda x, factor: F.interpolate(x, scale_factor=factor, mode="bilinear")
    box = lambda cell: tuple(slice(int(a / cell), int(b / cell))
                             for a, b in (region[:2], region[2:]))  # fmt: skip
    features = net.encoder(times(image, scale))
    context, attention = net.decoder.head(features), net.decoder.scale_attention(features)
    detail = net.decoder.head(net.encoder(image[(..., *box(1))]))
    inside = torch.zeros_like(context[:, :1])
    inside[(..., *box(8 / scale))] = 1
    attention = attention.sigmoid() * inside
    rest = (1 - attention) * context
    fused = times(rest, 1 / scale)
    placed = torch.zeros_like(fused)
    placed[(..., *box(8))] = detail
    return times(attention, 1 / scale) * placed + fused, rest, detail


@pytest.mark.parametrize("classwise", [True, False])
@pytest.mark.parametrize(
    ("scale", "size", "region"),
    [
        (0.5, (128, 128), (8, 72, 24, 88)),  # odd multiples of 8: truncated in the context
        (0.5, (128, 192), (24, 88, 40, 136)),
        (0.75, (128, 128), (8, 72, 40, 104)),
    ],
)
@torch.no_grad()
def test_deeplabv2_is_fused_at_stride_8(scale, size, region, classwise):
    region = Region(*region)
    crop = (region.bottom - region.top, region.right - region.left)
    config = HRDAConfig(crop, scale=scale, classwise=classwise)
    net = build_segmentor(ModelConfig("tiny_resnet", "deeplabv2"), config).eval()
    for i, weight in enumerate(net.decoder.parameters()):  # attentions that differ
        torch.nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(i))
    image = torch.randn(2, 3, *size, generator=seeded())
    seen = net(image, region)
    assert seen.logits.shape == (2, 19, size[0] // 8, size[1] // 8)
    for ours, theirs in zip(seen[:3], by_hand(net, image, region, scale), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.notebook
def test_the_published_networks_size(keys):
    with torch.device("meta"):
        net = build_segmentor(ModelConfig("mit_b5", "daformer"), HRDAConfig())
    about = FACTS["mitb5"]
    assert sum(p.numel() for p in net.parameters()) == about["params"] == 85_685_990
    assert sum(p.numel() for p in net.decoder.parameters()) == about["decode_head_params"]
    names = official_names(net)
    assert len(names) == about["n_keys"]
    found = shapes_of(net)
    head = {name: found.pop(name) for name in [*found] if name.startswith("decode_head.")}
    assert head == about["decode_head_keys"]
    assert {n.removeprefix("backbone."): s for n, s in found.items()} == (
        keys["backbones"]["mit_b5"]["keys"]
    )


def shapes_of(net):
    names = official_names(net)
    return {names[name]: list(tensor.shape) for name, tensor in net.state_dict().items()}


def test_the_heads_names_and_shapes():
    with torch.device("meta"):
        found = shapes_of(build_segmentor(MODEL, HRDAConfig()))
    head = {name: shape for name, shape in found.items() if name.startswith("decode_head.")}
    assert head == FACTS["keys_mitb0"]


@pytest.mark.parametrize(
    ("encoder", "decoder", "experiment"),
    [
        ("mit_b0", "daformer", "80/gtaHR2csHR"),
        ("resnet50_v1c", "deeplabv2", "81/gtaHR2csHR"),  # whose keys do not tell of norms
    ],
)
def test_the_attention_learns_as_fast_as_the_head(encoder, decoder, experiment):
    """Their rule goes by 'head' in the name, before 'norm': BatchNorms there decay, too."""
    configs = json.loads((GOLDEN / "configs.json").read_text(encoding="utf-8"))
    (about,) = (e for n, e in configs["experiments"].items() if n.startswith(f"MIC/{experiment}"))
    settings = settings_of(about, configs)
    rate, decay = settings["optimizer.lr"], settings["optimizer.weight_decay"]
    faster = settings["optimizer.paramwise_cfg.custom_keys.head.lr_mult"]
    on_norm = settings.get("optimizer.paramwise_cfg.custom_keys.norm.decay_mult", 1)
    with torch.device("meta"):
        net = build_segmentor(ModelConfig(encoder, decoder), HRDAConfig())
    names = official_names(net, [name for name, _ in net.named_parameters()])
    by_id = {id(p): names[name] for name, p in net.named_parameters()}
    found = {
        by_id[id(p)]: (group["lr"], group["weight_decay"])
        for group in parameter_groups(net, OptimConfig()) for p in group["params"]
    }  # fmt: skip
    expected = {
        name: (rate * faster, decay) if "head" in name
        else (rate, decay * on_norm if "norm" in name else decay)
        for name in names.values()
    }  # fmt: skip
    assert found == expected and any("scale_attention" in name for name in found)


def test_fusion_by_hand():
    """Where the attention is 1 the detail counts alone, where it is 0 the context."""
    context, detail = torch.full((1, 2, 1, 2), 3.0), torch.full((1, 2, 2, 4), 5.0)
    attention = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    logits, share = fuse(context, detail, attention)
    assert share.tolist() == [[[[3.0, 0.0]]] * 2]
    # Half-way between the two cells' centres lie weights of a quarter and three quarters.
    assert logits[0, 0, 0].tolist() == pytest.approx([3.0, 3.5, 4.5, 5.0])
