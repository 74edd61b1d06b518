"""The paper's rows against the facts sheet, field by field, and every network that they name."""

import json

import pytest
import torch

from daformer_lib.config import Experiment
from daformer_lib.data.rare_class import rcs_probabilities
from daformer_lib.models import build_segmentor
from daformer_lib.runs import papers, recipes
from daformer_lib.runs.recipes.paper import PAPER_RECIPES, T_INFINITE
from daformer_lib.specs import get_spec

# row -> (encoder, decoder); every row of these tables has the columns of COLUMNS
ROWS = {
    1: {
        "deeplabv2": ("resnet101_v1c", "deeplabv2"),
        "danet": ("resnet101_v1c", "danet"),
        "isanet": ("resnet101_v1c", "isanet"),
        "deeplabv3plus": ("resnet101_v1c", "deeplabv3plus"),
        "segformer": ("mit_b5", "segformer"),
    },
    2: {
        "mit_segformer": ("mit_b5", "segformer"),
        "mit_deeplabv3plus": ("mit_b5", "deeplabv3plus"),
        "resnet101_segformer": ("resnet101_v1c", "segformer"),
        "resnet101_deeplabv3plus": ("resnet101_v1c", "deeplabv3plus"),
    },
    3: {
        "resnet50": ("resnet50_v1c", "deeplabv2"),
        "resnet101": ("resnet101_v1c", "deeplabv2"),
        "resnest50": ("resnest50", "deeplabv2"),
        "resnest101": ("resnest101", "deeplabv2"),
        "resnest200": ("resnest200", "deeplabv2"),
        "mit_b3": ("mit_b3", "segformer"),
        "mit_b4": ("mit_b4", "segformer"),
        "mit_b5": ("mit_b5", "segformer"),
    },
    4: {
        "segformer_no_warmup": ("mit_b5", "segformer"),
        "segformer_warmup": ("mit_b5", "segformer"),
        "resnet101_no_warmup": ("resnet101_v1c", "deeplabv2"),
        "resnet101_warmup": ("resnet101_v1c", "deeplabv2"),
    },
    5: {
        "segformer": ("mit_b5", "segformer"),
        "rcs_uniform": ("mit_b5", "segformer"),
        "rcs": ("mit_b5", "segformer"),
        "fd_all": ("mit_b5", "segformer"),
        "fd_things": ("mit_b5", "segformer"),
        "rcs_fd": ("mit_b5", "segformer"),
        "rcs_fd_crop_alpha": ("mit_b5", "segformer"),
        "deeplabv2_rcs_fd_crop_alpha": ("resnet101_v1c", "deeplabv2"),
    },
    6: {
        "daformer": ("mit_b5", "daformer"),
        "daformer_synthia": ("mit_b5", "daformer"),
    },
    7: {
        "segformer768": ("mit_b5", "segformer"),
        "segformer256": ("mit_b5", "daformer_conv1"),
        "upernet512": ("mit_b5", "upernet512"),
        "upernet256": ("mit_b5", "upernet256"),
        "isa_fusion": ("mit_b5", "isa_fusion"),
        "context_f4": ("mit_b5", "context_f4"),
        "daformer_no_dsc": ("mit_b5", "daformer_no_dsc"),
        "daformer": ("mit_b5", "daformer"),
    },
}
ALL, ADAPTED = ("source_only", "uda", "oracle"), ("uda", "oracle")
COLUMNS = {1: ALL, 2: ADAPTED, 3: ALL, 4: ADAPTED, 5: ("uda",), 6: ("uda",), 7: ADAPTED}
CASES = {
    f"table{table}_{row}_{column}": (table, row, column)
    for table, rows in ROWS.items()
    for row in rows
    for column in COLUMNS[table]
}
FINAL_ROWS = ("rcs_fd_crop_alpha", "deeplabv2_rcs_fd_crop_alpha")  # the last two of Table 5
RCS = {"rcs": 0.01, "rcs_fd": 0.01, "rcs_uniform": T_INFINITE}
FD = {"fd_all": "everywhere", "fd_things": "things", "rcs_fd": "things"}

NETWORKS = sorted({pair for rows in ROWS.values() for pair in rows.values()})
# our (encoder, decoder) -> the authors' model in keys.json, which has no s200, B3 and B4
GOLDEN = {
    ("mit_b5", "context_f4"): "daformer_sepaspp_bottleneck_mitb5",
    ("mit_b5", "daformer"): "daformer_sepaspp_mitb5",
    ("mit_b5", "daformer_conv1"): "daformer_conv1_mitb5",
    ("mit_b5", "daformer_no_dsc"): "daformer_aspp_mitb5",
    ("mit_b5", "deeplabv3plus"): "sfa_dlv3p_nodbn_mitb5",
    ("mit_b5", "isa_fusion"): "daformer_isa_mitb5",
    ("mit_b5", "segformer"): "segformer_mitb5",
    ("mit_b5", "upernet256"): "upernet_ch256_mitb5",
    ("mit_b5", "upernet512"): "upernet_mitb5",
    ("resnest101", "deeplabv2"): "dlv2red_s101",
    ("resnest50", "deeplabv2"): "dlv2red_s50",
    ("resnet101_v1c", "danet"): "da_nodbn_r101v1c",
    ("resnet101_v1c", "deeplabv2"): "dlv2red_r101v1c",
    ("resnet101_v1c", "deeplabv3plus"): "dlv3p_nodbn_r101v1c",
    ("resnet101_v1c", "isanet"): "isa_nodbn_r101v1c",
    ("resnet101_v1c", "segformer"): "segformer_r101v1c",
    ("resnet50_v1c", "deeplabv2"): "dlv2red_r50v1c",
}


def expected(table, row, column):
    """Facts sheet 6-9, 11-16, 21-23, 26 as one flat dict."""
    uda = column == "uda"
    final = uda and (table in (6, 7) or row in FINAL_ROWS)
    no_warmup = row.endswith("no_warmup")
    encoder, decoder = ROWS[table][row]
    facts = {
        "mode": column,
        "model.encoder": encoder,
        "model.decoder": decoder,
        "model.num_classes": 19,
        "model.pretrained": f"pretrained/{encoder}.pth",
        "model.drop_path": 0.1,
        "model.frozen_norm": False,
        "model.blocks": None,
        "model.tune": "full",
        "model.lora_rank": 16,
        "model.rein_tokens": 100,
        "model.dropout": 0.1,
        "data.source": "synthia" if row.endswith("synthia") else "gta",
        "data.target": "cityscapes",
        "data.crop": (512, 512),
        "data.batch_size": 2,
        "data.rcs_temperature": 0.01 if final else (RCS.get(row) if table == 5 else None),
        "data.rcs_min_pixels": 3000,
        "data.rcs_min_crop_pixels": 1500,
        "data.rcs_max_loads": 11,
        "data.cat_max_ratio": 0.75,
        "data.target_margins": None,
        "data.target_scale": None,
        "data.photometric": not uda,
        "data.max_source_images": None,
        "data.max_target_images": None,
        "uda.fd_weight": 0.005 if final or (table == 5 and row in FD) else 0,
        "optim.lr": 6e-5,
        "optim.head_factor": 10,
        "optim.weight_decay": 0.01,
        "optim.warmup_steps": 0 if no_warmup else 1500,
        "optim.warmup_ratio": 1e-6,
        "optim.min_lr": 1e-4 if no_warmup else 0,
        "optim.layer_decay": 1.0,
        "train.steps": 40_000,
        "train.eval_every": 4000,
        "train.precision": "32-true",
    }
    if uda:
        facts |= {
            "uda.ema_decay": 0.999 if final else 0.99,
            "uda.threshold": 0.968,
            "uda.ignore_top": 15 if final else 0,
            "uda.ignore_bottom": 120 if final else 0,
            "uda.jitter_above": 0.2,
            "uda.jitter_strength": 0.2,
            "uda.blur_above": 0.5,
            "uda.fd_on": "things" if final else FD.get(row, "things"),
            "uda.fd_min_share": 0.75,
        }
    return facts


def flat(experiment):
    values = {"mode": experiment.mode}
    for part in ("model", "data", "uda", "optim", "train"):
        of_part = vars(getattr(experiment, part))
        values |= {f"{part}.{name}": value for name, value in of_part.items()}
    return values


@pytest.mark.parametrize("name", CASES)
def test_every_row_has_the_authors_settings(name):
    ours = flat(recipes.experiment(name, "full"))
    facts = expected(*CASES[name])
    assert {key: ours[key] for key in facts} == facts
    left = set(ours) - set(facts)
    # how a run is watched and stored, and the teacher of a run that has none
    free = {"data.data_root", "data.workers", "data.cache_bytes", "data.prepared"}
    assert all(k in free or k.startswith(("train.", "uda.")) for k in left), left


def test_the_rows_are_those_of_the_paper():
    assert set(PAPER_RECIPES) == set(CASES)
    for name, recipe in PAPER_RECIPES.items():
        assert recipe.table == CASES[name][0]
        if recipe.table == 6:
            assert recipe.paper == recipe.experiment.data.source
        else:
            papers.paper_row(recipe.table, recipe.paper)
    for table, rows in papers.TABLES.items():
        named = {r.paper for r in PAPER_RECIPES.values() if r.table == table}
        assert named == {row.name for row in rows}
    for table, column in ((1, "source_only"), (3, "source_only"), (7, "oracle"), (5, "uda")):
        assert None not in papers.paper_scores(table, column).values()


def test_the_last_row_is_the_published_configuration(golden):
    """keys.json: the resolved configuration of the authors' final run."""
    theirs = golden("keys.json")["uda"]["config"]
    ours = recipes.experiment("table6_daformer_uda", "full")
    uda, source = theirs["uda"], theirs["data"]["train"]["source"]
    assert ours.uda.ema_decay == uda["alpha"]
    assert (ours.uda.ignore_top, ours.uda.ignore_bottom) == (
        uda["pseudo_weight_ignore_top"],
        uda["pseudo_weight_ignore_bottom"],
    )
    assert ours.uda.fd_weight == uda["imnet_feature_dist_lambda"]
    assert list(get_spec(ours.data.target).things) == uda["imnet_feature_dist_classes"]
    crop = next(step for step in source["pipeline"] if step["type"] == "RandomCrop")
    assert (list(ours.data.crop), ours.data.cat_max_ratio) == (
        crop["crop_size"],
        crop["cat_max_ratio"],
    )
    resize = next(step for step in source["pipeline"] if step["type"] == "Resize")
    assert list(get_spec(ours.data.source).size) == resize["img_scale"]
    kinds = [step["type"] for step in source["pipeline"]]
    assert ours.data.photometric == ("PhotoMetricDistortion" in kinds)
    optimizer = theirs["optimizer"]
    assert (ours.optim.lr, ours.optim.weight_decay) == (optimizer["lr"], optimizer["weight_decay"])
    keys = optimizer["paramwise_cfg"]["custom_keys"]
    assert ours.optim.head_factor == keys["head"]["lr_mult"]
    assert ours.optim.min_lr == theirs["lr_config"]["min_lr"]
    assert ours.train.eval_every == theirs["evaluation"]["interval"]


@pytest.mark.parametrize(
    ("source", "target", "sizes"),
    [
        ("gta", "cityscapes", ((1280, 720), (1024, 512))),
        ("synthia", "cityscapes", ((1280, 760), (1024, 512))),
        ("cityscapes", "acdc", ((1024, 512), (960, 540))),
        ("cityscapes", "darkzurich", ((1024, 512), (960, 540))),
    ],
)
def test_the_four_adaptations(source, target, sizes):
    base = recipes.experiment("table6_daformer_uda", "full")
    ours = recipes.experiment("table6_daformer_uda", "full", 2, source, target, "elsewhere")
    data = {"source": source, "target": target, "data_root": "elsewhere"}
    assert ours == base.changed(data=data, train={"seed": 2})
    assert (get_spec(source).size, get_spec(target).size) == sizes


def test_uniform_sampling_is_that_of_an_infinite_temperature():
    counts = [10, 0, 2_000_000_000, 35_000, 1]
    ours = rcs_probabilities(counts, T_INFINITE)
    assert (ours == rcs_probabilities(counts, float("inf"))).all()
    assert set(ours.tolist()) == {0.0, 0.25}


def test_paper_rows_belong_to_the_full_profile():
    with pytest.raises(KeyError, match="table1_danet_uda is a row of the paper: profile 'full'"):
        recipes.experiment("table1_danet_uda", "demo")
    with pytest.raises(KeyError, match="did you mean table1_danet_uda"):
        recipes.experiment("table1_danet", "full")


def test_every_row_survives_json_and_has_its_own_key():
    built = {name: recipes.experiment(name, "full", seed=1) for name in PAPER_RECIPES}
    for experiment in built.values():
        text = json.dumps(experiment.to_dict(), allow_nan=False)
        assert Experiment.from_dict(json.loads(text)) == experiment
    # The paper prints some runs in several tables; everything else is a run of its own.
    assert built["table1_segformer_uda"].key == built["table5_segformer_uda"].key
    assert built["table7_segformer768_uda"].key == built["table5_rcs_fd_crop_alpha_uda"].key
    assert built["table6_daformer_uda"].key == built["table7_daformer_uda"].key
    assert built["table5_rcs_uda"].key != built["table5_rcs_uniform_uda"].key


@pytest.mark.notebook  # not in make check: takes seconds
@pytest.mark.parametrize("network", NETWORKS, ids="-".join)
def test_every_network_builds_with_the_authors_parameter_count(network, golden):
    config = recipes.experiment("table6_daformer_uda", "full").model
    config = type(config)(*network, drop_path=config.drop_path)
    with torch.device("meta"):
        segmentor = build_segmentor(config)
    count = sum(p.numel() for p in segmentor.parameters())
    if network in GOLDEN:
        assert count == golden("keys.json")["models"][GOLDEN[network]]["params"]
    else:
        assert network in {
            ("resnest200", "deeplabv2"),
            ("mit_b3", "segformer"),
            ("mit_b4", "segformer"),
        }
        assert count > 2e7
