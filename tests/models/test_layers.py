"""Building blocks of the decoders."""

import pytest
import torch
from torch import nn

from daformer_lib.models.decoders.layers import ConvBlock, DilatedDepthwise


@pytest.mark.parametrize("dilation", [2, 3, 6])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_phases_give_the_dilated_convolution(dilation, layout):
    """Forward and backward, on sizes that the dilation does not divide, and smaller ones."""
    ours = DilatedDepthwise(5, 5, 3, padding=dilation, dilation=dilation, groups=5)
    for size in ((7, 10), (12, 12), (2, 3)):
        x = torch.randn(2, 5, *size).contiguous(memory_format=layout).requires_grad_()
        found, inputs = [], [x, ours.weight, ours.bias]
        for forward in (DilatedDepthwise.forward, nn.Conv2d.forward):
            out = forward(ours, x)
            found.append([out, *torch.autograd.grad(out.square().sum(), inputs)])
        for one, other in zip(*found):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_only_dilated_depthwise_convolutions_go_by_phases():
    kinds = {
        type(ConvBlock(4, out, kernel, dilation, groups).conv)
        for out, kernel, dilation, groups in [
            (8, 3, 6, 1),
            (4, 3, 1, 4),
            (4, 1, 1, 1),
            (8, 3, 6, 4),
        ]
    }
    assert kinds == {nn.Conv2d}
    assert type(ConvBlock(4, 4, 3, 6, 4).conv) is DilatedDepthwise
