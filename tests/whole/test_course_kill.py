"""The whole course at smoke size, killed with everything it started, and run again: `make soak`."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daformer_lib.runs import Run

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]
ROOT = Path(__file__).parents[2]
KILLS = 4


def start(folder):
    command = [sys.executable, "-m", "daformer_lib", "course", "--profile", "smoke"]
    return subprocess.Popen(
        [*command, "--output-dir", str(folder)],
        cwd=ROOT, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env={**os.environ, "DAFORMER_BATCH": "1"},
    )  # fmt: skip


def numbers(folder):
    """Final scores of every run, by row."""
    runs = [Run(path.parent) for path in sorted(folder.glob("*/config.json"))]
    return {run.folder.name: json.dumps(run.result["miou"], sort_keys=True) for run in runs}


def test_a_killed_course_ends_in_the_same_report(tmp_path):
    """Alternately only the course's own process and its whole group; its children end with it."""
    rng = random.Random(2)
    begun = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    length = time.monotonic() - begun
    folder = tmp_path / "killed"
    for kill in range(KILLS):
        process = start(folder)
        time.sleep(rng.uniform(0.05, 0.4) * length)
        if kill % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
    assert start(folder).wait() == 0
    assert numbers(folder) == numbers(tmp_path / "whole")
    assert sorted(p.name for p in (folder / "notebooks").glob("*.ipynb")) == sorted(
        p.name for p in (tmp_path / "whole" / "notebooks").glob("*.ipynb")
    )
    assert (folder / "report.html").exists() and not list(folder.rglob("*.part"))
