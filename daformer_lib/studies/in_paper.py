"""Which number of the paper stands beside a row of a study, and what the row is compared with."""

from __future__ import annotations

from daformer_lib.runs import papers

# What the rows of a table are compared with; in `main` each with the row before it.
BASES = {
    "table1": "self_training", "table2": "segformer_self_training",
    "table3": "segformer_self_training", "table4": "self_training", "table5": "self_training",
    "table7": "daformer", "settings": "daformer", "mic": "daformer", "hd": "hd_low",
    "encoders": "vit_rcs", "cra": "daformer_more", "generalisation": "source_only",
}  # fmt: skip


def table_of(name: str) -> str:
    """The study whose rows a file of results has; scores on another target stand under its name
    with the target behind: generalisation_fog."""
    return name if name in BASES else name.partition("_")[0]


_CNNS = {"cnn": "DeepLabV2", "danet": "DANet", "isanet": "ISANet", "deeplabv3plus": "DeepLabV3+"}
_COLUMNS: dict[str, papers.Column] = {
    "source_only": "source_only", "self_training": "uda", "oracle": "oracle",
}  # fmt: skip
_ENCODER = "SegFormer encoder + "
# Where the paper has a row's number: table -> row -> (name there, column).
IN_PAPER: dict[str, dict[str, tuple[str, papers.Column]]] = {
    "table1": {
        f"{piece}_{row}": (name, column)
        for piece, name in {**_CNNS, "segformer": "SegFormer"}.items()
        for row, column in _COLUMNS.items()
    },
    "table2": {
        f"{piece}_{row}": (name, _COLUMNS[row])
        for piece, name in {
            "segformer": _ENCODER + "SegFormer decoder",
            "mit_deeplabv3plus": _ENCODER + "DeepLabV3+ decoder",
            "cnn_segformer": "ResNet-101 + SegFormer decoder",
            "deeplabv3plus": "ResNet-101 + DeepLabV3+ decoder",
        }.items()
        for row in ("self_training", "oracle")
    },
    # Half of ResNet-101's and MiT-B5's weights: ResNet-50 and MiT-B3. A quarter is not there.
    "table3": {
        f"{piece}_{row}": (name, column)
        for piece, name in {
            "cnn_half": "ResNet-50", "cnn": "ResNet-101", "mit_half": "MiT-B3",
            "segformer": "MiT-B5",
        }.items()
        for row, column in _COLUMNS.items()
    },
    "table4": {
        "segformer_no_warmup": ("SegFormer without warm-up", "uda"),
        "segformer_self_training": ("SegFormer with warm-up", "uda"),
    },
    "table5": {
        "self_training": ("SegFormer", "uda"),
        "rcs_uniform": ("RCS, T = ∞", "uda"),
        "rcs": ("RCS, T = 0.01", "uda"),
        "fd_everywhere": ("FD, all classes", "uda"),
        "fd": ("FD, things", "uda"),
        "short_memory": ("RCS + FD", "uda"),
        "daformer": ("RCS + FD + crop and alpha", "uda"),
    },
    "table7": {
        "decoder_segformer": ("SegFormer, 768 channels", "uda"),
        "decoder_daformer_conv1": ("SegFormer, 256 channels", "uda"),
        "decoder_upernet512": ("UPerNet, 512 channels", "uda"),
        "decoder_upernet256": ("UPerNet, 256 channels", "uda"),
        "decoder_isa_fusion": ("ISA fusion", "uda"),
        "decoder_context_f4": ("context only at F4", "uda"),
        "decoder_daformer_no_dsc": ("DAFormer without depthwise separable convolutions", "uda"),
        "daformer": ("DAFormer", "uda"),
    },
}  # fmt: skip


def paper_score(table: str, row: str) -> float | None:
    """mIoU in percent, of the paper's own data and networks; None where it prints none."""
    place = IN_PAPER.get(table, {}).get(row)
    if place is None:
        return None
    name, column = place
    return getattr(papers.paper_row(int(table.removeprefix("table")), name), column)
