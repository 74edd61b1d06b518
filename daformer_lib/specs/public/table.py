"""All published data sets beside those of `builtin.py`, and what is known of each, by name."""

from __future__ import annotations

from collections.abc import Mapping

from daformer_lib.specs.dataset_spec import DatasetSpec
from daformer_lib.specs.public import camvid, carla, idd, kitti, like_cityscapes
from daformer_lib.specs.public.about import About

PUBLIC: Mapping[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        camvid.CAMVID, camvid.CAMVID32, kitti.KITTI, idd.IDD_LITE, kitti.VKITTI2,
        carla.CARLA13, carla.CARLA13_COLOURS, carla.CARLA23, carla.CARLA23_COLOURS,
        carla.CARLA29, carla.CARLA29_COLOURS, like_cityscapes.SYNSCAPES,
        like_cityscapes.FOGGY_CITYSCAPES, like_cityscapes.FOGGY_MEDIUM,
        like_cityscapes.FOGGY_LIGHT,
    )
}  # fmt: skip
ABOUT: Mapping[str, About] = {
    **camvid.ABOUT, **kitti.ABOUT, **idd.ABOUT, **carla.ABOUT, **like_cityscapes.ABOUT
}  # fmt: skip
