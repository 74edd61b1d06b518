"""Sets with Cityscapes' ids: Synscapes (Wrenninge and Unger 2018), Foggy Cityscapes (Sakaridis et
al. 2018); and what one needs to know of the registered sets whose specs stand in `builtin.py`."""

from __future__ import annotations

from dataclasses import replace

from daformer_lib.specs.builtin import CITYSCAPES
from daformer_lib.specs.public.about import CITYSCAPES_TERMS, About

SYNSCAPES = replace(
    CITYSCAPES,
    name="synscapes",
    image_pattern="img/rgb/{stem}.png",
    label_pattern="img/class/{stem}.png",
    train_id_pattern="img/class_train_ids/{stem}.png",
    splits=("train",),
)
# Fog of three densities over the same photographs; the labels are Cityscapes' own.
FOGGY_CITYSCAPES, FOGGY_MEDIUM, FOGGY_LIGHT = (
    replace(
        CITYSCAPES,
        name=name,
        folder="foggy_cityscapes",
        image_pattern=f"leftImg8bit_foggy/{{split}}/{{stem}}_leftImg8bit_foggy_beta_{beta}.png",
    )
    for name, beta in (
        ("foggy_cityscapes", "0.02"),
        ("foggy_cityscapes_0.01", "0.01"),
        ("foggy_cityscapes_0.005", "0.005"),
    )
)

DOWNLOADS = "https://www.cityscapes-dataset.com/downloads/"
PAGE = "docs/start/real-data.md"  # has each of these in more detail
_FOGGY = About(
    "Foggy Cityscapes",
    CITYSCAPES_TERMS,
    DOWNLOADS,
    (
        "fetch leftImg8bit_trainvaltest_foggy.zip and gtFine_trainvaltest.zip",
        "unpack both here: leftImg8bit_foggy/ and gtFine/ (a link to Cityscapes' gtFine will do)",
    ),
    (
        "names of files and archives: public readers of the set, such as "
        "lhoyer's FoggyCityscapesDataset (mmseg) with beta 0.02",
        "labels are Cityscapes' own: Foggy Cityscapes-DBF, README",
    ),
)
_ACDC = About(
    "ACDC",
    "own terms: non-commercial; registration",
    "https://acdc.vision.ee.ethz.ch/download",
    (
        "fetch rgb_anon_trainvaltest.zip and gt_trainval.zip",
        f"sort them by split first: {PAGE} has the commands",
    ),
    (f"Sakaridis et al. 2021; {PAGE}",),
)
ABOUT = {
    "synscapes": About(
        "Synscapes",
        "own terms; on request",
        "https://synscapes.on.liu.se/",
        ("fetch the images and class labels", "unpack them here: img/rgb, img/class"),
        ("layout, 25,000 images, Cityscapes' ids: synscapes.on.liu.se/features.html",),
    ),
    "foggy_cityscapes": _FOGGY,
    "foggy_cityscapes_0.01": replace(_FOGGY, title="Foggy Cityscapes, beta 0.01"),
    "foggy_cityscapes_0.005": replace(_FOGGY, title="Foggy Cityscapes, beta 0.005"),
    "cityscapes": About(
        "Cityscapes",
        CITYSCAPES_TERMS,
        DOWNLOADS,
        (
            "fetch leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip",
            "unpack both here: leftImg8bit/ and gtFine/",
        ),
        (f"Cordts et al. 2016; {PAGE}",),
        "11 GB + 241 MB",
    ),
    "gta": About(
        "GTA (Playing for Data)",
        "research and education, non-commercial; the game's own terms stay in force",
        "https://download.visinf.tu-darmstadt.de/data/from_games/",
        ("fetch the ten packages of images and the ten of labels", "unpack all here"),
        (f"Richter et al. 2016; {PAGE}",),
    ),
    "synthia": About(
        "SYNTHIA-RAND-CITYSCAPES",
        "CC BY-NC-SA 3.0",
        "http://synthia-dataset.net/downloads/",
        ("fetch SYNTHIA-RAND-CITYSCAPES", "put what is in RAND_CITYSCAPES here: RGB, GT/LABELS"),
        (f"Ros et al. 2016; {PAGE}",),
    ),
    "acdc": _ACDC,
    **{
        f"acdc_{condition}": replace(_ACDC, title=f"ACDC, {condition}")
        for condition in ("fog", "night", "rain", "snow")
    },
    "darkzurich": About(
        "Dark Zurich",
        "non-commercial research",
        "https://www.trace.ethz.ch/publications/2019/GCMA_UIoU/",
        (
            "fetch Dark_Zurich_train_anon.zip and Dark_Zurich_val_anon.zip",
            "unpack both here: rgb_anon/ and gt/",
        ),
        (f"Sakaridis et al. 2019; {PAGE}",),
    ),
    "bdd100k": About(
        "BDD100K, the 10K with semantic labels",
        "own terms; registration",
        "https://bdd-data.berkeley.edu/",
        ('fetch "10K Images" and "Segmentation"', "unpack both here: images/10k, labels/sem_seg"),
        (f"Yu et al. 2020; {PAGE}",),
        "1.3 GB (mseg-api, download_scripts/README.md)",
    ),
    "mapillary": About(
        "Mapillary Vistas 1.2",
        "own terms: research; registration",
        "https://www.mapillary.com/dataset/vistas",
        ("fetch the archive of version 2.0, which holds the labels of 1.2", "unpack it here"),
        (f"Neuhold et al. 2017; ids: lhoyer/HRDA, tools/convert_datasets/mapillary.py; {PAGE}",),
    ),
}  # fmt: skip
