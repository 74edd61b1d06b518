"""Shared fixtures: the golden outputs of the authors' code, and one thread per test process."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

os.environ.setdefault("DAFORMER_BATCH", "1")
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """pytest-xdist runs two workers on two cores; more threads would only fight."""
    torch.set_num_threads(1)


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
