"""The decoders' contract: any four features in, logits of the right shape out, all of it learns."""

import pytest
import torch

from daformer_lib.config import ModelConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.decoders.attention import interlaced
from daformer_lib.models.decoders.build import DECODERS

pytestmark = pytest.mark.numeric


STRIDE_OF_LAST = {"deeplabv2", "danet", "isanet"}  # these answer at the last feature's stride


@pytest.fixture(params=["tiny_mit", "tiny_resnet"])
def encoder(request):
    return request.param


@pytest.mark.parametrize("decoder", sorted(DECODERS))
def test_logits_and_gradients(encoder, decoder):
    torch.manual_seed(0)
    segmentor = build_segmentor(ModelConfig(encoder, decoder, num_classes=5))
    image = torch.randn(2, 3, 64, 96)
    logits, features = segmentor(image)
    logits = [logits, *segmentor.auxiliary(features).values()]
    stride = segmentor.encoder.strides[-1] if decoder in STRIDE_OF_LAST else 4
    assert all(x.shape == (2, 5, 64 // stride, 96 // stride) for x in logits)
    assert len(features) == 4
    sum(x.square().mean() for x in logits).backward()
    still = [n for n, p in segmentor.named_parameters() if p.grad is None]
    unused = ["decoder.conv_seg.weight", "decoder.conv_seg.bias"]
    assert still == (unused if decoder.startswith("segformer") else [])


@pytest.mark.parametrize("decoder", sorted(set(DECODERS) - {"danet"}))
def test_no_other_decoder_has_auxiliary_logits(decoder):
    segmentor = build_segmentor(ModelConfig("tiny_mit", decoder))
    assert segmentor.auxiliary([]) == {}


@pytest.mark.parametrize("decoder", ["daformer", "segformer", "upernet256"])
def test_dropout_acts_in_training_only(decoder):
    torch.manual_seed(0)
    segmentor = build_segmentor(ModelConfig("tiny_mit", decoder, drop_path=0, dropout=0.5))
    features = segmentor.encoder.eval()(torch.randn(2, 3, 64, 64))
    segmentor.decoder.eval()
    assert torch.equal(segmentor.decoder(features), segmentor.decoder(features))
    for module in segmentor.decoder.modules():
        module.training = isinstance(module, torch.nn.Dropout2d)  # BatchNorm stays out of it
    assert not torch.equal(segmentor.decoder(features), segmentor.decoder(features))


def test_danet_trains_on_three_losses_and_starts_without_attention():
    segmentor = build_segmentor(ModelConfig("tiny_resnet", "danet"))
    logits, features = segmentor(torch.randn(1, 3, 64, 64))
    branches = segmentor.auxiliary(features)
    assert {name: x.shape for name, x in branches.items()} == dict.fromkeys(
        ("pam", "cam"), logits.shape
    )
    assert segmentor.decoder.pam.gamma.scale == segmentor.decoder.cam.gamma.scale == 0


def test_cnn_decoders_of_the_tables_have_no_batchnorm():
    for name in ("deeplabv2", "deeplabv3plus", "danet", "isanet"):
        with torch.device("meta"):
            decoder = build_segmentor(ModelConfig("resnet50_v1c", name)).decoder
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in decoder.modules()), name


@torch.no_grad()
def test_deeplabv3plus_sees_stride_8_on_mit_features():
    segmentor = build_segmentor(ModelConfig("mit_b0", "deeplabv3plus")).eval()
    seen = []
    segmentor.decoder.bottleneck.register_forward_hook(lambda m, x, y: seen.append(y.shape[-2:]))
    segmentor(torch.randn(1, 3, 64, 128))
    assert seen == [(8, 16)]


def test_interlaced_attention_relates_every_pair_of_cells_once():
    """With averages in place of attention, every cell becomes the mean of all cells."""
    x = torch.zeros(1, 1, 6, 6)
    x[0, 0, 1, 4] = 36.0

    def mean(cells):
        return cells.mean(dim=(2, 3), keepdim=True).expand_as(cells)

    assert torch.allclose(interlaced(x, (2, 3), mean, mean), torch.ones(1, 1, 6, 6))
    assert interlaced(torch.randn(2, 1, 5, 7), (2, 3), mean, mean).shape == (2, 1, 5, 7)


def test_identity_relations_give_the_map_back():
    x = torch.randn(2, 3, 5, 7)
    assert torch.equal(interlaced(x, (4, 4), lambda y: y, lambda y: y), x)


def test_unknown_decoder_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown decoder 'unet'; did you mean danet"):
        build_segmentor(ModelConfig("tiny_mit", "unet"))
