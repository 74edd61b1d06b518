"""IDD-lite (Mishra et al. 2019): Indian roads at 320x227, seven classes, IDD's first level."""

from __future__ import annotations

from daformer_lib.specs.dataset_spec import DatasetSpec
from daformer_lib.specs.public.about import About

IDD_LITE = DatasetSpec(
    name="idd_lite",
    folder="idd20k_lite",
    classes=(
        "drivable", "non-drivable", "living things", "vehicles", "roadside objects", "far objects",
        "sky",
    ),
    palette=(
        (128, 64, 128), (244, 35, 232), (220, 20, 60), (0, 0, 230), (220, 190, 40), (70, 70, 70),
        (70, 130, 180),
    ),
    things=(2, 3),
    id_map={i: i for i in range(7)},  # 255 is not labelled
    image_pattern="leftImg8bit/{split}/{stem}_image.jpg",
    label_pattern="gtFine/{split}/{stem}_label.png",
    train_id_pattern="gtFine_train_ids/{split}/{stem}.png",
    splits=("train", "val", "test"),
    size=(320, 227),
    include="*[0-9]",  # beside each label lies another of instances, <name>_inst_label.png
)  # fmt: skip

ABOUT = {
    "idd_lite": About(
        "IDD-lite, 7 classes",
        "own terms; registration",
        "https://idd.insaan.iiit.ac.in/dataset/download/",
        (
            "register, accept the terms, fetch idd-lite.tar.gz",
            "unpack it beside the other data sets: it makes the folder idd20k_lite",
        ),
        (
            "classes and their order: AutoNUE/public-code, evaluation/idd_lite_evaluate_mIoU.py, "
            "helpers/anue_labels.py (level1Id)",
            "layout, 255, 1,403 training images: Furqan7007/idd-lite-example-code, main.py",
        ),
        "under 50 MB",
    )
}
