"""Specs from YAML: strict reading, round trips, names and files side by side, run keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daformer_lib import recipes, specs
from daformer_lib.config import DataConfig, Experiment
from daformer_lib.spec_files import FIELDS as FIELD_NAMES
from daformer_lib.specs import SPECS, get_spec, get_specs, load_spec, save_spec

FIELDS = """\
name: fields
classes: [soil, crop]
palette: [[120, 90, 60], [60, 140, 50]]
things: [1]
id_map: {0: 0, 255: 1}
image_pattern: "{split}/photos/{stem}.jpg"
label_pattern: "{split}/masks/{stem}.png"
train_id_pattern: "{split}/train_ids/{stem}.png"
splits: [train, val]
size: [256, 128]
"""


@pytest.fixture
def write(tmp_path: Path):
    def to_file(text: str = FIELDS, name: str = "fields.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def test_a_file_becomes_a_spec(write):
    path = write()
    spec = get_spec(str(path))
    assert (spec.name, spec.classes, spec.num_classes) == ("fields", ("soil", "crop"), 2)
    assert spec.palette[1] == (60, 140, 50) and spec.size == (256, 128)
    assert spec.id_map == {0: 0, 255: 1} and spec.mean_ids == (0, 1)
    assert spec.label_encoding == "id" and spec.origin == str(path)
    assert spec.image_path("data", "val", "a/b") == Path("data/fields/val/photos/a/b.jpg")
    assert get_spec(path) == spec


@pytest.mark.parametrize(
    ("folder", "root"),
    [("", "data/fields"), ("x/y", "data/x/y"), (".", "data"), ("/elsewhere", "/elsewhere")],
)
def test_where_a_folder_is_meant_from(write, folder, root):
    assert load_spec(write(FIELDS + f'folder: "{folder}"\n')).root("data") == Path(root)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_built_in_spec_survives_a_file(tmp_path, name):
    path = save_spec(SPECS[name], tmp_path / "x.yaml")
    assert load_spec(path) == SPECS[name]
    assert list(tmp_path.iterdir()) == [path]  # no temporary file stays


def replaced(old: str, new: str) -> str:
    assert old in FIELDS
    return FIELDS.replace(old, new)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (FIELDS + "colour: red\n", "unknown key 'colour'; known: classes, "),
        (replaced("things:", "thing:"), "unknown key 'thing'; did you mean things"),
        (replaced("size: [256, 128]\n", ""), "missing size"),
        (FIELDS + "size: [9, 9]\n", "line 11: 'size' is given twice"),
        (replaced("{0: 0, 255: 1}", "{0: 0, 0: 1}"), "0 is given twice"),
        (replaced("[[120, 90, 60], ", "["), "palette has 1 colours for 2 classes; give one RGB"),
        (replaced("[120, 90, 60]", "[120, 90]"), r"palette holds \[120, 90\]; a colour is three"),
        (replaced("120, 90", "300, 90"), "a colour is three numbers 0-255"),
        (replaced("[soil, crop]", "[crop, crop]"), r"classes names \['crop'\] twice; give every"),
        (replaced("[soil, crop]", "[soil, no]"), r"classes\[1\]: False is no text; put it in quo"),
        (replaced("[soil, crop]", "soil"), "classes: 'soil' is no list; write"),
        (replaced("things: [1]", "things: [2]"), r"things: train ids \[2\] are outside 0..1"),
        (replaced("255: 1}", "255: 7}"), r"id_map maps to \[7\]; allowed are 0..1"),
        (replaced("255: 1}", "256: 1}"), "id_map: 'id' labels hold 0..255, not 256"),
        (replaced("{0: 0, 255: 1}", "{soil: 0}"), "id_map: own id: 'soil' is no whole number"),
        (replaced("photos/{stem}.jpg", "photos/1.jpg"), "image_pattern .* needs {stem} once"),
        (replaced("masks/{stem}", "masks/{name}"), r"label_pattern .* holds \['name'\]; only"),
        (replaced("{split}/photos", "{split/photos"), "image_pattern .* has an unpaired brace"),
        (replaced("{split}/photos", "photos"), r"lacks {split}, so \['train', 'val'\] would be"),
        (replaced("{split}/masks", "/masks"), "label_pattern '/masks/{stem}.png'"),
        (
            replaced('"{split}/masks/{stem}.png"', r"'{split}\masks\{stem}.png'"),
            r"label_pattern '.*' holds a back-slash; .* write '{split}/masks/{stem}\.png'",
        ),
        (
            replaced("{split}/photos", r"{split}\photos"),
            "unknown escape character .* separated by '/', not by a back-slash",
        ),
        (replaced("{split}/train_ids", r"{split}\train_ids"), "holds a sign that cannot be seen"),
        (
            FIELDS + r"include: night\*" + "\n",
            r"include 'night.*' holds a back-slash; .*'night/\*'",
        ),
        (replaced("[train, val]", r"[train, val\a]"), r"splits 'val.*' holds a back-slash"),
        (replaced("train_ids/{stem}.png", ".{stem}.png"), "train_id_pattern .* names hidden files"),
        (replaced("masks/{stem}.png", "{stem}/.m.png"), "label_pattern .* names hidden files"),
        (replaced("masks/{stem}.png", "photos/{stem}.jpg"), "label_pattern is the same as image"),
        (replaced("train_ids/{stem}.png", "masks/{stem}.png"), "must hold train ids"),
        (
            replaced("train_ids/{stem}.png", "masks/{stem}.png").replace(", 255: 1", ""),
            "id_map leaves ids out; map all classes",
        ),
        (
            replaced("train_ids/{stem}.png", "ids/{stem}.tif"),
            "train_id_pattern .* must end in .png",
        ),
        (replaced("[train, val]", "[]"), "splits is empty; name at least one"),
        (replaced("[256, 128]", "[256]"), r"size is \[256\]; give \[width, height\]"),
        (replaced("[256, 128]", "[25.6, 128]"), r"size\[0\]: 25.6 is no whole number"),
        (replaced("name: fields", "name: my fields"), "name may hold letters"),
        (FIELDS + "label_encoding: colour\n", "label_encoding is 'colour'; known:"),
        (FIELDS + "keep_ratio: 1\n", "keep_ratio: 1 must be true or false"),
        (FIELDS + "ignore: 254\n", "ignore is 254, but losses and metric know only 255"),
        ("- a\n- b\n", "holds a list, not keys with values"),
        ("", "is empty, not keys"),
        ("name: [\n", "is no YAML"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(write, text, says):
    path = write(text)
    with pytest.raises(ValueError, match=says) as caught:
        load_spec(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_and_an_unknown_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no spec file at .*x.yaml"):
        get_spec(tmp_path / "x.yaml")
    with pytest.raises(KeyError, match=r"unknown data set 'gat' .*did you mean gta"):
        get_spec("gat")
    with pytest.raises(KeyError, match="only a source may be"):
        get_spec("gta+synthia")


def test_several_sources(write):
    assert [s.name for s in get_specs("gta+synthia")] == ["gta", "synthia"]
    assert get_specs("gta") == (SPECS["gta"],)
    with pytest.raises(ValueError, match=r"names \['gta'\] twice"):
        get_specs("gta+synthia+gta")
    with pytest.raises(ValueError, match="gta and fields differ: class 0 'road' and 'soil'"):
        get_specs(f"gta+{write()}")


def test_a_path_with_a_plus_is_one_file(write):
    path = write(name="a+b.yaml")
    assert [s.name for s in get_specs(str(path))] == ["fields"]


def test_keys_of_existing_experiments_stay():
    """Keys name the folders of runs that exist; these were computed before specs had files."""
    wanted = json.loads((Path(__file__).parent / "keys_before_spec_files.json").read_text())
    assert len(wanted) > 100
    assert {name: recipes.experiment(*name.split("/")).key for name in wanted} == wanted


def test_a_key_sees_the_content_of_a_spec_file_and_not_its_place(write):
    def key(path: Path) -> str:
        return Experiment("x", data=DataConfig(source=str(path), target=str(path))).key

    first = key(write())
    assert key(write(name="copy.yml")) == first
    assert key(write(FIELDS + "folder: elsewhere\n")) == first
    assert key(write(replaced("255: 1", "254: 1"))) != first


def test_a_recipe_takes_the_files_classes(write):
    path = str(write())
    built = recipes.experiment("daformer", "demo", source=path, target=path)
    assert built.model.num_classes == 2
    with pytest.raises(ValueError, match="minigta and fields differ: class 0"):
        recipes.experiment("daformer", "demo", target=path)


def test_the_documents_example_is_a_spec_and_every_key_is_explained(write):
    text = (Path(__file__).parents[1] / "docs" / "your-own-data.md").read_text(encoding="utf-8")
    spec = load_spec(write(text.split("```yaml\n")[1].split("```")[0]))
    assert spec.name == "fields_summer" and spec.id_map == {0: 0, 255: 1}
    hidden = {"ignore", "stand_in_for"}  # nothing that a user sets
    assert all(f"`{key}`" in text or f"\n{key}: " in text for key in set(FIELD_NAMES) - hidden)


def test_public_names_stay():
    names = (
        "CITYSCAPES GTA SYNTHIA ACDC DARK_ZURICH MINIGTA THINGS RARE SYNTHIA_16 SYNTHIA_13 IGNORE"
    )
    assert all(hasattr(specs, name) for name in names.split())
