"""The reference step that speed is compared with does the same work as the real one."""

import torch

from benchmarks import reference, timing
from benchmarks.__main__ import table
from daformer_lib import recipes
from daformer_lib.probe import noise_batch
from daformer_lib.train import build_parts, default_fabric, training_step


def test_both_steps_have_the_same_gradients():
    experiment = recipes.experiment("daformer", "demo")
    fabric = default_fabric(experiment)
    batch = noise_batch(experiment)
    gradients = []
    for which in ("ours", "reference"):
        parts = build_parts(experiment, fabric)
        torch.manual_seed(1)  # dropout
        if which == "ours":
            training_step(parts, experiment, 3, batch, fabric)
        else:
            reference.as_theirs(parts)
            optimizer = reference.reference_optimizer(parts, experiment)
            reference.reference_step(parts, optimizer, experiment, 3, batch)
        gradients.append({n: p.grad for n, p in parts.network.named_parameters()})
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
