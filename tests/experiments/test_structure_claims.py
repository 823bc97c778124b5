"""`residual`, `recurrent` and `lifetime`: good numbers pass, a spoiled one fails its own check."""

import copy

import numpy as np
import pytest
from sklearn.metrics import r2_score

from experiments.claims import lifetime, recurrent, residual
from urn import train_population
from urn.data.tasks import task_options


def failed(claim, measured):
    return [check.title for check in claim.checks(measured, "paper") if not check.passed]


def residual_rows(share, cut=0.4):
    """Twenty seeds that differ a little; `cut` is lost without what neurons carry."""
    return [
        {
            "residual": share > 0.1,
            "signal over skips": share * (1 - 0.001 * seed),
            "carry and add": share,
            "test score": 0.96,
            "lost without skips": cut,
            "lost by random cuts": 0.05,
            "p of the cut": 0.01 if cut else None,
            "lost without carrying": cut,
            "lost without other weights": 0.1 * cut,
            "carrying less other": 0.9 * cut * (1 - 0.001 * seed),
        }
        for seed in range(20)
    ]


@pytest.fixture
def along_the_dial():
    shares = (0.7, 0.7, 0.6, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0)
    settings = list(zip(residual.DIAL, shares, strict=True))
    rows = {f"{task}, {name}": residual_rows(s) for task in residual.TASKS for name, s in settings}
    # Twins have the skips as well, and nothing is lost without them.
    for task in residual.TASKS:
        for twin in residual.TWINS:
            rows[f"{task}, {residual.FREE}, {twin}"] = residual_rows(0.7, cut=0.0)
    return rows


# {case: (arm, change of its rows, parts of the titles of the checks that must then fail)}
SPOILED = {
    "free end no more than the dear one": (
        "digits, change 1",
        {"signal over skips": 0.0},
        ["carrying free less carrying priced", "'signal over skips' along"],
    ),
    "skips not needed": ("carry, change 1", {"lost without skips": 0.02}, ["without skips"]),
    "random cuts as bad": ("digits, change 1", {"p of the cut": 0.3}, ["without skips"]),
    "nothing to cut": (
        "digits, change 1",
        {"lost without skips": 0.0, "p of the cut": None},
        ["without skips"],
    ),
    "other weights as bad": (
        "digits, change 1",
        {"lost without other weights": 0.4},
        ["as many of their largest other weights"],
    ),
    "a twin loses as much": (
        "carry, change 1, random labels",
        {"carrying less other": 0.4},
        ["data less random labels"],
    ),
    "untrained loses as much": (
        "digits, change 1, one step",
        {"carrying less other": 0.4},
        ["data less one step"],
    ),
    "dial turns back": ("digits, carrying 1", {"signal over skips": 0.4}, ["'signal over skips'"]),
    "dial ends high": (
        "digits, carrying 1, depth 1e-1",
        {"carry and add": 0.3},
        ["'carry and add'"],
    ),
    "task not done": ("carry, no price", {"test score": 0.5}, ["test score"]),
}


def test_a_residual_dial_passes(along_the_dial):
    assert failed(residual, along_the_dial) == []


@pytest.mark.parametrize(("arm", "change", "culprits"), SPOILED.values(), ids=SPOILED.keys())
def test_each_residual_check_can_fail(along_the_dial, arm, change, culprits):
    measured = copy.deepcopy(along_the_dial)
    for row in measured[arm]:
        row |= change

    titles = failed(residual, measured)
    assert len(titles) == len(culprits)
    assert all(culprit in title for culprit, title in zip(culprits, titles, strict=True))
    assert all(title.startswith(arm.partition(",")[0]) for title in titles if "same" not in title)


def test_a_network_of_which_a_twin_is_a_copy_is_not_residual_by_training(along_the_dial):
    """The null network: skips there are, and cutting them costs nothing."""
    measured = dict(along_the_dial)
    for task in residual.TASKS:
        measured[f"{task}, {residual.FREE}"] = measured[f"{task}, {residual.FREE}, one step"]
    titles = failed(residual, measured)
    assert sum("largest other weights" in title for title in titles) == 2
    assert sum("the same, data less" in title for title in titles) == 4


def test_the_largest_other_weight_of_each_neuron_is_taken_once():
    W = np.array([[9.0, 0.0, 0.0, 0.0], [0.0, 9.0, -5.0, 1.0], [2.0, 3.0, 9.0, 0.0], [0.0] * 4])
    taken = residual.largest_others(W, np.array([1, 2]))
    # Both have W[1, 2] as their largest: the second takes its next one.
    assert np.argwhere(taken).tolist() == [[1, 2], [2, 1]]
    assert not residual.largest_others(np.eye(3), np.arange(3)).any()


def test_lesions_of_a_planted_stream():
    """Outputs hear a neuron that hands on its input by its own weight: without that all is lost."""
    config = residual.arms("quick")["carry, change 1"].replace(
        task_options={"dimension": 2, "n_outputs": 2, "correction": 0.0},
        n_neurons=6,
        n_iterations=3,
        steps=1,
    )
    data = task_options(config.task, config.task_options).load()
    (run,) = train_population([config], data=data)
    run.biases.zero_()
    run.weights.zero_()
    for k in range(2):
        run.weights[2 + k, k] = 1.0
        run.weights[2 + k, 2 + k] = 1.0
        run.weights[2 + k, 1 - k] = 0.5
        run.weights[0, 0] = run.weights[1, 1] = 1.0
        run.weights[4 + k, 2 + k] = 2.0
    row = residual.measure("carry, change 1", run, data)

    X, y = (part[:500] for part in data.validation)
    whole = run.weights.clone()
    scores = []
    for cut in ((), (2, 3)):
        run.weights.copy_(whole)
        for k in cut:
            run.weights[k, k] = 0.0
        output = run.network().unroll(X)[0][0].detach().numpy()
        scores.append(r2_score(y, output, multioutput="variance_weighted"))
    assert row["carrying neurons"] == 2
    assert row["lost without carrying"] == pytest.approx(scores[0] - scores[1], rel=1e-4)
    # The largest others are what the outputs hear: without them they are 0 everywhere.
    silent = r2_score(y, np.zeros(y.shape), multioutput="variance_weighted")
    assert row["lost without other weights"] == pytest.approx(scores[0] - silent, rel=1e-4)


def re_used_rows(share, lost):
    """Twenty seeds that differ a little."""
    return [
        {
            "recurrent": share >= 0.2,
            "re-used share": share * (1 - 0.001 * seed),
            "test accuracy": 0.97,
            "lost without re-use": lost * (1 - 0.001 * seed),
        }
        for seed in range(20)
    ]


@pytest.fixture
def layered_by_depth():
    shares = (0.85, 0.85, 0.84, 0.78, 0.6, 0.17, 0.03, 0.0)
    measured = {
        f"depth {c:g}": re_used_rows(share, 0.2 * share)
        for c, share in zip(recurrent.DEPTHS, shares, strict=True)
    }
    return measured | {f"depth 0, {twin}": re_used_rows(0.3, 0.0) for twin in recurrent.TWINS}


def test_each_recurrent_check_can_fail(layered_by_depth):
    assert failed(recurrent, layered_by_depth) == []
    for arm, change, culprit in (
        ("depth 0, random labels", {"re-used share": 0.85}, "neurons, data less random labels"),
        ("depth 0, one step", {"re-used share": 0.9}, "neurons, data less one step"),
        ("depth 0, one step", {"lost without re-use": 0.2}, "without re-use, data less one step"),
        ("depth 0.1", {"re-used share": 0.5}, "no depth term less the largest"),
        ("depth 0.01", {"re-used share": 0.5}, "share of re-used neurons along"),
        ("depth 0.1", {"test accuracy": 0.9}, "test accuracy"),
    ):
        measured = copy.deepcopy(layered_by_depth)
        for row in measured[arm]:
            row |= change
        titles = failed(recurrent, measured)
        assert any(culprit in title for title in titles)
        assert len(titles) == 1 + (change == {"re-used share": 0.5} and arm == "depth 0.1")


def test_an_untrained_network_is_not_recurrent_by_training(layered_by_depth):
    """The null network re-uses its neurons, for its matrix is applied again: that is not enough."""
    untrained = re_used_rows(0.85, 0.0)
    measured = layered_by_depth | {
        "depth 0": untrained,
        "depth 0, one step": untrained,
        "depth 0, random labels": untrained,
    }
    titles = failed(recurrent, measured)
    assert sum("data less" in title for title in titles) == 4
    assert any("serves again" in title for title in titles)


@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_only_the_dial_differs_between_arms(scale):
    for task in residual.TASKS:
        arms = residual.arms(scale)
        configs = [arms[f"{task}, {name}"] for name in residual.DIAL if f"{task}, {name}" in arms]
        plain = [config.replace(self_target=0.0).to_dict() for config in configs]
        for config in plain:
            config["strengths"] = {
                k: v for k, v in config["strengths"].items() if k not in ("self", "depth")
            }
        assert all(config == plain[0] for config in plain)

    arms = recurrent.arms(scale)
    configs = [arms[f"depth {c:g}"].to_dict() for c in recurrent.DEPTHS if f"depth {c:g}" in arms]
    assert len(configs) >= 4
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
    return [row | {"living ids": ids, "spread / permuted": local} for _ in range(10)]


@pytest.fixture
def a_life():
    return {
        lifetime.EASY: life_rows(100, 0.5, [1, 2], None),
        lifetime.HARD: life_rows(200, 0.3, [1, 5, 6, 7], None),
        lifetime.AGAIN: life_rows(90, 0.2, [1], None),
        lifetime.SAME: life_rows(95, 1.0, [1, 2], None),
        lifetime.STAYS_HARD: life_rows(100, 1.0, [1, 5], None),
        lifetime.ALWAYS_EASY: life_rows(90, 1.0, [1, 2], None),
        lifetime.ORDER: life_rows(100, 0.1, [1], 0.4),
        lifetime.SHUFFLED: life_rows(100, 0.1, [1], 0.6),
        lifetime.BACK: life_rows(100, 0.1, [1], 0.4),
        lifetime.IN_ORDER: life_rows(100, 0.1, [1], 0.4),
        lifetime.STAYS_SHUFFLED: life_rows(100, 0.1, [1], 0.6),
    }


def test_each_lifetime_check_can_fail(a_life):
    assert failed(lifetime, a_life) == []
    for arm, change, culprit in (
        (lifetime.AGAIN, {"test accuracy": 0.7}, "the least of the three phases"),
        (lifetime.AGAIN, {"accuracy at the change": 0.99}, "just after a change"),
        (lifetime.HARD, {"weights used": 110}, "logarithm of weights used"),
        (lifetime.HARD, {"computing ids": [1, 2]}, "born after"),
        (lifetime.BACK, {"test accuracy": 0.9}, "again less before"),
        (lifetime.SHUFFLED, {"spread / permuted": 0.39}, "order is lost"),
        (lifetime.BACK, {"spread / permuted": 0.7}, "order comes back"),
    ):
        measured = copy.deepcopy(a_life)
        for row in measured[arm][:6]:
            row |= change

        assert any(culprit in title for title in failed(lifetime, measured))


@pytest.mark.parametrize(
    ("arm", "twin", "culprits"),
    [
        (lifetime.HARD, lifetime.SAME, ["logarithm of weights used", "born after"]),
        (lifetime.SHUFFLED, lifetime.IN_ORDER, ["order is lost"]),
        (lifetime.BACK, lifetime.STAYS_SHUFFLED, ["order comes back"]),
    ],
)
def test_what_a_life_shows_as_well_in_which_nothing_changes_fails(a_life, arm, twin, culprits):
    """Growth that births and time alone make, fields that age alone widens or narrows."""
    titles = failed(lifetime, a_life | {twin: a_life[arm]})
    assert len(titles) == len(culprits)
    for culprit in culprits:
        assert any(culprit in title for title in titles)


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
    assert len(lifetime.checks(measured, "quick")) == 4
    assert len(lifetime.notes(measured, "quick")) == 2
    assert set(lifetime.figures(runs, measured)) == {"shells", "W-shells"}
