"""The data sets that the kit knows by name: classes, label encodings and folder layouts.

Those of the data sets' own documentation (Cityscapes, Cordts et al. 2016; GTA, Richter et al. 2016;
SYNTHIA, Ros et al. 2016; ACDC and Dark Zurich, Sakaridis et al. 2021 and 2019). The number 19
appears nowhere but here, as the length of the list of the Cityscapes classes.
"""

from __future__ import annotations

from dataclasses import replace

from daformer_lib.dataset_spec import DatasetSpec

CITYSCAPES_CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
CITYSCAPES_PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
    (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
    (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
    (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip
THINGS = (6, 7, 11, 12, 13, 14, 15, 16, 17, 18)  # the authors' thing classes (facts sheet, 9)
RARE = (12, 14, 15, 16, 17, 18)  # rider, truck, bus, train, motorcycle, bicycle
SYNTHIA_16 = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18)  # no terrain, truck, train
SYNTHIA_13 = (0, 1, 2, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18)  # nor wall, fence, pole

# Cityscapes labelIds, which GTA shares.
CITYSCAPES_IDS = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12,
    26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip
SYNTHIA_IDS = {
    3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 16: 9, 1: 10, 10: 11, 17: 12, 8: 13,
    18: 14, 19: 15, 20: 16, 12: 17, 11: 18,
}  # fmt: skip

CITYSCAPES = DatasetSpec(
    name="cityscapes",
    classes=CITYSCAPES_CLASSES,
    palette=CITYSCAPES_PALETTE,
    things=THINGS,
    id_map=CITYSCAPES_IDS,
    image_pattern="leftImg8bit/{split}/{stem}_leftImg8bit.png",
    label_pattern="gtFine/{split}/{stem}_gtFine_labelIds.png",
    train_id_pattern="gtFine/{split}/{stem}_gtFine_labelTrainIds.png",
    splits=("train", "val", "test"),
    size=(1024, 512),
)
GTA = replace(
    CITYSCAPES,
    name="gta",
    image_pattern="images/{stem}.png",
    label_pattern="labels/{stem}.png",
    train_id_pattern="labels/{stem}_labelTrainIds.png",
    splits=("train",),
    size=(1280, 720),
    keep_ratio=True,
    label_encoding="palette",
)
SYNTHIA = replace(
    CITYSCAPES,
    name="synthia",
    id_map=SYNTHIA_IDS,
    image_pattern="RGB/{stem}.png",
    label_pattern="GT/LABELS/{stem}.png",
    train_id_pattern="GT/LABELS/{stem}_labelTrainIds.png",
    splits=("train",),
    size=(1280, 760),
    label_encoding="red16",
    evaluated=SYNTHIA_16,
)
ACDC = replace(
    CITYSCAPES,
    name="acdc",
    image_pattern="rgb_anon/{split}/{stem}_rgb_anon.png",
    label_pattern="gt/{split}/{stem}_gt_labelTrainIds.png",
    train_id_pattern="gt/{split}/{stem}_gt_labelTrainIds.png",
    id_map={i: i for i in range(len(CITYSCAPES_CLASSES))},
    size=(960, 540),
)
DARK_ZURICH = replace(ACDC, name="darkzurich", folder="dark_zurich", include="night/*")

MINI_SIZE = (256, 128)
MINI_VERSION = "4"  # raise it with every change that alters a drawn pixel: sets are redrawn
MINIGTA = replace(
    GTA,
    name="minigta",
    size=MINI_SIZE,
    keep_ratio=False,
    stand_in_for="gta",
    version=MINI_VERSION,
)
MINISYNTHIA = replace(
    SYNTHIA, name="minisynthia", size=MINI_SIZE, stand_in_for="synthia", version=MINI_VERSION
)
MINICITYSCAPES = replace(
    CITYSCAPES,
    name="minicityscapes",
    size=MINI_SIZE,
    stand_in_for="cityscapes",
    version=MINI_VERSION,
)

SPECS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        GTA, SYNTHIA, CITYSCAPES, ACDC, DARK_ZURICH, MINIGTA, MINISYNTHIA, MINICITYSCAPES,
    )
}  # fmt: skip
