"""What the profiles and the pieces of the method change; rows are made of these.

A profile is a set of values, never a branch in the code. `full` keeps the dataclasses' defaults,
which are the authors' settings; `small` is a real run that a laptop can do; the other three train
tiny networks on the drawn mini domains.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from daformer_lib.config import (
    RCS_TEMPERATURE,
    DataConfig,
    Experiment,
    ModelConfig,
    OptimConfig,
    TrainConfig,
    UDAConfig,
)

Changes = dict[str, Any]

MINI_MODEL = ModelConfig(encoder="tiny_mit", pretrained="strong")

MINI_DATA = DataConfig(
    source="minigta",
    target="minicityscapes",
    crop=(128, 128),
    workers=0,
    rcs_min_pixels=200,  # of 256x128: a rare object worth drawing an image for
    rcs_min_crop_pixels=90,  # 1500 of 512x512, scaled by area
    cache_bytes=2**30,
)


# Tuned on the validation split at demo length: 8e-4 left every network undertrained.
MINI_OPTIM = OptimConfig(lr=1.5e-3, head_factor=5.0, warmup_steps=120)

MINI_UDA = UDAConfig(
    ema_decay=0.99,  # 1200 steps are too few for a memory of 1000
    jitter_strength=0.05,  # drawn classes differ by colour alone more than photographed ones do
    ignore_top=4,  # 15 and 120 of 512 would be 4 and 30 of 128: the drawn bonnet is lower
    ignore_bottom=14,
    fd_min_share=0.5,  # at stride 16 a cell of the mini scenes rarely holds three quarters
)

MINI_SPLITS = ("val", "test")


PROFILES: dict[str, Experiment] = {
    "smoke": Experiment(
        name="smoke",
        model=MINI_MODEL,
        # A handful of images, in a folder of their own: they do not replace the other profiles'.
        data=dataclasses.replace(MINI_DATA, data_root="data/smoke"),
        uda=UDAConfig(ema_decay=0.9, threshold=0.9, ignore_top=4, ignore_bottom=14),
        optim=dataclasses.replace(MINI_OPTIM, warmup_steps=4),
        train=TrainConfig(
            steps=12, log_every=4, eval_every=6, checkpoint_every=6, snapshot_every=6,
            snapshot_images=2, final_splits=MINI_SPLITS, fused=True,
        ),
    ),
    "demo": Experiment(
        name="demo",
        model=MINI_MODEL,
        data=MINI_DATA,
        uda=MINI_UDA,
        optim=MINI_OPTIM,
        train=TrainConfig(
            steps=1200, eval_every=300, checkpoint_every=300, snapshot_every=300,
            snapshot_images=8, max_eval_images=60, final_splits=MINI_SPLITS, fused=True,
        ),
    ),
    "study": Experiment(
        name="study",
        model=MINI_MODEL,
        data=MINI_DATA,
        # A memory of 200 steps is a twentieth of the run (the paper's 1000 a fortieth). With 1000
        # the teacher was 8 points behind its student at step 1500, and its labels buried classes.
        uda=dataclasses.replace(MINI_UDA, ema_decay=0.995),
        optim=dataclasses.replace(MINI_OPTIM, warmup_steps=400),
        train=TrainConfig(
            steps=4000, eval_every=500, checkpoint_every=500, snapshot_every=1000,
            snapshot_images=8, max_eval_images=60, final_splits=MINI_SPLITS, fused=True,
        ),
    ),
    # The authors' settings for a small network on photographs of any size. What depends on the
    # length is by the rules of lengths.py; learning rates are the authors', not tuned here.
    "small": Experiment(
        name="small",
        model=ModelConfig(encoder="mit_b0", pretrained="pretrained/mit_b0.pth"),
        data=DataConfig(
            crop=(256, 256), workers=2,
            rcs_min_pixels=None, rcs_min_crop_pixels=None,  # the authors' numbers, by area
        ),
        # A crop of 256 lies anywhere in the image: its rows say nothing of a border or a bonnet.
        uda=UDAConfig(ema_decay=0.995, ignore_top=0, ignore_bottom=0),
        optim=OptimConfig(warmup_steps=400),
        train=TrainConfig(
            steps=4000, eval_every=500, checkpoint_every=500, snapshot_every=1000,
            max_eval_images=100,
        ),
    ),
    "full": Experiment(name="full", model=ModelConfig(pretrained="pretrained/mit_b5.pth")),
}  # fmt: skip

# HRDA at full resolution (its configurations): twice the size, so four times the pixels that RCS
# asks for; margins of the target's own images in place of ignored rows of the crop.
HIGH_RESOLUTION: Changes = {
    "data": {
        "source": "gta_hr", "target": "cityscapes_hr", "crop": (1024, 1024),
        "rcs_min_crop_pixels": 6000, "target_margins": (30, 240, 30, 30),
    },
    "uda": {"ignore_top": 0, "ignore_bottom": 0},
    "hrda": {},
}  # fmt: skip
DINOV2 = "timm:vit_small_patch14_reg4_dinov2.lvd142m"
_RESNET101 = {"encoder": "resnet101_v1c", "pretrained": "pretrained/resnet101_v1c.pth"}

# What RCS, FD, HRDA and another network mean at mini and at full size.
PIECES: dict[str, dict[str, Changes]] = {
    "mini": {
        "rcs": {"data": {"rcs_temperature": RCS_TEMPERATURE}},
        "fd": {"uda": {"fd_weight": 0.02}},
        # A discriminator as wide as the tiny decoder.
        "cra": {"cra": {"width": 48}},
        "cra_beside": {"cra": {"width": 48, "step": "daformer"}},
        "cnn": {"model": {"encoder": "tiny_resnet", "decoder": "deeplabv2"}},
        "danet": {"model": {"encoder": "tiny_resnet", "decoder": "danet"}},
        "isanet": {"model": {"encoder": "tiny_resnet", "decoder": "isanet"}},
        "deeplabv3plus": {"model": {"encoder": "tiny_resnet", "decoder": "deeplabv3plus"}},
        "cnn_segformer": {"model": {"encoder": "tiny_resnet", "decoder": "segformer"}},
        "mit_deeplabv3plus": {"model": {"decoder": "deeplabv3plus"}},
        "segformer": {"model": {"decoder": "segformer"}},
        # Table 3: half and a quarter of the two encoders' weights.
        **{
            f"{name}_{size}": {"model": {"encoder": f"{encoder}_{size}", "decoder": decoder}}
            for name, encoder, decoder in (
                ("cnn", "tiny_resnet", "deeplabv2"),
                ("mit", "tiny_mit", "segformer"),
            )
            for size in ("half", "quarter")
        },
        # Whole images at test, as DAFormer sees them at this size.
        "hrda": {"hrda": {"detail_crop": (64, 64), "window": None}},
        "mic_hrda": {"mic": {}},
        "hd": {
            "data": {
                "source": "minigta_hd",
                "target": "minicityscapes_hd",
                "crop": (256, 256),
                "rcs_min_pixels": 800,
                "rcs_min_crop_pixels": 360,
                "target_margins": (8, 28, 0, 0),
            },
            "uda": {"ignore_top": 0, "ignore_bottom": 0},
            # Scores at this size take a third of a second an image.
            "train": {"final_splits": ("test",), "max_eval_images": 20, "eval_every": 400},
        },
        "hd_scales": {"hrda": {"detail_crop": (128, 128), "window": None}},
        "hd_small": {"data": {"crop": (128, 128), "rcs_min_crop_pixels": 90}},
        "vit": {"model": {"encoder": "tiny_vit"}},
        "frozen": {"model": {"tune": "frozen"}},
        "lora": {"model": {"tune": "lora", "lora_rank": 4}},
        "rein": {"model": {"tune": "rein", "lora_rank": 4}},
        "weak": {"model": {"pretrained": "weak"}},
        "scratch": {"model": {"pretrained": None}},
        # As often within a run as the authors choose them, from as many images as take seconds.
        "style": {"mode": "source_only", "style": {"every": 120, "images": 200}},
    },
    "full": {
        "rcs": {"data": {"rcs_temperature": RCS_TEMPERATURE}},
        "fd": {"uda": {"fd_weight": 0.005}},
        "cra": {"cra": {}},
        "cra_beside": {"cra": {"step": "daformer"}},
        "cnn": {"model": _RESNET101 | {"decoder": "deeplabv2"}},
        "danet": {"model": _RESNET101 | {"decoder": "danet"}},
        "isanet": {"model": _RESNET101 | {"decoder": "isanet"}},
        "deeplabv3plus": {"model": _RESNET101 | {"decoder": "deeplabv3plus"}},
        "cnn_segformer": {"model": _RESNET101 | {"decoder": "segformer"}},
        "mit_deeplabv3plus": {"model": {"decoder": "deeplabv3plus"}},
        "segformer": {"model": {"decoder": "segformer"}},
        "hrda": HIGH_RESOLUTION,
        "mic_hrda": {"mic": {"block": 64}},
        "style": {"mode": "source_only", "style": {}},
        "hd": {part: HIGH_RESOLUTION[part] for part in ("data", "uda")},
        "hd_scales": {"hrda": {}},
        "hd_small": {"data": {"crop": (512, 512), "rcs_min_crop_pixels": 1500}},
        "vit": {
            "model": {"encoder": DINOV2, "pretrained": "pretrained/dinov2_small_reg4.safetensors"}
        },
        "frozen": {"model": {"tune": "frozen"}},
        "lora": {"model": {"tune": "lora"}},
        "rein": {"model": {"tune": "rein"}},
        # Labels of a million photographs instead of 142 million photographs without.
        "weak": {
            "model": {
                "encoder": "timm:deit_small_patch16_224",
                "pretrained": "pretrained/deit_small_patch16_224.safetensors",
            }
        },
        "scratch": {"model": {"pretrained": None}},
    },
}
PIECES["small"] = PIECES["full"] | {
    "hrda": {"hrda": {"detail_crop": (128, 128), "window": None}},
    "mic_hrda": {"mic": {}},
    "hd_scales": {"hrda": {"detail_crop": (128, 128), "window": None}},
    "hd_small": {"data": {"crop": (128, 128), "rcs_min_crop_pixels": None}},
}
