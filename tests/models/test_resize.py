"""Our resize is PyTorch's bilinear one, values and gradients, to float32 rounding."""

import pytest
import torch
import torch.nn.functional as F

from daformer_lib.models.resize import resize_bilinear

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
