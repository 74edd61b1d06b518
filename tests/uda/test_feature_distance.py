"""Feature distance where a data set has no thing classes."""

import pytest
import torch

from benchmarks.reference import one_hot_downscale
from daformer_lib.batch import Labelled
from daformer_lib.models.encoders import build_encoder
from daformer_lib.ranks import ALONE
from daformer_lib.uda.feature_distance import ImageNetAnchor, downscale_label

pytestmark = pytest.mark.numeric


def test_without_things_no_cell_counts():
    anchor = ImageNetAnchor(torch.nn.Identity(), (), num_classes=2, min_share=0.75)
    label = torch.zeros(1, 8, 8, dtype=torch.int64)
    assert not anchor.mask(label, 4).any()
    assert ImageNetAnchor(torch.nn.Identity(), (0,), 2, 0.75).mask(label, 4).all()


@pytest.mark.parametrize(("encoder", "stride"), [("resnet50_v1c", 8), ("mit_b0", 32)])
def test_labels_are_scaled_to_the_last_feature(encoder, stride):
    """The authors' label width // feature width: 8 with dilated ResNets, and not always 32."""
    with torch.device("meta"):
        network = build_encoder(encoder)
        width = network(torch.empty(1, 3, 512, 512))[-1].shape[-1]
    anchor = ImageNetAnchor(network, (1,), num_classes=2, min_share=0.75)
    label = torch.zeros(1, 512, 512, dtype=torch.int64)
    label[:, stride : 2 * stride, 2 * stride : 3 * stride] = 1
    mask = anchor.mask(label, width)
    assert mask.shape == (1, 512 // stride, 512 // stride)
    assert mask.nonzero().tolist() == [[0, 1, 2]]
    assert anchor.mean_positions(label, ALONE, parts=2) == 0.5


@pytest.mark.parametrize(("factor", "share"), [(4, 0.5), (8, 0.3), (3, 0.4)])
def test_counting_is_averaging_a_one_hot_tensor(factor, share):
    """Ties, ignored pixels and a rest that fills no cell included."""
    label = torch.randint(0, 3, (2, 9, 13), generator=torch.Generator().manual_seed(factor))
    label = label.repeat_interleave(2, 1).repeat_interleave(2, 2)
    label[label == 2] = 255
    expected = one_hot_downscale(label, factor, share, 5)
    assert torch.equal(downscale_label(label, factor, share, 5), expected)
    assert len(expected.unique()) > 1


class StrideEncoder(torch.nn.Module):
    """Features of one number per 4x4 pixels, one more cell where a side is no multiple of 4."""

    strides = (4,)

    def forward(self, image):
        return [torch.nn.functional.avg_pool2d(image, 4, ceil_mode=True)]


def test_a_crop_that_the_stride_does_not_divide_is_named():
    anchor = ImageNetAnchor(StrideEncoder(), (0,), num_classes=2, min_share=0.75)
    image, label = torch.rand(1, 3, 12, 10), torch.zeros(1, 12, 10, dtype=torch.int64)
    source = Labelled(image, label, torch.ones(1, 12, 10))
    with pytest.raises(ValueError, match=r"crop \(12, 10\).*\(3, 3\) features.*stride 4"):
        anchor(anchor.encoder(image), source)
