"""The soak's mechanism in twenty seconds, and its limits: they must notice what grows."""

import pytest

from benchmarks import soak
from benchmarks.soak import Reading


def readings(memory=lambda i: 500.0, files=lambda i: 9, checkpoints=lambda i: 17.0):
    return [
        Reading(10.0 * i, 100 * i, memory(i), files(i), checkpoints(i), 0.1 * i, 0.01 * i)
        for i in range(41)
    ]


@pytest.fixture
def limits(monkeypatch, tmp_path):
    class Empty:
        def __init__(self, folder):
            pass

        def snapshot_steps(self):
            return [1]

    monkeypatch.setattr(soak, "Run", Empty)
    return lambda **changes: soak.broken_limits(soak.summarise(readings(**changes), tmp_path))


def test_what_is_flat_passes_and_a_warm_up_may_grow(limits):
    assert limits() == []
    assert limits(memory=lambda i: min(500.0, 300 + 25.0 * i)) == []


def test_a_leak_is_found(limits):
    assert "memory grew by" in limits(memory=lambda i: 500.0 + i)[0]
    assert "open files: " in limits(files=lambda i: 9 + i // 10)[0]
    assert "checkpoints" in limits(checkpoints=lambda i: 17.0 + i)[0]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_twenty_seconds_of_it(tmp_path):
    often = {"log_every": 1, "eval_every": 4, "checkpoint_every": 2, "snapshot_every": 4}
    experiment = soak.soak_experiment(tmp_path / "data").changed(
        train=often | {"snapshot_images": 1}
    )
    seen = soak.soak(tmp_path, 20, every=0.2, experiment=experiment)
    summary = soak.summarise(seen, tmp_path)
    assert len(seen) > 3 and seen[-1].step > 3
    assert summary["files_late"] <= summary["files_early"]
    assert 200 < summary["memory_late"] < 4000
    assert seen[-1].checkpoints > 10, "two checkpoints"
