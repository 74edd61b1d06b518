"""The commands that use a trained network: predict, export-model, export-onnx.

`cli/main.py` gives them their names. All open a network the same way: `--run` with `--model
student` or `teacher`, or `--model` alone with a model file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from daformer_lib.folders import NO_IMAGE, LeftOut, Why, in_words
from daformer_lib.progress import Progress
from daformer_lib.texts import printable


def predict(
    images: tuple[str, ...],
    run: Path | None = None,
    model: str = "student",
    output_dir: Path = Path("runs/predictions"),
    mode: Literal["whole", "slide"] = "whole",
    window: tuple[int, int] | None = None,
    stride: tuple[int, int] | None = None,
    scale: float = 1.0,
    batch: int = 1,
    ids: Literal["train", "original"] = "train",
    device: str = "auto",
) -> int:
    """Label images of any size: for each, <name>_labels.png, _overlay.png and _confidence.png.

    An unreadable image or a link that leads nowhere is named and skipped; the exit status is then
    1. Hidden files and those of the system are named too, and are no images.
    All outputs lie as a viewer shows the photo; 16 bits, CMYK and transparency are noted.

    Args:
        images: files, folders (with all below them), globs in quotes.
        run: folder of a trained run; without it, `model` is a model file.
        model: student or teacher of the run; or a .safetensors file, a folder with one, or
            hf:<owner>/<repository>@<40-digit commit>.
        mode: whole: the image is stretched to the training size. slide: it keeps its shape, and
            the logits of overlapping windows are averaged.
        window: height and width of the sliding window; by default the training size.
        stride: steps down and right; by default two thirds of the window.
        scale: of the image under the sliding window; 0.5 for a network trained on halved images.
        batch: images, or windows of one image, that pass through the network together.
        ids: in the label files: train ids, or the ids of the data set's own label files.
        device: auto (CUDA where there is one), cpu, cuda, cuda:1, mps.
    """
    from daformer_lib.inference import make_view, open_model, working_device
    from daformer_lib.inference.predict_files import find_images, predict_files

    left_out: dict[str, Why] = {}
    found = find_images(images, output_dir, left_out)
    opened = open_model(run, model).to(working_device(device))
    view = make_view(opened.spec, mode, window, stride, scale, batch)
    with Progress(len(found), "predict") as bar:
        summary = predict_files(opened, found, output_dir, view, ids, bar)
    for path, note in summary.notes.items():
        print(printable(f"note {path}: {note}"))
    for path, reason in summary.skipped.items():
        named = reason if str(path) in reason else f"{path}: {reason}"
        print(printable(f"skipped {named}"), file=sys.stderr)
    unread = [LeftOut(path, why) for path, why in left_out.items() if why is not NO_IMAGE]
    if unread:
        print(printable(f"not labelled: {in_words(unread)}"), file=sys.stderr)
    print(f"labelled {len(summary.written)} of {len(found)} images; see {output_dir}")
    return 1 if summary.skipped or any(one.why.lost for one in unread) else 0


def export_model(run: Path, output: Path, model: Literal["student", "teacher"] = "student") -> None:
    """Write a run's network with its classes and colours as one .safetensors file."""
    from daformer_lib.inference import open_model
    from daformer_lib.inference.exchange import save_model

    print(f"wrote {save_model(open_model(run, model), output)}")


def export_onnx(
    output: Path,
    run: Path | None = None,
    model: str = "student",
    size: tuple[int, int] | None = None,
    tolerance: float = 1e-3,
) -> None:
    """Write a network as ONNX, checked against PyTorch by onnxruntime.

    Args:
        run, model: as for predict.
        size: fixed height and width of the images; left out, they stay free. The batch is free.
        tolerance: largest difference of a logit, as a share of the logits' standard deviation.
    """
    from daformer_lib.inference import open_model
    from daformer_lib.inference.onnx import export_onnx as export

    difference = export(open_model(run, model), output, size, tolerance)
    print(f"wrote {output}; largest difference from PyTorch: {difference:.1e} standard deviations")
