"""Trams, which carry the class "train": long, in sections, on rails, with a pantograph."""

from __future__ import annotations

import numpy as np

from daformer_lib.data.drawn.kit.canvas import Canvas
from daformer_lib.data.drawn.kit.paint import Paint
from daformer_lib.data.drawn.kit.solids import Frame, Plane, extrude
from daformer_lib.specs import CITYSCAPES_CLASSES

TRAIN = CITYSCAPES_CLASSES.index("train")
TRAM_LENGTH = 27.0  # metres, for those who make room
WIDTH, ROOF, FLOOR = 2.55, 3.35, 0.18
GAUGE = 1.44  # metres between the rails
NOSE = 1.3  # metres of sloping front


def draw_tram(canvas: Canvas, paint: Paint, x: float, z: float, yaw: float) -> None:
    """Three sections with their centre at (x, z), the farthest drawn first."""
    colour, stripe, glass = paint("train"), paint("stripe"), paint("glass")
    frame = Frame(canvas, x, z, yaw, TRAIN)
    frame.ground_shadow(TRAM_LENGTH, WIDTH, ROOF)
    section = TRAM_LENGTH / 3
    starts = [TRAM_LENGTH / 2 - section * (i + 1) for i in range(3)]
    starts.sort(key=lambda start: -(frame.centre[2] + frame.forward[2] * start))
    for start in starts:
        _section(frame, start, start + section, colour, stripe, glass, paint)
    for nose in (TRAM_LENGTH / 2, -TRAM_LENGTH / 2):
        if frame.visible_end(TRAM_LENGTH / 2) == nose:
            _nose(frame, nose, colour, stripe, glass, paint)
    _pantograph(frame, paint)


def _section(
    frame: Frame, start: float, end: float, colour: np.ndarray, stripe: np.ndarray,
    glass: np.ndarray, paint: Paint,
) -> None:  # fmt: skip
    """One car body; the outermost ends slope, the inner ones end in bellows."""
    front_slope = NOSE if end > TRAM_LENGTH / 2 - 0.1 else 0.0
    rear_slope = NOSE if start < -TRAM_LENGTH / 2 + 0.1 else 0.0
    profile = [
        (end, FLOOR), (end, 1.05), (end - front_slope * 0.75, ROOF - 0.35),
        (end - front_slope, ROOF), (start + rear_slope, ROOF),
        (start + rear_slope * 0.75, ROOF - 0.35), (start, 1.05), (start, FLOOR),
    ]  # fmt: skip
    strips = {3: paint("metal")}
    if front_slope:
        strips[1] = glass
    if rear_slope:
        strips[5] = glass
    extrude(frame, profile, WIDTH, colour, strips)
    across = frame.visible_side(WIDTH / 2)
    if across:
        _side(frame.side(across), start, end, (front_slope, rear_slope), stripe, glass, paint)


def _side(
    plane: Plane, start: float, end: float, slopes: tuple[float, float], stripe: np.ndarray,
    glass: np.ndarray, paint: Paint,
) -> None:  # fmt: skip
    first, last = start + slopes[1] * 0.5 + 0.35, end - slopes[0] * 0.5 - 0.35
    plane.rect(start + 0.1, FLOOR, end - 0.1, 0.42, paint("dark"))
    plane.rect(start, 0.75, end, 1.1, stripe)
    low = [(first - slopes[1] * 0.15, 1.45), (last + slopes[0] * 0.15, 1.45)]
    plane.polygon([*low, (last - slopes[0] * 0.3, 2.6), (first + slopes[1] * 0.3, 2.6)], glass)
    middle = (start + end) / 2
    plane.rect(middle - 0.75, 0.42, middle + 0.75, 2.72, stripe * 0.92)
    for left in (middle - 0.68, middle + 0.05):
        plane.rect(left, 0.55, left + 0.63, 2.6, glass * 1.15)
    for along in (start + 0.28 * (end - start), start + 0.72 * (end - start)):
        plane.rect(along - 0.07, 1.45, along + 0.07, 2.6, paint("dark"))
    plane.rect(start, ROOF - 0.3, end - slopes[0], ROOF - 0.18, stripe * 0.8)
    for edge in (start, end):
        if abs(edge) < TRAM_LENGTH / 2 - 0.1:
            plane.rect(edge - 0.3, FLOOR, edge + 0.3, ROOF - 0.1, paint("dark"))


def _nose(
    frame: Frame, nose: float, colour: np.ndarray, stripe: np.ndarray, glass: np.ndarray,
    paint: Paint,
) -> None:  # fmt: skip
    """The tram's face: a windscreen that leans back, one line display, two round lamps."""
    plane = frame.end(nose)
    half = WIDTH / 2
    plane.rect(-half * 0.95, FLOOR, half * 0.95, 0.5, paint("dark"))
    plane.rect(-half, 0.62, half, 0.95, stripe)
    for side in (-1, 1):
        lamp = paint("headlight" if nose > 0 else "taillight")
        plane.disc(side * half * 0.68, 0.8, 0.17, lamp)
    lean = np.sign(nose) * NOSE

    def face(u0: float, u1: float, t0: float, t1: float) -> np.ndarray:
        """A patch of the leaning windscreen (4, 3): metres across, shares of the slope."""
        corners = ((u0, t0), (u1, t0), (u1, t1), (u0, t1))
        local = [[nose - lean * 0.75 * t, u, 1.05 + (ROOF - 1.4) * t] for u, t in corners]
        return frame.world(np.array(local))

    for u0, u1 in ((-half, -half * 0.86), (half * 0.86, half)):
        frame.canvas.polygon(face(u0, u1, 0.0, 1.0), colour * 0.95, TRAIN)
    frame.canvas.polygon(face(-half * 0.5, 0.0, 0.1, 0.8), glass * 1.25, TRAIN)
    frame.canvas.polygon(face(-half * 0.8, half * 0.8, 0.82, 1.0), paint("dark"), TRAIN)
    frame.canvas.polygon(face(-half * 0.25, half * 0.25, 0.84, 0.97), paint("headlight"), TRAIN)


def _pantograph(frame: Frame, paint: Paint) -> None:
    plane, dark = frame.side(0.01), paint("dark")
    foot, knee, head = (-0.6, ROOF), (0.5, ROOF + 0.55), (-0.3, ROOF + 1.1)
    plane.stroke(foot, knee, 0.1, dark)
    plane.stroke(knee, head, 0.1, dark)
    frame.end(-0.3).stroke((-0.8, ROOF + 1.1), (0.8, ROOF + 1.1), 0.12, dark)


def draw_rails(canvas: Canvas, paint: Paint, x: float, z0: float, z1: float) -> None:
    """Two rails in the road along z; they stay road (Cityscapes' rail track is not evaluated)."""
    bed, rail = paint("road") * 0.92, paint("metal") * 1.1
    _ground_strip(canvas, x - 1.25, x + 1.25, z0, z1, bed)
    for side in (-GAUGE / 2, GAUGE / 2):
        _ground_strip(canvas, x + side - 0.05, x + side + 0.05, z0, z1, rail)


def _ground_strip(
    canvas: Canvas, x0: float, x1: float, z0: float, z1: float, colour: np.ndarray
) -> None:
    corners = [[x0, 0, z0], [x0, 0, z1], [x1, 0, z1], [x1, 0, z0]]
    canvas.polygon(np.array(corners, float), colour)
