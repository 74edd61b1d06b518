"""The authors' ten steps: what they drew, and what came out."""

import pytest

from tests.parity.replay import LOSSES


@pytest.fixture(scope="module")
def facts(golden):
    return golden("trajectory.json")["A"]


@pytest.fixture(scope="module")
def gold(golden):
    data = golden("trajectory.npz")
    return {k.removeprefix("A/"): data[k] for k in data.files if k.startswith("A/")}


@pytest.fixture(scope="module")
def theirs(gold):
    """The authors' series, under the names of ours."""
    keys = [str(k) for k in gold["log_keys"]]
    losses = {name: gold["logs"][:, keys.index(key)] for key, name in LOSSES.items()}
    # Ours has one backward for source and FD: the authors' norms after FD and after the mix.
    gradient = gold["grad_norm_after_backward"][:, 1:]
    shares = {"share": gold["teacher_conf_fraction"], "weight": gold["mixed_weight_mean"]}
    counts = gold["mixed_label_hist"]
    said = {"maxprob": gold["teacher_mean_maxprob"], "logits": gold["teacher_logit_mean_std"]}
    classes = counts / counts.sum(1, keepdims=True)
    return {**losses, **said, "gradient": gradient, **shares, "classes": classes}
