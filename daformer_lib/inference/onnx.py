"""A trained network as ONNX, checked against PyTorch by onnxruntime before the file appears.

The exported graph maps `image` (B, 3, H, W) float32, ImageNet-normalised RGB, to `logits`
(B, K, H, W) float32 at the image's own size. The batch is free; so are height and width, unless a
size is fixed. Classes, palette, mean and deviation stand in the file's metadata.
Needs the extra `onnx` (onnx, onnxscript, onnxruntime).
"""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from daformer_lib.batch import IMAGENET_MEAN, IMAGENET_STD
from daformer_lib.files import write_atomic
from daformer_lib.inference.exchange import TrainedModel
from daformer_lib.inference.labelling import SMALLEST_SIDE
from daformer_lib.specs import DatasetSpec

TOLERANCE = 1e-3  # largest difference of a logit, in standard deviations of the logits
_EXAMPLE = (2, 3, 96, 160)  # sizes that differ, so that the exporter cannot mistake one for another
_CHECKED = ((1, 96, 160), (3, 64, 128), (2, 101, 75))  # (batch, height, width)


class _AtImageSize(nn.Module):
    """The logits of a segmentor alone, resized to the image."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        logits = self.network(image)[0]  # (B, K, h, w)
        return F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)


def export_onnx(
    model: TrainedModel,
    path: str | Path,
    size: tuple[int, int] | None = None,
    tolerance: float = TOLERANCE,
) -> float:
    """Write an ONNX file; returns the largest difference that the check found.

    Args:
        size: fixed (height, width); None leaves them free, from 32 pixels on.
        tolerance: the file is not written if a logit differs by more, in standard deviations.
    """
    _require("onnx"), _require("onnxscript"), _require("onnxruntime")
    if size is not None and min(size) < SMALLEST_SIDE:
        raise ValueError(f"size {size[0]}x{size[1]} must be at least 32x32")
    if model.hrda is not None:
        raise ValueError(
            "a network with hrda cuts each image into detail crops, which no fixed graph holds; "
            "use `predict` or `export-model`, or export a network without hrda"
        )
    network = _AtImageSize(copy.deepcopy(model.network)).cpu().float().eval().requires_grad_(False)
    proto = _exported(network, size)
    _clean(proto)
    _describe(proto, model.spec)
    data = proto.SerializeToString()
    shapes = _CHECKED if size is None else tuple((batch, *size) for batch in (1, 3))
    difference = max(_difference(data, network, shape) for shape in shapes)
    if not difference <= tolerance:
        # A plain ViT's filling up to whole patches is lost where sizes are free.
        remedy = "fix the size: --size HEIGHT WIDTH" if size is None else "use `export-model`"
        raise RuntimeError(
            f"the ONNX graph differs from PyTorch by {difference:.1e} standard deviations of the "
            f"logits, more than {tolerance:.1e}; {path} was not written; {remedy}"
        )
    write_atomic(path, data)
    return difference


def _require(name: str) -> ModuleType:
    try:
        return __import__(name)
    except ImportError as error:
        raise RuntimeError(
            f"export-onnx needs {name} ({error}); install the extra: pip install -e '.[onnx]'"
        ) from None


def _exported(network: nn.Module, size: tuple[int, int] | None) -> Any:
    """The network as an onnx.ModelProto."""
    free = {0: torch.export.Dim("batch", min=1)}
    if size is None:
        free[2] = torch.export.Dim("height", min=SMALLEST_SIDE)
        free[3] = torch.export.Dim("width", min=SMALLEST_SIDE)
    example = torch.zeros(*_EXAMPLE[:2], *(size or _EXAMPLE[2:]))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own parts, to their developers
            program = torch.onnx.export(
                network,
                (example,),
                input_names=["image"],
                output_names=["logits"],
                dynamic_shapes=(free,),
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        remedy = "choose another decoder" if size else "fix the size: --size HEIGHT WIDTH"
        raise RuntimeError(f"this network cannot be exported ({error}); {remedy}") from None
    return program.model_proto


def _clean(proto: Any) -> None:
    """Drop what the exporter notes about this machine: every node's stack trace names files."""
    for part in (proto.graph, *proto.functions):
        del part.metadata_props[:]
        for item in (*part.node, *part.value_info):
            del item.metadata_props[:]
            item.doc_string = ""
    for item in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del item.metadata_props[:]


def _describe(proto: Any, spec: DatasetSpec) -> None:
    values = {
        "classes": spec.classes,
        "palette": spec.palette,
        "size": spec.size,
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
    }
    del proto.metadata_props[:]
    for key, value in values.items():
        proto.metadata_props.add(key=key, value=json.dumps(value))


def _difference(data: bytes, network: nn.Module, shape: tuple[int, int, int]) -> float:
    """Largest difference of the logits of one random batch, in their standard deviations."""
    ort = _require("onnxruntime")
    batch, height, width = shape
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(batch, 3, height, width, generator=generator)
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    found = session.run(["logits"], {"image": image.numpy()})[0]
    with torch.no_grad():
        wanted = network(image).numpy()
    if found.shape != wanted.shape:
        raise RuntimeError(f"the ONNX graph gives {found.shape} instead of {wanted.shape}")
    return float(np.abs(found - wanted).max() / wanted.std())
