"""The claims: each has its parts, and those about size and depth can fail."""

from experiments import claims, lab, results
from experiments.claims import depth, fully_connected, most, spread, width
from urn import TrainConfig


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


def test_fully_connected_can_fail():
    def rows(**changes):
        good = {
            "accuracy": 1.0,
            "hidden neurons": 50,
            "neighbour mass": 0.99,
            "fully_connected": True,
            "depth": 3,
        }
        good["re-used share"] = 0.0
        bad = good | {"re-used share": 1.0}
        return {"layered": [good, good | changes], fully_connected.CONTROL: [bad, bad]}

    def failing(**changes):
        held = passed(fully_connected.checks(rows(**changes), "paper"))
        return [k for k, holds in enumerate(held) if not holds]

    assert failing() == []
    assert failing(accuracy=0.998) == [0]
    assert failing(**{"hidden neurons": 121}) == [1, 2]
    assert failing(**{"neighbour mass": 0.9}) == [3]
    assert failing(depth=2) == [4]
    assert failing(fully_connected=False) == [4]
    control = rows() | {fully_connected.CONTROL: rows()["layered"]}
    assert not fully_connected.checks(control, "paper")[-1].passed


def test_depth_can_fail():
    def row(n_layers, share):
        return {"hidden layers": n_layers, "re-used share": share}

    def rows(layers=3, reused=0.0, free=0.5):
        measured = {f"I = {d + 1}": [row(d, 0.0)] * 5 for d in depth.DEPTHS}
        measured["I = 4"] = [row(3, 0.0)] * 3 + [row(layers, reused)] * 2
        return measured | {depth.CONTROL: [row(4, free)] * 5}

    assert all(passed(depth.checks(rows(), "paper")))
    assert passed(depth.checks(rows(layers=2), "paper")) == [True, True, False, True, True]
    assert passed(depth.checks(rows(reused=0.2), "paper")) == [True, True, False, True, True]
    assert passed(depth.checks(rows(free=0.0), "paper")) == [True, True, True, True, False]


def test_width_can_fail():
    def rows(living, accuracy):
        return {
            str(k): [{"living hidden neurons": n, "test accuracy": a}]
            for k, (n, a) in enumerate(zip(living, accuracy, strict=True))
        }

    assert passed(width.checks(rows([300, 100, 30], [1.0, 1.0, 0.998]), "paper")) == [True, True]
    assert passed(width.checks(rows([300, 100, 30], [1.0, 1.0, 0.99]), "paper")) == [False, True]
    assert passed(width.checks(rows([300, 30, 40], [1.0, 1.0, 1.0]), "paper")) == [True, False]


def test_counting_over_seeds():
    assert most([True] * 4 + [False])
    assert not most([True] * 3 + [False] * 2)
    assert most([True])
    assert spread([1.0, 3.0, 2.0]) == "2 (1 to 3)"
    assert spread([True, False]) == "1 of 2"
    assert spread([float("nan"), 0.5]) == "0.5"
