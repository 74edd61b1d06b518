"""MiT's own way through timm's stages: the same features and gradients, fewer copies.

Compared in double precision, where two orders of adding differ by 1e-12 and not by the processor.
"""

import pytest
import torch
from torch import nn

from daformer_lib.models.encoders import build_encoder
from daformer_lib.models.encoders.mit import PatchConv, run_stage

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize("patch", [2, (4, 2)])
def test_a_patch_convolution_is_a_convolution(patch):
    plain = nn.Conv2d(3, 5, patch, stride=patch).double()
    ours = PatchConv.like(plain)
    x = torch.randn(2, 3, 8, 12, dtype=torch.float64)
    torch.testing.assert_close(ours(x), plain(x))
    ours(x).square().sum().backward()
    gradient = plain.weight.grad.clone()  # the parameters are shared
    plain.zero_grad()
    plain(x).square().sum().backward()
    torch.testing.assert_close(gradient, plain.weight.grad)
    odd = torch.randn(
        1, 3, 9, 13, dtype=torch.float64
    )  # a rest that fills no patch is left out, as a convolution does
    torch.testing.assert_close(ours(odd), plain(odd))


def test_a_stage_is_timms():
    encoder = build_encoder("tiny_mit").eval().double()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    tokens = encoder.patch_embed(x)
    with torch.no_grad():
        for stage in encoder.stages:
            ours, theirs = run_stage(stage, tokens), stage(tokens)
            torch.testing.assert_close(ours, theirs)
            tokens = theirs
