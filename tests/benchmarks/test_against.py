"""A step against an earlier commit's: the interval that its ratios are given."""

import pytest

from benchmarks.against import interval


@pytest.mark.parametrize(("count", "expected"), [(6, (1, 6)), (30, (10, 21))])
def test_the_medians_interval_is_the_sign_tests(count, expected):
    """Of 30 tosses at most 9 are heads with 2.1 percent, at most 10 with 4.9; of 6 none: 1.6."""
    ratios = [float(i) for i in range(count, 0, -1)]
    assert interval(ratios) == expected
