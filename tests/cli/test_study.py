"""`study table3` makes the priors that do not ship, once, before anything trains on them."""

from daformer_lib.cli import main
from daformer_lib.cli import study as command
from daformer_lib.models.checkpoints import load
from daformer_lib.studies import study


def test_missing_priors_are_made_before_the_runs_that_begin_with_them(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(load, "SHIPPED", tmp_path)  # a kit that came without any
    monkeypatch.setattr(command, "prepare_with_bar", lambda *_: None)
    monkeypatch.setattr(
        command, "pretrain_with_bar", lambda config, folder: done.append((config.encoder, folder))
    )
    monkeypatch.setattr(study, "train_study", lambda *_: done.append("runs") or ([], []))
    words = ["study", "table3", "--profile", "smoke", "--seeds", "0", "1"]
    assert main([*words, "--output-dir", str(tmp_path / "runs")]) == 0
    *made, last = done
    names = ("tiny_mit", "tiny_resnet")
    sizes = {name + size for name in names for size in ("", "_half", "_quarter")}
    assert last == "runs" and len(made) == len(sizes)
    assert set(made) == {(size, tmp_path) for size in sizes}
