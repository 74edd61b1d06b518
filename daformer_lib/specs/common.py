"""What sets of different classes have in common, by a named mapping, and specs of just that.

Two classes meet where one is the other under another name (SAME) or holds it (BROADER, as IDD's
levels do: AutoNUE/public-code, helpers/anue_labels.py). What meets is one common class, called by
the broadest; what has no counterpart is ignored. A class that meets need not mean quite the same:
CamVid's bicyclist includes the bicycle, Cityscapes' rider does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from daformer_lib.specs.dataset_spec import DatasetSpec
from daformer_lib.specs.yaml_files import save_spec

SAME = {
    "pavement": "sidewalk", "pedestrian": "person", "bicyclist": "rider", "column pole": "pole",
    "sign symbol": "traffic sign", "motorcycle scooter": "motorcycle", "vehicles": "vehicle",
    "living thing": "living things", "roadside object": "roadside objects",
}  # fmt: skip
BROADER = {
    "lane marking driving": "road", "road": "drivable", "parking": "drivable",
    "sidewalk": "non drivable", "terrain": "non drivable", "rail track": "non drivable",
    "child": "person", "person": "living things", "rider": "living things",
    "animal": "living things",
    "van": "car", "car": "vehicle", "SUV pickup truck": "vehicle", "truck bus": "vehicle",
    "truck": "vehicle", "bus": "vehicle", "train": "vehicle", "motorcycle": "vehicle",
    "bicycle": "vehicle", "caravan": "vehicle", "trailer": "vehicle",
    "curb": "roadside objects", "wall": "roadside objects", "fence": "roadside objects",
    "guard rail": "roadside objects", "billboard": "roadside objects",
    "traffic sign": "roadside objects", "traffic light": "roadside objects",
    "pole": "roadside objects",
    "tree": "vegetation", "vegetation misc": "vegetation", "vegetation": "far objects",
    "building": "far objects", "bridge": "far objects", "tunnel": "far objects",
}  # fmt: skip
MEETING = {name.lower(): broader for name, broader in BROADER.items()}


@dataclass(frozen=True)
class Common:
    """Common classes; of each set, own train id -> common train id, None where there is none."""

    classes: tuple[str, ...]
    ids: tuple[tuple[int | None, ...], ...]  # sources in their order, then the target

    @property
    def key(self) -> str:
        """Eight hex digits: other classes make other train ids, which lie in other folders."""
        text = json.dumps([self.classes, self.ids])
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def term(name: str) -> str:
    """The name by which the mapping knows a class: "Column_Pole" -> "pole"."""
    plain = " ".join(name.lower().replace("_", " ").replace("-", " ").split())
    return SAME.get(plain, plain)


def common_classes(sources: Sequence[DatasetSpec], target: DatasetSpec) -> Common:
    """What the target has in common with at least one source, in the target's order.

    Raises:
        ValueError: fewer than two classes meet; nothing could be told apart.
    """
    sets = [[term(name) for name in spec.classes] for spec in (*sources, target)]
    present = {name for names in sets for name in names}
    groups = [[_broadest(name, present) for name in names] for names in sets]
    learned = {group for names in groups[:-1] for group in names}
    classes = tuple(group for group in dict.fromkeys(groups[-1]) if group in learned)
    if len(classes) < 2:
        named = "+".join(spec.name for spec in sources)
        raise ValueError(
            f"{named} and {target.name} have {len(classes)} classes in common by name; rename "
            "classes in a spec's file as the other set calls them, or map both by hand"
        )
    place = {group: i for i, group in enumerate(classes)}
    return Common(classes, tuple(tuple(place.get(g) for g in names) for names in groups))


def _broadest(name: str, present: set[str]) -> str:
    """The broadest class that holds this one and that some set has."""
    found, broader = name, MEETING.get(name)
    while broader is not None:
        found = broader if broader in present else found
        broader = MEETING.get(broader)
    return found


def with_common(
    spec: DatasetSpec, ids: Sequence[int | None], common: Common, target: DatasetSpec
) -> DatasetSpec:
    """The spec with the common classes instead of its own; its train ids lie apart.

    Args:
        ids: own train id -> common train id, of `Common.ids`.
        target: colours, things, and what counts in the mean are its.
    """
    of_target = common.ids[-1]
    return replace(
        spec,
        name=f"{spec.name}_common",
        folder=spec.folder or spec.name,
        classes=common.classes,
        palette=tuple(target.palette[of_target.index(i)] for i in range(len(common.classes))),
        things=_mapped(target.things, of_target),
        evaluated=_mapped(target.evaluated, of_target),
        rare=_mapped(target.rare, of_target),
        id_map={own: ids[i] for own, i in spec.id_map.items() if ids[i] is not None},
        label_colours=spec.label_colours or _label_colours(spec),
        train_id_pattern=f"train_ids_common/{common.key}/{{split}}/{{stem}}.png",
        stand_in_for="",
        origin="",
    )


def _mapped(own: Sequence[int], ids: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(sorted({ids[i] for i in own} - {None}))


def _label_colours(spec: DatasetSpec) -> dict[int, tuple[int, int, int]]:
    """Files of colours without a list of their own have the palette's."""
    if spec.label_encoding != "palette":
        return {}
    return {own: spec.palette[train] for train, own in spec.own_ids.items()}


def write_common(
    sources: Sequence[DatasetSpec], target: DatasetSpec, folder: str | Path
) -> tuple[list[Path], Path]:
    """YAML files of the sets with their common classes: those of the sources, and the target's."""
    common = common_classes(sources, target)
    paths = []
    for spec, ids in zip((*sources, target), common.ids, strict=True):
        path = Path(folder) / f"{spec.name}_common-{common.key}.yaml"
        paths.append(save_spec(with_common(spec, ids, common, target), path))
    return paths[:-1], paths[-1]
