"""The claims: each has its parts, and those about size and depth can fail."""

from experiments import claims, lab, results
from experiments.claims import depth, fully_connected, most, spread, width
from urn import TrainConfig, train_population
from urn.data.tasks import task_options


def test_every_claim_has_its_parts_and_arms_at_both_scales():
    for name in claims.NAMES:
        module = claims.load(name)
        texts = (module.CLAIM, module.SOURCE, module.PAPER, module.__doc__)
        assert all(isinstance(text, str) and text for text in texts)

        for scale in claims.SCALES:
            arms = module.arms(scale)
            assert len({lab.slug(arm) for arm in arms}) == len(arms)
            assert all(isinstance(config, TrainConfig) for config in arms.values())
            after = getattr(module, "AFTER", {})
            assert all(after[arm] in arms for arm in arms if arm in after)
            assert results.settings(arms, {})["n_neurons"]


def passed(checks):
    return [check.passed for check in checks]


def rows_of_mlps(**changes):
    """Ten seeds of each arm; `changes` to one of the seeds of the claim's own."""
    good = {
        "accuracy": 1.0,
        "hidden neurons": 50,
        "neighbour mass": 0.99,
        "fully_connected": True,
        "depth": 3,
        "re-used share": 0.0,
    }
    bad = good | {"re-used share": 1.0}
    arms = fully_connected.arms("paper")
    rows = {arm: [good] * 10 if arm.startswith("layered") else [bad] * 10 for arm in arms}
    rows |= {f"{fully_connected.SMALL}, {twin}": [bad] * 10 for twin in fully_connected.TWINS}
    return rows | {"layered": [good] * 9 + [good | changes]}


def failing_mlps(rows):
    return [k for k, check in enumerate(fully_connected.checks(rows, "paper")) if not check.passed]


def test_fully_connected_can_fail():
    assert failing_mlps(rows_of_mlps()) == []
    assert failing_mlps(rows_of_mlps(accuracy=0.998)) == [0]
    assert failing_mlps(rows_of_mlps(**{"hidden neurons": 121})) == [1]
    assert failing_mlps(rows_of_mlps(**{"neighbour mass": 0.9})) == [3]
    assert failing_mlps(rows_of_mlps(depth=2)) == [4]
    assert failing_mlps(rows_of_mlps(fully_connected=False)) == [4]
    rows = rows_of_mlps()
    for arm, k in ((fully_connected.CONTROL, 5), ("random labels", 6), ("one step", 7)):
        arm = arm if arm in rows else f"{fully_connected.SMALL}, {arm}"
        assert failing_mlps(rows | {arm: rows["layered"]}) == [k]
    wide = [row | {"hidden neurons": 80} for row in rows["layered"]]
    assert failing_mlps(rows | {"layered": wide}) == [2]


def test_a_dense_network_that_has_not_learned_is_no_mlp():
    """The null network: it fails every check but the one on the weights between neighbours."""
    null = {
        "accuracy": 0.5,
        "hidden neurons": 388,
        "neighbour mass": 1.0,
        "fully_connected": True,
        "depth": 3,
        "re-used share": 0.7,
    }
    rows = dict.fromkeys(rows_of_mlps(), [null] * 10)
    assert failing_mlps(rows) == [0, 1, 2, 4, 6, 7]
    assert failing_mlps(dict.fromkeys(rows, [null | {"neighbour mass": 0.5}] * 10))[3] == 3


def layers(n_layers, share, score=0.97):
    """Twenty seeds that differ a little."""
    return [
        {
            "hidden layers": n_layers,
            "re-used share": share * (1 - 0.001 * seed),
            "test accuracy": score,
        }
        for seed in range(20)
    ]


def rows_of_depth(**changes):
    measured = {}
    for d in depth.DEPTHS:
        measured[f"I = {d + 1}"] = layers(d, 0.01)
        measured[f"I = {d + 1}, {depth.LINEAR}"] = layers(d, 0.01)
    measured |= {f"{depth.DEEPEST}, {twin}": layers(0, 0.0) for twin in depth.TWINS}
    return measured | {depth.CONTROL: layers(4, 0.5)} | changes


def test_depth_can_fail():
    def failing(**changes):
        checks = depth.checks(rows_of_depth(**changes), "paper")
        return [check.title for check in checks if not check.passed]

    assert failing() == []
    for arm, n_layers, share, culprit in (
        ("I = 4", 2, 0.0, "I = 4: 3 distinct"),
        ("I = 4", 3, 0.2, "I = 4: 3 distinct"),
        ("I = 3, linear task", 1, 0.0, "I = 3, linear task: 2 distinct"),
        ("I = 5, one step", 4, 0.0, "one step: the same"),
        ("I = 5, random labels", 4, 0.0, "random labels: the same"),
        (depth.CONTROL, 4, 0.05, "without the depth and self terms"),
    ):
        (title,) = failing(**{arm: layers(n_layers, share)})
        assert culprit in title
    assert failing(**{"I = 5, linear task": layers(4, 0.0, score=0.5)}) == [
        "test score, least median"
    ]


def test_an_untrained_network_has_not_the_asked_depth():
    """The null network, dense and re-used at every iteration, fails wherever it stands."""
    untrained = layers(4, 0.85, score=0.15)
    measured = dict.fromkeys(rows_of_depth(), untrained)
    checks = depth.checks(measured, "paper")
    failing = [check.title for check in checks if not check.passed]
    assert len(failing) == 2 * len(depth.DEPTHS) + 2


def rows_of_width(**changes):
    """Ten seeds that differ a little: (neurons held, accuracy) of an arm."""
    numbers = {
        "prices x 0.01": (380, 1.0),
        "prices x 0.1": (45, 1.0),
        "prices x 1": (22, 0.998),
        width.RANDOM: (1, 0.5),
        width.UP_MIDDLE: (43, 1.0),
        width.UP_DEAR: (21, 1.0),
        width.DOWN_MIDDLE: (21, 1.0),
        width.DOWN_CHEAP: (21, 1.0),
    } | changes
    return {
        arm: [
            {"living hidden neurons": n * (1 + 0.001 * seed), "test accuracy": accuracy}
            for seed in range(10)
        ]
        for arm, (n, accuracy) in numbers.items()
    }


def failing_widths(**changes):
    checks = width.checks(rows_of_width(**changes), "paper")
    return [k for k, check in enumerate(checks) if not check.passed]


def test_width_can_fail():
    assert failing_widths() == []
    # A narrow network that fails the task is no evidence of width at equal accuracy.
    assert failing_widths(**{"prices x 1": (22, 0.9), "prices x 0.1": (100, 1.0)}) == [0, 3]
    assert failing_widths(**{"prices x 0.1": (45, 1.0), "prices x 1": (48, 1.0)}) == [1, 4]
    assert failing_widths(**{width.RANDOM: (60, 0.5)}) == [2]
    assert failing_widths(**{width.UP_MIDDLE: (90, 1.0)}) == [3]
    assert failing_widths(**{width.UP_DEAR: (40, 1.0)}) == [4]
    assert failing_widths(**{width.DOWN_CHEAP: (350, 1.0)}) == [5]


def test_a_network_whose_width_follows_nothing_fails():
    """The null network: as wide whatever the prices, the labels and the history."""
    same = dict.fromkeys(rows_of_width(), (100, 1.0))
    assert failing_widths(**same) == [0, 2, 5]


def test_the_life_of_width_goes_up_and_down_the_dial():
    for scale in ("quick", "paper"):
        arms = width.arms(scale)
        assert [arms[arm] == arms[prices] for arm, prices in width.PRICES.items()] == [True] * 4
        assert width.AFTER[width.UP_DEAR] == width.UP_MIDDLE
        assert arms[width.RANDOM].strengths == arms[width.MIDDLE].strengths


def test_a_short_life_of_width_is_measured_and_drawn():
    """Every phase goes on from the one before, and nothing that was dropped comes back."""
    runs = {}
    measured = {}
    for arm, config in width.arms("quick").items():
        start = {"start": runs[width.AFTER[arm]]} if arm in width.AFTER else {}
        options = config.task_options
        small = {"n_train": 500, "n_validation": 100, "n_test": 100}
        if config.task == "shells":
            config = config.replace(task_options=options | small)
        else:
            config = config.replace(task_options=options | {"options": small})
        data = task_options(config.task, config.task_options).load()
        runs[arm] = train_population(
            [config.replace(steps=200, seed=seed) for seed in (0, 1)], data=data, **start
        )
        measured[arm] = [width.measure(arm, run, data) for run in runs[arm]]

    for arm, before in width.AFTER.items():
        held = [row["living hidden neurons"] for row in measured[arm]]
        earlier = [row["living hidden neurons"] for row in measured[before]]
        assert all(now <= then for now, then in zip(held, earlier, strict=True))
    assert len(width.checks(measured, "quick")) == 6
    assert width.UP_DEAR in width.notes(measured, "quick")[0]
    assert set(width.figures(runs, measured)) == {"dial"}


def test_counting_over_seeds():
    assert most([True] * 4 + [False])
    assert not most([True] * 3 + [False] * 2)
    assert most([True])
    assert spread([1.0, 3.0, 2.0]) == "2 (1 to 3)"
    assert spread([True, False]) == "1 of 2"
    assert spread([float("nan"), 0.5]) == "0.5"
