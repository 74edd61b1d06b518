"""Tables of numbers: three kinds, each under its own heading."""

import numpy as np
import pytest

from daformer_lib.viz.tables import format_score, plain_table, three_numbers_table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (45.55, "45.5"),
        (None, "–"),
        (float("nan"), "–"),
        ([float("nan")] * 3, "–"),
        ([35.0, float("nan"), 36.0], "35.5 ± 0.7 (2 of 3 seeds)"),
        ([35.0, float("nan")], "35.0 (1 of 2 seeds)"),
        ([1.0, 2.0, 3.0], "2.0 ± 1.0 (3 seeds)"),
        ([4.0], "4.0"),
        (np.float32(7), "7.0"),
    ],
)
def test_format_score(value, text):
    assert format_score(value) == text


def test_each_kind_has_its_own_column_and_says_what_it_is():
    table = three_numbers_table(
        {"self-training": 58.2, "oracle": 76.4},
        {"self-training": [35.0, 36.0]},
        {"self-training": 31.0, "mine": 12.0},
        paper_table="Table 5",
        live_detail="seed 0",
    )
    assert table.headings == ("mIoU", "The paper", "Our study", "This run")
    assert "Table 5" in table.details[1] and "seed 0" in table.details[3]
    assert table.rows[0] == ("self-training", "58.2", "35.5 ± 0.7 (2 seeds)", "31.0")
    assert table.rows[1] == ("oracle", "76.4", "–", "–")
    assert table.rows[2] == ("mine", "–", "–", "12.0")


def test_a_kind_that_is_not_given_has_no_column():
    assert three_numbers_table(paper={"a": 1.0}).headings == ("mIoU", "The paper")
    with pytest.raises(ValueError, match="no numbers"):
        three_numbers_table()


def test_html_is_escaped_and_markdown_is_the_text_form():
    table = plain_table(["<b>", "n"], [["a & b", 1.25]])
    page = table._repr_html_()
    assert "&lt;b&gt;" in page and "a &amp; b" in page and "<b>" not in page
    assert repr(table).splitlines() == ["| <b> | n |", "| --- | ---: |", "| a & b | 1.2 |"]
