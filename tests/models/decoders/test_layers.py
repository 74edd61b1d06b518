"""Building blocks of the decoders."""

import pytest
import torch
from torch import nn

from daformer_lib.models.decoders.layers import ConvBlock, DilatedDepthwise, Pointwise

pytestmark = pytest.mark.numeric


def assert_like_pytorch(ours, x):
    """A convolution of ours and nn.Conv2d's: output and gradients of input, weight and bias.

    In double precision: what the order of adding changes is then far below the default tolerance.
    """
    ours, x = ours.double(), x.double()
    found, inputs = [], [x.requires_grad_(), ours.weight, ours.bias]
    for forward in (type(ours).forward, nn.Conv2d.forward):
        out = forward(ours, x)
        found.append([out, *torch.autograd.grad(out.square().sum(), inputs)])
    for one, other in zip(*found):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dilation", [2, 3, 6])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_phases_give_the_dilated_convolution(dilation, layout):
    """On sizes that the dilation does not divide, and smaller ones."""
    ours = DilatedDepthwise(5, 5, 3, padding=dilation, dilation=dilation, groups=5)
    for size in ((7, 10), (12, 12), (2, 3)):
        assert_like_pytorch(ours, torch.randn(2, 5, *size).contiguous(memory_format=layout))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_matrix_product_gives_the_1x1_convolution(layout):
    x = torch.randn(2, 6, 5, 3).contiguous(memory_format=layout)
    assert_like_pytorch(Pointwise(6, 4, 1), x)


@pytest.mark.parametrize("block", [ConvBlock(6, 6, 3, 2, groups=6), ConvBlock(6, 4)])
def test_what_is_channels_last_stays_so_without_gaps(block):
    """Both ways: a BatchNorm that meets two layouts, or a map with gaps, is ten times slower."""
    x = torch.randn(2, 6, 7, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    out = block(x)
    assert out.is_contiguous(memory_format=torch.channels_last)
    (back,) = torch.autograd.grad(out, x, torch.randn_like(out))
    assert back.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("shape", "kind"),  # channels out, kernel, dilation, groups
    [
        ((8, 3, 6, 1), nn.Conv2d),
        ((4, 3, 1, 4), nn.Conv2d),
        ((8, 3, 6, 4), nn.Conv2d),
        ((4, 1, 1, 4), nn.Conv2d),
        ((8, 1, 1, 1), Pointwise),
        ((4, 3, 6, 4), DilatedDepthwise),
    ],
)
def test_which_convolutions_have_a_way_of_their_own(shape, kind):
    assert type(ConvBlock(4, *shape).conv) is kind
