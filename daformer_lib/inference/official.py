"""Checkpoints at the authors' protocol: their files in, their numbers out, files for the servers.

The protocol (facts of lhoyer/DAFormer): the whole image at the data set's size, logits resized to
the input and then to the label's own size, softmax, argmax; the student (`part` "model").
Cityscapes' server takes label ids, those of ACDC and Dark Zurich train ids; so the authors export.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from daformer_lib.config import HRDAConfig, ModelConfig
from daformer_lib.data.datasets import SegmentationDataset
from daformer_lib.evaluate import Scores, absence_notes, evaluate
from daformer_lib.files import write_label_png
from daformer_lib.inference.labelling import label_file
from daformer_lib.means import percent
from daformer_lib.models import build_segmentor
from daformer_lib.models.checkpoints import Part, load_official
from daformer_lib.progress import Report, silent
from daformer_lib.runs.papers import DAFORMER_MIOU, SYNTHIA_MIOU_13, paper_iou
from daformer_lib.specs import CITYSCAPES, SYNTHIA_13, SYNTHIA_16, DatasetSpec

ServerIds = Literal["label", "train"]
ALL = CITYSCAPES.num_classes
# How many classes a mean is over: all, or those that SYNTHIA-trained networks are scored on.
MEAN_OVER: dict[int, tuple[int, ...]] = {
    len(ids): ids for ids in (CITYSCAPES.mean_ids, SYNTHIA_16, SYNTHIA_13)
}
TRAIN_ID_SERVERS = (
    "acdc", "acdc_fog", "acdc_night", "acdc_rain", "acdc_snow", "acdc_hr",
    "darkzurich", "darkzurich_hr",
)  # fmt: skip


def network_from_checkpoint(
    checkpoint: str | Path,
    encoder: str,
    decoder: str,
    part: Part = "model",
    num_classes: int = ALL,
    device: torch.device | str = "cpu",
    hrda: HRDAConfig | None = None,
) -> nn.Module:
    """A whole network from a file in the authors' format, in eval mode.

    `hrda`: how a network of HRDA, or of MIC on it, sees an image.

    Raises:
        FileNotFoundError: no such file. ValueError: unreadable, another network, or only an
            encoder: a network whose decoder is random would score like a bad checkpoint.
    """
    network = build_segmentor(ModelConfig(encoder, decoder, num_classes), hrda)
    loaded = load_official(network, checkpoint, part)
    if not any(name.startswith("decode_head.") for name in loaded):
        raise ValueError(
            f"{checkpoint} holds an encoder without a decoder, which cannot be scored; name the "
            "checkpoint of a trained segmentor"
        )
    return network.to(device).eval()


def evaluate_official(
    network: nn.Module,
    spec: DatasetSpec,
    data_root: str | Path,
    split: str = "val",
    device: torch.device | str = "cpu",
    report: Report = silent,
) -> Scores:
    """Scores on a split whose labels are converted, one image at a time."""
    dataset = SegmentationDataset(spec, data_root, split)

    def samples() -> Iterator:
        for i in range(len(dataset)):
            yield dataset.load_for_evaluation(i)
            report(i + 1, len(dataset), split)

    return evaluate(network, samples(), spec.num_classes, device)


def paper_mean(spec: DatasetSpec, classes: int) -> float | None:
    """DAFormer's mIoU in the paper, in percent; None where it prints none."""
    if spec.name == "cityscapes":
        synthia = {16: DAFORMER_MIOU["synthia → cityscapes"], 13: SYNTHIA_MIOU_13}
        return ({ALL: DAFORMER_MIOU["gta → cityscapes"]} | synthia)[classes]
    return DAFORMER_MIOU.get(f"cityscapes → {spec.name}") if classes == ALL else None


def require_mean(spec: DatasetSpec, classes: int) -> None:
    """Raises ValueError where no mean over so many classes exists; ask before a long evaluation."""
    if classes not in MEAN_OVER:
        raise ValueError(f"classes {classes} must be one of {list(MEAN_OVER)}")
    if spec.num_classes != ALL and classes != ALL:
        raise ValueError(f"{spec.name} has {spec.num_classes} classes; 16 and 13 are of Cityscapes")


def score_table(scores: Scores, spec: DatasetSpec, classes: int = ALL) -> str:
    """Per-class IoU and means in percent, beside the paper's DAFormer (Table 6)."""
    require_mean(spec, classes)
    rows = range(spec.num_classes) if classes == ALL else MEAN_OVER[classes]
    paper = [None] * spec.num_classes
    if spec.name == "cityscapes":
        paper = list(paper_iou("gta" if classes == ALL else "synthia", spec))
    lines = [f"{'class':18s} {'IoU %':>7s} {'paper':>7s}"]
    lines += [_line(spec.classes[i], scores.iou[i], paper[i]) for i in rows]
    means = (ALL,) if classes == ALL else tuple(MEAN_OVER)
    for count in means:
        over = MEAN_OVER[count] if spec.num_classes == ALL else None
        beside = None if count == ALL != classes else paper_mean(spec, count)
        size = count if over else spec.num_classes
        lines.append(_line(f"mean of {size}", scores.miou(over), beside))
    lines += absence_notes(scores, spec.classes, rows)
    if spec.name in TRAIN_ID_SERVERS:
        lines.append("The paper's number is of the test split, which only the server scores.")
    return "\n".join(lines)


def _line(name: str, ours: float, paper: float | None) -> str:
    beside = "-" if paper is None or np.isnan(paper) else f"{paper:.1f}"
    return f"{name:18s} {percent(ours, 2):>7s} {beside:>7s}"


def server_ids(spec: DatasetSpec) -> ServerIds:
    """What the data set's benchmark server reads."""
    return "train" if spec.name in TRAIN_ID_SERVERS else "label"


def to_server_ids(label: np.ndarray, ids: ServerIds, spec: DatasetSpec = CITYSCAPES) -> np.ndarray:
    """(H, W) uint8 train ids -> the same, or the data set's own ids; 255 becomes 0, unlabelled.

    Sets with the Cityscapes classes take Cityscapes' label ids; where several own ids mean one
    class, it is written as the smallest.
    """
    if ids == "train":
        return label
    own = CITYSCAPES if spec.classes == CITYSCAPES.classes else spec
    table = np.zeros(256, dtype=np.uint8)
    for train_id, label_id in own.own_ids.items():
        table[train_id] = label_id
    return table[label]


def export_labels(
    network: nn.Module,
    spec: DatasetSpec,
    data_root: str | Path,
    output_dir: str | Path,
    split: str = "test",
    ids: ServerIds | None = None,
    report: Report = silent,
) -> Sequence[Path]:
    """Label every image of a split; PNGs at the images' own size under the images' file names.

    An image that is a PNG lends its name as it is (.PNG stays), any other gets the ending .png.

    Args:
        ids: "label" for Cityscapes label ids, "train" for train ids; None takes the server's.
    """
    dataset = SegmentationDataset(spec, data_root, split, labelled=False)
    paths = [spec.image_file(data_root, split, stem) for stem in dataset.stems]
    twice = [name for name, count in Counter(p.name for p in paths).items() if count > 1]
    if twice:
        raise ValueError(
            f"{len(twice)} file names of {spec.name}/{split} stand in several folders, such as "
            f"{min(twice)}; the server knows a file by its name: rename or remove them"
        )
    written = []
    for i, path in enumerate(paths):
        label = label_file(network, path, spec)[1]
        name = path.name if path.suffix.lower() == ".png" else f"{path.stem}.png"
        encoded = to_server_ids(label, ids or server_ids(spec), spec)
        written.append(write_label_png(Path(output_dir) / name, encoded))
        report(i + 1, len(paths), split)
    return written
