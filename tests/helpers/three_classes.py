"""A small data set for tests: three classes of Cityscapes, own ids 7, 8, 11, at 48x32."""

from dataclasses import replace

from daformer_lib.specs import MINICITYSCAPES

THREE_CLASSES = replace(
    MINICITYSCAPES,
    name="tiny",
    classes=("road", "sidewalk", "building"),
    palette=((128, 64, 128), (244, 35, 232), (70, 70, 70)),
    things=(2,),
    rare=(),
    id_map={7: 0, 8: 1, 11: 2},
    size=(48, 32),
    stand_in_for="",
    version="",
)
