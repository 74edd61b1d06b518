"""Checkpoints of the authors go in and out unchanged, and what does not fit is named."""

import pytest
import torch
from safetensors.torch import save_file

from daformer_lib.config import HRDAConfig, ModelConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import export_official, load_official
from daformer_lib.models.checkpoints import load as module

SMALL = ModelConfig("mit_b0", "segformer256")


def build(seed=0, config=SMALL, hrda=None):
    torch.manual_seed(seed)
    return build_segmentor(config, hrda)


def assert_same(one, two):
    one, two = one.state_dict(), two.state_dict()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.notebook  # not in make check: takes seconds
@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        ("mit_b0", "daformer"),
        ("mit_b0", "segformer"),
        ("resnet50_v1c", "deeplabv2"),
        ("tiny_mit", "daformer"),
        ("tiny_resnet", "isanet"),
        ("tiny_resnet", "danet"),
    ],
)
def test_round_trip(encoder, decoder, keys):
    config = ModelConfig(encoder, decoder)
    assert_round_trip(build(0, config), build(1, config))


def assert_round_trip(ours, other):
    exported = export_official(ours)
    loaded = load_official(other, exported)
    assert_same(ours, other)
    assert loaded == list(exported)
    again = export_official(other)
    assert exported.keys() == again.keys()
    assert all(torch.equal(exported[name], again[name]) for name in exported)


def test_exported_names_are_the_authors(keys):
    exported = export_official(build(config=ModelConfig("mit_b0", "daformer")))
    backbone = {"backbone." + name for name in keys["backbones"]["mit_b0"]["keys"]}
    head = {"decode_head." + name for name in keys["heads"]["daformer_sepaspp_mitb0"]["keys"]}
    assert set(exported) == backbone | head


def test_export_is_a_copy():
    segmentor = build()
    exported = export_official(segmentor)
    exported["decode_head.linear_pred.bias"].fill_(7)
    assert not segmentor.decoder.linear_pred.bias.eq(7).any()


def test_file_with_a_state_dict_and_meta(tmp_path):
    ours, other = build(0), build(1)
    content = {
        "meta": {
            "iter": 40000,
            "CLASSES": ["road"],
            "PALETTE": [[128, 64, 128]],
            "config": "x = 1",
        },
        "state_dict": export_official(ours),
        "optimizer": {"state": {}, "param_groups": [{"lr": 6e-5, "params": [0, 1]}]},
    }
    torch.save(content, tmp_path / "iter_40000.pth")
    load_official(other, tmp_path / "iter_40000.pth")
    assert_same(ours, other)


@pytest.mark.parametrize("part", ["model", "ema_model", "imnet_model"])
def test_parts_of_a_uda_training(tmp_path, part):
    networks = {name: build(i) for i, name in enumerate(("model", "ema_model", "imnet_model"))}
    state = {f"{p}.{n}": t for p, net in networks.items() for n, t in export_official(net).items()}
    torch.save({"state_dict": state}, tmp_path / "uda.pth")
    other = build(9)
    load_official(other, tmp_path / "uda.pth", part=part)
    assert_same(networks[part], other)


def test_parts_that_are_not_there():
    state = export_official(build())
    uda = {f"model.{name}": tensor for name, tensor in state.items()}
    with pytest.raises(ValueError, match=r"no 'ema_model'; it holds \['model'\]"):
        load_official(build(), uda, part="ema_model")
    with pytest.raises(ValueError, match="one network, no 'imnet_model'"):
        load_official(build(), state, part="imnet_model")
    with pytest.raises(ValueError, match="part 'teacher' must be one of"):
        load_official(build(), state, part="teacher")


@pytest.mark.parametrize("classifier", ["head", "fc"])
def test_imagenet_encoder_drops_its_classifier_and_leaves_the_decoder(tmp_path, classifier):
    ours, other = build(0), build(1)
    decoder = {name: tensor.clone() for name, tensor in other.decoder.state_dict().items()}
    state = {
        name.removeprefix("backbone."): tensor
        for name, tensor in export_official(ours).items()
        if name.startswith("backbone.")
    }
    state |= {
        f"{classifier}.weight": torch.zeros(1000, 256),
        f"{classifier}.bias": torch.zeros(1000),
    }
    torch.save(state, tmp_path / "mit_b0.pth", _use_new_zipfile_serialization=False)
    loaded = load_official(other, tmp_path / "mit_b0.pth")
    assert_same(ours.encoder, other.encoder)
    assert all(torch.equal(other.decoder.state_dict()[name], decoder[name]) for name in decoder)
    assert len(loaded) == len(ours.encoder.state_dict())


def test_files_older_than_the_batch_counter():
    ours, other = build(0), build(1)
    state = {n: t for n, t in export_official(ours).items() if "num_batches_tracked" not in n}
    load_official(other, state)
    assert torch.equal(ours.decoder.linear_fuse.bn.weight, other.decoder.linear_fuse.bn.weight)


def test_differences_are_named_and_nothing_is_loaded():
    segmentor = build(1)
    before = export_official(segmentor)
    state = export_official(build(0))
    state.pop("backbone.norm1.weight")
    state["decode_head.extra"] = torch.zeros(1)
    state["decode_head.linear_pred.weight"] = torch.zeros(7, 256, 1, 1)
    with pytest.raises(ValueError, match="another encoder, decoder or number of classes") as caught:
        load_official(segmentor, state)
    message = str(caught.value)
    assert "1 missing: backbone.norm1.weight" in message
    assert "1 unexpected: decode_head.extra" in message
    shapes = "decode_head.linear_pred.weight (7, 256, 1, 1) instead of (19, 256, 1, 1)"
    assert shapes in message
    after = export_official(segmentor)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_weights_of_another_encoder():
    state = export_official(build(config=ModelConfig("mit_b0", "daformer")))
    with torch.device("meta"):
        larger = build_segmentor(ModelConfig("mit_b2", "daformer"))
    with pytest.raises(ValueError, match=r"missing: backbone\.block1\.2.*of another shape"):
        load_official(larger, state)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A weights folder of our own, with one encoder in it."""
    monkeypatch.setattr(module, "SHIPPED", tmp_path)
    encoder = build(3, ModelConfig("tiny_mit")).encoder
    save_file(encoder.state_dict(), tmp_path / "tiny_mit.safetensors")
    return encoder


def test_shipped_weights(shipped, tmp_path):
    by_name = build(5, ModelConfig("tiny_mit", pretrained="shipped"))
    assert_same(by_name.encoder, shipped)
    path = str(tmp_path / "tiny_mit.safetensors")
    assert_same(build(6, ModelConfig("tiny_mit", pretrained=path)).encoder, shipped)
    with pytest.raises(FileNotFoundError, match=r"for encoder 'mit_b0'; shipped: \['tiny_mit'\]"):
        build(7, ModelConfig("mit_b0", pretrained="shipped"))


def test_the_strengths_of_shipped_weights(shipped, tmp_path):
    """The weak ones have their old name too, in configurations as in files."""
    assert_same(build(5, ModelConfig("tiny_mit", pretrained="weak")).encoder, shipped)
    strong = build(8, ModelConfig("tiny_mit")).encoder.half()
    save_file(strong.state_dict(), tmp_path / "tiny_mit.strong.safetensors")
    assert_same(build(9, ModelConfig("tiny_mit", pretrained="strong")).encoder, strong.float())
    with pytest.raises(FileNotFoundError, match="no strong weights are shipped for enc"):
        build(7, ModelConfig("tiny_resnet", pretrained="strong"))


def test_pretrained_in_the_authors_format(tmp_path):
    ours = build(0)
    path = tmp_path / "segformer.safetensors"
    save_file(export_official(ours), path)
    assert_same(ours, build(1, ModelConfig("mit_b0", "segformer256", pretrained=str(path))))


def test_shipped_encoder_of_another_size_is_named(tmp_path):
    save_file(build(0, ModelConfig("tiny_resnet")).encoder.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"w\.safetensors does not fit this network"):
        build(1, ModelConfig("tiny_mit", pretrained=str(tmp_path / "w.safetensors")))


TINY, TWO = ModelConfig("tiny_mit", "daformer"), HRDAConfig(detail_crop=(64, 64))
PARTS = ("model", "ema_model", "imnet_model", "mic.teacher.ema_model")


@pytest.mark.parametrize(
    ("encoder", "decoder", "settings", "outputs"),
    [
        ("tiny_resnet", "deeplabv2", {}, 19),
        ("tiny_mit", "daformer", {"classwise": False}, 1),
        ("tiny_mit", "daformer", {"fixed_attention": 0.5}, None),
    ],
)
def test_round_trip_of_two_scales(encoder, decoder, settings, outputs):
    config, hrda = ModelConfig(encoder, decoder), HRDAConfig((64, 64), **settings)
    ours, other = (build(seed, config, hrda) for seed in (0, 1))
    assert_round_trip(ours, other)
    exported = export_official(ours)
    attention = [n for n in exported if n.startswith("decode_head.scale_attention.")]
    assert bool(attention) == (outputs is not None)
    assert not attention or len(exported[attention[-1]]) == outputs


@pytest.fixture
def training_of_mic_on_hrda(tmp_path):
    """A file as MIC's training leaves it on HRDA, with the teacher that other settings give it;
    and the four networks in it."""
    torch.manual_seed(0)
    networks = {part: build_segmentor(TINY, TWO) for part in PARTS}
    state = {
        f"{part}.{name}": tensor
        for part, network in networks.items()
        for name, tensor in export_official(network).items()
    }
    assert "model.decode_head.head.conv_seg.weight" in state
    assert "ema_model.decode_head.scale_attention.conv_seg.bias" in state
    torch.save({"state_dict": state, "meta": {"iter": 1}}, tmp_path / "mic.pth")
    return tmp_path / "mic.pth", networks


@pytest.mark.parametrize("part", PARTS)
def test_trainings_with_hrda_and_mic_hold_up_to_four_networks(training_of_mic_on_hrda, part):
    path, networks = training_of_mic_on_hrda
    network = build_segmentor(TINY, TWO)
    load_official(network, path, part)
    assert_same(network, networks[part])


def test_a_checkpoint_of_another_method_is_named(training_of_mic_on_hrda):
    path, networks = training_of_mic_on_hrda
    with pytest.raises(ValueError, match=r"mic.pth is of a network with HRDA, and this one has no"):
        load_official(build_segmentor(TINY), path)
    plain = build_segmentor(TINY)
    told = "is of a network without HRDA, and this one has an HRDA decoder"
    with pytest.raises(ValueError, match=told):
        load_official(build_segmentor(TINY, TWO), export_official(plain))
    with pytest.raises(ValueError, match=told):
        module.load_own(networks["model"], plain.state_dict(), "the student of a run")


def test_a_checkpoint_with_another_adapter_is_named():
    plain, lora, rein = (
        build_segmentor(ModelConfig("tiny_vit", "segformer", tune=tune))
        for tune in ("full", "lora", "rein")
    )
    for ours, theirs, told in (
        (plain, lora, "with adapter lora, and this one has none; give the model.tune"),
        (lora, plain, "with adapter none, and this one has lora"),
        (rein, lora, "with adapter lora, and this one has rein"),
    ):
        with pytest.raises(ValueError, match=f"a run is of a network {told}"):
            module.load_own(ours, theirs.state_dict(), "a run")
