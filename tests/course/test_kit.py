"""What a chapter asks of its kit: the same experiments as the commands'."""

from pathlib import Path

from daformer_lib.course.chapter import Kit
from daformer_lib.runs import recipes
from daformer_lib.runs.recipes.lengths import length_settings
from daformer_lib.runs.recipes.settings import with_settings


def test_a_length_by_profile_is_that_of_train_steps():
    kit = Kit("demo", 0, "minigta", "minicityscapes", "data", Path("runs/course"))
    usual = recipes.experiment("daformer", "demo", data_root="data")
    shorter = with_settings(usual, length_settings(usual, "demo", 800))
    found = kit.experiment("daformer", {"demo": 800, "full": 10})
    assert found == shorter and found.train.steps == 800
    assert kit.experiment("daformer", {"full": 10}) == kit.experiment("daformer") == usual
