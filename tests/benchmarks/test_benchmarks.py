"""The reference step that speed is compared with does the same work as the real one."""

import pytest
import torch

from benchmarks import large, reference, timing
from benchmarks.__main__ import table
from daformer_lib.runs import recipes
from daformer_lib.train.engine import PlainEngine
from daformer_lib.train.probe import noise_batch
from daformer_lib.train.step import build_learner, training_step

pytestmark = pytest.mark.numeric


def test_both_steps_have_the_same_gradients():
    experiment = recipes.experiment("daformer", "demo")
    engine = PlainEngine()
    batch = noise_batch(experiment)
    gradients = []
    for which in ("ours", "reference"):
        learner = build_learner(experiment, engine)
        torch.manual_seed(1)  # dropout
        if which == "ours":
            training_step(learner, experiment, 3, batch, engine)
        else:
            reference.as_theirs(learner)
            optimizer = reference.reference_optimizer(learner, experiment)
            reference.reference_step(learner, optimizer, experiment, 3, batch)
        gradients.append({n: p.grad for n, p in learner.network.named_parameters()})
    ours, theirs = gradients
    assert any(g.abs().max() > 1e-4 for g in ours.values())
    for name, gradient in ours.items():
        difference = (gradient - theirs[name]).norm()
        # Rounding turns a few pseudo-labels; biases before a BatchNorm have no other gradient.
        assert difference < 5e-3 * theirs[name].norm() + 1e-6, name


def test_the_table_has_ratios_where_there_is_a_baseline():
    rows = [timing.Timed("step", "EMA", 2.0, "ms", 8.0), timing.Timed("data", "load", 3.0, "ms")]
    lines = table(rows).splitlines()
    assert lines[-2] == "| step | EMA | 2.0 ms | 8.0 ms | 0.25 |"
    assert lines[-1] == "| data | load | 3.0 ms |  |  |"


def test_works_take_turns():
    seen = []
    best = timing.best_ms({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, 2, 0)
    assert seen == ["a", "b", "a", "b"] and set(best) == {"a", "b"}


@pytest.mark.notebook  # not in make check: takes seconds
def test_operations_and_bytes_are_counted_without_running():
    from benchmarks.counts import forward_cost, step_costs

    with torch.device("meta"):
        layer, rows = torch.nn.Linear(3, 5, bias=False), torch.empty(2, 3)
    cost = forward_cost(lambda: layer(rows))
    assert (cost.flops, cost.kernels) == (2 * 2 * 3 * 5, 1)
    assert cost.moved == 4 * (2 * 3 + 3 * 5 + 2 * 5)
    one, kept_one = step_costs("tiny_mit", "isanet", crop=64, batch=1)
    two, kept_two = step_costs("tiny_mit", "isanet", crop=64, batch=2)
    for part in ("teacher: forward", "student, mixed: forward and backward"):
        assert two[part].flops == pytest.approx(2 * one[part].flops, rel=0.02)
    assert two["AdamW"] == one["AdamW"]
    assert kept_one < kept_two <= 2 * kept_one


def test_what_is_timed_finds_nothing_to_convert(tmp_path, monkeypatch):
    done = []
    convert = large.convert
    monkeypatch.setattr(large, "convert", lambda *a, **k: done.append(convert(*a, **k)))
    rows = large.checking_rows(tmp_path, 4)
    assert [(one.converted, one.kept) for one in done] == [(4, 0), *[(0, 4)] * 6]
    assert [row.name.split(", ")[1] for row in rows] == [
        "the first conversion", "nothing changed", "--recheck", "every file touched"
    ]  # fmt: skip
