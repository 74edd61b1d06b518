"""What is said of a set that is not there, and the page's table."""

from __future__ import annotations

from pathlib import Path

import pytest

from daformer_lib.data.on_disk import conversion_command, remedy
from daformer_lib.data.public.getting import how_to_get, public_table
from daformer_lib.specs import ABOUT, get_spec

PAGE = Path(__file__).parents[3] / "docs/use/public-data.md"


@pytest.mark.parametrize("name", ABOUT)
def test_terms_address_steps_and_paths(tmp_path, name):
    text = "\n".join(how_to_get(get_spec(name), tmp_path))
    about = ABOUT[name]
    assert about.licence in text and about.address in text and "nothing is fetched" in text
    assert all(step in text for step in about.steps)
    assert str(get_spec(name).image_path(tmp_path, get_spec(name).splits[0], "<name>")) in text


def test_a_set_of_no_ones_has_its_remedy():
    assert list(how_to_get(get_spec("minigta"), "data")) == [remedy(get_spec("minigta"))]


def test_commands_that_are_named_are_the_ones_of_the_set():
    assert (
        conversion_command(get_spec("camvid"), "d") == "python -m daformer_lib data camvid --root d"
    )
    assert "convert_gta.py" in conversion_command(get_spec("gta"), "d")


def test_the_pages_table_is_written_from_the_specs():
    """python -c "from daformer_lib.data.public.getting import public_table as t; print(t())" """
    assert public_table() in PAGE.read_text(encoding="utf-8")
