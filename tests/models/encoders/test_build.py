"""The encoders' contract: four features whose channels and strides are known beforehand."""

import re

import pytest
import timm
import torch

from daformer_lib.batch import IMAGENET_MEAN, IMAGENET_STD
from daformer_lib.models.encoders import ENCODERS, build_encoder
from daformer_lib.models.encoders.resnet import RESNET

LIVE = [
    "tiny_mit", "tiny_resnet", "tiny_vit", "mit_b0", "timm:convnext_atto", "timm:resnet18",
    "timm:test_vit",
]  # fmt: skip


@pytest.mark.parametrize("name", LIVE)
@torch.no_grad()
def test_features_have_the_promised_shapes(name):
    encoder = build_encoder(name).eval()
    features = encoder(torch.randn(2, 3, 64, 96))
    shapes = [(2, c, 64 // s, 96 // s) for c, s in zip(encoder.channels, encoder.strides)]
    assert [tuple(f.shape) for f in features] == shapes


@torch.no_grad()
def test_a_timm_encoder_with_channels_last_features():
    encoder = build_encoder("timm:swin_tiny_patch4_window7_224").eval()
    features = encoder(torch.randn(1, 3, 224, 224))
    assert [f.shape[1] for f in features] == list(encoder.channels) == [96, 192, 384, 768]


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "convnext_atto"])
@torch.no_grad()
def test_a_timm_encoder_sees_images_as_its_weights_were_trained(name):
    """Mean and deviation of timm's configuration; 'same' padding is in timm's own layers.

    Of odd height, where 'same' and symmetric padding differ. In double precision, so that what a
    network makes of a rounding stays far below the bound.
    """
    encoder = build_encoder(f"timm:{name}").eval().double()
    own = timm.get_pretrained_cfg(name)
    assert (encoder.mean, encoder.std) == (own.mean, own.std)
    theirs = timm.create_model(name, features_only=True).eval().double()
    theirs.load_state_dict(encoder.body.state_dict())
    rgb = torch.rand(1, 3, 97, 64, generator=torch.Generator().manual_seed(0)).double()
    kit, weights = (
        (rgb - rgb.new_tensor(mean).view(3, 1, 1)) / rgb.new_tensor(std).view(3, 1, 1)
        for mean, std in ((IMAGENET_MEAN, IMAGENET_STD), (own.mean, own.std))
    )
    for found, wanted in zip(encoder(kit), theirs(weights)[-4:], strict=True):
        assert found.shape == wanted.shape
        assert torch.allclose(found, wanted, rtol=0, atol=1e-9 * float(wanted.abs().max()))


def test_padding_is_that_of_the_name():
    same, symmetric = (build_encoder(f"timm:{n}") for n in ("tf_efficientnet_lite0", "resnet18"))
    assert type(same.body.conv_stem).__name__ == "Conv2dSame"
    assert symmetric.body.conv1.padding == (3, 3)


@torch.no_grad()
def test_a_swin_transformer_takes_images_of_any_size():
    encoder = build_encoder("timm:swin_s3_tiny_224").eval()
    assert encoder(torch.zeros(1, 3, 64, 96))[0].shape[-2:] == (16, 24)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_strides_of_the_families(name):
    with torch.device("meta"):
        encoder = build_encoder(name)
    expected = (4, 8, 8, 8) if name in RESNET else (4, 8, 16, 32)
    if name.startswith(("tiny_mit", "tiny_vit")):
        expected = (4, 8, 16, 16)
    assert encoder.strides == expected
    assert len(encoder.channels) == 4


def test_drop_path_rises_linearly_over_all_blocks():
    encoder = build_encoder("mit_b0", drop_path=0.1)
    blocks = [block for stage in encoder.stages for block in stage.blocks]
    rates = [getattr(block.drop_path1, "drop_prob", 0.0) for block in blocks]
    assert rates == pytest.approx([0.1 * i / 7 for i in range(8)])


def test_layer_norm_eps_are_the_authors():
    encoder = build_encoder("mit_b0")
    assert encoder.stages[0].blocks[0].norm1.eps == 1e-6
    assert encoder.stages[0].norm.eps == 1e-6
    assert encoder.stages[0].blocks[0].attn.norm.eps == 1e-5
    assert encoder.patch_embed.norm.eps == encoder.stages[1].downsample.norm.eps == 1e-5


def test_dilated_resnet_keeps_stride_8():
    """Stride in the 3x3 convolution; the first block of a dilated stage has half the dilation."""
    with torch.device("meta"):
        encoder = build_encoder("resnet50_v1c")
    assert encoder.layer2[0].conv1.stride == (1, 1)
    assert encoder.layer2[0].conv2.stride == (2, 2)
    dilations = [
        [block.conv2.dilation[0] for block in stage] for stage in (encoder.layer3, encoder.layer4)
    ]
    assert dilations == [[1, 2, 2, 2, 2, 2], [2, 4, 4]]


@pytest.mark.parametrize("name", ["tiny_mit", "tiny_resnet", "tiny_vit"])
def test_tiny_encoders_are_of_one_size(name):
    count = sum(p.numel() for p in build_encoder(name).parameters())
    assert 0.9e6 < count < 1.5e6


@pytest.mark.parametrize("name", ["tiny_mit", "tiny_resnet"])
def test_the_sizes_of_table_3_are_a_half_and_a_quarter(name):
    whole, half, quarter = (
        sum(p.numel() for p in build_encoder(name + size).parameters())
        for size in ("", "_half", "_quarter")
    )
    assert half / whole == pytest.approx(0.5, abs=0.01)
    assert quarter / whole == pytest.approx(0.25, abs=0.01)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(
        ValueError, match=r"unknown encoder 'mit_b6' .*timm:.*did you mean .*mit_b5"
    ):
        build_encoder("mit_b6")


@pytest.mark.parametrize("name", ["xcit_nano_12_p16_224", "beit_base_patch16_224"])
def test_a_timm_model_with_too_few_features_is_refused(name):
    """Also a plain ViT of another module than those that are taken, and both ways out help."""
    says = "the decoders read four; .*four stages, such as (.*), or a plain ViT of .*, such as (.*)"
    with torch.device("meta"), pytest.raises(ValueError, match=says) as found:
        build_encoder(f"timm:{name}")
    with torch.device("meta"):
        for other in re.search(says, str(found.value)).groups():
            assert len(build_encoder(other).channels) == 4
