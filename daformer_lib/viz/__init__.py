"""Figures and controls. ``from daformer_lib import viz``, then ``viz.panel_grid(...)``.

`draw` turns arrays into pictures; `panels` and `comparisons` arrange them; `charts`, `lines`,
`colours` and `tables` show numbers; `widgets` puts controls around any of these.
"""

from daformer_lib.viz.charts import class_bars, confusion_heatmap, gain_bars, share_bars
from daformer_lib.viz.colours import class_pixels, colour_histograms, colour_planes
from daformer_lib.viz.comparisons import (
    cell_grid,
    evolution_strip,
    prediction_panels,
    pseudo_label_panels,
)
from daformer_lib.viz.draw import (
    agreement_map,
    blend,
    colorize,
    confidence_map,
    denormalise,
    error_map,
    heat_overlay,
    only_classes,
    overlay,
    scalar_map,
)
from daformer_lib.viz.lines import (
    class_curves,
    curves,
    grouped_bars,
    line_chart,
    three_numbers,
)
from daformer_lib.viz.panels import (
    CONFIDENCE_CHIPS,
    ERROR_CHIPS,
    Chip,
    agreement_chips,
    class_chips,
    class_legend,
    miou_note,
    panel_grid,
    picture_miou,
)
from daformer_lib.viz.safe_colours import for_learners
from daformer_lib.viz.style import figure_png, image_png, small_png, to_data_uri
from daformer_lib.viz.tables import Table, plain_table, three_numbers_table
from daformer_lib.viz.widgets import (
    blend_picture,
    class_picture,
    explore,
    slider_picture,
    twin,
)

__all__ = [
    "CONFIDENCE_CHIPS", "ERROR_CHIPS", "Chip", "Table", "agreement_chips", "agreement_map", "blend",
    "blend_picture", "cell_grid", "class_bars", "class_chips", "class_curves", "class_legend",
    "class_picture", "class_pixels", "colorize", "colour_histograms", "colour_planes",
    "confidence_map", "confusion_heatmap", "curves", "denormalise", "error_map",
    "evolution_strip", "explore", "figure_png", "for_learners", "gain_bars", "grouped_bars",
    "heat_overlay", "image_png", "line_chart", "miou_note", "only_classes", "overlay", "panel_grid",
    "picture_miou", "plain_table", "prediction_panels", "pseudo_label_panels", "scalar_map",
    "share_bars", "slider_picture", "small_png", "three_numbers", "three_numbers_table",
    "to_data_uri", "twin",
]  # fmt: skip
