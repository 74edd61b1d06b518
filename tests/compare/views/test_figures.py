"""Figures hold the pictures and numbers that they promise."""

import numpy as np
import pytest

from daformer_lib.compare import evolution, flow, survey
from daformer_lib.compare.views import (
    comparison_panels,
    evolution_curves,
    evolution_panels,
    flow_bars,
    reliability_diagram,
)
from daformer_lib.compare.views.layers import Look


def texts(figure):
    found = [t.get_text() for t in figure.texts]
    return found + [t.get_text() for axes in figure.axes for t in axes.texts]


def test_panels_have_a_column_per_source_and_only_rows_that_are_known(opened, tmp_path):
    comparison = opened()
    figure = comparison_panels(comparison, comparison.stems[0], look=Look(threshold=0.9))
    assert set(comparison.names) <= set(texts(figure))
    assert "13 % wrong" in texts(figure) and "weight 0.81" in texts(figure)
    assert len([a for a in figure.axes if a.images]) >= 4 * 3
    blind = opened(data_root=tmp_path)
    assert "error" not in texts(comparison_panels(blind, blind.stems[0]))


def test_evolution_panels_have_a_column_per_step(opened):
    comparison = opened()
    said = texts(evolution_panels(comparison, comparison.stems[0]))
    assert {"step 10", "step 20"} <= set(said)
    assert sum(text.startswith("mIoU") for text in said) == 4


def test_reliability_needs_truth(opened, tmp_path):
    comparison = opened()
    figure = reliability_diagram(survey(comparison).tallies)
    labels = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert len(labels) == 2 and all("ECE" in label for label in labels)
    with pytest.raises(ValueError, match="needs truth and confidence"):
        reliability_diagram(survey(opened(data_root=tmp_path)).tallies)


def test_flow_bars_name_the_largest_moves(opened):
    comparison = opened()
    name = comparison.names[0]
    found = flow(comparison, (name, 10), (name, 20))
    figure = flow_bars(found, comparison.spec, most=2)
    assert "step 10 → step 20" in figure.axes[0].get_title(loc="left")
    assert len(figure.axes[0].get_yticks()) == 2
    looks = {bar.get_hatch() for bar in figure.axes[0].patches}
    assert looks == {None, "////"}, "told apart by colour alone"


def test_curves_follow_a_class(opened):
    comparison = opened()
    all_steps = {name: evolution(comparison, name) for name in comparison.names}
    figure = evolution_curves(all_steps, comparison.spec, 0)
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [10, 20]
    assert np.diff(line.get_ydata())[0] > 0  # fewer wrong rows at step 20
