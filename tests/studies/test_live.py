"""The table of a running study."""

import io

from rich.console import Console

from daformer_lib.files import write_json
from daformer_lib.runs import recipes
from daformer_lib.runs.batch import Batch, Child
from daformer_lib.studies.live import LiveTable


def batch_of(tmp_path):
    experiments = {
        tmp_path / f"{row}{seed}": recipes.experiment(row, "smoke", seed)
        for row in ("rcs", "fd")
        for seed in (0, 1)
    }
    done, running, waiting, failed = experiments
    running.mkdir()
    write_json(running / "progress.json", {"step": 3})
    child = Child(running, experiments[running], None)
    left = [(waiting, experiments[waiting])]
    return Batch(experiments, left, [child], [done], {failed: "why"})


def test_each_run_has_its_mark_and_the_end_is_foretold(tmp_path):
    batch, out = batch_of(tmp_path), io.StringIO()
    seconds = iter([0.0, 1.0, 10.0])
    with LiveTable(Console(file=out, width=80), clock=lambda: next(seconds)) as live:
        live.watch(batch)
        write_json(batch.running[0].folder / "progress.json", {"step": 6})
        live.watch(batch)
    text = out.getvalue()
    last = text[text.rindex("row") :]
    assert "50 %" in last and "✓" in last and "·" in last and "✗" in last
    # Three of 21 steps in ten seconds: 18 more take a minute.
    assert "1 min 00 s left" in last


def test_steps_left_counts_running_and_waiting_runs(tmp_path):
    assert batch_of(tmp_path).steps_left() == (12 - 3) + 12
