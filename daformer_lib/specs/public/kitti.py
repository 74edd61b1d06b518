"""KITTI's semantic benchmark (Abu Alhaija et al. 2018), and Virtual KITTI 2 (Cabon et al. 2020).

KITTI's labels have the ids of Cityscapes. It has 200 labelled images and no validation split, so it
is a source, or a set to score on: `evaluate --target kitti --split train`.
Virtual KITTI's labels are colours; `Undefined` and `Misc` mean no class. Of its two cameras the
left one is read.
"""

from __future__ import annotations

from dataclasses import replace

from daformer_lib.specs.builtin import CITYSCAPES
from daformer_lib.specs.dataset_spec import DatasetSpec
from daformer_lib.specs.public.about import About

SIZE = (1242, 375)
KITTI = replace(
    CITYSCAPES,
    name="kitti",
    image_pattern="training/image_2/{stem}.png",
    label_pattern="training/semantic/{stem}.png",
    train_id_pattern="training/semantic_train_ids/{stem}.png",
    splits=("train",),
    size=SIZE,
)

VKITTI2_COLOURS = {
    "terrain": (210, 0, 200), "sky": (90, 200, 255), "tree": (0, 199, 0),
    "vegetation": (90, 240, 0), "building": (140, 140, 140), "road": (100, 60, 100),
    "guard rail": (250, 100, 255), "traffic sign": (255, 255, 0), "traffic light": (200, 200, 0),
    "pole": (255, 130, 0), "truck": (160, 60, 60), "car": (255, 127, 80), "van": (0, 139, 139),
}  # fmt: skip
UNDEFINED, MISC = 0, 11  # lines of its colors.txt that mean no class
VKITTI2_IDS = tuple(i for i in range(15) if i not in (UNDEFINED, MISC))
VKITTI2 = DatasetSpec(
    name="vkitti2",
    classes=tuple(VKITTI2_COLOURS),
    palette=tuple(VKITTI2_COLOURS.values()),
    things=(7, 8, 10, 11, 12),
    id_map={own: train for train, own in enumerate(VKITTI2_IDS)},
    image_pattern="{scene}/frames/rgb/Camera_0/rgb_{frame}.jpg",
    label_pattern="{scene}/frames/classSegmentation/Camera_0/classgt_{frame}.png",
    train_id_pattern="{scene}/frames/train_ids/Camera_0/train_ids_{frame}.png",
    splits=("train",),
    size=SIZE,
    label_encoding="palette",
    label_colours={
        **dict(zip(VKITTI2_IDS, VKITTI2_COLOURS.values(), strict=True)),
        UNDEFINED: (0, 0, 0),
        MISC: (80, 80, 80),
    },
)

ABOUT = {
    "kitti": About(
        "KITTI semantic segmentation",
        "CC BY-NC-SA 3.0",
        "http://www.cvlibs.net/datasets/kitti/eval_semseg.php",
        (
            "fetch data_semantics.zip (the page asks for an e-mail address)",
            "unpack it here: training/image_2, training/semantic, ...",
        ),
        (
            "layout, 200 + 200 images, ids of Cityscapes: devkit of the benchmark, README "
            "(stevenwudi/6DVNET, devkit_semantics)",
            "format conforms to Cityscapes: the page itself",
            "licence of all its sets: www.cvlibs.net/datasets/kitti",
        ),
    ),
    "vkitti2": About(
        "Virtual KITTI 2",
        "own terms: read them on the page",
        "https://europe.naverlabs.com/research/computer-vision/proxy-virtual-worlds-vkitti-2/",
        (
            "fetch vkitti_2.0.3_rgb.tar and vkitti_2.0.3_classSegmentation.tar",
            "unpack both here, into each other: Scene01/clone/frames/rgb, .../classSegmentation",
        ),
        (
            "colours: the page's colors.txt, as quoted in a public reader of the set "
            "(virtual_kitti2_labels.py by C. Cai, 2020)",
            "layout, 42,520 images of two cameras: docs.ultralytics.com/datasets/depth/vkitti2 and "
            "public readers of the set",
        ),
    ),
}
