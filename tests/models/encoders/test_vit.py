"""A plain ViT as an encoder: timm's tokens at four strides, its files, its layers, its errors."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer

from daformer_lib.batch import IMAGENET_MEAN, IMAGENET_STD
from daformer_lib.config import ModelConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.encoders import build_encoder
from daformer_lib.models.encoders.lora import LoRALinear, add_lora
from daformer_lib.models.encoders.normalisation import renormalised
from daformer_lib.models.encoders.rein import add_rein
from daformer_lib.models.encoders.vit import ViT
from tests.helpers.rounding import UNIT, forward_bound

pytestmark = pytest.mark.numeric

NAME = "timm:test_vit"  # timm's own for tests: 6 blocks, width 64, patches of 16


def small(patch=16, depth=4, **kwargs):
    torch.manual_seed(0)
    return VisionTransformer(
        img_size=64, patch_size=patch, embed_dim=32, depth=depth, num_heads=2, num_classes=0,
        dynamic_img_size=True, **kwargs,
    ).eval()  # fmt: skip


def assert_near(ours, theirs, network):
    atol = forward_bound(network) * float(theirs.std())
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("registers", [{}, {"reg_tokens": 4, "no_embed_class": True}])
@torch.no_grad()
def test_features_are_timms_tokens_without_class_and_registers(registers):
    body, image = small(**registers), torch.randn(2, 3, 64, 96)
    encoder = ViT(body).eval()
    x = body._pos_embed(body.patch_embed(image))
    for i, block in enumerate(body.blocks):  # by hand: what behind block 3 is left of the prefix
        x = block(x)
        if i == 2:
            tokens = body.norm(x)[:, body.num_prefix_tokens :]
    expected = tokens.transpose(1, 2).reshape(2, 32, 4, 6)
    features = encoder(image)
    assert_near(features[2], expected, body)
    theirs = body.forward_intermediates(image, indices=4, norm=True, intermediates_only=True)
    assert torch.equal(features[2], theirs[2])  # stride 16 is the patches' own
    assert_near(features[3], torch.nn.functional.avg_pool2d(theirs[3], 2), body)


@torch.no_grad()
def test_an_image_is_filled_up_to_patches_and_features_cut_back():
    encoder, image = ViT(small(patch=14)).eval(), torch.randn(1, 3, 75, 130)
    filled = torch.zeros(1, 3, 84, 140)
    filled[..., :75, :130] = image
    cut, whole = encoder(image), encoder(filled)
    sizes = [(19, 33), (10, 17), (5, 9), (3, 5)]
    assert [tuple(f.shape[-2:]) for f in cut] == sizes
    for one, other, (height, width) in zip(cut, whole, sizes):
        assert_near(one[..., : height - 1, : width - 1], other[..., : height - 1, : width - 1],
                    encoder)  # fmt: skip


def test_images_are_normalised_as_the_weights_were_trained():
    encoder = build_encoder(NAME)
    assert encoder.mean == encoder.std == (0.5, 0.5, 0.5)
    rgb = torch.rand(1, 3, 8, 8)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    found = renormalised((rgb - mean) / std, encoder.mean, encoder.std)
    # Seven operations on numbers of at most 1, each rounded once; the last divides by 0.5.
    torch.testing.assert_close(found, (rgb - 0.5) / 0.5, rtol=0, atol=2 * 7 * UNIT)
    image = torch.randn(1, 3, 8, 8)
    usual = build_encoder("tiny_vit")
    assert renormalised(image, usual.mean, usual.std) is image


def test_chosen_blocks_and_no_more():
    encoder = build_encoder(NAME, blocks=(0, 1, 2, 3))
    assert len(encoder.body.blocks) == 4
    assert build_encoder(NAME).blocks == (1, 2, 4, 5)
    with torch.device("meta"):
        assert build_encoder("timm:vit_small_patch14_reg4_dinov2.lvd142m").blocks == (2, 5, 8, 11)
        assert build_encoder("timm:vit_small_patch16_dinov3").strides == (4, 8, 16, 32)


@pytest.mark.parametrize(
    ("name", "blocks", "says"),
    [
        (NAME, (0, 1, 2), r"blocks 0,1,2 must be four rising numbers .* 5, .*; try 1,2,4,5"),
        (NAME, (0, 2, 1, 3), "rising"),
        (NAME, (2, 3, 4, 6), "from 0 to 5"),
        (NAME, (-1, 3, 4, 5), "from 0 to 5"),
        ("tiny_mit", (0, 1, 2, 3), "features of a ViT, which tiny_mit is not; leave it out"),
    ],
)
def test_blocks_that_cannot_be_chosen(name, blocks, says):
    with pytest.raises(ValueError, match=says):
        build_encoder(name, blocks=blocks)


def test_a_vit_with_too_few_blocks():
    with pytest.raises(ValueError, match="has 3 blocks, the decoders read features of four"):
        ViT(small(depth=3))


def test_every_weight_gets_a_gradient():
    encoder = ViT(small(reg_tokens=2))
    sum(f.square().sum() for f in encoder(torch.randn(1, 3, 64, 64))).backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None] == []


# Weight files: timm's, of another image size, Meta's; and what does not fit.


def build(path, name=NAME, **changes):
    return build_segmentor(ModelConfig(name, "segformer256", pretrained=str(path), **changes))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_timms_files_fit(tmp_path, suffix):
    theirs = timm.create_model("test_vit", num_classes=10)
    path = tmp_path / f"model{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(theirs.state_dict(), path)
    ours = build(path).encoder.body.state_dict()
    expected = {n: t for n, t in theirs.state_dict().items() if not n.startswith("head.")}
    assert ours.keys() == expected.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in expected.items())
    pruned = build(path, blocks=(0, 1, 2, 3)).encoder.body.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in pruned.items())


def test_positions_of_another_image_size_are_resized_by_timm(tmp_path):
    theirs = timm.create_model("test_vit", img_size=96, num_classes=0)
    save_file(theirs.state_dict(), tmp_path / "w.safetensors")
    expected = resample_abs_pos_embed(theirs.pos_embed, [10, 10], [6, 6], num_prefix_tokens=1)
    found = build(tmp_path / "w.safetensors").encoder.body.pos_embed
    assert torch.equal(found, expected)


def test_metas_names_are_timms(tmp_path):
    encoder = ViT(small(reg_tokens=2, no_embed_class=True))
    state = dict(encoder.body.state_dict())
    prefix = torch.randn(1, 1, 32)
    state |= {
        "pos_embed": torch.cat([prefix, state["pos_embed"]], dim=1),
        "register_tokens": state.pop("reg_token"),
        "mask_token": torch.zeros(1, 32),
    }
    adapted = encoder.adapt(state)
    assert adapted.keys() == encoder.body.state_dict().keys()
    assert torch.equal(adapted["cls_token"], state["cls_token"] + prefix[:, 0])


@pytest.mark.parametrize("other", ["test_vit2", "resnet10t"])
def test_weights_that_do_not_fit_are_named(tmp_path, other):
    save_file(timm.create_model(other).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"w\.safetensors does not fit this network; .* missing"):
        build(tmp_path / "w.safetensors")


def test_our_own_weights_of_another_width_are_named(tmp_path):
    names = ViT(small(depth=5, class_token=False, global_pool=""))
    save_file(names.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"w\.safetensors does not fit this network; .* shape"):
        build(tmp_path / "w.safetensors", "tiny_vit")


# LoRA and layers.


@torch.no_grad()
def test_lora_begins_as_nothing_and_is_a_product_added_to_the_weight():
    encoder, image = ViT(small()).eval(), torch.randn(1, 3, 64, 64)
    before = encoder(image)
    add_lora(encoder, 2)
    assert all(torch.equal(f, b) for f, b in zip(encoder(image), before))
    added = {n: m for n, m in encoder.named_modules() if isinstance(m, LoRALinear)}
    assert len(added) == 2 * 4 and all(".attn." in name for name in added)
    for layer in added.values():
        layer.lora_b.normal_(std=0.1)
    changed = encoder(image)
    assert not torch.equal(changed[0], before[0])
    for layer in added.values():  # what it means: one matrix, as at inference in the paper
        layer.weight += layer.lora_b @ layer.lora_a
        layer.lora_b.zero_()
    for one, other in zip(changed, encoder(image)):
        assert_near(one, other, encoder)


def test_only_lora_learns():
    encoder = ViT(small())
    add_lora(encoder, 2)
    sum(f.square().sum() for f in encoder(torch.randn(1, 3, 64, 64))).backward()
    learns = {n for n, p in encoder.named_parameters() if p.grad is not None}
    assert learns == {n for n, _ in encoder.named_parameters() if "lora_" in n} != set()


@pytest.mark.parametrize("added", [None, "lora", "rein"])
def test_checkpointing_has_the_same_gradients_to_the_bit(added):
    """With stochastic depth, and where only additions learn: the first block's input has none."""
    encoder, image = ViT(small(drop_path_rate=0.5)).train(), torch.randn(2, 3, 64, 64)
    if added == "lora":
        add_lora(encoder, 2)
    elif added == "rein":
        encoder.requires_grad_(False)
        add_rein(encoder, tokens=5, rank=2)

    def gradients():
        torch.manual_seed(1)
        encoder.zero_grad()
        sum(f.square().sum() for f in encoder(image)).backward()
        return {n: p.grad.clone() for n, p in encoder.named_parameters() if p.requires_grad}

    kept = gradients()
    encoder.set_grad_checkpointing()
    again = gradients()
    assert any(g.any() for g in kept.values())
    assert kept.keys() == again.keys()
    assert all(torch.equal(again[name], gradient) for name, gradient in kept.items())


def test_lora_is_refused_where_it_would_do_nothing():
    with pytest.raises(ValueError, match="works with ViT encoders, not with MiT; take"):
        build_segmentor(ModelConfig("tiny_mit", tune="lora"))
    with torch.device("meta"), pytest.raises(ValueError, match="keeps its biases apart"):
        build_segmentor(ModelConfig("timm:eva02_tiny_patch14_224", tune="lora"))


def test_layers_are_counted_from_the_last_norm_down():
    encoder = build_encoder(NAME, blocks=(0, 1, 2, 3))
    layers = {encoder.layer(name): name for name, _ in encoder.named_parameters()}
    assert sorted(layers) == [0, 1, 2, 3, 4, 5]
    assert encoder.layer("body.norm.weight") == 0
    assert encoder.layer("body.blocks.3.attn.qkv.weight") == 1
    assert encoder.layer("body.blocks.0.mlp.fc1.bias") == 4
    for name in ("body.patch_embed.proj.weight", "body.pos_embed", "body.cls_token"):
        assert encoder.layer(name) == 5
