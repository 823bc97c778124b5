"""`residual`, `recurrent` and `lifetime`: good numbers pass, a spoiled one fails its own check."""

import copy

import pytest

from experiments.claims import lifetime, recurrent, residual
from urn import train_population
from urn.data.tasks import task_options


def failed(claim, measured):
    return [check.title for check in claim.checks(measured, "paper") if not check.passed]


def residual_rows(share, cut=0.4):
    whole = 0.6 if share else 1.0
    row = {
        "residual": share > 0.1,
        "signal over skips": share,
        "carry and add": share,
        "test score": 0.96,
        "weighted steps": [0.0, 0.0, 0.0, 1 - whole, whole],
        "lost without skips": cut,
        "lost by random cuts": 0.05,
        "p of the cut": 0.01 if cut else None,
    }
    return [dict(row) for _ in range(5)]


@pytest.fixture
def along_the_dial():
    shares = (0.7, 0.7, 0.6, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0)
    settings = zip(residual.DIAL, shares, strict=True)
    return {f"{task}, {name}": residual_rows(s) for name, s in settings for task in residual.TASKS}


# {case: (arm, change of its rows, parts of the titles of the checks that must then fail)}
SPOILED = {
    "free end not residual": ("digits, change 1", {"residual": False}, ["carrying free: residual"]),
    "dear end residual": ("carry, carrying 1, depth 1e-1", {"residual": True}, ["carrying priced"]),
    "skips not needed": ("carry, change 1", {"lost without skips": 0.02}, ["without skips"]),
    "random cuts as bad": ("digits, change 1", {"p of the cut": 0.3}, ["without skips"]),
    "nothing to cut": (
        "digits, change 1",
        {"lost without skips": 0.0, "p of the cut": None},
        ["without skips"],
    ),
    "dial turns back": ("digits, carrying 1", {"signal over skips": 0.4}, ["'signal over skips'"]),
    "dial ends high": (
        "digits, carrying 1, depth 1e-1",
        {"carry and add": 0.3},
        ["'carry and add'"],
    ),
    "task not done": ("carry, no price", {"test score": 0.5}, ["test score"]),
    "no short paths": (
        "digits, change 1",
        {"weighted steps": [0.0, 0.0, 0.0, 0.0, 1.0]},
        ["weight at every step"],
    ),
}


def test_a_residual_dial_passes(along_the_dial):
    assert failed(residual, along_the_dial) == []


@pytest.mark.parametrize(("arm", "change", "culprits"), SPOILED.values(), ids=SPOILED.keys())
def test_each_residual_check_can_fail(along_the_dial, arm, change, culprits):
    measured = copy.deepcopy(along_the_dial)
    for row in measured[arm][:2]:
        row |= change

    # Medians: two seeds of five do not move them.
    if culprits[0].startswith(("'", "test", "weight")):
        assert failed(residual, measured) == []
        measured[arm][2] |= change

    titles = failed(residual, measured)
    assert len(titles) == len(culprits)
    assert all(culprit in title for culprit, title in zip(culprits, titles, strict=True))
    assert all(title.startswith(arm.partition(",")[0]) for title in titles)


@pytest.fixture
def layered_by_depth():
    shares = (0.85, 0.85, 0.84, 0.78, 0.6, 0.17, 0.03, 0.0)
    measured = {}
    for c, share in zip(recurrent.DEPTHS, shares, strict=True):
        row = {
            "recurrent": share >= 0.2,
            "re-used share": share,
            "test accuracy": 0.97,
            "lost without re-use": 0.2 * share,
        }
        measured[f"depth {c:g}"] = [dict(row) for _ in range(5)]
    return measured


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
        (title,) = failed(recurrent, measured)
        assert culprit in title


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_only_the_dial_differs_between_arms(scale):
    for task in residual.TASKS:
        configs = [c.to_dict() for arm, c in residual.arms(scale).items() if arm.startswith(task)]
        for config in configs:
            config.pop("self_target")
            config["strengths"] = {
                k: v for k, v in config["strengths"].items() if k not in ("self", "depth")
            }
        assert all(config == configs[0] for config in configs)

    configs = [config.to_dict() for config in recurrent.arms(scale).values()]
    for config in configs:
        config["strengths"].pop("depth")
    assert all(config == configs[0] for config in configs)


def life_rows(used, fell, ids, local):
    row = {
        "weights used": used,
        "accuracy at the change": fell,
        "test accuracy": 0.98,
        "computing ids": ids,
    }
    return [row | {"living ids": ids, "spread / permuted": local} for _ in range(5)]


@pytest.fixture
def a_life():
    return {
        lifetime.EASY: life_rows(100, 0.5, [1, 2], None),
        lifetime.HARD: life_rows(200, 0.3, [1, 5, 6, 7], None),
        lifetime.AGAIN: life_rows(90, 0.2, [1], None),
        lifetime.SAME: life_rows(95, 1.0, [1, 2], None),
        lifetime.STAYS_HARD: life_rows(100, 1.0, [1, 5], None),
        lifetime.ORDER: life_rows(100, 0.1, [1], 0.4),
        lifetime.SHUFFLED: life_rows(100, 0.1, [1], 0.6),
        lifetime.BACK: life_rows(100, 0.1, [1], 0.4),
    }


def test_each_lifetime_check_can_fail(a_life):
    assert failed(lifetime, a_life) == []
    for arm, change, culprit in (
        (lifetime.AGAIN, {"test accuracy": 0.7}, "the least of the three phases"),
        (lifetime.AGAIN, {"accuracy at the change": 0.99}, "just after a change"),
        (lifetime.EASY, {"weights used": 190}, "hard over easy"),
        (lifetime.HARD, {"computing ids": [1, 2]}, "born after"),
        (lifetime.SAME, {"weights used": 150}, "control"),
        (lifetime.BACK, {"test accuracy": 0.9}, "again less before"),
        (lifetime.SHUFFLED, {"spread / permuted": 0.39}, "wider when shuffled"),
        (lifetime.BACK, {"spread / permuted": 0.7}, "narrower again"),
    ):
        measured = copy.deepcopy(a_life)
        for row in measured[arm][:3]:
            row |= change

        assert any(culprit in title for title in failed(lifetime, measured))


def test_a_short_life_is_measured_and_drawn():
    """Every phase goes on from the one before, and curves join."""
    runs = {}
    measured = {}
    for arm, config in lifetime.arms("quick").items():
        start = {"start": runs[lifetime.AFTER[arm]]} if arm in lifetime.AFTER else {}
        data = task_options(config.task, config.task_options).load()
        runs[arm] = train_population(
            [config.replace(steps=100, snapshots=2, seed=seed) for seed in (0, 1)],
            data=data,
            **start,
        )
        measured[arm] = [lifetime.measure(arm, run, data) for run in runs[arm]]

    assert [len(row["moments"]) for row in measured[lifetime.HARD]] == [2, 2]
    assert len(lifetime.checks(measured, "quick")) == 5
    assert set(lifetime.figures(runs, measured)) == {"shells", "W-shells"}
