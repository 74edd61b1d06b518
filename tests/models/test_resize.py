"""Our resize is PyTorch's bilinear one, values and gradients, to float32 rounding."""

import pytest
import torch
import torch.nn.functional as F

from daformer_lib.models.resize import rescale_bilinear, resize_bilinear

pytestmark = pytest.mark.numeric


SIZES = [  # from, to
    ((8, 8), (32, 32)),
    ((3, 5), (24, 40)),
    ((16, 32), (64, 128)),
    ((9, 7), (5, 11)),
    ((1, 1), (4, 6)),
]


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_equals_interpolate(small, large):
    torch.manual_seed(0)
    ours = torch.randn(2, 3, *small, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    weight = torch.randn(2, 3, *large)
    (resize_bilinear(ours, large) * weight).sum().backward()
    expected = F.interpolate(theirs, large, mode="bilinear", align_corners=False)
    (expected * weight).sum().backward()
    torch.testing.assert_close(resize_bilinear(ours, large), expected, rtol=0, atol=2e-6)
    assert torch.equal(resize_bilinear(ours.detach(), large), expected)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-5)


def test_same_size_is_the_same_tensor():
    x = torch.randn(1, 2, 4, 6)
    assert resize_bilinear(x, (4, 6)) is x


RESCALED = [  # cells of a ViT, patch over stride, cells of a feature
    ((4, 6), 4.0, (16, 24)),
    ((5, 7), 3.5, (16, 24)),  # patches of 14: what lies beyond the image is cut off
    ((5, 7), 14 / 32, (2, 3)),
    ((3, 3), 14 / 32, (2, 2)),  # a cell that reaches beyond the tokens
    ((4, 6), 0.5, (2, 3)),
    ((4, 6), 1.0, (4, 5)),
]


@pytest.mark.parametrize(("cells", "factor", "size"), RESCALED)
def test_rescaling_has_one_result_with_and_without_a_gradient(cells, factor, size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *cells, requires_grad=True)
    with torch.no_grad():
        expected = rescale_bilinear(x, factor, size)
    assert expected.shape == (2, 3, *size)
    torch.testing.assert_close(rescale_bilinear(x, factor, size), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("cells", "factor", "size"), RESCALED)
def test_rescaling_keeps_positions(cells, factor, size):
    """Cell centres in pixels of the image: bilinear weights reproduce them, save at the border."""
    centres = (torch.arange(cells[1]) + 0.5) * factor  # in cells of the result
    x = centres.expand(1, 1, *cells).contiguous()
    found = rescale_bilinear(x, factor, size)[0, 0, 0]
    expected = (torch.arange(size[1]) + 0.5).clamp(centres[0], centres[-1])
    torch.testing.assert_close(found, expected, rtol=4 * 2**-24, atol=0)


def test_other_precisions_keep_their_dtype():
    x = torch.randn(1, 2, 4, 6, requires_grad=True)
    assert resize_bilinear(x.double(), (8, 12)).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert resize_bilinear(x, (8, 12)).dtype == torch.float32


def test_trains_after_inference():
    """Nothing that inference mode made may stay behind: its tensors cannot be differentiated."""
    x = torch.randn(1, 2, 5, 6, requires_grad=True)
    with torch.inference_mode():
        resize_bilinear(x, (13, 17))
    resize_bilinear(x, (13, 17)).sum().backward()
    assert x.grad is not None
