"""Feature distance where a data set has no thing classes."""

import torch

from daformer_lib.uda.feature_distance import ImageNetAnchor


def test_without_things_no_cell_counts():
    anchor = ImageNetAnchor(torch.nn.Identity(), (), num_classes=2, min_share=0.75)
    label = torch.zeros(1, 8, 8, dtype=torch.int64)
    assert not anchor.mask(label, 4).any()
    assert ImageNetAnchor(torch.nn.Identity(), (0,), 2, 0.75).mask(label, 4).all()
