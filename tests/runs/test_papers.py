"""The paper's numbers: consistent with one another, and complete."""

import numpy as np
import pytest

from daformer_lib.runs import papers
from daformer_lib.specs import CITYSCAPES, get_spec

PRINTED_RELATIVE = {  # percent, as printed in the paper
    (1, "DeepLabV2"): 75.2,
    (1, "DANet"): 74.0,
    (1, "ISANet"): 74.0,
    (1, "DeepLabV3+"): 71.0,
    (1, "SegFormer"): 76.2,
    (2, "SegFormer encoder + DeepLabV3+ decoder"): 75.2,
    (2, "ResNet-101 + SegFormer decoder"): 71.4,
    (3, "ResNet-50"): 73.6,
    (3, "ResNet-101"): 75.2,
    (3, "ResNeSt-50"): 70.9,
    (3, "ResNeSt-101"): 74.1,
    (3, "ResNeSt-200"): 77.4,
    (3, "MiT-B3"): 66.4,
    (3, "MiT-B4"): 74.6,
    (3, "MiT-B5"): 77.2,
}


@pytest.mark.parametrize(("key", "printed"), PRINTED_RELATIVE.items())
def test_uda_over_oracle_gives_the_printed_relative_score(key, printed):
    assert papers.paper_row(*key).relative == pytest.approx(printed, abs=0.051)


def test_per_class_numbers_give_the_printed_means():
    gta = papers.DAFORMER_MIOU["gta → cityscapes"]
    assert np.mean(papers.GTA_IOU) == pytest.approx(gta, abs=0.06)  # each class is rounded
    sixteen, thirteen = papers.synthia_means()
    assert sixteen == pytest.approx(papers.DAFORMER_MIOU["synthia → cityscapes"], abs=0.05)
    assert thirteen == pytest.approx(papers.SYNTHIA_MIOU_13, abs=0.06)


def test_the_same_experiment_has_the_same_score_in_every_table():
    segformer = papers.paper_row(1, "SegFormer")
    assert segformer.uda == papers.paper_row(4, "SegFormer with warm-up").uda
    assert segformer.uda == papers.paper_row(5, "SegFormer").uda
    assert papers.paper_row(7, "DAFormer").uda == papers.DAFORMER_MIOU["gta → cityscapes"]
    assert papers.paper_row(5, "RCS + FD + crop and alpha").uda == 67.0
    assert papers.paper_row(7, "SegFormer, 768 channels").uda == 67.0


def test_rows_know_their_table_and_lie_between_source_and_oracle():
    for table, rows in papers.TABLES.items():
        assert table in papers.TITLES
        assert len({row.name for row in rows}) == len(rows)
        for row in rows:
            assert row.table == table
            scores = [s for s in (row.source_only, row.uda, row.oracle) if s is not None]
            assert scores == sorted(scores)


def test_columns_and_blanks():
    assert papers.paper_scores(5)["FD, things"] == 61.7
    assert papers.paper_scores(4, "oracle")["ResNet-101"] is None
    assert papers.paper_row(4, "ResNet-101").relative is None
    assert papers.paper_row(1, "DANet").label == "Table 1"


def test_iou_by_train_id_has_nan_where_synthia_has_no_class():
    iou = papers.paper_iou("synthia", get_spec("minicityscapes"))
    missing = [CITYSCAPES.classes[i] for i in np.flatnonzero(np.isnan(iou))]
    assert missing == ["terrain", "truck", "train"]
    assert papers.paper_iou("gta", CITYSCAPES)[16] == 65.1


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: papers.paper_row(6, "DAFormer"), "[1, 2, 3, 4, 5, 7]"),
        (lambda: papers.paper_row(1, "UNet"), "DeepLabV3+"),
        (lambda: papers.paper_iou("kitti", CITYSCAPES), "synthia"),
    ],
)
def test_unknown_names_raise_with_what_there_is(call, names):
    with pytest.raises(KeyError) as problem:
        call()
    assert names in str(problem.value)
