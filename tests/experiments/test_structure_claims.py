"""What the claims `residual` and `recurrent` ask for: numbers that hold pass, and each spoiled number fails its own check."""

import copy

import pytest

from experiments.claims import recurrent, residual


def failed(claim, measured):
    return [check.what for check in claim.checks(measured, "paper") if not check.passed]


def residual_rows(share, cut=0.4):
    whole = 0.6 if share else 1.0
    row = {
        "residual": share > 0.1, "signal over skips": share, "carry and add": share, "test score": 0.96,
        "weighted steps": [0.0, 0.0, 0.0, 1 - whole, whole], "lost without skips": cut, "lost by random cuts": 0.05,
        "p of the cut": 0.01 if cut else None,
    }  # fmt: skip
    return [dict(row) for _ in range(5)]


@pytest.fixture
def along_the_dial():
    shares = (0.7, 0.7, 0.6, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0)
    places = zip(residual.DIAL, shares, strict=True)
    return {f"{task}, {place}": residual_rows(s) for place, s in places for task in residual.TASKS}


SPOILED = {
    "free end not residual": ("digits, change 1", {"residual": False}, ["carrying free: residual"]),
    "dear end residual": ("carry, carrying 1, depth 1e-1", {"residual": True}, ["carrying priced"]),
    "skips not needed": ("carry, change 1", {"lost without skips": 0.02}, ["without skips"]),
    "random cuts as bad": ("digits, change 1", {"p of the cut": 0.3}, ["without skips"]),
    "nothing to cut": ("digits, change 1", {"lost without skips": 0.0, "p of the cut": None}, ["without skips"]),
    "dial turns back": ("digits, carrying 1", {"signal over skips": 0.4}, ["'signal over skips'"]),
    "dial ends high": ("digits, carrying 1, depth 1e-1", {"carry and add": 0.3}, ["'carry and add'"]),
    "task not done": ("carry, no price", {"test score": 0.5}, ["test score"]),
    "no short paths": ("digits, change 1", {"weighted steps": [0.0, 0.0, 0.0, 0.0, 1.0]}, ["weight at every step"]),
}


def test_a_residual_dial_passes(along_the_dial):
    assert failed(residual, along_the_dial) == []


@pytest.mark.parametrize(("arm", "change", "culprits"), SPOILED.values(), ids=SPOILED.keys())
def test_each_residual_check_can_fail(along_the_dial, arm, change, culprits):
    measured = copy.deepcopy(along_the_dial)
    for row in measured[arm][:2]:
        row |= change
    if culprits[0].startswith(("'", "test", "weight")):  # medians: two seeds of five do not move them
        assert failed(residual, measured) == []
        measured[arm][2] |= change
    found = failed(residual, measured)
    assert len(found) == len(culprits)
    assert all(culprit in what for culprit, what in zip(culprits, found, strict=True))
    assert all(what.startswith(arm.partition(",")[0]) for what in found)


@pytest.fixture
def layered_by_depth():
    shares = (0.85, 0.85, 0.84, 0.78, 0.6, 0.17, 0.03, 0.0)
    rows = lambda s: {"recurrent": s >= 0.2, "re-used share": s, "test accuracy": 0.97, "lost without re-use": 0.2 * s}  # noqa: E731
    return {f"depth {c:g}": [rows(s) for _ in range(5)] for c, s in zip(recurrent.DEPTHS, shares, strict=True)}


def test_each_recurrent_check_can_fail(layered_by_depth):
    assert failed(recurrent, layered_by_depth) == []
    for arm, change, culprit in (
        ("depth 0", {"recurrent": False}, "no depth term: recurrent"),
        ("depth 0.1", {"recurrent": True}, "largest depth term"),
        ("depth 0", {"lost without re-use": 0.0}, "no neuron serves again"),
        ("depth 0.01", {"re-used share": 0.5}, "share of re-used neurons"),
        ("depth 0.1", {"test accuracy": 0.9}, "test accuracy"),
    ):
        measured = copy.deepcopy(layered_by_depth)
        for row in measured[arm][:3]:
            row |= change
        (found,) = failed(recurrent, measured)
        assert culprit in found


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_only_the_dial_differs_between_arms(scale):
    for task in residual.TASKS:
        configs = [c.to_dict() for arm, c in residual.arms(scale).items() if arm.startswith(task)]
        for config in configs:
            config.pop("self_target")
            config["strengths"] = {k: v for k, v in config["strengths"].items() if k not in ("self", "depth")}
        assert all(config == configs[0] for config in configs)
    configs = [c.to_dict() for c in recurrent.arms(scale).values()]
    assert len({str({**c, "strengths": {k: v for k, v in c["strengths"].items() if k != "depth"}}) for c in configs}) == 1
