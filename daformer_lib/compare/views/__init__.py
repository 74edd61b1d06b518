"""A comparison to look at: figures, an animation, a page without a kernel, controls in a notebook.

`layers` makes the pictures of one view, the others arrange them. The arithmetic is in
`daformer_lib.compare`.
"""

from daformer_lib.compare.views.animation import evolution_frames, write_animation
from daformer_lib.compare.views.explorer import ComparisonExplorer, explore_comparison, page_frame
from daformer_lib.compare.views.figures import (
    comparison_panels,
    evolution_curves,
    evolution_panels,
    flow_bars,
    reliability_diagram,
)
from daformer_lib.compare.views.layers import LAYERS, Look, picture
from daformer_lib.compare.views.page import render_page, write_page
from daformer_lib.compare.views.tables import class_wins_table, scores_table

__all__ = [
    "LAYERS", "ComparisonExplorer", "Look", "class_wins_table", "comparison_panels",
    "evolution_curves", "evolution_frames", "evolution_panels", "explore_comparison", "flow_bars",
    "page_frame", "picture", "reliability_diagram", "render_page", "scores_table",
    "write_animation", "write_page",
]  # fmt: skip
