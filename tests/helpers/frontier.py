"""What the authors of MIC and HRDA recorded (tests/golden_frontier), as our own nouns."""

from __future__ import annotations

from pathlib import Path

from daformer_lib.specs import get_spec
from daformer_lib.uda.augment import Jitter
from daformer_lib.uda.classmix import MixPlan
from daformer_lib.uda.method import WATCHED
from daformer_lib.uda.methods.mic import MaskPlan

GOLDEN = Path(__file__).parents[1] / "golden_frontier"


def jitters(call):
    """Of a record of colour changes: one for each image; None where there were none."""
    if not call["jitter"]:
        return None
    names = [f"{name}_factor" for name in ("brightness", "contrast", "saturation", "hue")]
    columns = zip(*(call["jitter"][name] for name in names), strict=True)
    return tuple(Jitter(*values, tuple(call["jitter"]["order"])) for values in columns)


def plans_of(facts, gold, i):
    """What the authors drew in iteration `i`, for `Turn.replay`."""
    first, second, *mask = facts["augment"][i]
    jitter, blur = (jitters(first), jitters(second)), (first["blur"], second["blur"])
    mix = MixPlan(
        tuple(map(tuple, facts["mix_classes"][i])),
        (*jitter[0], *jitter[1]) if jitter[0] else None,
        tuple(b["sigma"] for b in blur) if blur[0] else None,
    )
    if "mask_low" not in gold:
        return {"plan": mix}
    keep = gold["mask_low"][i][:, 0].astype(bool)
    drawn = mask[0] if mask else {"jitter": None, "blur": None}
    sigma = drawn["blur"]["sigma"] if drawn["blur"] else None
    return {"plan": mix, "mask": MaskPlan(keep, jitters(drawn), sigma)}


def settings_of(about, configs):
    """Of an entry of configs.json: the base, what it changes, and nothing that it has not."""
    settings = configs["base"] | about["changed"]
    return {k: v for k, v in settings.items() if k not in about["absent"]}


def assert_settings(ours, settings):
    """What an experiment shares with all others of the authors: sizes, rates, mix and evaluation.

    `settings`: of their experiment, without its `absent` paths.
    """
    uda, data, model, optim = ours.uda, ours.data, ours.model, ours.optim
    source, target = get_spec(data.source), get_spec(data.target)
    if ours.mode == "oracle":  # it learns from the target's own labels
        source = target
    watched = uda.fd_weight > 0
    known = {
        "uda.blur": uda.blur_above == 0.5,
        "uda.color_jitter_strength": uda.jitter_strength,
        "uda.color_jitter_probability": uda.jitter_above,
        "uda.mix": "class" if uda.classmix else None,
        "uda.imnet_feature_dist_classes": list(WATCHED[uda.fd_on](target)) if watched else None,
        "uda.imnet_feature_dist_scale_min_ratio": uda.fd_min_share if watched else None,
        "data.samples_per_gpu": data.batch_size,
        "data.train.rare_class_sampling.min_pixels": data.rcs_min_pixels,
        "data.source.Resize.img_scale": list(source.size),
        "data.target.Resize.img_scale": list(target.size),
        "data.test_img_scale": list(target.size),
        "data.source.RandomCrop.crop_size": list(data.crop),
        "data.target.RandomCrop.crop_size": list(data.crop),
        "data.source.RandomCrop.cat_max_ratio": data.cat_max_ratio,
        "model.decode_head.dropout_ratio": model.dropout,
        "optimizer.lr": optim.lr,
        "optimizer.weight_decay": optim.weight_decay,
        "optimizer.paramwise_cfg.custom_keys.head.lr_mult": optim.head_factor,
        "lr_config.warmup_iters": optim.warmup_steps,
        "lr_config.warmup_ratio": optim.warmup_ratio,
        "lr_config.min_lr": optim.min_lr,
        "max_iters": ours.train.steps,
        "evaluation.interval": ours.train.eval_every,
    }
    sampled = "data.train.rare_class_sampling.class_temp" in settings
    absent = {key for key in known if key not in settings}
    may_lack = {
        "model.decode_head.dropout_ratio": model.decoder == "deeplabv2",
        "data.train.rare_class_sampling.min_pixels": not sampled,
    }
    assert absent <= {key for key, may in may_lack.items() if may}
    assert {k: v for k, v in known.items() if k not in absent} == {
        key: settings[key] for key in known if key not in absent
    }
    assert (data.rcs_temperature is not None) == sampled
    assert data.photometric == any("PhotoMetricDistortion" in key for key in settings)
    assert settings["lr_config.policy"] == "poly" and settings["lr_config.power"] == 1


# The authors' named variants of HRDA's network, as our settings: `main`'s but for what is said.
_MAIN = {"detail_crop": (64, 64), "window": None}
HRDA_VARIANTS = {
    "main": _MAIN,
    "nooverlap": _MAIN | {"overlap": False},
    "fixedatt": _MAIN | {"fixed_attention": 0.5},
    "singleatt": _MAIN | {"classwise": False},
    "hrloss0": _MAIN | {"weight": 0.0},
    "lrhr": _MAIN | {"context_weight": 0.1},
    "blurhr": _MAIN | {"blur": True},
    "samescale": _MAIN | {"scale": 1.0},
    "sc0.75": _MAIN | {"scale": 0.75, "detail_crop": (96, 96)},
    "nocrop": _MAIN | {"detail_crop": None},
    "full": _MAIN | {"detail_crop": (128, 128), "context_weight": 0.1, "fd_scales": "both"},
}
