"""The page: nothing from data becomes markup, nothing is loaded, and bytes unpack to the maps."""

import base64
import json
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from daformer_lib.compare import evolution, open_comparison, survey
from daformer_lib.compare.views import comparison_panels, evolution_curves
from daformer_lib.compare.views.page import HERE, SCRIPTS, render_page, write_page
from daformer_lib.compare.views.page_data import Limits, packed_map, page_data
from daformer_lib.files import write_png
from daformer_lib.viz.safe_colours import THEMES
from tests.compare.views.conftest import EVIL, STEMS


class Tags(HTMLParser):
    """What a browser would find."""

    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.data, self._inside = [], [], "", False

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "action")]
        self._inside = dict(attributes).get("id") == "data"

    def handle_data(self, text):
        if self._inside:
            self.data += text

    def handle_endtag(self, tag):
        self._inside = False


def unpacked(text, size):
    rows = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(size)
    return np.cumsum(rows, axis=0, dtype=np.uint8)


def test_names_from_data_never_become_markup(opened, tmp_path):
    comparison = opened("one", "two", "plain")
    page = write_page(comparison, tmp_path / "c.html", command="--x '<b>'").read_text()
    tags = Tags()
    tags.feed(page)
    assert "img" not in tags.tags and "b" not in tags.tags and tags.tags.count("script") == 2
    assert EVIL not in page and "</script>building" not in page
    told = json.loads(tags.data)
    assert told["spec"]["classes"][1] == EVIL
    assert [run["name"] for run in told["runs"]] == list(comparison.names)
    assert tags.addresses == []


def test_nothing_is_loaded_from_the_web(opened):
    page = render_page(opened())
    addresses = set(re.findall(r"https?://[^\"' )]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name space, never fetched
    assert "@import" not in page and "url(" not in page


def test_all_colours_of_the_style_are_those_of_the_themes():
    """Their contrast is tested with the themes: a colour of the style's own would not be."""
    for name in ("page.css", *SCRIPTS):
        text = (HERE / name).read_text()
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\s\"'`])", text), name
        named = set(re.findall(r"var\(--([\w-]+)\)", text))
        assert named <= set(THEMES["light"]), name


def test_the_mean_is_over_the_classes_of_the_truth(opened, folders, named, tmp_path):
    """The same for every source, and the one of the sentence at the top."""
    comparison = opened()
    found = survey(comparison)
    told = page_data(comparison, found, 0.9)
    true = next(iter(found.tallies.values())).table.sum(1)
    assert told["scored"] == [i for i in named.mean_ids if true[i]]
    blind = opened(data_root=tmp_path)
    assert page_data(blind, survey(blind), 0.9)["scored"] == list(named.mean_ids)


def test_maps_unpack_to_themselves():
    values = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)
    assert np.array_equal(unpacked(packed_map(values), (9, 7)), values)


def test_the_data_holds_every_step_of_every_source(opened):
    comparison = opened()
    told = page_data(comparison, survey(comparison), 0.9)
    image = next(i for i in told["images"] if i["stem"] == comparison.stems[1])
    label = comparison.label(comparison.names[1], 10, comparison.stems[1])
    assert np.array_equal(unpacked(image["labels"][1][0], (32, 48)), label)
    assert told["steps"] == [10, 20] and told["runs"][0]["steps"] == [10, 20]
    assert image["picture"].startswith("data:image/jpeg;base64,")
    counts = np.frombuffer(zlib.decompress(base64.b64decode(told["runs"][0]["tallies"][1])), "<f8")
    assert counts[: 4 * 256].sum() == 2 * 32 * 48  # every pixel of both images
    assert counts[-3:].sum() == 2 * 30 * 48  # those with truth


def test_large_comparisons_are_cut_and_it_says_so(opened):
    page = render_page(opened(), limits=Limits(images=1, width=24))
    tags = Tags()
    tags.feed(page)
    told = json.loads(tags.data)
    assert len(told["images"]) == 1 and told["size"] == [24, 16]
    assert "1 of the 2 images are in this page" in page
    assert "scaled from 48x32 to 24x16" in page


def test_the_page_stops_growing(opened):
    page = render_page(opened(), limits=Limits(megabytes=0.001))
    assert "1 of the 2 images are in this page" in page
    assert "--page-megabytes (now 0.001)" in page


def test_without_truth_the_page_says_what_is_missing(opened, tmp_path):
    page = render_page(opened(data_root=tmp_path))
    assert "No truth for these images" in page and "Without truth nobody wins" in page
    tags = Tags()
    tags.feed(page)
    told = json.loads(tags.data)
    assert not told["hasTruth"] and told["images"][0]["truth"] is None


@pytest.mark.filterwarnings("error")
def test_truth_without_a_labelled_pixel_is_as_good_as_none(folders, named, tmp_path):
    for stem in STEMS:
        write_png(named.train_id_path(tmp_path, "val", stem), np.full((32, 48), 255, np.uint8))
        write_png(named.image_path(tmp_path, "val", stem), np.zeros((32, 48, 3), np.uint8))
    comparison = open_comparison(
        [folders / "one", folders / "two"], spec=named, data_root=tmp_path, split="val", ids="train"
    )
    page = render_page(comparison)
    assert "No labelled pixel in the truth" in page and "Without truth nobody wins" in page
    tags = Tags()
    tags.feed(page)
    told = json.loads(tags.data, parse_constant=pytest.fail)  # NaN is no JSON
    assert not told["hasTruth"] and {image["error"] for image in told["images"]} == {None}
    said = [t.get_text() for a in comparison_panels(comparison, STEMS[0]).axes for t in a.texts]
    assert {"mIoU –", "– % wrong"} <= set(said)
    curves = evolution_curves({"one": evolution(comparison, "one")}, named)
    assert "one –" in [t.get_text() for t in curves.axes[0].texts]
