"""Arrays to pictures: labels in class colours, errors, confidence, overlays, agreement of two runs.

Pure functions; arrays or tensors in, (H, W, 3) uint8 RGB out. `panels` arranges them.
"""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np

from daformer_lib.batch import IMAGENET_MEAN, IMAGENET_STD
from daformer_lib.specs import DatasetSpec
from daformer_lib.viz.style import as_array

IGNORE_DARK, IGNORE_LIGHT = (24, 24, 27), (66, 66, 72)  # the two stripes of "no label here"
RIGHT, WRONG = (226, 231, 235), (204, 76, 59)
# Two runs at one pixel: both right, only the first, only the second, both wrong.
AGREEMENT = {
    "both right": (226, 231, 235),
    "only {first} right": (68, 119, 170),
    "only {second} right": (42, 157, 130),
    "both wrong": (204, 76, 59),
}
CONFIDENCE_MAP = "cividis"
HEAT_MAP = "inferno"


def _stripes(shape: tuple[int, int]) -> np.ndarray:
    """Dark diagonal stripes that no class colour resembles, (H, W, 3) uint8."""
    rows, columns = np.indices(shape)
    light = (rows + columns) % 8 < 2
    return np.where(light[..., None], IGNORE_LIGHT, IGNORE_DARK).astype(np.uint8)


def _require_same_size(**arrays: np.ndarray) -> None:
    sizes = {name: array.shape[:2] for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"sizes differ: {sizes}; resize to one height and width first")


def colorize(label: Any, spec: DatasetSpec) -> np.ndarray:
    """Class colours of a label (H, W); what is ignored becomes dark stripes."""
    label = as_array(label)
    if label.ndim != 2:
        raise ValueError(f"label has shape {label.shape}; pass one (height, width) label")
    ids = label.astype(np.int64)
    known = (ids >= 0) & (ids < spec.num_classes)
    unknown = np.unique(ids[~known & (ids != spec.ignore)])
    if unknown.size:
        raise ValueError(
            f"label holds {unknown[:5].tolist()}; {spec.name} has train ids "
            f"0..{spec.num_classes - 1} and {spec.ignore} (convert raw ids first)"
        )
    palette = np.array(spec.palette, dtype=np.uint8)
    colours = palette[np.where(known, ids, 0)]  # (H, W) -> (H, W, 3)
    return np.where(known[..., None], colours, _stripes(ids.shape))


def denormalise(image: Any) -> np.ndarray:
    """An ImageNet-normalised image (3, H, W) or batch (B, 3, H, W) as uint8, channels last."""
    image = as_array(image)
    if image.ndim not in (3, 4) or image.shape[-3] != 3:
        raise ValueError(f"image has shape {image.shape}; pass (3, H, W) or (B, 3, H, W)")
    image = np.moveaxis(image.astype(np.float64), -3, -1)  # (..., 3, H, W) -> (..., H, W, 3)
    return np.clip(np.rint((image * np.array(IMAGENET_STD) + IMAGENET_MEAN) * 255), 0, 255).astype(
        np.uint8
    )


def as_picture(image: Any) -> np.ndarray:
    """(H, W, 3) uint8 from uint8 RGB, from an ImageNet-normalised (3, H, W), or from grey (H, W).

    Float values of grey images lie in [0, 1].
    """
    image = as_array(image)
    if image.ndim == 3 and image.shape[0] == 3 and image.dtype.kind == "f":
        return denormalise(image)
    if image.dtype.kind in "fb":
        image = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)  # (H, W) -> (H, W, 3)
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"cannot show shape {image.shape} {image.dtype}; pass (H, W, 3) uint8, a normalised "
            "(3, H, W) float tensor, or (H, W) grey; colour labels with colorize first"
        )
    return image


def blend(before: Any, after: Any, share: float) -> np.ndarray:
    """(1 - share) of the first picture and share of the second."""
    before, after = as_picture(before), as_picture(after)
    _require_same_size(before=before, after=after)
    mixed = before.astype(np.float64) * (1 - share) + after.astype(np.float64) * share
    return np.rint(mixed).astype(np.uint8)


def overlay(image: Any, label: Any, spec: DatasetSpec, alpha: float = 0.55) -> np.ndarray:
    """Class colours over the image; where nothing is labelled the image stays as it is."""
    image, label = as_picture(image), as_array(label)
    _require_same_size(image=image, label=label)
    mixed = blend(image, colorize(label, spec), alpha)
    return np.where((label == spec.ignore)[..., None], image, mixed)


def error_map(prediction: Any, truth: Any, ignore: int = 255) -> np.ndarray:
    """Right pixels light grey, wrong ones vermilion, pixels without truth striped."""
    prediction, truth = as_array(prediction), as_array(truth)
    _require_same_size(prediction=prediction, truth=truth)
    picture = np.where((prediction == truth)[..., None], RIGHT, WRONG).astype(np.uint8)
    return np.where((truth == ignore)[..., None], _stripes(truth.shape), picture)


def agreement_map(first: Any, second: Any, truth: Any, ignore: int = 255) -> np.ndarray:
    """Which of two label maps is right where: the colours of AGREEMENT."""
    first, second, truth = as_array(first), as_array(second), as_array(truth)
    _require_same_size(first=first, second=second, truth=truth)
    colours = np.array(list(AGREEMENT.values()), dtype=np.uint8)
    case = 2 * (first != truth).astype(int) + (second != truth)  # 0 both, 1, 2, 3 neither
    return np.where((truth == ignore)[..., None], _stripes(truth.shape), colours[case])


def scalar_map(values: Any, low: float, high: float, colours: str) -> np.ndarray:
    """A float map (H, W) through a matplotlib colour map; NaN becomes stripes."""
    values = as_array(values).astype(np.float64)
    share = np.clip((values - low) / (high - low), 0, 1)
    picture = matplotlib.colormaps[colours](np.nan_to_num(share))[..., :3]
    picture = np.rint(picture * 255).astype(np.uint8)
    return np.where(np.isnan(values)[..., None], _stripes(values.shape), picture)


def confidence_map(confidence: Any, threshold: float | None = None) -> np.ndarray:
    """Probability of the winning class, dark blue 0 to yellow 1; uint8 input is 0-255.

    With a threshold, what lies below it is dimmed, so that the confident pixels stand out.
    """
    confidence = as_array(confidence)
    if confidence.dtype == np.uint8:
        confidence = confidence / 255
    picture = scalar_map(confidence, 0, 1, CONFIDENCE_MAP)
    if threshold is None:
        return picture
    dimmed = (picture * 0.35).astype(np.uint8)
    return np.where((confidence >= threshold)[..., None], picture, dimmed)


def heat_overlay(image: Any, heat: Any, alpha: float = 0.75) -> np.ndarray:
    """A coarse map (h, w) (a feature distance, an attention) over the image, scaled to its max.

    Cells stay square blocks, so that the network's true resolution is seen. The image is made pale
    first: what is dark in it must not look like little heat.
    """
    image, heat = as_picture(image), as_array(heat).astype(np.float64)
    height, width = image.shape[:2]
    rows = np.arange(height) * heat.shape[0] // height
    columns = np.arange(width) * heat.shape[1] // width
    peak = np.nanmax(heat) if np.isfinite(heat).any() else 1.0
    large = scalar_map(heat, 0, peak or 1.0, HEAT_MAP)[rows][:, columns]  # (h, w) -> (H, W)
    grey = np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
    return blend((128 + grey / 2).astype(np.uint8), large, alpha)


def only_classes(label: Any, classes: list[int] | tuple[int, ...], ignore: int = 255) -> np.ndarray:
    """The label with every other class ignored: to show one class, or the things, alone."""
    label = as_array(label)
    return np.where(np.isin(label, classes), label, ignore).astype(label.dtype)
