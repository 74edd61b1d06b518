"""Who stands where: items to draw, the ground they take, the lines of sight that stay open.

Nothing is painted here. Each `Item` knows its layer (houses behind gardens behind the street) and
its distance, so that the scene can paint from back to front.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.styles import DomainStyle
from daformer_lib.data.drawn.street.layout import Layout
from daformer_lib.specs import MINI_SIZE

SKYLINE, HOUSES, GARDENS, BARRIERS, STREET = range(5)  # layers, back to front


@dataclass(frozen=True)
class Item:
    layer: int
    distance: float  # metres, for the order within a layer
    draw: Callable[[Canvas, Paint], None]


@dataclass
class Crowd:
    """Items so far, the ground they stand on, and the lines of sight that stay open."""

    rng: np.random.Generator
    style: DomainStyle
    layout: Layout
    items: list[Item] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)  # x0 x1 z0 z1
    protected: list[tuple[float, float, float]] = field(default_factory=list)  # slope0 slope1 z
    track: float | None = None  # x of the tram's rails

    def add(self, layer: int, distance: float, draw: Callable) -> None:
        self.items.append(Item(layer, distance, draw))

    def happens(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    def visible_x(self, z: float, share: float = 0.8) -> float:
        """Half-width (metres) of what the camera sees at distance z, times a share."""
        return share * MINI_SIZE[0] / 2 / self.style.view.focal[1] * z

    def place(self, x: float, z: float, wide: float, long: float, protect: bool = False) -> bool:
        """Reserve a rectangle on the ground unless it is taken or would hide something rare."""
        x0, x1, z0, z1 = x - wide / 2, x + wide / 2, z - long / 2, z + long / 2
        if any(a < x1 and x0 < b and c < z1 and z0 < d for a, b, c, d in self.taken):
            return False
        if any(_hides(x0 / z0, x1 / z0, z0, *view) for view in self.protected):
            return False
        self.taken.append((x0, x1, z0, z1))
        if protect:
            self.protected.append((x0 / z0, x1 / z0, z0))
        return True


def _hides(left: float, right: float, z: float, slope0: float, slope1: float, far: float) -> bool:
    """Whether something at z covers more than a third of what stands farther away."""
    overlap = min(right, slope1) - max(left, slope0)
    return z < far and overlap > 0.33 * (slope1 - slope0)
