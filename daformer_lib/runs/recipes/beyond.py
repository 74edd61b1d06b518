"""Rows of the mini domains that go beyond DAFormer: MIC, second stages, ViTs, styles, HRDA."""

from __future__ import annotations

from daformer_lib.runs.recipes.profiles import Changes

_WHOLE = ("rcs", "fd")  # the pieces of DAFormer

ROWS: dict[str, Changes] = {
    "mic": {"use": _WHOLE, "mic": {}},
    "mic_no_mask": {"use": _WHOLE, "mic": {"ratio": 0.0}},
    # Second stages: they go on from a finished run (--start-from).
    "cra": {"use": ("cra",)},
    "cra_no_adversary": {"use": ("cra",), "cra": {"weight": 0.0}},
    "cra_daformer": {"use": (*_WHOLE, "cra_beside")},
    "distillation": {"distillation": {}},
    "daformer_more": {"use": _WHOLE},
    # Domain generalisation: no target image at all.
    "dg_rcs": {"mode": "source_only", "use": ("rcs",), "data": {"photometric": True}},
    "dg": {"mode": "source_only", "use": _WHOLE, "data": {"photometric": True}},
    "dg_style": {"use": (*_WHOLE, "style"), "data": {"photometric": True}},
    "dg_disagree": {
        "use": (*_WHOLE, "style"), "data": {"photometric": True}, "style": {"weight": 0.0},
    },
    "hrda": {"use": (*_WHOLE, "hrda")},
    "mic_hrda": {"use": (*_WHOLE, "hrda", "mic_hrda")},
    # At twice the size: HRDA, what it is made of, each alone, and what it saves.
    "hd_low": {
        "use": (*_WHOLE, "hd", "hd_scales"),
        "hrda": {"fixed_attention": 0.0, "weight": 0.0, "overlap": False},
    },
    "hd_high": {"use": (*_WHOLE, "hd", "hd_small")},
    "hd_hrda": {"use": (*_WHOLE, "hd", "hd_scales")},
    "hd_mic": {"use": (*_WHOLE, "hd", "hd_scales"), "mic": {"block": 64}},
    "hd_large": {"use": (*_WHOLE, "hd")},
}  # fmt: skip
TITLES = {
    "mic": "DAFormer + MIC",
    "mic_no_mask": "DAFormer + MIC's loss, nothing masked",
    "cra": "CRA",
    "cra_no_adversary": "CRA without adversary",
    "cra_daformer": "CRA beside DAFormer",
    "distillation": "self-distillation",
    "daformer_more": "DAFormer again",
    "dg_rcs": "source-only + RCS",
    "dg": "source-only + RCS + FD",
    "dg_style": "source-only + RCS + FD + styles",
    "dg_disagree": "source-only + RCS + FD + styles, no consistency",
    "hrda": "HRDA",
    "mic_hrda": "HRDA + MIC",
    "hd_low": "large crop at half resolution",
    "hd_high": "small crop at full resolution",
    "hd_hrda": "HRDA: both",
    "hd_mic": "HRDA: both, with MIC",
    "hd_large": "large crop at full resolution",
}
# A plain ViT, and what of it learns: its title, and its pieces.
VITS = {
    "vit_scratch": ("ViT (not pretrained)", ("vit", "scratch")),
    "vit_weak": ("ViT (weaker pretraining)", ("vit", "weak")),
    "vit_frozen": ("ViT (frozen)", ("vit", "frozen")),
    "vit_lora": ("ViT (LoRA)", ("vit", "lora")),
    "vit_rein": ("ViT (Rein)", ("vit", "rein")),
    "vit": ("ViT (all)", ("vit",)),
}
VIT_ROWS = ("source_only", "rcs")

# Rows that a study starts from a finished run of another row, of the same seed and settings.
SECOND_STAGES = dict.fromkeys(("daformer_more", "cra_no_adversary", "cra"), "daformer")

STUDIES: dict[str, tuple[str, ...]] = {
    "mic": ("daformer", "mic_no_mask", "mic"),
    "cra": ("daformer", "daformer_more", "cra_no_adversary", "cra"),
    "generalisation": ("source_only", "dg_rcs", "dg", "dg_disagree", "dg_style", "daformer"),
    "hd": ("hd_low", "hd_high", "hd_hrda", "hd_mic", "hd_large"),
    "encoders": tuple(f"{vit}_{row}" for row in VIT_ROWS for vit in VITS),
}
