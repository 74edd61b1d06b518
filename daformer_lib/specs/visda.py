"""The data sets of the VisDA-2022 challenge: industrial waste on a conveyor belt, five classes.

Classes, folders and label ids as its organisers publish them (dbash/visda2022-org, README.md;
ZeroWaste: Bashkirova et al., CVPR 2022). Colours are our own: the challenge gives none.
"""

from __future__ import annotations

from dataclasses import replace

from daformer_lib.specs.dataset_spec import DatasetSpec

# Images are 1920x1080; the organisers train at 1280x720 and test at 910x512. A spec has one size.
ZEROWASTE_V1 = DatasetSpec(
    name="zerowaste_v1",
    folder="zerowaste-f",
    classes=("background", "rigid_plastic", "cardboard", "metal", "soft_plastic"),
    palette=((40, 40, 40), (220, 60, 50), (200, 150, 80), (90, 140, 220), (240, 220, 70)),
    things=(1, 2, 3, 4),  # what the organisers' feature distance looks at
    id_map={i: i for i in range(5)},
    image_pattern="{split}/data/{stem}.PNG",
    label_pattern="{split}/sem_seg/{stem}.PNG",
    train_id_pattern="{split}/train_ids/{stem}.png",
    splits=("train", "val", "test"),
    size=(1280, 720),
    keep_ratio=True,
)
ZEROWASTE_V2 = replace(ZEROWASTE_V1, name="zerowaste_v2", folder="zerowaste-v2-splits")
# Only a training set, without folders of splits, with lower-case endings. Its sixth label, paper
# (5), is background in ZeroWaste (as BinhuiXie/visda2022-3rd-place converts it).
SYNTHWASTE_AUG = replace(
    ZEROWASTE_V1,
    name="synthwaste_aug",
    folder="synthwaste-aug",
    id_map={**ZEROWASTE_V1.id_map, 5: 0},
    image_pattern="data/{stem}.png",
    label_pattern="sem_seg/{stem}.png",
    train_id_pattern="train_ids/{stem}.png",
    splits=("train",),
)
