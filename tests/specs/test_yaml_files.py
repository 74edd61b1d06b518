"""Specs from YAML: strict reading, round trips, names and files side by side, run keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daformer_lib import specs
from daformer_lib.config import DataConfig, Experiment
from daformer_lib.runs import recipes
from daformer_lib.specs import SPECS, get_spec, get_specs, load_spec, save_spec
from daformer_lib.specs.yaml_files import FIELDS as FIELD_NAMES

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
        (FIELDS + "weight: 1\n", "unknown key 'weight'; known: classes, "),
        (FIELDS + "colour: red\n", "unknown key 'colour'; did you mean label_colours"),
        (replaced("things:", "thing:"), "unknown key 'thing'; did you mean things"),
        (replaced("size: [256, 128]\n", ""), "missing size"),
        (FIELDS + "size: [9, 9]\n", "line 11: 'size' is given twice"),
        (replaced("{0: 0, 255: 1}", "{0: 0, 0: 1}"), "0 is given twice"),
        (replaced("[[120, 90, 60], ", "["), "palette has 1 colours for 2 classes; give one RGB"),
        (replaced("[120, 90, 60]", "[120, 90]"), r"palette holds \[120, 90\]; a colour is three"),
        (replaced("120, 90", "300, 90"), "a colour is three numbers 0-255"),
        (replaced("[soil, crop]", "[crop, crop]"), r"classes names \['crop'\] twice; give every"),
        (replaced("[soil, crop]", "[soil, no]"), r"classes\[1\]: YAML takes .* no, .* for False"),
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


# What is YAML and means something else than was meant: what stands in the file, what is said.
NOT_MEANT = [
    # Colours, lists and mappings as keys.
    ("255: 1}", "[60, 90, 140]: 1}",
     r"line 5: id_map: \[60, 90, 140\] is no key; id_map takes numbers, .*label_encoding: palette"),
    ("255: 1}", "{r: 60, g: 90}: 1}",
     r"id_map: \{'r': 60, 'g': 90\} is no key; id_map takes numbers"),
    ("255: 1}", "? [1, [2, 3]] : 1}", r"id_map: \[1, \[2, 3\]\] is no key"),
    ("name: fields", "[name, alias]: fields", r"line 1: \['name', 'alias'\] is no key; a key is"),
    ("name: fields", "? {a: 1}\n: fields", r"line 1: \{'a': 1\} is no key"),
    # Words that YAML takes for true and false.
    ("[soil, crop]", "[soil, yes]", r"classes\[1\]: YAML takes yes, no, on, off"),
    ("[soil, crop]", "[Off, crop]", r"classes\[0\]: YAML takes .* for False .*put the word in q"),
    ("[soil, crop]", "[soil, true]", r"classes\[1\]: YAML takes .* for True"),
    ("name: fields", "name: no", "name: YAML takes .* for False"),
    ("[train, val]", "[on, val]", r"splits\[0\]: YAML takes .* for True"),
    ("255: 1}", "yes: 1}", "line 5: id_map: YAML takes the key yes for True; a name needs quotes"),
    ("name:", "on: 3\nname:", "line 1: YAML takes the key on for True"),
    ("255: 1}", "255: on}", r"id_map\[255\]: True is no whole number"),
    ("things: [1]", "things: [true]", r"things\[0\]: True is no whole number"),
    # Dates and times.
    ("name: fields", "name: 2024-05-01", "name: YAML takes '2024-05-01' for a date; put it in q"),
    ("name: fields", "name: 2024-99-99", "name: YAML takes '2024-99-99' for a date; put it in q"),
    ("[train, val]", "[2024-05-01, val]", r"line 9: splits\[0\]: YAML takes .* for a date"),
    ("[soil, crop]", "[soil, 2024-05-01 10:20:30]", r"classes\[1\]: YAML takes .* for a date"),
    ("255: 1}", "2024-05-01: 1}", "id_map: YAML takes '2024-05-01' for a date"),
    ("[soil, crop]", "[soil, 1:30]", r"classes\[1\]: YAML takes '1:30' for 90; write a number"),
    # Numbers as names, names as numbers.
    ("name: fields", "name: 123", "name: 123 is no text; put it in quotes"),
    ("[soil, crop]", "[1, 2]", r"classes\[0\]: 1 is no text; put it in quotes"),
    ("[soil, crop]", "[soil, 1.10]", r"classes\[1\]: 1\.1 is no text; put it in quotes"),
    ("[soil, crop]", "[soil, .nan]", r"classes\[1\]: nan is no text"),
    ("255: 1}", "010: 1}", "id_map: YAML takes '010' for 8; write a number without leading zeros"),
    ("255: 1}", "09: 1}", "id_map: own id: '09' is no whole number; .*leading zeros"),
    ("255: 1}", "'255': 1}", "id_map: own id: '255' is no whole number; write it .*without quotes"),
    ("255: 1}", "255.0: 1}", r"id_map: own id: 255\.0 is no whole number"),
    ("0: 0, 255: 1}", "0: 0, 0.0: 1}", r"id_map: 0\.0 is given twice"),
    ("255: 1}", "255: crop}", r"id_map\[255\]: 'crop' is no whole .*a class's place in classes"),
    ("255: 1}", "crop: 255}", "id_map: own id: 'crop' is no .*the value in the label files comes"),
    ("255: 1}", "-1: 1}", "id_map: 'id' labels hold 0..255, not -1"),
    ("256, 128", "'256', 128", r"size\[0\]: '256' is no whole number"),
    ("256, 128", "256 128", r"size\[0\]: '256 128' is no whole number"),
    # Nothing where there should be something.
    ("[soil, crop]", "[soil, ~]", r"classes\[1\]: there is no value; write text"),
    ("[soil, crop]", "[soil, null]", r"classes\[1\]: there is no value"),
    ("name: fields", "name:   # fields", "name: there is no value"),
    ("[soil, crop]", "", r"classes: there is no value; write \[first, second\]"),
    ("255: 1}", "255: }", r"id_map\[255\]: there is no value; leave an id out of the map"),
    ("255: 1}", "~: 1}", "id_map: own id: there is no value"),
    ("{0: 0, 255: 1}", "", "id_map: there is no value; write {own id: train id"),
    # Colours as other programs write them.
    ("[[120, 90, 60], [60, 140, 50]]", "['#785a3c', '#3c8c32']",
     r"palette\[0\]: '#785a3c' is no list; write \[red, green, blue\], three numbers"),
    ("[[120, 90, 60], [60, 140, 50]]", "[0.47, 0.35]", r"palette\[0\]: 0\.47 is no list"),
    ("120, 90, 60", "0.47, 0.35, 0.2", r"palette\[0\]\[0\]: 0\.47 is no whole number"),
    ("[[120, 90, 60], [60, 140, 50]]", "{soil: [1, 2, 3]}", "is no list; write one .* for every c"),
    # The same key twice, tags, commands, a pattern without quotes.
    ("things:", "name: b\nthings:", "line 4: 'name' is given twice; keep one of them"),
    ("255: 1}", "0: 1}", "line 5: id_map: 0 is given twice"),
    ("things: [1]", "things: [1, 1]", "things names 1 twice; give every train id once"),
    ("name: fields", "name: !!bool maybe", r"line 1: tags \(!!bool\) are not read here"),
    ("name: fields", "name: !!int maybe", r"line 1: tags \(!!int\)"),
    ("name: fields", "name: !!timestamp maybe", r"line 1: tags \(!!timestamp\)"),
    ("[soil, crop]", "!!set {soil, crop}", r"line 2: tags \(!!set\)"),
    ("[soil, crop]", "!mine [soil]", r"line 2: tags \(!mine\)"),
    ("[soil, crop]", "[soil, =]", r"classes\[1\]: '=' is a command to YAML; put it in quotes"),
    ("name:", "<<: {a: 1}\nname:", "line 1: '<<' is a command to YAML"),
    ('"{split}/photos/{stem}.jpg"', "{split}/photos/{stem}.jpg",
     "is no YAML .*; put the pattern of line 6 in quotes; docs/"),
    ('"{split}/photos/{stem}.jpg"', "{stem}", r"image_pattern: \{'stem': None\} is no text; put"),
    ("name: fields", 'name: "\\UFFFFFFFF"', "is no YAML "),
    ("256, 128", "9" * 5000 + ", 128", "is no YAML .*digits"),
    ("name: fields", "name: <html>", "name may hold letters"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), NOT_MEANT)
def test_what_was_not_meant_is_one_sentence(write, old, new, says):
    path = write(replaced(old, new))
    with pytest.raises(ValueError, match=says) as caught:
        load_spec(path)
    told = str(caught.value)
    assert told.startswith(str(path)) and "\n" not in told and "; " in told


VALUES = [
    "", "~", "true", "no", "1", "-1", "010", "1.5", ".inf", "text", "''", "2024-05-01", "[]", "{}",
    "[~]", "[[]]", "[[[1]]]", "[x, x]", "[1, 1]", "[-1]", "[300]", "{a: 1}", "{1: a}", "{[1]: 1}",
    "{{a: b}: 1}", "{~: ~}", "[{1: 1}]", "[true]", "[1.5]", "!!bool maybe", "!!float x", "'\\0'",
    '"\\0"', '"\\ud83d"', "*a", "&a x", "? x", "|\n  x", "\n  - 1", "- 1",
]  # fmt: skip


@pytest.mark.parametrize("key", [*FIELD_NAMES, "unknown"])
def test_any_value_of_any_key_is_read_or_refused_in_a_sentence(write, key):
    """No traceback, whatever stands where: what is not read names the file, and how to mend it."""
    rest = "".join(f"{ln}\n" for ln in FIELDS.splitlines() if not ln.startswith(f"{key}:"))
    refused = 0
    for value in VALUES:
        path = write(rest + f"{key}: {value}\n")
        try:
            load_spec(path)
        except ValueError as error:
            refused += 1
            told = str(error)
            assert told.startswith(str(path)) and "\n" not in told and "; " in told, (value, told)
            assert key in told or "line" in told, (value, told)
    assert refused >= 25


@pytest.mark.parametrize(
    "data", [b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1"]
)
def test_a_page_or_a_pointer_is_no_spec(tmp_path, data):
    (tmp_path / "x.yaml").write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.yaml is a (web page|Git LFS pointer), not a spec; "):
        load_spec(tmp_path / "x.yaml")


def test_what_is_meant_is_read(write):
    """Quotes, hexadecimal colours, !!str and yes for a switch are no surprise."""
    text = replaced("[soil, crop]", "['no', !!str 2024-05-01]").replace("120, 90", "0x78, 90")
    spec = load_spec(write(text + "keep_ratio: yes\nversion: '010'\n"))
    assert spec.classes == ("no", "2024-05-01") and spec.palette[0] == (120, 90, 60)
    assert spec.keep_ratio is True and spec.version == "010"


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
    """Keys name the folders of runs that exist. Those of `full` were computed before specs had
    files, the mini profiles' with drawing version 5."""
    wanted = json.loads((Path(__file__).parents[1] / "keys_before_spec_files.json").read_text())
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
    text = (Path(__file__).parents[2] / "docs" / "start" / "your-own-data.md").read_text(
        encoding="utf-8"
    )
    spec = load_spec(write(text.split("```yaml\n")[1].split("```")[0]))
    assert spec.name == "fields_summer" and spec.id_map == {0: 0, 255: 1}
    hidden = {"ignore", "stand_in_for"}  # nothing that a user sets
    assert all(f"`{key}`" in text or f"\n{key}: " in text for key in set(FIELD_NAMES) - hidden)


def test_public_names_stay():
    names = (
        "CITYSCAPES GTA SYNTHIA ACDC DARK_ZURICH MINIGTA THINGS RARE SYNTHIA_16 SYNTHIA_13 IGNORE"
    )
    assert all(hasattr(specs, name) for name in names.split())
