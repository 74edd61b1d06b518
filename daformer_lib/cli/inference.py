"""Trained networks: predict, evaluate, evaluate-official, and the exports.

Those of the kit open a network the same way: `--run` with `--model student` or `teacher`, or
`--model` alone with a model file.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from daformer_lib.cli.options import Recheck, RunRoot
from daformer_lib.data.intake.prepare import bring_up_to_date
from daformer_lib.folders import NO_IMAGE, LeftOut, Why, in_words
from daformer_lib.means import percent
from daformer_lib.progress import Progress
from daformer_lib.runs import Run
from daformer_lib.specs import CITYSCAPES
from daformer_lib.texts import printable

if TYPE_CHECKING:
    import torch
    from torch import nn

STATISTICS_IMAGES = 200  # on which BatchNorm's are estimated again


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
    gallery: bool = False,
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
        output_dir: gets the label files.
        mode: whole: the image is stretched to the training size. slide: it keeps its shape, and
            the logits of overlapping windows are averaged.
        window: height and width of the sliding window in pixels; by default the training size.
        stride: steps down and right in pixels; by default two thirds of the window.
        scale: of the image under the sliding window; 0.5 for a network trained on halved images.
        batch: images, or windows of one image, that pass through the network together.
        ids: in the label files: train ids, or the ids of the data set's own label files.
        device: auto (CUDA where there is one), cpu, cuda, cuda:1, mps.
        gallery: also write gallery.html, one page with every image beside its labels.
    """
    from daformer_lib.inference import make_view, open_model, working_device
    from daformer_lib.inference.gallery import Gallery
    from daformer_lib.inference.predict_files import find_images, predict_files

    left_out: dict[str, Why] = {}
    found = find_images(images, output_dir, left_out)
    opened = open_model(run, model).to(working_device(device))
    view = make_view(opened.spec, mode, window, stride, scale, batch)
    with Progress(len(found), "predict") as bar:
        page = Gallery(opened.spec) if gallery else None
        summary = predict_files(opened, found, output_dir, view, ids, bar, page)
    if page is not None:
        print(f"gallery: {page.write(output_dir / 'gallery.html')}")
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


def export_model(
    run: Path, output: Path, model: Literal["student", "teacher"] = "student", half: bool = False
) -> None:
    """Write a run's network with its classes and colours as one .safetensors file.

    Args:
        run: folder of a trained run.
        output: the file, .safetensors.
        model: which of its networks.
        half: float16 on disk, half the size.
    """
    from daformer_lib.inference import open_model
    from daformer_lib.inference.exchange import save_model

    print(f"wrote {save_model(open_model(run, model), output, half)}")


def ship_study(
    runs: tuple[Path, ...],
    folder: Path = Path("daformer_lib/weights/study"),
    command: str | None = None,
) -> None:
    """Write the finished networks that come with the kit, from runs, and the card beside them.

    Args:
        runs: folders of complete runs, one for each network.
        folder: where they go.
        command: what trained them, for the card; by default `study` with their rows.
    """
    from daformer_lib.inference import open_run
    from daformer_lib.inference.finished import ship

    opened = [Run(run) for run in runs]
    for path in ship({run: open_run(run) for run in opened}, folder, command):
        print(f"wrote {path}")


def export_onnx(
    output: Path,
    run: Path | None = None,
    model: str = "student",
    size: tuple[int, int] | None = None,
    tolerance: float = 1e-3,
) -> None:
    """Write a network as ONNX, checked against PyTorch by onnxruntime.

    Args:
        output: the file, .onnx.
        run: folder of a trained run; without it, `model` is a model file.
        model: student or teacher of the run, or a model file as for predict.
        size: fixed height and width of the images in pixels; left out, they stay free. The batch
            is free.
        tolerance: largest difference of a logit, as a share of the logits' standard deviation.
    """
    from daformer_lib.inference import open_model
    from daformer_lib.inference.onnx import export_onnx as export

    difference = export(open_model(run, model), output, size, tolerance)
    print(f"wrote {output}; largest difference from PyTorch: {difference:.1e} standard deviations")


def evaluate(
    run: Path, split: str = "val", model: Literal["student", "teacher"] = "student",
    target: str | None = None, data_root: RunRoot = None,
    statistics: Literal["running", "target", "image"] = "running", recheck: Recheck = False,
) -> None:  # fmt: skip
    """Per-class IoU of a trained run on a split of its target, or of another set.

    Args:
        run: folder of a trained run.
        split: of the target.
        model: which of its networks.
        target: another data set with the same classes; by default the run's target.
        statistics: that BatchNorm normalises with: running, as training left them (and as scores
            in runs are made); target, estimated again on 200 of the target's training images,
            without labels; image, each image's own.
    """
    from daformer_lib import evaluate as scoring
    from daformer_lib.data.datasets import evaluation_samples, unlabelled_images
    from daformer_lib.evaluate import absence_notes
    from daformer_lib.inference import load_network, working_device
    from daformer_lib.models.statistics import batch_statistics, estimate_statistics
    from daformer_lib.specs import (
        SYNTHIA_13,
        SYNTHIA_16,
        check_same_classes,
        get_spec,
        scored_spec,
    )

    opened = Run(run)
    experiment = opened.experiment
    if data_root is not None:
        experiment = experiment.changed(data={"data_root": data_root})
    if target is not None:
        check_same_classes([get_spec(experiment.data.target), get_spec(target)])
        experiment = experiment.changed(data={"target": target})
    data, device = experiment.data, working_device()
    spec = scored_spec(data.target, data.source)
    with Progress(None, "data") as bar:
        bring_up_to_date(spec, data.data_root, split, report=bar, recheck=recheck)
    samples = evaluation_samples(experiment, split, None)
    network = load_network(opened, model).to(device)
    if statistics == "target":
        estimate_statistics(network, unlabelled_images(experiment, STATISTICS_IMAGES))
    with batch_statistics(network) if statistics == "image" else nullcontext():
        scores = scoring.evaluate(
            network, samples, spec.num_classes, device, evaluated=spec.mean_ids
        )
    for name, iou in zip(spec.classes, scores.iou):
        print(f"{name:15s} {percent(iou):>5s}")
    means = {"mean IoU": spec.mean_ids}
    if spec.mean_ids == SYNTHIA_16:
        means = {"mean IoU of 16": SYNTHIA_16, "mean IoU of 13": SYNTHIA_13}
    for title, ids in means.items():
        print(f"{title:15s} {percent(scores.miou(ids)):>5s}")
    for note in absence_notes(scores, spec.classes, spec.mean_ids):
        print(note)


@dataclass(frozen=True)
class OfficialNetwork:
    """A network in the authors' format.

    Args:
        checkpoint: their .pth, or a .safetensors file.
        encoder: which one the checkpoint has, such as mit_b5 or resnet101_v1c.
        decoder: which one it has, such as daformer or deeplabv2.
        part: the student (theirs is scored) or the teacher of a UDA training.
        hrda: it is one of HRDA, or of MIC on it; name a target at full resolution with it, such as
            cityscapes_hr.
        recipe: name of its experiment, such as hrda_table2_daformer: encoder, decoder and how HRDA
            looks at an image are then this one's.
    """

    checkpoint: Path
    encoder: str = "mit_b5"
    decoder: str = "daformer"
    part: Literal["model", "ema_model"] = "model"
    hrda: bool = False
    recipe: str | None = None

    def open(self, num_classes: int, device: torch.device) -> nn.Module:
        from daformer_lib.config import HRDAConfig
        from daformer_lib.inference import official
        from daformer_lib.runs import recipes

        encoder, decoder = self.encoder, self.decoder
        scales = HRDAConfig() if self.hrda else None
        if self.recipe is not None:
            known = recipes.experiment(self.recipe, "full")
            encoder, decoder = known.model.encoder, known.model.decoder
            scales = known.methods.get("hrda")
        return official.network_from_checkpoint(
            self.checkpoint, encoder, decoder, self.part, num_classes, device, scales
        )


def evaluate_official(
    official_network: Annotated[OfficialNetwork, tyro.conf.arg(name="")],
    target: str = "cityscapes",
    split: str = "val",
    data_root: str = "data",
    classes: int = CITYSCAPES.num_classes,
    recheck: Recheck = False,
) -> None:
    """Score a checkpoint in the authors' format at their protocol, beside the paper's numbers.

    Args:
        target: data set by name, or its .yaml file.
        split: of it.
        data_root: folder that holds the data sets' folders.
        classes: the mean is over all of them, or 16 or 13 for a network trained on SYNTHIA.
    """
    from daformer_lib.inference import official, working_device
    from daformer_lib.specs import get_spec

    spec, device = get_spec(target), working_device()
    official.require_mean(spec, classes)
    network = official_network.open(spec.num_classes, device)
    with Progress(None, "data") as bar:
        bring_up_to_date(spec, data_root, split, report=bar, recheck=recheck)
    with Progress(None, "evaluate") as bar:
        scores = official.evaluate_official(network, spec, data_root, split, device, bar)
    print(official.score_table(scores, spec, classes))


def export_test(
    official_network: Annotated[OfficialNetwork, tyro.conf.arg(name="")],
    target: str = "cityscapes",
    split: str = "test",
    data_root: str = "data",
    output_dir: Path = Path("runs/export"),
    ids: Literal["label", "train"] | None = None,
) -> None:
    """Label a test split for the benchmark server: PNGs at the images' own size, under their names.

    Args:
        target: data set by name, or its .yaml file.
        split: of it.
        data_root: folder that holds the data sets' folders.
        output_dir: gets the label files.
        ids: label ids or train ids; by default what the data set's server takes (ACDC and Dark
            Zurich: train ids).
    """
    from daformer_lib.inference import official, working_device
    from daformer_lib.specs import get_spec

    spec = get_spec(target)
    network = official_network.open(spec.num_classes, working_device())
    with Progress(None, "export") as bar:
        written = official.export_labels(network, spec, data_root, output_dir, split, ids, bar)
    print(f"wrote {len(written)} files to {output_dir}")


def export_visda(
    source_only: Path,
    uda: Path,
    archive: Path = Path("runs/visda/submission.zip"),
    split: str = "test",
    data_root: RunRoot = None,
) -> None:
    """Zip the VisDA-2022 submission: label maps of a run without and a run with adaptation.

    Args:
        source_only: folder of the run without adaptation.
        uda: folder of the run with it.
        archive: the .zip file.
        split: of the target.
    """
    from daformer_lib.inference import load_network, working_device
    from daformer_lib.inference.submission import write_submission
    from daformer_lib.specs import get_spec

    runs = {"source_only": Run(source_only), "uda": Run(uda)}
    device = working_device()
    networks = {name: load_network(run).to(device) for name, run in runs.items()}
    data = runs["uda"].experiment.data
    spec, root = get_spec(data.target), data_root or data.data_root
    with Progress(None, "export") as bar:
        print(f"wrote {write_submission(networks, spec, root, archive, split, bar)}")
