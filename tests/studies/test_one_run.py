"""What the notebook of one run says of its settings."""

from daformer_lib.runs.folder import run_folder
from daformer_lib.runs.places import project_root
from daformer_lib.studies.one_run import flat, open_experiment

PARAMETERS = ("smoke", 3, None, None, None, "runs/somewhere")


def test_the_table_has_every_setting_that_differs_and_no_other():
    one = open_experiment("rcs", *PARAMETERS, ["optim.lr=0.1"])
    rows = {name: (full, own) for name, full, own in one.differences().rows}
    assert rows == {
        "uda.fd_weight": (str(one.full.uda.fd_weight), "0.0"),
        "optim.lr": (str(one.full.optim.lr), "0.1"),
    }


def test_the_full_method_differs_in_nothing():
    assert open_experiment("daformer", *PARAMETERS, []).differences().rows == (("none", "", ""),)


def test_settings_of_an_added_method_are_differences_too():
    rows = open_experiment("mic", *PARAMETERS, []).differences().rows
    assert ("methods.mic.ratio", "–", "0.7") in rows


def test_the_environment_overrides_the_profile_and_folders_are_the_projects(monkeypatch):
    monkeypatch.setenv("DAFORMER_PROFILE", "demo")
    one = open_experiment("rcs", *PARAMETERS, [])
    assert (one.profile, one.experiment.train.seed) == ("demo", 3)
    assert one.folder == run_folder(one.experiment, project_root() / "runs/somewhere")
    assert one.experiment.data.data_root == str(project_root() / "data")


def test_another_target_is_not_a_difference_from_the_full_method():
    given = ("smoke", 0, None, "minicityscapes_wide", None, "runs")
    assert open_experiment("daformer", *given, []).differences().rows == (("none", "", ""),)


def test_flat_names_are_dotted():
    assert flat({"a": 1, "b": {"c": {"d": 2}}}) == {"a": 1, "b.c.d": 2}
