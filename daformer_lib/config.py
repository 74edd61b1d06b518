"""Configuration: frozen dataclasses whose defaults are the authors' settings.

The defaults follow what the authors' code does (GTA -> Cityscapes, DAFormer with MiT-B5), also
where it differs from the paper. What is tuned for the mini domains is in
`runs/recipes/profiles.py`, by profile.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from daformer_lib.specs import CITYSCAPES, SPECS, source_names, stable_name

T = TypeVar("T")
Mode = Literal["source_only", "uda", "oracle"]
ADAPTERS = ("lora", "rein")  # values of `model.tune` that add weights
CompileMode = Literal["default", "reduce-overhead", "max-autotune"]
FeatureDistanceOn = Literal["things", "all", "everywhere"]
Tune = Literal["full", "frozen", "lora", "rein"]
Sides = tuple[int, int]  # (height, width) in pixels
TeacherStatistics = Literal["batch", "student", "average", "target"]
RCS_TEMPERATURE = 0.01  # of Rare Class Sampling in the paper, Sec. 4.1; every row with RCS has it


# Fields that came after the first runs, with the value that runs without them had: that one has no
# part in a key.
_LATER = (
    ("model", "frozen_norm", False),
    ("model", "blocks", None),
    ("model", "tune", "full"),
    ("data", "target_scale", None),
    ("data", "target_margins", None),
    ("uda", "classmix", True),
    ("uda", "teacher_statistics", "batch"),
    ("optim", "layer_decay", 1.0),
    ("train", "accumulate", 1),
    ("train", "start_from", None),
)


class Needs(NamedTuple):
    """The images that a mode learns from."""

    labels: Literal["source", "target"]
    target_images: bool  # without a look at their labels


NEEDS: Mapping[Mode, Needs] = {
    "source_only": Needs("source", target_images=False),
    "uda": Needs("source", target_images=True),
    "oracle": Needs("target", target_images=False),
}


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_finite(name: str, value: float) -> None:
    _require(0 <= value < math.inf, f"{name} {value} must be a number from 0 on, and finite")


@dataclass(frozen=True)
class ModelConfig:
    encoder: str = "mit_b5"
    decoder: str = "daformer"
    num_classes: int = CITYSCAPES.num_classes
    # None = random; "strong", "weak" or its old name "shipped" = those of the kit; or a path.
    pretrained: str | None = None
    drop_path: float = 0.1  # stochastic depth at the deepest block
    dropout: float = 0.1  # channels, before the classifier
    # Of a ViT: the blocks, from 0, whose tokens become the four features; None = quarters' ends.
    blocks: tuple[int, ...] | None = None
    # What of the encoder learns: all, nothing, additions to its attention, tokens between blocks.
    tune: Tune = "full"
    lora_rank: int = 16  # of these additions, or tokens
    rein_tokens: int = 100  # for each block
    frozen_norm: bool = False  # the encoder's BatchNorm keeps the statistics of its weights

    def __post_init__(self) -> None:
        _require(self.num_classes >= 2, f"num_classes {self.num_classes} must be at least 2")
        for name in ("drop_path", "dropout"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"{name} {value} must lie in [0, 1)")
        if self.blocks is not None:  # JSON knows only lists
            object.__setattr__(self, "blocks", tuple(self.blocks))
        known = get_args(Tune)
        _require(self.tune in known, f"tune {self.tune!r} must be one of {list(known)}")
        _require(self.lora_rank > 0, f"lora_rank {self.lora_rank} must be positive")
        _require(self.rein_tokens > 1, f"rein_tokens {self.rein_tokens} must be at least 2")


@dataclass(frozen=True)
class DataConfig:
    source: str = "gta"  # name or .yaml file of a spec, or several joined by "+"
    target: str = "cityscapes"
    data_root: str = "data"
    crop: tuple[int, int] = (512, 512)  # (height, width)
    batch_size: int = 2  # images of each domain in a step, over all processes
    workers: int = 4  # loader processes; 0 = in this process
    rcs_temperature: float | None = None  # Rare Class Sampling; None = uniform sampling
    rcs_min_pixels: int | None = 3000  # on the label file at its own size; None = by its area
    rcs_min_crop_pixels: int | None = 1500  # in the crop, of the resized image; None = by its area
    rcs_max_loads: int = 11  # crops tried until one holds enough; the last is accepted
    cat_max_ratio: float | None = 0.75  # largest share of one class in a labelled crop
    photometric: bool = False  # colour distortion in the loader (source-only and oracle rows)
    target_scale: tuple[float, float] | None = None  # limits of the target images' random size
    max_source_images: int | None = None
    max_target_images: int | None = None
    cache_bytes: int = 0  # decoded images kept in memory
    prepared: bool = False  # read what `prepare-cache` decoded and resized, where it is current
    # (top, bottom, left, right) pixels of the resized target image whose pseudo-labels count
    # nothing: the authors' at full resolution, in place of uda.ignore_top and ignore_bottom.
    target_margins: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        height, width = self.crop
        _require(
            height % 32 == 0 and width % 32 == 0 and height > 0 and width > 0,
            f"crop {height}x{width} must be a multiple of 32; "
            f"try {max(32, height // 32 * 32)}x{max(32, width // 32 * 32)}",
        )
        _require(self.batch_size > 0, f"batch_size {self.batch_size} must be positive")
        limits = self.target_scale
        _require(
            limits is None or 0 < limits[0] <= limits[1] < math.inf,
            f"target_scale {limits} must be two positive numbers, the smaller first, or None",
        )
        _require(self.rcs_max_loads > 0, f"rcs_max_loads {self.rcs_max_loads} must be positive")
        for name in ("rcs_min_pixels", "rcs_min_crop_pixels", "cache_bytes"):
            value = getattr(self, name)
            _require(value is None or value >= 0, f"{name} {value} must not be negative")
        for name in ("max_source_images", "max_target_images"):
            value = getattr(self, name)
            _require(
                value is None or value > 0, f"{name} {value} must be positive, or None for all"
            )
        _require(self.workers >= 0, f"workers {self.workers} must not be negative")
        _require(
            self.rcs_temperature is None or self.rcs_temperature > 0,
            f"rcs_temperature {self.rcs_temperature} must be positive, or None for no RCS",
        )
        _require(
            self.cat_max_ratio is None or 0 < self.cat_max_ratio <= 1,
            f"cat_max_ratio {self.cat_max_ratio} must lie in (0, 1], or be None",
        )
        margins = self.target_margins
        _require(
            margins is None or min(margins) >= 0, f"target_margins {margins} must not be negative"
        )


@dataclass(frozen=True)
class UDAConfig:
    ema_decay: float = 0.999  # teacher memory: about 1000 steps
    threshold: float = 0.968  # a pixel is confident from this probability on
    ignore_top: int = 15  # rows of the crop without weight: the rectified border of Cityscapes
    ignore_bottom: int = 120  # rows of the crop without weight: the ego vehicle's bonnet
    classmix: bool = True  # paste half of the source's classes; without it the target's own images
    jitter_above: float = 0.2  # colour jitter if u > this: the authors' 0.2 means 80 % of steps
    jitter_strength: float = 0.2
    blur_above: float = 0.5  # Gaussian blur if u > this
    # What the teacher's BatchNorm labels with: the batch's statistics, as the authors' does; the
    # student's running ones, copied at each step; their average, as its weights are; or those of
    # the last hundred or so target images alone.
    teacher_statistics: TeacherStatistics = "batch"
    fd_weight: float = 0.0  # lambda_FD: 0 = off; 0.005 in the paper
    fd_on: FeatureDistanceOn = "things"  # cells of things, of any one class, or simply all cells
    fd_min_share: float = 0.75  # share of a feature cell that one class must cover

    def __post_init__(self) -> None:
        _require(0 <= self.ema_decay < 1, f"ema_decay {self.ema_decay} must lie in [0, 1)")
        _require(0 <= self.threshold <= 1, f"threshold {self.threshold} must lie in [0, 1]")
        for name in ("ignore_top", "ignore_bottom"):
            _require(getattr(self, name) >= 0, f"{name} must not be negative")
        for name in ("fd_weight", "jitter_strength"):
            _require_finite(name, getattr(self, name))
        for name in ("jitter_above", "blur_above"):
            value = getattr(self, name)
            _require(0 <= value <= 1, f"{name} {value} must lie in [0, 1]")
        _require(0 < self.fd_min_share <= 1, f"fd_min_share {self.fd_min_share} must lie in (0, 1]")
        _require(
            self.teacher_statistics in get_args(TeacherStatistics),
            f"teacher_statistics {self.teacher_statistics!r} must be batch, student, average or "
            "target",
        )
        known = ("things", "all", "everywhere")
        _require(self.fd_on in known, f"fd_on {self.fd_on!r} must be one of {list(known)}")


@dataclass(frozen=True)
class MICConfig:
    """Masked Image Consistency (uda/methods/mic.py); the authors' settings on DAFormer."""

    block: int = 32  # side of a masked square in pixels; 64 at full resolution
    ratio: float = 0.7  # share of the image that is hidden
    weight: float = 1.0  # lambda: of the masked images' loss
    where: Literal["target", "source", "both"] = "target"  # which images are masked
    augment: bool = True  # colour jitter and blur before the mask; off for ACDC and Dark Zurich
    ema_decay: float | None = None  # of a second teacher's memory; None = the first one's
    threshold: float | None = None  # of a second teacher's labels; 0 = every pixel counts

    def __post_init__(self) -> None:
        _require(self.block > 0, f"mic.block {self.block} must be positive")
        _require(0 <= self.ratio < 1, f"mic.ratio {self.ratio} must lie in [0, 1)")
        _require_finite("mic.weight", self.weight)
        known = ("target", "source", "both")
        _require(self.where in known, f"mic.where {self.where!r} must be one of {list(known)}")
        decay, sure = self.ema_decay, self.threshold
        _require(decay is None or 0 <= decay < 1, f"mic.ema_decay {decay} must lie in [0, 1)")
        _require(sure is None or 0 <= sure <= 1, f"mic.threshold {sure} must lie in [0, 1]")

    def check(self, experiment: Experiment) -> None:
        """Raises ValueError where the rest of an experiment does not fit."""
        crop = experiment.data.crop
        _require(
            not any(side % self.block for side in crop),
            f"mic.block {self.block} does not divide the crop {crop[0]}x{crop[1]}; "
            f"try {math.gcd(math.gcd(*crop), self.block)}",
        )
        _require(
            self.where == "source" or experiment.needs.target_images,
            f"mic.where {self.where!r} masks target images, which mode {experiment.mode!r} does "
            "not see; take mode 'uda', or mic.where=source",
        )
        _require(
            self.where != "both" or experiment.data.batch_size % 2 == 0,
            f"mic.where 'both' masks half of each batch: batch_size {experiment.data.batch_size} "
            "must be even",
        )


@dataclass(frozen=True)
class CRAConfig:
    """Cross-Region Adaptation (uda/methods/cra.py), which goes on from a finished run."""

    threshold: float = 0.19  # share of the greatest entropy, log C, up to which a pixel is trusted
    rare_share: float = 0.01  # a class with less of all predicted pixels is rare
    rare_factor: float = 0.5  # of the entropy where a rare class is predicted; 1 = as all others
    temperature: float = 1.8  # the student's logits are divided by it
    clip: float = 0.9  # largest entry of a soft label
    weight: float = 0.001  # of the adversarial loss; 0 = the trusted labels alone
    width: int = 256  # channels of the discriminator's first layer
    lr: float = 1e-4  # of the discriminator
    horizon: float = 1.5625  # where its rate would be 0, in lengths of the run: 62,500 of 40,000
    # target: the trusted region's labels and no source, as in the paper; daformer: its whole step
    # stays, and the discriminator with the adversarial loss comes beside it.
    step: Literal["target", "daformer"] = "target"

    needs_start = True  # no field: not a setting

    def __post_init__(self) -> None:
        for name in ("threshold", "rare_share", "rare_factor", "clip"):
            value = getattr(self, name)
            _require(0 <= value <= 1, f"cra.{name} {value} must lie in [0, 1]")
        _require_finite("cra.weight", self.weight)
        for name in ("temperature", "lr"):
            value = getattr(self, name)
            _require(0 < value < math.inf, f"cra.{name} {value} must be positive, and finite")
        _require(self.width >= 2, f"cra.width {self.width} must be at least 2")
        _require(self.horizon >= 1, f"cra.horizon {self.horizon} must be at least 1")
        known = ("target", "daformer")
        _require(self.step in known, f"cra.step {self.step!r} must be one of {list(known)}")

    def check(self, experiment: Experiment) -> None:
        """Raises ValueError where the rest of an experiment does not fit."""
        _require_uda("cra", experiment)
        _require(
            "hrda" not in experiment.methods,
            "cra compares features of one scale, and hrda has two; start from a run without hrda",
        )
        if self.step == "target":
            _require_target_alone("cra", experiment, "; or take cra.step=daformer")


@dataclass(frozen=True)
class DistillationConfig:
    """Self-distillation of a finished run (uda/methods/distillation.py); nothing to set."""

    needs_start = True  # no field: not a setting

    def check(self, experiment: Experiment) -> None:
        """Raises ValueError where the rest of an experiment does not fit."""
        _require_uda("distillation", experiment)
        _require_target_alone("distillation", experiment)


def _require_uda(method: str, experiment: Experiment) -> None:
    _require(
        experiment.needs.target_images,
        f"{method} learns from target images, which mode {experiment.mode!r} does not see; take "
        "mode 'uda'",
    )


def _require_target_alone(method: str, experiment: Experiment, way_out: str = "") -> None:
    others = [name for name in experiment.methods if name != method]
    _require(not others, f"{method} stands alone, without {', '.join(others)}{way_out}")
    weight = experiment.uda.fd_weight
    _require(
        weight == 0,
        f"{method} sees no source image, so uda.fd_weight {weight} must be 0{way_out}",
    )


@dataclass(frozen=True)
class HRDAConfig:
    """Two resolutions in one network (uda/methods/hrda.py); the authors' settings."""

    detail_crop: Sides | None = (512, 512)  # of the full-resolution crop; None = all of it
    scale: float = 0.5  # of the context image, which is the whole crop
    divisible: int = 8  # a detail crop's corner lies at multiples of so many pixels
    weight: float = 0.1  # lambda_d: of the detail logits' own loss
    context_weight: float = 0.0  # of the context logits' own; as `weight`, where crops are equal
    fixed_attention: float | None = None  # in place of a learned one: 0 = context, 1 = detail alone
    classwise: bool = True  # one attention for each class; else one for all
    overlap: bool = True  # detail crops of a whole image overlap by half
    blur: bool = False  # the detail image is halved and doubled: resolution without information
    fd_scales: Literal["context", "both"] = "context"  # whose features the feature distance sees
    # At test, larger images are seen through windows of this size, half overlapping; None = whole.
    window: Sides | None = (1024, 1024)

    @property
    def context_alone(self) -> bool:
        """Nothing is asked of the detail, so it is not looked at."""
        off = self.fixed_attention == 0 and self.weight == 0
        return off and self.fd_scales == "context"

    def __post_init__(self) -> None:
        for name in ("detail_crop", "window"):
            sides = getattr(self, name)
            _require(sides is None or min(sides) > 0, f"hrda.{name} {sides} must be positive")
        _require(0 < self.scale <= 1, f"hrda.scale {self.scale} must lie in (0, 1]")
        _require(self.divisible > 0, f"hrda.divisible {self.divisible} must be positive")
        for name in ("weight", "context_weight"):
            _require_finite(f"hrda.{name}", getattr(self, name))
        both = self.weight + self.context_weight
        _require(both <= 1, f"hrda.weight + hrda.context_weight = {both} must be at most 1")
        fixed, known = self.fixed_attention, ("context", "both")
        _require(fixed is None or 0 <= fixed <= 1, f"hrda.fixed_attention {fixed} outside [0, 1]")
        _require(
            self.fd_scales in known, f"hrda.fd_scales {self.fd_scales!r} must be one of {known}"
        )

    def check(self, experiment: Experiment) -> None:
        """Raises ValueError where the rest of an experiment does not fit."""
        crop = experiment.data.crop
        _require(
            all((side * self.scale).is_integer() for side in crop),
            f"hrda.scale {self.scale} makes no whole number of pixels of the crop "
            f"{_sides(crop)}; try 0.5",
        )
        small = min(*(round(side * self.scale) for side in crop), *(self.detail_crop or crop))
        _require(
            small >= 32,
            f"hrda.scale {self.scale} and hrda.detail_crop must leave 32 pixels of the crop "
            f"{_sides(crop)} on each side for the encoder, not {small}; take a larger data.crop",
        )
        _require(
            experiment.train.compile is None,
            "train.compile with hrda would compile anew for each place of the detail crop; leave "
            "out train.compile",
        )
        if self.detail_crop is not None:
            self._check_detail(crop, self.detail_crop)

    def _check_detail(self, crop: Sides, detail: Sides) -> None:
        half = tuple(max(self.divisible, side // 2) for side in crop)
        margins = [whole - part for whole, part in zip(crop, detail, strict=True)]
        _require(
            min(margins) >= 0,
            f"hrda.detail_crop {_sides(detail)} is larger than the crop {_sides(crop)}; "
            f"try {_sides(half)}",
        )
        for name, sides in {"hrda.detail_crop": detail, "crop": crop}.items():
            fitting = [max(1, side // self.divisible) * self.divisible for side in sides]
            _require(
                not any(side % self.divisible for side in sides),
                f"{name} {_sides(sides)} must be a multiple of hrda.divisible {self.divisible}; "
                f"try {_sides(fitting)}",
            )
        _require(
            max(margins) == 0 or min(margins) > 0,
            f"hrda.detail_crop {_sides(detail)} must be smaller than the crop {_sides(crop)} on "
            f"both sides, or equal to it; try {_sides(half)}",
        )


@dataclass(frozen=True)
class StyleConfig:
    """Domain generalisation by made-up styles (uda/methods/style.py); the authors' settings."""

    weight: float = 10.0  # of the agreement between an image and its restyled twin
    concentration: float = 0.0156  # of the Dirichlet mixture: 1/64, so one style has the most
    base_styles: int | None = None  # None = as many as the first stage has channels
    every: int = 4000  # steps after which the base styles are chosen anew
    images: int | None = None  # source images that they are chosen from; None = all

    def __post_init__(self) -> None:
        _require_finite("style.weight", self.weight)
        _require(
            0 < self.concentration < math.inf,
            f"style.concentration {self.concentration} must be positive, and finite",
        )
        for name in ("base_styles", "images"):
            value = getattr(self, name)
            _require(value is None or value > 0, f"style.{name} {value} must be positive")
        _require(self.every > 0, f"style.every {self.every} must be positive")
        count, images = self.base_styles, self.images
        _require(
            None in (count, images) or count <= images,
            f"style.base_styles {count} cannot be chosen from style.images {images}; take as many "
            "images at least",
        )

    def check(self, experiment: Experiment) -> None:
        """Raises ValueError where the rest of an experiment does not fit."""
        _require(
            not experiment.needs.target_images,
            f"style is for training without the target, and mode {experiment.mode!r} sees target "
            "images; take mode 'source_only'",
        )
        others = sorted(set(experiment.methods) - {"style", "hrda"})
        _require(not others, f"style goes with hrda alone, not with {', '.join(others)}")
        _require(
            experiment.train.compile is None,
            "train.compile with style would compile anew for each draw; leave out train.compile",
        )


def _sides(sides: Sequence[int]) -> str:
    return f"{sides[0]}x{sides[1]}"


# Settings of the methods that can be added to a mode's own (uda/methods), by their name there.
METHOD_SETTINGS: dict[str, type] = {
    "mic": MICConfig,
    "hrda": HRDAConfig,
    "cra": CRAConfig,
    "distillation": DistillationConfig,
    "style": StyleConfig,
}


@dataclass(frozen=True)
class OptimConfig:
    lr: float = 6e-5  # of the encoder
    head_factor: float = 10.0  # the decoder learns this many times faster
    weight_decay: float = 0.01
    warmup_steps: int = 1500  # 0 = no warm-up
    warmup_ratio: float = 1e-6  # the first step's share of the rate
    min_lr: float = 0.0  # the rate at the end; the authors' no-warm-up schedule has 1e-4
    layer_decay: float = 1.0  # of a ViT: each layer learns this many times as fast as the one above

    def __post_init__(self) -> None:
        for name in ("lr", "head_factor", "weight_decay", "warmup_ratio", "min_lr"):
            _require_finite(name, getattr(self, name))
        _require(self.lr > 0, f"lr {self.lr} must be positive")
        _require(0 < self.layer_decay <= 1, f"layer_decay {self.layer_decay} must lie in (0, 1]")
        _require(self.head_factor > 0, f"head_factor {self.head_factor} must be positive")
        _require(self.warmup_steps >= 0, f"warmup_steps {self.warmup_steps} must not be negative")


@dataclass(frozen=True)
class TrainConfig:
    steps: int = 40_000
    seed: int = 0
    # Key of the finished run whose weights are the beginning (its teacher's where it has one).
    start_from: str | None = None
    log_every: int = 50  # steps
    eval_every: int = 4000  # steps; the last step is always evaluated
    checkpoint_every: int = 2000  # steps
    snapshot_every: int = 4000  # steps between kept pseudo-labels; 0 = none
    snapshot_images: int = 8
    eval_split: str = "val"
    final_splits: tuple[str, ...] = ("val",)  # scored after the last step
    max_eval_images: int | None = None  # at evaluations before the last
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    accumulate: int = 1  # parts in which a batch passes through the networks, to save memory
    channels_last: bool = True  # memory layout of the convolutions: faster, same arithmetic
    health: bool = True  # watch the adaptation without target labels (health.json, findings)
    fused: bool = False  # AdamW in one kernel: faster for small networks, another rounding
    checkpointing: bool = False  # a MiT's or ViT's blocks run twice, none is kept: less memory
    compile: CompileMode | None = None  # torch.compile; "reduce-overhead" has CUDA graphs

    def __post_init__(self) -> None:
        for name in ("steps", "log_every", "eval_every", "checkpoint_every", "accumulate"):
            _require(getattr(self, name) > 0, f"{name} {getattr(self, name)} must be positive")
        _require(self.seed >= 0, f"seed {self.seed} must not be negative")
        start = self.start_from
        _require(
            start is None or re.fullmatch("[0-9a-f]{8}", start) is not None,
            f"train.start_from {start!r} must be a run's key, the eight hex digits at the end of "
            "its folder's name; --start-from takes the folder itself",
        )
        for name in ("snapshot_every", "snapshot_images"):
            _require(getattr(self, name) >= 0, f"{name} {getattr(self, name)} must not be negative")
        limit = self.max_eval_images
        _require(limit is None or limit > 0, f"max_eval_images {limit} must be positive, or None")


@dataclass(frozen=True)
class Experiment:
    """One training run, completely described. `key` changes when any value does."""

    name: str
    mode: Mode = "uda"
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    uda: UDAConfig = field(default_factory=UDAConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    methods: Mapping[str, Any] = field(default_factory=dict, hash=False)  # added ones' settings

    def __post_init__(self) -> None:
        _require(
            self.mode in NEEDS,
            f"mode {self.mode!r} is unknown; known: {sorted(NEEDS)}",
        )
        for name, settings in self.methods.items():
            _settings_of(name)  # raises, if there is none
            if hasattr(settings, "check"):
                settings.check(self)
        height = self.data.crop[0]
        rows = self.uda.ignore_top + self.uda.ignore_bottom
        _require(
            not self.needs.target_images or rows < height,
            f"ignore_top + ignore_bottom = {rows} leaves no row of a crop {height} high",
        )
        _require(
            self.model.tune != "frozen" or self.uda.fd_weight == 0,
            "the feature distance of a frozen encoder from itself is 0; set uda.fd_weight=0, or "
            "let the encoder learn (model.tune=full, lora or rein)",
        )
        _require(
            not rows or self.data.target_margins is None,
            f"target_margins {self.data.target_margins} and ignored rows {rows} leave out the same "
            "pixels twice; set uda.ignore_top and uda.ignore_bottom to 0",
        )
        size, parts = self.data.batch_size, self.train.accumulate
        _require(
            size % parts == 0,
            f"accumulate {parts} must divide batch_size {size}; try {math.gcd(size, parts)}",
        )

    @property
    def needs(self) -> Needs:
        return NEEDS[self.mode]

    @property
    def needs_start(self) -> bool:
        """Whether a method of it goes on from a finished run."""
        return any(getattr(settings, "needs_start", False) for settings in self.methods.values())

    def to_dict(self) -> dict[str, Any]:
        values = dataclasses.asdict(self)
        if not self.methods:  # as it was before there were any
            values.pop("methods")
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Experiment:
        built = {key: from_json(make, values[key]) for key, make in SECTIONS.items()}
        added = values.get("methods", {})
        methods = {name: from_json(_settings_of(name), own) for name, own in added.items()}
        return cls(name=values["name"], mode=values["mode"], methods=methods, **built)

    @property
    def versions(self) -> list[str]:
        """Of the built-in data sets, sources first: a drawn one changes with its drawing."""
        names = [*source_names(self.data.source), self.data.target]
        return [SPECS[name].version for name in names if name in SPECS]

    @property
    def key(self) -> str:
        """Eight hex digits of everything that can change the result (not name, not data_root).

        A spec's file counts by its content, not by where it lies.
        """
        values = self.to_dict()
        values.pop("name")
        for place in ("data_root", "workers", "cache_bytes", "prepared"):
            values["data"].pop(place)
        if values["model"]["pretrained"] == "weak":  # one thing, two names
            values["model"]["pretrained"] = "shipped"
        if values["model"]["tune"] not in ADAPTERS:
            values["model"].pop("lora_rank")
        if values["model"]["tune"] != "rein":
            values["model"].pop("rein_tokens")
        for part, name, unset in _LATER:
            if values[part][name] == unset:
                values[part].pop(name)
        # The same result, faster or unwatched.
        for way in ("channels_last", "fused", "checkpointing", "compile", "health"):
            values["train"].pop(way)
        values["versions"] = self.versions
        for side in ("source", "target"):
            values["data"][side] = stable_name(values["data"][side])
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def changed(self, **sections: dict[str, Any]) -> Experiment:
        """A copy with fields changed: ``changed(uda={"fd_weight": 0}, train={"seed": 1})``.

        The name of an added method is a section too; one that was off starts from its defaults.
        """
        new: dict[str, Any] = {}
        methods = dict(self.methods)
        for name, value in sections.items():
            if name in METHOD_SETTINGS:
                methods[name] = dataclasses.replace(self.section(name), **value)
            elif isinstance(value, dict):
                new[name] = dataclasses.replace(getattr(self, name), **value)
            else:
                new[name] = value
        return dataclasses.replace(self, **{"methods": methods, **new})

    def section(self, name: str) -> Any:
        """The settings of a section, or of an added method: its defaults where it is off."""
        if name in SECTIONS:
            return getattr(self, name)
        return self.methods.get(name) or _settings_of(name)()


SECTIONS: Mapping[str, type] = {
    "model": ModelConfig,
    "data": DataConfig,
    "uda": UDAConfig,
    "optim": OptimConfig,
    "train": TrainConfig,
}


def from_json(make: Callable[..., T], fields: Mapping[str, Any]) -> T:
    """A section of the configuration from its values in JSON, which knows only lists."""
    return make(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})


def _settings_of(method: str) -> type:
    _require(
        method in METHOD_SETTINGS,
        f"method {method!r} is unknown; known: {sorted(METHOD_SETTINGS)}",
    )
    return METHOD_SETTINGS[method]
