"""Fills a street: rare things first, so that they get a free place; then everything else."""

from __future__ import annotations

import numpy as np

from daformer_lib.data.drawn.kit.styles import DomainStyle
from daformer_lib.data.drawn.street.crowd import Crowd
from daformer_lib.data.drawn.street.layout import Layout
from daformer_lib.data.drawn.street.roadside import (
    add_backdrop,
    add_barrier,
    add_kerb_trees,
    add_people,
    add_posts,
    add_skyline,
)
from daformer_lib.data.drawn.street.traffic import add_cars, add_large_vehicles, add_two_wheelers


def populate(rng: np.random.Generator, style: DomainStyle, layout: Layout) -> Crowd:
    """Everything in the scene, placed but not yet painted."""
    crowd = Crowd(rng, style, layout)
    add_large_vehicles(crowd)
    add_two_wheelers(crowd)
    add_cars(crowd)
    for side in layout.sides:
        add_posts(crowd, side)
        add_backdrop(crowd, side)
        add_barrier(crowd, side)
        add_kerb_trees(crowd, side)
        add_people(crowd, side)
    add_skyline(crowd)
    return crowd
