"""What a run's folder is read as."""

from daformer_lib.runs.folder import curve_points


def test_curves_are_grouped_as_tensorboard_shows_them():
    """From a row as it is made, and as metrics.csv gives it back: text, empty where not logged."""
    row = {"step": 4, "lr": 0.1, "source": 2.5, "mixed": 1.0, "confident": 0.0}
    tags = {"lr/encoder": 0.1, "loss/source": 2.5, "loss/mixed": 1.0, "pseudo-label/confident": 0.0}
    assert curve_points(row) == tags
    read = {name: str(value) for name, value in row.items()} | {"fd": ""}
    assert curve_points(read) == tags
