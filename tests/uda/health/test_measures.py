"""Each measure on a case by hand."""

import math

import pytest
import torch

from daformer_lib.uda.health import measures

SURE_OF_TWO = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
UNSURE = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
SURE_OF_ONE = torch.tensor([[1.0, 0.0], [1.0, 0.0]])


def test_shares_and_agreement():
    label = torch.tensor([[0, 0], [0, 2]])
    assert measures.class_shares(label, 3).tolist() == [0.75, 0.0, 0.25]
    assert measures.agreement(label, torch.tensor([[0, 1], [0, 2]])) == 0.75


def test_ignored_pixels_have_no_share():
    assert measures.class_shares(torch.tensor([1, 255, 255]), 2).tolist() == [0.0, 1.0]


def test_entropy_and_information():
    assert measures.mean_entropy(UNSURE) == pytest.approx(math.log(2))
    assert measures.mean_entropy(SURE_OF_TWO) == 0
    # Sure and spread is best; unsure, or sure of one class alone, is worth nothing.
    assert measures.mutual_information(SURE_OF_TWO) == pytest.approx(math.log(2))
    assert measures.mutual_information(UNSURE) == pytest.approx(0)
    assert measures.mutual_information(SURE_OF_ONE) == pytest.approx(0)


def test_density_counts_neighbours():
    """Four pixels in two pairs: each has one neighbour, so the entropy is near 0; four alike have
    three each, so it is ln 3."""
    pairs = SURE_OF_TWO.repeat_interleave(2, 0)
    assert measures.neighbourhood_density(pairs) == pytest.approx(0, abs=1e-6)
    assert measures.neighbourhood_density(SURE_OF_ONE.repeat(2, 1)) == pytest.approx(math.log(3))


def test_density_by_hand_at_another_temperature():
    """Three pixels, a and b alike, c at a right angle: similarities 1 and 0 over T = 1."""
    p = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    e = math.e
    of_a = -(e / (1 + e)) * math.log(e / (1 + e)) - (1 / (1 + e)) * math.log(1 / (1 + e))
    expected = (2 * of_a + math.log(2)) / 3
    assert measures.neighbourhood_density(p, temperature=1.0) == pytest.approx(expected)


def test_mixed_accuracy_within_and_between():
    first, second = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 0])
    mixed = torch.tensor([0, 1, 1, 0])
    assert measures.mixed_accuracy(first, second, mixed, same=True) == 0.5
    assert measures.mixed_accuracy(first, second, mixed, same=False) == 0.5
    assert math.isnan(measures.mixed_accuracy(first, first, mixed, same=False))


def test_share_distance():
    one, other = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert measures.share_distance(one, one) == 0
    assert measures.share_distance(one, other) == 1


@pytest.mark.parametrize("size", [(4, 128, 256), (1, 8, 8), (2, 512, 1024)])
def test_a_grid_of_pixels_of_any_image_is_small(size):
    batch, height, width = size
    found = measures.pixels(torch.zeros(batch, 5, height, width), most=1000)
    assert found.shape[1] == 5
    assert len(found) <= 1.15 * 1000
    assert len(found) >= min(500, batch * height * width)
    assert torch.allclose(found, torch.full_like(found, 0.2))
