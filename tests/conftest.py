"""Shared fixtures: golden outputs of the authors' code, smoke data, threads and memory."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from daformer_lib.data.intake.prepare import prepare
from daformer_lib.machine import keep_memory
from daformer_lib.runs import recipes

os.environ.setdefault("DAFORMER_BATCH", "1")
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session", autouse=True)
def threads_and_memory():
    """pytest-xdist runs two workers on two cores; more threads would only fight.

    `make test-cpus` sets DAFORMER_TEST_THREADS. The memory is kept as the commands keep it.
    """
    torch.set_num_threads(int(os.environ.get("DAFORMER_TEST_THREADS", "1")))
    keep_memory(torch.device("cpu"))


@pytest.fixture(scope="session")
def golden():
    """golden("uda.npz") or golden("uda.json")."""

    def load(name: str):
        path = GOLDEN / name
        return json.loads(path.read_text()) if path.suffix == ".json" else np.load(path)

    return load


@pytest.fixture(scope="session")
def det():
    """The module that makes the deterministic weights and inputs again."""
    spec = importlib.util.spec_from_file_location("det_weights", GOLDEN / "det_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def smoke_data(tmp_path_factory):
    """The handful of drawn scenes that smoke runs train on."""
    root = tmp_path_factory.mktemp("data")
    experiment = recipes.experiment("daformer", "smoke", data_root=str(root))
    prepare(experiment.data, "smoke")
    return root


@pytest.fixture
def smoke(smoke_data):
    """smoke("daformer", train={"steps": 3}): an experiment on `smoke_data`."""

    def make(row="daformer", **changes):
        experiment = recipes.experiment(row, "smoke", data_root=str(smoke_data))
        return experiment.changed(**changes) if changes else experiment

    return make
