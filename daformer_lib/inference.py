"""Using a trained run: load its network, label image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from daformer_lib.data.transforms import resize_image, to_tensors
from daformer_lib.evaluate import predict
from daformer_lib.files import read_image
from daformer_lib.models import build_segmentor
from daformer_lib.runs import Run
from daformer_lib.specs import DatasetSpec


def load_network(run: Run, model: str = "student") -> nn.Module:
    """The trained network of a run in eval mode; model is "student" or "teacher"."""
    network = build_segmentor(run.experiment.changed(model={"pretrained": None}).model)
    network.load_state_dict(run.student_weights() if model == "student" else run.teacher_weights())
    return network.eval()


def label_file(
    network: nn.Module, path: str | Path, spec: DatasetSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 and label (H, W) uint8 train ids, at the file's own size.

    The network sees the image at the spec's training size, as in the authors' evaluation.
    """
    image = read_image(path)
    small = to_tensors(resize_image(image, spec.size), None)[0]
    device = next(network.parameters()).device
    label, _ = predict(network, small[None].to(device), image.shape[:2])
    return image, label[0].byte().cpu().numpy()
