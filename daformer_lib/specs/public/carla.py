"""Images of the CARLA simulator (Dosovitskiy et al. 2017): three lists of tags, each in two forms.

- carla13: tags 0-12, up to release 0.9.9; no sky, terrain or traffic lights.
- carla23: tags 0-22; 0.9.10 added rail track, guard rail, traffic light, static, dynamic, water and
  terrain (its CHANGELOG.md).
- carla29: tags 0-28, where road is 1, no longer 7: Cityscapes' classes in their order. From which
  release on could not be confirmed here; `inspect-data` shows which tags your files have.

A semantic camera sends the tag in the red channel; saved with the converter CityScapesPalette, the
files hold colours: `carla23_colours`. An export has no layout of its own; the kit's is `rgb/` and
`semantic/` with files of the same names. Up to 0.9.13 all vehicles have one tag. Lane markings are
road here, as in Cityscapes.
"""

from __future__ import annotations

from dataclasses import replace

from daformer_lib.specs.builtin import CITYSCAPES, CITYSCAPES_PALETTE
from daformer_lib.specs.dataset_spec import Colour, DatasetSpec
from daformer_lib.specs.public.about import About

# Of CityScapesPalette.h, in the order of the tags; None: a tag that means no class here.
TAGS_13: tuple[tuple[str | None, Colour], ...] = (
    (None, (0, 0, 0)), ("building", (70, 70, 70)), ("fence", (190, 153, 153)),
    (None, (250, 170, 160)), ("pedestrian", (220, 20, 60)), ("pole", (153, 153, 153)),
    ("road", (157, 234, 50)), ("road", (128, 64, 128)), ("sidewalk", (244, 35, 232)),
    ("vegetation", (107, 142, 35)), ("vehicle", (0, 0, 142)), ("wall", (102, 102, 156)),
    ("traffic sign", (220, 220, 0)),
)  # fmt: skip
TAGS_23: tuple[tuple[str | None, Colour], ...] = (
    *TAGS_13[:2], ("fence", (100, 40, 40)), (None, (55, 90, 80)), *TAGS_13[4:],
    ("sky", (70, 130, 180)), (None, (81, 0, 81)), (None, (150, 100, 100)), (None, (230, 150, 140)),
    ("guard rail", (180, 165, 180)), ("traffic light", (250, 170, 30)), (None, (110, 190, 160)),
    (None, (170, 120, 50)), (None, (45, 60, 150)), ("terrain", (145, 170, 100)),
)  # fmt: skip
TAGS_29: tuple[tuple[str | None, Colour], ...] = (
    (None, (0, 0, 0)),
    *zip(CITYSCAPES.classes, CITYSCAPES_PALETTE, strict=True),
    (None, (110, 190, 160)), (None, (170, 120, 50)), (None, (55, 90, 80)), (None, (45, 60, 150)),
    ("road", (157, 234, 50)), (None, (81, 0, 81)), (None, (150, 100, 100)), (None, (230, 150, 140)),
    (None, (180, 165, 180)),
)  # fmt: skip
COUNTABLE = ("pedestrian", "vehicle", "traffic sign", "traffic light")


def _spec(name: str, tags: tuple[tuple[str | None, Colour], ...]) -> DatasetSpec:
    """The raw form: 8-bit colour images, the tag in the red channel."""
    # Where two tags are one class, the later one's colour is the class's: road, not its lines.
    colours = {named: colour for named, colour in tags if named}
    classes = CITYSCAPES.classes if name == "carla29" else tuple(colours)
    palette = CITYSCAPES_PALETTE if name == "carla29" else tuple(colours.values())
    countable = tuple(i for i, named in enumerate(classes) if named in COUNTABLE)
    return DatasetSpec(
        name=name,
        classes=classes,
        palette=palette,
        things=CITYSCAPES.things if name == "carla29" else countable,
        id_map={tag: classes.index(named) for tag, (named, _) in enumerate(tags) if named},
        image_pattern="rgb/{stem}.png",
        label_pattern="semantic/{stem}.png",
        train_id_pattern="semantic_train_ids/{stem}.png",
        splits=("train",),
        size=(800, 600),
        keep_ratio=True,
        label_encoding="red8",
    )


def _colours(raw: DatasetSpec, tags: tuple[tuple[str | None, Colour], ...]) -> DatasetSpec:
    return replace(
        raw,
        name=f"{raw.name}_colours",
        label_encoding="palette",
        label_colours={tag: colour for tag, (_, colour) in enumerate(tags)},
    )


CARLA13, CARLA23, CARLA29 = (
    _spec(f"carla{len(tags)}", tags) for tags in (TAGS_13, TAGS_23, TAGS_29)
)
CARLA13_COLOURS = _colours(CARLA13, TAGS_13)
CARLA23_COLOURS = _colours(CARLA23, TAGS_23)
CARLA29_COLOURS = _colours(CARLA29, TAGS_29)


HEADER = "LibCarla/source/carla/image/CityScapesPalette.h"
FACTS = {
    13: f"tags and colours: carla-simulator/carla, {HEADER}",
    23: f"tags and colours: carla-simulator/carla, {HEADER}; release: CHANGELOG.md",
    29: "tags and colours: carla.org/Doxygen, CityScapesPalette.h; the last: Docs/ref_sensors.md",
}


def _about(tags: int, releases: str, saved: str) -> About:
    return About(
        f"CARLA export, {tags} tags ({releases}), {saved}",
        "your own images; the simulator's code is MIT, its assets CC BY (README)",
        "https://github.com/carla-simulator/carla",
        (
            "save the RGB camera's images to rgb/, the semantic camera's to semantic/, as PNG",
            "both under the same name, of the same size",
        ),
        (FACTS[tags], "tag in the red channel: Docs/ref_sensors.md"),
    )


RAW, COLOURED = "raw", "saved with CityScapesPalette"
ABOUT = {
    "carla13": _about(13, "to 0.9.9", RAW),
    "carla13_colours": _about(13, "to 0.9.9", COLOURED),
    "carla23": _about(23, "from 0.9.10", RAW),
    "carla23_colours": _about(23, "from 0.9.10", COLOURED),
    "carla29": _about(29, "later ones: road is 1", RAW),
    "carla29_colours": _about(29, "later ones: road is 1", COLOURED),
}
