"""The data sets that the kit knows by name: classes, label encodings and folder layouts.

Those of the data sets' own documentation (Cityscapes, Cordts et al. 2016; GTA, Richter et al. 2016;
SYNTHIA, Ros et al. 2016; ACDC and Dark Zurich, Sakaridis et al. 2021 and 2019). The number 19
appears nowhere but here, as the length of the list of the Cityscapes classes.
For evaluation of generalisation: BDD100K (Yu et al. 2020), whose labels are train ids already, and
Mapillary Vistas 1.2 (Neuhold et al. 2017). The waste sets of VisDA-2022 stand in `visda.py`.
"""

from __future__ import annotations

from dataclasses import replace

from daformer_lib.specs.dataset_spec import DatasetSpec
from daformer_lib.specs.visda import SYNTHWASTE_AUG, ZEROWASTE_V1, ZEROWASTE_V2

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
# Ids of Vistas 1.2 are places in its config_v1.2.json. Which class each becomes is as an author of
# DAFormer evaluates (lhoyer/HRDA, tools/convert_datasets/mapillary.py; tue-mps/benchmark-vfm-ss
# has the same). What is left out is ignored: crosswalks, parking, bridges, guard rails, the back of
# signs, the camera's own car. w1oves/Rein counts more (crosswalks, parking and bike lanes as road,
# pedestrian areas as sidewalk, street lights as pole, backs as sign): its numbers do not compare.
MAPILLARY_IDS = {
    13: 0, 24: 0, 41: 0,  # road, general lane marking, manhole
    2: 1, 15: 1,  # curb, sidewalk
    17: 2, 6: 3, 3: 4,  # building, wall, fence
    45: 5, 47: 5,  # pole, utility pole
    48: 6, 50: 7, 30: 8, 29: 9, 27: 10, 19: 11,  # light, sign (front), vegetation ... person
    20: 12, 21: 12, 22: 12,  # bicyclist, motorcyclist, other rider
    55: 13, 61: 14, 54: 15, 58: 16, 57: 17, 52: 18,  # car, truck, bus, on rails, motor-, bicycle
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
    rare=RARE,
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
ACDC_FOG, ACDC_NIGHT, ACDC_RAIN, ACDC_SNOW = (
    replace(ACDC, name=f"acdc_{condition}", folder="acdc", include=f"{condition}/*")
    for condition in ("fog", "night", "rain", "snow")
)
DARK_ZURICH = replace(ACDC, name="darkzurich", folder="dark_zurich", include="night/*")
# The 10,000 images with semantic labels; the other 90,000 have none.
BDD100K = replace(
    ACDC,
    name="bdd100k",
    image_pattern="images/10k/{split}/{stem}.jpg",
    label_pattern="labels/sem_seg/masks/{split}/{stem}.png",
    train_id_pattern="labels/sem_seg/masks/{split}/{stem}.png",
    size=(1280, 720),
)
# Photographs of any size and shape: fitted into Cityscapes' training size.
MAPILLARY = replace(
    CITYSCAPES,
    name="mapillary",
    id_map=MAPILLARY_IDS,
    image_pattern="{split}/images/{stem}.jpg",
    label_pattern="{split}/v1.2/labels/{stem}.png",
    train_id_pattern="{split}/v1.2/labels/{stem}_labelTrainIds.png",
    splits=("training", "validation", "testing"),
    keep_ratio=True,
    label_encoding="palette",
)
# The same files at full resolution (HRDA, and MIC on it): GTA becomes 2560x1407.
GTA_HR = replace(GTA, name="gta_hr", folder="gta", size=(2560, 1440))
SYNTHIA_HR = replace(SYNTHIA, name="synthia_hr", folder="synthia", size=(2560, 1520))
CITYSCAPES_HR = replace(CITYSCAPES, name="cityscapes_hr", folder="cityscapes", size=(2048, 1024))
ACDC_HR = replace(ACDC, name="acdc_hr", folder="acdc", size=(1920, 1080))
DARK_ZURICH_HR = replace(DARK_ZURICH, name="darkzurich_hr", size=(1920, 1080))

MINI_SIZE = (256, 128)
# Of the drawn sets: raise a version with every change that alters one of its pixels; the set is
# then redrawn.
MINIGTA = replace(
    GTA, name="minigta", size=MINI_SIZE, keep_ratio=False, stand_in_for="gta", version="5"
)
MINIGTA_GREEN = replace(MINIGTA, name="minigta_green", version="1")
MINISYNTHIA = replace(
    SYNTHIA, name="minisynthia", size=MINI_SIZE, stand_in_for="synthia", version="4"
)
MINICITYSCAPES = replace(
    CITYSCAPES, name="minicityscapes", size=MINI_SIZE, stand_in_for="cityscapes", version="5"
)
# What `minicityscapes` was in version 4, to the pixel: the same scenes, farther from the source.
MINICITYSCAPES_WIDE = replace(MINICITYSCAPES, name="minicityscapes_wide", version="4")
# The same scenes in fog: a target that nothing was tuned on, for domain generalisation.
MINICITYSCAPES_FOG = replace(MINICITYSCAPES, name="minicityscapes_fog", version="1")
# At twice the size, with people and posts up to twice as far: small things need the detail.
HD_SIZE = (512, 256)
MINIGTA_HD = replace(MINIGTA, name="minigta_hd", size=HD_SIZE, version="1")
MINICITYSCAPES_HD = replace(MINICITYSCAPES, name="minicityscapes_hd", size=HD_SIZE, version="1")

SPECS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        GTA, SYNTHIA, CITYSCAPES, ACDC, ACDC_FOG, ACDC_NIGHT, ACDC_RAIN, ACDC_SNOW, DARK_ZURICH,
        GTA_HR, SYNTHIA_HR, CITYSCAPES_HR, ACDC_HR, DARK_ZURICH_HR,
        BDD100K, MAPILLARY, ZEROWASTE_V1, ZEROWASTE_V2, SYNTHWASTE_AUG,
        MINIGTA, MINIGTA_GREEN, MINISYNTHIA, MINICITYSCAPES, MINICITYSCAPES_WIDE,
        MINICITYSCAPES_FOG, MINIGTA_HD, MINICITYSCAPES_HD,
    )
}  # fmt: skip
