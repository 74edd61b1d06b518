"""The stand-in for ImageNet: pretrain a tiny encoder on drawn objects in widely varied styles.

Feature distance and warm-up are about not forgetting a pretrained encoder, so the mini domains need
one. Departs from ImageNet pretraining: beside the image's class, tokens are classified too (token
labelling, Jiang et al., arXiv:2104.10858), with the drawn mask as truth. Classification alone did
not learn in minutes. That makes a prior which knows where things are: stronger than ImageNet's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from daformer_lib.batch import IMAGENET_MEAN, IMAGENET_STD
from daformer_lib.config import ModelConfig
from daformer_lib.data.drawn.objects import OBJECT_CLASSES, draw_object
from daformer_lib.files import write_atomic, write_json
from daformer_lib.machine import machine
from daformer_lib.models.checkpoints import load
from daformer_lib.models.checkpoints.load import PRIORS, shipped_name
from daformer_lib.models.encoders import build_encoder
from daformer_lib.progress import Report, silent
from daformer_lib.stopping import process_pool

BACKGROUND = len(OBJECT_CLASSES)  # token label where no object is
CHUNK = 250  # crops per task of a drawing process
Strength = Literal["weak", "strong"]


@dataclass(frozen=True)
class PretrainConfig:
    encoder: str = "tiny_mit"
    images: int = 12_000  # training crops
    held_out: int = 600
    steps: int = 3000
    batch_size: int = 32
    lr: float = 1.2e-3
    weight_decay: float = 0.02
    drop_path: float = 0.05
    label_smoothing: float = 0.05
    seed: int = 0
    strength: Strength = "weak"  # names the file
    half: bool = False  # weights are rounded to float16: half the file


# "strong": both encoders see the same images in the same order, to convergence. "weak", the first
# version, is what stopped early; each had what it took to learn anything.
_STRONG = {
    "images": 40_000, "held_out": 2000, "steps": 9000, "lr": 1.3e-3, "strength": "strong",
    "half": True,
}  # fmt: skip
# The smaller sizes of Table 3. Their weights are not shipped: a study of them makes them first.
_SIZES = ("tiny_mit_half", "tiny_mit_quarter", "tiny_resnet_half", "tiny_resnet_quarter")
PRETRAININGS: Mapping[tuple[str, Strength], PretrainConfig] = {
    ("tiny_mit", "weak"): PretrainConfig(steps=2500),
    ("tiny_resnet", "weak"): PretrainConfig("tiny_resnet", steps=2000, lr=2e-3),
    ("tiny_vit", "weak"): PretrainConfig("tiny_vit", steps=2500, half=True),
    ("tiny_mit", "strong"): PretrainConfig("tiny_mit", **_STRONG),
    ("tiny_resnet", "strong"): PretrainConfig("tiny_resnet", **_STRONG),
    ("tiny_vit", "strong"): PretrainConfig("tiny_vit", **_STRONG),
    **{(size, "strong"): PretrainConfig(size, **_STRONG) for size in _SIZES},
}


class Crops(NamedTuple):
    image: Tensor  # (N, 3, 64, 64) uint8 RGB
    label: Tensor  # (N,) int64
    mask: Tensor  # (N, 16, 16) float32: share of each cell that the object covers


def draw_crops(start: int, count: int, seed: int, workers: int = 2) -> Crops:
    """Objects start ... start + count - 1, drawn by several processes."""
    starts = range(start, start + count, CHUNK)
    draw = partial(_draw_chunk, end=start + count, seed=seed)
    with process_pool(workers) as pool:
        parts = list(pool.map(draw, starts))
    images, labels, masks = (np.concatenate(column) for column in zip(*parts))
    return Crops(*(torch.from_numpy(array) for array in (images, labels, masks)))


def _draw_chunk(start: int, end: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    samples = [draw_object(i, seed) for i in range(start, min(start + CHUNK, end))]
    images = np.stack([s.image for s in samples]).transpose(0, 3, 1, 2)  # (N, H, W, 3) -> CHW
    masks = np.stack([s.mask for s in samples]).astype(np.float32)
    return images, np.array([s.class_id for s in samples]), masks


class ObjectHead(nn.Module):
    """Image classes from the pooled last feature, token classes from the second and the last."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.image = nn.Linear(channels[-1], len(OBJECT_CLASSES))
        self.tokens = nn.ModuleDict(
            {str(i): nn.Conv2d(channels[i], BACKGROUND + 1, 1) for i in (1, 3)}
        )

    def forward(self, features: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        pooled = features[-1].mean((2, 3))  # (B, C, h, w) -> (B, C)
        return self.image(pooled), [head(features[int(i)]) for i, head in self.tokens.items()]


def pretrain_loss(
    logits: Tensor, tokens: list[Tensor], label: Tensor, mask: Tensor, smoothing: float
) -> Tensor:
    """Image cross-entropy plus token cross-entropies, object cells weighing more."""
    loss = F.cross_entropy(logits, label, label_smoothing=smoothing)
    for token, share in zip(tokens, (0.5, 1.0)):  # stride 8, then the last stage
        cover = F.adaptive_avg_pool2d(mask[:, None], token.shape[-2:])[:, 0]  # (B, h, w)
        log_p = token.log_softmax(1)
        index = label.view(-1, 1, 1, 1).expand(-1, 1, *cover.shape[1:])
        wrong = -(cover * log_p.gather(1, index)[:, 0] + (1 - cover) * log_p[:, BACKGROUND])
        weight = 0.15 + cover
        loss = loss + share * (wrong * weight).sum() / weight.sum()
    return loss


def augment(crops: Crops, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Flip and vary brightness and contrast; returns normalised images (B, 3, 64, 64) and masks."""
    image, mask = crops.image.float() / 255, crops.mask
    if rng.random() < 0.5:
        image, mask = image.flip(3), mask.flip(2)
    gain, contrast = (
        torch.from_numpy(rng.uniform(0.75, 1.3, (len(image), 1, 1, 1))).float() for _ in range(2)
    )
    image = ((image * gain - 0.4) * contrast + 0.4).clamp(0, 1)
    return _normalise(image), mask


def _normalise(image: Tensor) -> Tensor:
    mean = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(3, 1, 1)
    return (image - mean) / std


@torch.no_grad()
def accuracy(encoder: nn.Module, head: ObjectHead, crops: Crops) -> float:
    encoder.eval()
    hits = [
        (head(encoder(_normalise(images.float() / 255)))[0].argmax(1) == labels).sum()
        for images, labels in zip(crops.image.split(100), crops.label.split(100))
    ]
    encoder.train()
    return float(sum(hits)) / len(crops.label)


def pretrain(
    config: PretrainConfig,
    report: Report = silent,
    note: Callable[[dict[str, Any]], None] = lambda row: None,
) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Train an encoder; returns it with a log of (step, loss, held-out accuracy)."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    crops = draw_crops(0, config.images, config.seed)
    held_out = draw_crops(config.images, config.held_out, config.seed)
    encoder = build_encoder(config.encoder, config.drop_path).train()
    head = ObjectHead(encoder.channels)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.lr, config.steps, pct_start=0.1
    )
    log = []
    for step in range(1, config.steps + 1):
        chosen = torch.from_numpy(rng.integers(0, config.images, config.batch_size))
        image, mask = augment(Crops(*(part[chosen] for part in crops)), rng)
        logits, tokens = head(encoder(image))
        loss = pretrain_loss(logits, tokens, crops.label[chosen], mask, config.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == config.steps:
            found = round(accuracy(encoder, head, held_out), 4)
            log.append({"step": step, "loss": round(loss.item(), 4), "held_out_accuracy": found})
            note(log[-1])
        report(step, config.steps, f"loss {loss.item():.2f}")
    if config.half:
        encoder.half().float()
        found = round(accuracy(encoder, head, held_out), 4)
        log.append({"rounded_to": "float16", "held_out_accuracy": found})
    return encoder, log


def missing_priors(models: Iterable[ModelConfig]) -> list[PretrainConfig]:
    """What these networks begin with, is not shipped, and was not made on this machine yet."""
    wanted = {(model.encoder, PRIORS.get(model.pretrained or "")) for model in models}
    return [
        config
        for (encoder, strength), config in PRETRAININGS.items()
        if (encoder, strength) in wanted
        and not (load.SHIPPED / shipped_name(encoder, strength)).is_file()
    ]


def save_pretrained(
    encoder: nn.Module, config: PretrainConfig, log: list[dict[str, Any]], folder: Path
) -> Path:
    """Write the weights and, beside them, the log that says how they came about."""
    kind = torch.float16 if config.half else torch.float32
    state = {
        name: (tensor.to(kind) if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in encoder.state_dict().items()
    }
    path = write_atomic(folder / shipped_name(config.encoder, config.strength), save(state))
    details = {"config": asdict(config), "log": log, "machine": machine()}
    write_json(path.with_suffix(".json"), details)
    return path
