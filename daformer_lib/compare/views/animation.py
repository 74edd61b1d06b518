"""The evolution as a moving picture: one frame per step, in any format that Pillow animates."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from daformer_lib.compare import Comparison
from daformer_lib.compare.views import canvas
from daformer_lib.compare.views.layers import PLAIN, Look, image, picture, truth
from daformer_lib.files import write_atomic
from daformer_lib.viz.panels import miou_note

FORMATS = {".gif": "GIF", ".png": "PNG", ".apng": "PNG", ".webp": "WEBP"}
LAST = 2.5  # times as long as the others: the result


def evolution_frames(
    comparison: Comparison,
    stem: str,
    look: Look = PLAIN,
    width: int = 900,
    columns: int | None = None,
) -> list[np.ndarray]:
    """(H, W, 3) uint8 for each step: image and truth, then every source at that step.

    With two columns what moves stands below what does not.
    """
    frames, spec = [], comparison.spec
    for step in comparison.steps:
        view = comparison.view(stem, step)
        panels = [canvas.Panel("image", image(view))]
        if view.truth is not None:
            panels.append(canvas.Panel("truth", truth(view, spec, look)))
        for i, name in enumerate(comparison.names):
            scored = view.truth is not None
            note = miou_note(view.labels[i], view.truth, spec) if scored else ""
            panels.append(canvas.Panel(f"{name}, step {step}", picture(view, i, spec, look), note))
        frames.append(canvas.arrange(panels, columns, width))
    return frames


def write_animation(frames: Sequence[np.ndarray], path: str | Path, seconds: float = 0.9) -> Path:
    """Write frames as .gif, .png (APNG) or .webp; each shown that long, the last one longer."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path.name}: an animation is one of {sorted(FORMATS)}")
    if not frames:
        raise ValueError("an animation needs a frame; the comparison has no step")
    kind = FORMATS[path.suffix.lower()]
    pictures = [Image.fromarray(frame) for frame in frames]
    if kind == "GIF":
        pictures = _with_one_palette(pictures)
    times = [int(1000 * seconds)] * (len(frames) - 1) + [int(1000 * seconds * LAST)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = io.BytesIO()
    pictures[0].save(
        data, kind, save_all=True, append_images=pictures[1:], duration=times, loop=0, **options
    )
    return write_atomic(path, data.getvalue())


def _with_one_palette(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """All frames in the 256 colours that suit them together: no flicker."""
    tall = sum(frame.height for frame in pictures)
    sheet = Image.new("RGB", (pictures[0].width, tall))
    y = 0
    for frame in pictures:
        sheet.paste(frame, (0, y))
        y += frame.height
    guide = sheet.quantize(255, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
    return [p.quantize(palette=guide, dither=Image.Dither.NONE) for p in pictures]
