"""Progress: few lines in a log, one redrawn line in a kernel, nothing when quiet."""

from __future__ import annotations

import sys
import types

import pytest

from daformer_lib.progress import Progress, current_look, duration, silent, track


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(total: int, clock: Clock, **options) -> Progress:
    with Progress(total, "draw", clock=clock, **options) as bar:
        for _ in range(total):
            clock.now += 1
            bar.advance()
    return bar


def test_lines_come_every_ten_seconds_and_at_the_end(capsys):
    run(25, Clock(), look="lines")
    assert capsys.readouterr().out.splitlines() == [
        "draw: 10/25, 10 s, 15 s left",
        "draw: 20/25, 20 s, 5.0 s left",
        "draw: 25/25, 25 s",
    ]


def test_a_thousand_quick_steps_make_one_line(capsys):
    with Progress(1000, "quick", look="lines") as bar:
        for _ in range(1000):
            bar.advance()
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_quiet_prints_nothing(capsys):
    run(25, Clock(), look="quiet")
    silent(1, 2, "x")
    assert capsys.readouterr().out == ""


def test_terminal_redraws_one_line(capsys):
    run(4, Clock(), look="terminal")
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and out.endswith("\n")
    assert "[############............] draw: 2/4" in out


def test_an_error_leaves_stopped(capsys):
    def fail():
        with Progress(9, "draw", look="lines") as bar:
            bar.advance(3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert capsys.readouterr().out.strip().endswith("stopped")


def test_callback_starts_a_new_line_for_the_next_job(capsys):
    report = Progress(look="lines", clock=Clock())
    for name in ("minigta", "minicityscapes"):
        for done in range(4):
            report(done, 3, name)
    report.close()
    assert capsys.readouterr().out.splitlines() == [
        "minigta: 3/3, 0.0 s",
        "minicityscapes: 3/3, 0.0 s",
    ]


def test_callback_with_changing_text_is_one_job(capsys):
    with Progress(title="seed 0", look="lines", clock=Clock()) as report:
        for done in range(1, 6):
            report(done, 5, f"loss {6 - done}")
    assert capsys.readouterr().out.splitlines() == ["seed 0: 5/5, 0.0 s, loss 1"]


def test_a_resumed_job_predicts_from_its_own_steps():
    clock = Clock()
    report = Progress(look="quiet", clock=clock)
    clock.now = 1.0
    report(501, 600, "train")  # the first step of this session took one second
    assert report.text() == "train: 501/600, 1.0 s, 1 min 39 s left"


def test_unused_facade_prints_nothing(capsys):
    with Progress(look="lines"):
        pass
    assert capsys.readouterr().out == ""


def test_track_yields_everything():
    assert list(track(iter("abc"), "letters")) == ["a", "b", "c"]


def test_notebook_updates_one_display(monkeypatch):
    shown, updated = [], []
    handle = types.SimpleNamespace(update=lambda bundle, raw: updated.append(bundle))

    def display(bundle, raw, display_id):
        shown.append(bundle)
        return handle

    monkeypatch.setattr("IPython.display.display", display)
    run(5, Clock(), look="notebook")
    assert len(shown) == 1 and len(updated) == 4
    assert updated[-1]["text/plain"] == "draw: 5/5, 5.0 s"
    assert "width:100.0%" in updated[-1]["text/html"]


def test_look_follows_environment_and_kernel(monkeypatch):
    for name in ("DAFORMER_BATCH", "DAFORMER_QUIET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert current_look() == "terminal"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert current_look() == "lines"
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert current_look() == "notebook"
    monkeypatch.setenv("DAFORMER_BATCH", "1")  # papermill runs in a kernel that nobody watches
    assert current_look() == "lines"
    monkeypatch.setenv("DAFORMER_QUIET", "1")
    assert current_look() == "quiet"


def test_unknown_look_is_named():
    with pytest.raises(ValueError, match="'loud' is unknown; known: "):
        Progress(look="loud")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.25, "3.2 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
