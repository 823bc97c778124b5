"""`fields`, `modular` and `difficulty`: good numbers pass, and a twin that shows it too fails."""

import numpy as np
import pytest
from scipy import stats

from experiments.claims import difficulty, fields, modular
from experiments.twins import difference, differs, twins_of
from urn import TrainConfig


def failed(claim, measured):
    return [check.title for check in claim.checks(measured, "paper") if not check.passed]


def seeds(n=20, **row):
    """Rows that differ a little from seed to seed."""
    rng = np.random.default_rng(0)
    return [
        {
            name: value * float(rng.uniform(0.99, 1.01)) if isinstance(value, float) else value
            for name, value in row.items()
        }
        for _ in range(n)
    ]


def field_rows():
    local = {"local": True, "spread / chance": 0.5, "spread, sites": 3.0}
    flat = {"local": False, "spread / chance": 1.0, "spread, sites": None}
    rows = {arm: seeds(**(flat if "," in arm else local)) for arm in fields.arms("paper")}
    for arm, width in (("c_w = 0.001", 4.0), ("lengths 1 and 3", 2.0), ("lengths 3 and 9", 5.0)):
        rows[arm] = seeds(**local | {"spread, sites": width})
    return rows


class TestFields:
    def test_passes(self):
        assert failed(fields, field_rows()) == []

    @pytest.mark.parametrize(
        ("arm", "change", "title"),
        [
            ("c_w = 0.001", {"local": False}, "c_w = 0.001: local fields"),
            ("c_w = 0.003, shuffled positions", {"local": True}, "shuffled positions: the same"),
            ("c_w = 0.003, one step", {"local": True}, "one step: the same"),
            ("c_w = 0.003, shuffled positions", {"spread / chance": 0.5}, "spread over chance"),
            ("lengths 3 and 9", {"spread, sites": 1.0}, "correlation length"),
            ("c_w = 0.001", {"spread, sites": 2.0}, "price of weights"),
        ],
    )
    def test_can_fail(self, arm, change, title):
        rows = field_rows()
        rows[arm] = [row | change for row in rows[arm]]
        (only,) = failed(fields, rows)
        assert title in only


def modular_rows():
    none = {"modular": False, "modules": 0, "coherence": 0.2}
    rows = {arm: seeds(**none) for arm in modular.arms("paper")}
    rows[modular.HALVES] = seeds(modular=True, modules=2, coherence=1.0)
    return rows


class TestModular:
    def test_passes(self):
        assert failed(modular, modular_rows()) == []

    @pytest.mark.parametrize(
        ("arm", "change", "title"),
        [
            (modular.HALVES, {"modules": 3}, "two modules"),
            (modular.MIXED, {"modular": True}, "mixed (control): modular"),
            (modular.MIXED, {"coherence": 0.9}, "coherence"),
            ("two halves, random labels", {"modular": True}, "random labels"),
        ],
    )
    def test_can_fail(self, arm, change, title):
        rows = modular_rows()
        rows[arm] = [row | change for row in rows[arm]]
        (only,) = failed(modular, rows)
        assert title in only


def difficult_rows(on_twins=0.0):
    rows = {}
    for k in difficulty.BITS:
        both = ("nonlinear nodes on a path", "nonlinear nodes")
        rows[f"parity of {k}"] = seeds(**dict.fromkeys(both, float(k)))
        for twin in difficulty.TWINS:
            rows[f"parity of {k}, {twin}"] = seeds(**dict.fromkeys(both, on_twins * k))
    return rows


class TestDifficulty:
    def test_passes(self):
        assert failed(difficulty, difficult_rows()) == []

    def test_twins_that_follow_as_well_fail(self):
        titles = failed(difficulty, difficult_rows(on_twins=0.5))
        assert len(titles) == 4
        assert all("data less" in title for title in titles)

    def test_depth_that_does_not_follow_fails(self):
        rows = difficult_rows()
        rows["parity of 4"] = rows["parity of 1"]
        assert any("rank correlation with" in title for title in failed(difficulty, rows))


class TestTwins:
    def test_interval_and_ranks_are_those_of_scipy(self):
        rng = np.random.default_rng(1)
        a, b = rng.normal(size=12) + 0.5, rng.normal(size=12)
        d = difference(a, b)
        test = stats.ttest_rel(a, b)
        assert (d.low, d.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
        assert d.p_value == stats.wilcoxon(a, b).pvalue

    def test_noise_is_no_difference_and_one_seed_has_no_interval(self):
        rng = np.random.default_rng(2)
        a, b = rng.normal(size=20), rng.normal(size=20)
        assert not differs("noise", a.tolist(), b.tolist(), 0.0).passed
        assert differs("one", [1.0], [0.0], 0.5).passed
        assert not differs("one", [1.0], [0.0], 1.5).passed
        assert differs("below", [0.0] * 20, rng.uniform(1, 2, 20).tolist(), -0.5).passed

    def test_twins_differ_in_data_or_steps_alone(self):
        config = TrainConfig(task="digits", task_options={"data_seed": 3}, steps=50)
        twins = twins_of(config, ["random_labels", "shuffled_positions"])
        assert list(twins) == ["random labels", "shuffled positions", "one step"]
        for name, twin in twins.items():
            same = (
                {"steps": 50}
                if name == "one step"
                else {
                    "task": "digits",
                    "task_options": {"data_seed": 3},
                }
            )
            assert twin.replace(**same) == config
        assert twins["random labels"].task_options["of"] == "digits"
