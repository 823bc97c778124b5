"""The claims on growth: floors, parts that fit together on a few updates, checks that can fail."""

import numpy as np
import pytest

from experiments import claims, results, symbols
from experiments.claims import growth
from urn import train_population
from urn.data.tasks import task_options

# The claims that train networks which grow.
NAMES = ("growth", "growth_vs_fixed", "shrink", "grow_urn")


def short(config):
    """The configuration with a few updates on little data."""
    options = dict(config.task_options)
    if config.task in ("miconi_easy", "miconi_hard"):
        options |= {"n_streams": 10, "length": 400}
    if config.task == "miconi_switch":
        options |= {"length": 1_200}
    if config.task == "shells":
        options |= {"n_train": 200, "n_validation": 50, "n_test": 50}
    return config.replace(steps=24, log_every=6, check_every=12, task_options=options)


def test_floors_are_those_of_the_reference():
    """Computed apart: easy 9.6145 (p = 0.6) and 8.9974 (p = 0.75), hard 5 ln 6 = 8.9588."""
    assert symbols.floor("easy") == pytest.approx(9.6145, abs=1e-4)
    assert symbols.floor("easy", 0.75) == pytest.approx(8.9974, abs=1e-4)
    assert symbols.floor("hard") == pytest.approx(8.9588, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_holds_together(name):
    module = claims.load(name)
    runs = {}
    measured = {}
    for arm, config in module.arms("quick").items():
        config = short(config)
        data = task_options(config.task, config.task_options).load()
        runs[arm] = train_population([config.replace(seed=seed) for seed in (0, 1)], data=data)
        measured[arm] = [module.measure(arm, run, data) for run in runs[arm]]

    checks = module.checks(measured, "quick")
    assert checks
    assert len({check.title for check in checks}) == len(checks)
    # After 24 updates hardly anything is true yet.
    assert any(not check.passed for check in checks)
    assert all(figure.axes for figure in module.figures(runs, measured).values())
    module.arms("paper")


def test_the_stream_that_switches_speaks_both_grammars_in_turn():
    data = task_options("miconi_switch", {"parts": ["easy", "hard"], "length": 2_000}).load()
    text = "".join("ab()"[s] for s in data.train[0][0].argmax(1))
    assert len(text) == 2_000

    groups = [part[1:] for half in (text[:995], text[1005:]) for part in half.split(")")[1:-1]]
    n_easy = text[:995].count(")") - 1
    easy = groups[:n_easy]
    hard = groups[n_easy:]
    assert all(set(zip(group[::2], group[1::2], strict=True)) == {("a", "b")} for group in easy)
    assert all(len(group) == 6 for group in hard)

    follows = data.train[0][0, 1:].argmax(1) == data.train[1][0, :-1]
    assert int((~follows).sum()) <= 1  # at the switch


def test_a_perfect_score_needs_the_memory():
    assert symbols.floor("hard") < symbols.NO_MEMORY_OF_FLIPS < symbols.STRETCH * np.log(4)


def test_the_settings_name_the_policy():
    table = results.settings(growth.arms("paper"), {})
    assert [table["growth.reserve"][arm] for arm in (growth.HARD, growth.OURS)] == ["1", "8"]
    assert "growth.threshold" not in table  # the same for all, and what it is by default
