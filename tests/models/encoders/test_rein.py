"""Rein: tokens that learn between the blocks of a frozen ViT."""

import copy

import pytest
import torch

from daformer_lib.config import ModelConfig
from daformer_lib.models import build_segmentor
from daformer_lib.models.encoders.rein import add_rein
from daformer_lib.models.encoders.vit import ViT
from tests.models.encoders.test_vit import assert_near, small

pytestmark = pytest.mark.numeric


def reined(**kwargs):
    """A small ViT with five tokens of rank 2 for each block, which change its features visibly."""
    encoder = ViT(small(**kwargs))
    encoder.requires_grad_(False)
    add_rein(encoder, tokens=5, rank=2)
    encoder.rein.scale.data.fill_(0.5)
    return encoder


@pytest.mark.parametrize("registers", [{}, {"reg_tokens": 4, "no_embed_class": True}])
@torch.no_grad()
def test_features_are_the_papers_equations(registers):
    """Patch by patch and token by token; class and registers go through the blocks alone."""
    encoder, image = reined(**registers).eval(), torch.randn(2, 3, 64, 96)
    body, rein, plain = encoder.body, encoder.rein, ViT(small(**registers)).eval().body
    x = plain._pos_embed(plain.patch_embed(image))
    for i, block in enumerate(plain.blocks):
        x = block(x)
        tokens = rein.tokens_a[i] @ rein.tokens_b[i]
        for b in range(2):
            for n in range(plain.num_prefix_tokens, x.shape[1]):
                f = x[b, n].clone()
                alike = torch.stack([f @ t for t in tokens]) / 32**0.5
                share = alike.exp() / alike.exp().sum()
                said = sum(s * rein.to_feature(t) for s, t in zip(share[1:], tokens[1:]))
                x[b, n] = f + rein.scale * rein.change(f + said)
        if i == 2:
            features = plain.norm(x)[:, plain.num_prefix_tokens :]
    expected = features.transpose(1, 2).reshape(2, 32, 4, 6)
    found = encoder(image)[2]
    assert_near(found, expected, body)
    rein.scale.zero_()  # and the ViT as it came
    assert not torch.allclose(encoder(image)[2], found, atol=0.01)
    assert torch.equal(encoder(image)[2], ViT(plain)(image)[2])


@torch.no_grad()
def test_the_first_token_says_nothing():
    rein, patches = reined().rein, torch.randn(1, 6, 32)
    rein.tokens_a[0] = 0  # all tokens alike: each has a fifth
    rein.to_feature.bias.fill_(1.0)
    rein.change.weight.copy_(torch.eye(32))
    rein.change.bias.zero_()
    rein.scale.fill_(1.0)
    # Four of five tokens say their bias: f + (f + 4 / 5), within the roundings of five additions.
    torch.testing.assert_close(rein(patches, 0), 2 * patches + 0.8, rtol=1e-6, atol=1e-5)


def test_only_its_tokens_learn_all_of_them():
    encoder = reined()
    sum(f.square().sum() for f in encoder(torch.randn(1, 3, 64, 64))).backward()
    names = {n for n, p in encoder.named_parameters() if p.grad is not None and p.grad.any()}
    assert names == {n for n, _ in encoder.named_parameters() if n.startswith("rein.")}
    assert len(names) == 7


@torch.no_grad()
def test_a_copy_has_tokens_of_its_own():
    """As a teacher is made: what the student learns reaches it by averaging alone."""
    encoder, image = reined().eval(), torch.randn(1, 3, 64, 64)
    teacher, before = copy.deepcopy(encoder), encoder(image)
    encoder.rein.scale.fill_(2.0)
    assert all(torch.equal(f, b) for f, b in zip(teacher(image), before))
    assert not torch.equal(encoder(image)[0], before[0])


def test_it_is_refused_where_there_are_no_tokens():
    with pytest.raises(ValueError, match=r"rein works with ViT encoders, not with MiT; take"):
        build_segmentor(ModelConfig("tiny_mit", tune="rein"))


def test_any_vit_of_timm_takes_them():
    with torch.device("meta"):
        network = build_segmentor(ModelConfig("timm:eva02_tiny_patch14_224", tune="rein"))
        assert network(torch.empty(1, 3, 64, 64))[1][0].shape == (1, 192, 16, 16)
    counts = network.parameter_counts()
    assert 0 < counts["trained"] < counts["all"]
