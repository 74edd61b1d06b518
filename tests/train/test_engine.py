"""Several processes share a batch, or one passes it in parts: the step stays the same step.

Two processes (gloo, CPU) are started once by torchrun; what they must agree with is computed here,
alone. Without BatchNorm and dropout nothing may differ but rounding, and how far rounding leads is
measured beside it: by the same steps from weights that differ in their last place, or by the same
training in two parts.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from daformer_lib.data.datasets import evaluation_samples
from daformer_lib.evaluate import evaluate, whole
from daformer_lib.inference import load_network
from daformer_lib.ranks import ALONE, Ranks
from daformer_lib.runs import Run, recipes
from daformer_lib.train import train
from daformer_lib.train.engine import Muted, PlainEngine, require_even_parts, seed_dropout
from tests.helpers.rounding import APART, assert_same_confusion, near_ties, nudge

pytestmark = pytest.mark.numeric

# The tiny encoders have BatchNorm in their stem; MiT-B0 has none.
PLAIN = {
    "encoder": "mit_b0", "decoder": "danet", "pretrained": None, "dropout": 0.0, "drop_path": 0.0,
}  # fmt: skip
SHORT = {"steps": 4, "log_every": 1, "eval_every": 4, "final_splits": ("val",)}
WORKER = Path(__file__).parent / "ddp_worker.py"


@pytest.fixture(scope="module")
def smoke(smoke_data):
    """As everywhere, but once for this module."""
    base = recipes.experiment("daformer", "smoke", data_root=str(smoke_data))
    return lambda **changes: base.changed(**changes)


@pytest.fixture(scope="module")
def worker():
    spec = importlib.util.spec_from_file_location("ddp_worker", WORKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain_of(smoke, **train_changes):
    """No BatchNorm, no dropout; auxiliary heads, RCS, FD and a confidence between 0 and 1."""
    return smoke(
        model=PLAIN,
        uda={"threshold": 0.08},
        optim={"lr": 6e-5},
        train=SHORT | train_changes,
    )


def normed_of(smoke):
    """BatchNorm, dropout, and SegFormer's classifier that nothing uses."""
    model = {"decoder": "segformer", "dropout": 0.1, "drop_path": 0.1}
    return smoke(model=model, train=SHORT)


@pytest.fixture(scope="module")
def alone(worker, smoke):
    """Losses and gradients of the plain experiment in one process, batch 2."""
    experiment = plain_of(smoke)
    return worker.steps(experiment, PlainEngine())


@pytest.fixture(scope="module")
def nudged(worker, smoke):
    """The same from weights that differ in their last place."""
    experiment = plain_of(smoke)
    return worker.steps(experiment, PlainEngine(), lambda net: nudge(net, seed=1))


def distances(ours, theirs):
    """Of each step: of the losses and of the whole gradient, relative."""
    losses = [
        max(abs(mine[name] / other[name] - 1) for name in other)
        for mine, other in zip(ours[0], theirs[0], strict=True)
    ]
    whole = [[torch.cat([g.flatten() for g in step.values()]) for step in run[1]]
             for run in (ours, theirs)]  # fmt: skip
    gradients = [float((a - b).norm() / b.norm()) for a, b in zip(*whole, strict=True)]
    return np.array([losses, gradients])


def assert_same_steps(losses, gradients, alone, nudged):
    found, spread = (distances(run, alone[1:]) for run in ((losses, gradients), nudged[1:]))
    # Relative to a sum over a batch: 1e-5 is 170 float32 roundings.
    allowed = np.maximum(1e-5, APART * np.maximum.accumulate(spread, axis=1))
    assert (found <= allowed).all(), f"{found} where {allowed} is allowed"
    assert allowed.max() < 0.02
    # Later, single parameters differ by what AdamW makes of rounding.
    for name, gradient in alone[2][0].items():
        torch.testing.assert_close(gradients[0][name], gradient, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.notebook  # not in make check: takes seconds
def test_the_made_batch_tells_the_reductions_apart(worker, alone):
    """Else the tests below could pass without them."""
    learner, losses, _ = alone
    batch = worker.uneven_batch(0)
    width = 128 // learner.network.encoder.strides[-1]
    first, second = learner.method.anchor.mask(batch.source.label, width).sum((1, 2)).tolist()
    assert first > 2 * second > 0
    shares = [float((learner.method.teacher._label(i[None])[1] >= 0.08).float().mean())
              for i in batch.target.image]  # fmt: skip
    assert abs(shares[0] - shares[1]) > 0.02
    assert 0.02 < losses[0]["confident"] < 0.98
    assert set(batch.source.label[0].unique().tolist()) != set(
        batch.source.label[1].unique().tolist()
    )


@pytest.mark.notebook  # not in make check: takes seconds
def test_two_parts_of_one_image_are_a_batch_of_two(worker, smoke, alone, nudged):
    experiment = plain_of(smoke, accumulate=2)
    _, losses, gradients = worker.steps(experiment, PlainEngine())
    assert_same_steps(losses, gradients, alone, nudged)


def test_accumulation_counts_in_the_key_only_where_it_is_used(smoke):
    base = plain_of(smoke)
    assert base.changed(train={"accumulate": 1}).key == base.key
    assert base.changed(train={"accumulate": 2}).key != base.key


def test_parts_must_be_even(smoke):
    base = smoke()
    with pytest.raises(ValueError, match="accumulate 3 must divide batch_size 2; try 1"):
        base.changed(train={"accumulate": 3})
    halved = base.changed(train={"accumulate": 2})
    require_even_parts(halved, ALONE)
    with pytest.raises(
        ValueError, match=r"accumulate 2 must divide the 1 images.* try accumulate 1"
    ):
        require_even_parts(halved, Ranks(1, 2))
    with pytest.raises(ValueError, match="cannot be shared evenly by 4 processes"):
        require_even_parts(base, Ranks(3, 4))


def test_dropout_differs_by_rank_and_step_and_is_left_alone_in_one_process():
    def drawn(step, ranks):
        seed_dropout(0, step, ranks)
        return torch.rand(3).tolist()

    assert drawn(5, Ranks(0, 2)) == drawn(5, Ranks(0, 2))
    assert len({tuple(drawn(s, Ranks(r, 2))) for s in (5, 6) for r in (0, 1)}) == 4
    state = torch.get_rng_state()
    seed_dropout(0, 5, ALONE)
    assert torch.equal(state, torch.get_rng_state())


def test_a_muted_writer_reads_and_does_not_write(smoke, tmp_path):
    run = train(smoke(train={"steps": 1}), tmp_path / "run")
    from daformer_lib.runs import RunWriter

    muted = Muted(RunWriter(run.folder, run.experiment))
    assert muted.checkpoint_path.exists() and muted.folder == run.folder
    before = {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    muted.rewind(0)
    muted.save_checkpoint({})
    muted.finish({})
    assert {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()} == before


@pytest.fixture(scope="module")
def two(smoke, tmp_path_factory):
    """What two ranks did (see ddp_worker.py)."""
    folder = tmp_path_factory.mktemp("two")
    for name, experiment in {"plain": plain_of(smoke), "normed": normed_of(smoke)}.items():
        (folder / f"{name}.json").write_text(json.dumps(experiment.to_dict()))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", str(WORKER), str(folder)]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with (folder / "log.txt").open("w") as log:
        started = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            status = started.wait(timeout=600)
        finally:  # torchrun killed alone would leave its ranks behind
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)
    assert status == 0, (folder / "log.txt").read_text()[-4000:]
    return folder


@pytest.mark.notebook
def test_two_ranks_of_one_image_are_a_batch_of_two(two, alone, nudged):
    found = json.loads((two / "found.json").read_text())
    gradients = torch.load(two / "gradients.pt", weights_only=True)
    assert_same_steps(found["losses"], gradients, alone, nudged)


@pytest.mark.notebook
def test_students_and_teachers_are_equal_on_both_ranks(two):
    """With BatchNorm, running statistics included, and with dropout that differs by rank."""
    found = json.loads((two / "found.json").read_text())
    for who in ("students", "teachers"):
        assert len(found[who]) == 2 and len(set(found[who])) == 1, who


@pytest.mark.notebook
def test_rows_of_both_ranks_are_gathered_as_many_of_each(two):
    found = json.loads((two / "found.json").read_text())
    assert found["gathered"] == [[0], [1], [10], [11]]


@pytest.mark.notebook
def test_two_ranks_stop_and_go_on_exactly(two):
    whole, parts = Run(two / "whole"), Run(two / "parts")
    assert whole.is_complete and whole.result["processes"] == 2
    for which in ("student_weights", "teacher_weights"):
        a, b = getattr(whole, which)(), getattr(parts, which)()
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert [e.to_dict() for e in whole.evaluations] == [e.to_dict() for e in parts.evaluations]
    assert (two / "whole/metrics.csv").read_text() == (two / "parts/metrics.csv").read_text()
    assert len(whole.metrics()["step"]) == 4, "one rank alone writes"


@pytest.mark.notebook
def test_a_signal_to_one_rank_ends_and_saves_both(two):
    ended = json.loads((two / "ended.json").read_text())
    assert len(ended) == 2 and all("SIGTERM: step 3 of 4 is saved in" in text for text in ended)
    whole, resumed = Run(two / "whole"), Run(two / "asked")
    for which in ("student_weights", "teacher_weights"):
        a, b = getattr(whole, which)(), getattr(resumed, which)()
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert (two / "whole/metrics.csv").read_text() == (two / "asked/metrics.csv").read_text()


@pytest.mark.notebook
@pytest.mark.parametrize("which", ["student", "teacher"])
def test_scores_are_those_of_one_process_over_all_images(two, which):
    run = Run(two / "whole")
    for split in run.experiment.train.final_splits:
        samples = list(evaluation_samples(run.experiment, split, None))
        network = load_network(run, which)
        scores = evaluate(network, samples, 19, batch_size=1)
        ties = sum(ties_of(network, image, truth) for image, truth in samples)
        assert_same_confusion(run.final(which, split).confusion, scores.confusion, ties)


@torch.no_grad()
def ties_of(network, image, truth):
    """Of how many pixels rounding may decide the label."""
    logits = F.interpolate(whole(network, image[None]), truth.shape, mode="bilinear")
    return int(near_ties(logits, network).sum())


@pytest.mark.notebook
def test_one_process_goes_on_where_two_stopped(two, smoke, tmp_path):
    """Same batch, same draws: the losses are those of a run that was never divided."""
    never = train(plain_of(smoke), tmp_path / "never").metrics()
    halves = train(plain_of(smoke, accumulate=2), tmp_path / "halves").metrics()
    resumed = train(plain_of(smoke), two / "plain")
    assert resumed.is_complete and "processes" not in resumed.result
    assert resumed.metrics()["step"].tolist() == [1, 2, 3, 4]
    for name, column in never.items():
        # FD, the distance from the weights at the start, is made of AdamW's first steps, whose
        # signs hang on rounding where a gradient is nearly zero; the others follow it.
        apart, spread = (np.abs(m[name] - column) for m in (resumed.metrics(), halves))
        allowed = 1e-5 + np.maximum(1e-4 * column, APART * np.maximum.accumulate(spread))
        assert (apart <= allowed).all(), f"{name}: {apart} where {allowed} is allowed"


@pytest.mark.slow
def test_the_command_starts_its_own_processes(smoke_data, tmp_path):
    command = [sys.executable, "-m", "daformer_lib", "train", "--profile", "smoke"]
    command += ["--devices", "2", "--data-root", str(smoke_data), "--output-dir", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    (folder,) = tmp_path.glob("daformer-*")
    assert Run(folder).result["processes"] == 2
    assert done.stdout.count("run: ") == 1, "rank 0 alone reports"
