"""Fresh weights are drawn as the authors draw them (init_stats.json: mean, std, max |x|)."""

import json
from pathlib import Path

import pytest
import torch

from daformer_lib.models.checkpoints.official_names import official_name

STATS = json.loads((Path(__file__).parents[1] / "golden" / "init_stats.json").read_text())


@pytest.mark.notebook  # not in make check: takes seconds
@pytest.mark.parametrize("name", STATS)
def test_every_parameter_has_the_authors_distribution(golden_segmentor, name):
    torch.manual_seed(0)
    segmentor = golden_segmentor(name)
    drawn = {official_name(segmentor, n): p.detach() for n, p in segmentor.named_parameters()}
    assert drawn.keys() == STATS[name].keys()
    for parameter, (mean, std, largest) in STATS[name].items():
        x = drawn[parameter].double()
        if std == 0:  # a constant
            assert x.eq(mean).all(), f"{parameter} should be {mean} everywhere"
            continue
        # Two samples of n values: their stds differ by about std / sqrt(n), their means likewise.
        slack = 6 * std / x.numel() ** 0.5
        assert abs(float(x.std(correction=0)) - std) < slack + 0.01 * std, parameter
        assert abs(float(x.mean()) - mean) < slack, parameter
        if x.numel() > 1000:  # a uniform distribution ends at 1.7 std, a normal one beyond 3
            assert (float(x.abs().max()) > 2.4 * std) == (largest > 2.4 * std), parameter


def test_shapes_of_the_distributions_that_the_facts_sheet_names(golden_segmentor):
    torch.manual_seed(0)
    segmentor = golden_segmentor("daformer_sepaspp_mitb0").requires_grad_(False)
    depthwise = segmentor.decoder.fuse_layer.aspp_modules[1].depthwise_conv.conv.weight
    assert float(depthwise.std()) == pytest.approx(0.0147, rel=0.05)  # fan-out ignores groups
    mit_depthwise = segmentor.encoder.stages[0].blocks[0].mlp.dwconv.weight
    assert float(mit_depthwise.std()) == pytest.approx(0.471, rel=0.05)  # here it does not
    assert float(segmentor.decoder.conv_seg.weight.std()) == pytest.approx(0.01, rel=0.05)
