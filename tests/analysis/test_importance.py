"""PED-ANOVA against optuna's, an independent program, and what has to hold of any importance."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.importance import Setting, categorical, importance, numeric, shuffled, top

optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install -e .[test]")

TOLERANCE = 1e-6
"""Asked for by whoever reads both."""

Columns = dict[str, tuple[Any, Setting, list]]
"""{name: (optuna's distribution, our setting, values)} of n networks."""


def number(values: np.ndarray, **how: bool) -> tuple[Any, Setting, list]:
    """A setting that is a number, for both programs."""
    known = values[np.isfinite(values)]
    is_log = how.get("is_log", False)
    if how.get("is_whole"):
        space = optuna.distributions.IntDistribution(int(known.min()), int(known.max()), log=is_log)
        listed = [int(x) if np.isfinite(x) else None for x in values]
    else:
        space = optuna.distributions.FloatDistribution(known.min(), known.max(), log=is_log)
        listed = [float(x) if np.isfinite(x) else None for x in values]
    return space, numeric(values, **how), listed


def word(values: list[str]) -> tuple[Any, Setting, list]:
    """A setting that is a word, for both programs."""
    space = optuna.distributions.CategoricalDistribution(sorted(set(values)))
    return space, categorical(values), values


def oracle(columns: Columns, measure: np.ndarray, normalize: bool = False) -> dict[str, float]:
    """What optuna says."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for k, value in enumerate(measure):
        params = {name: listed[k] for name, (_, _, listed) in columns.items()}
        params = {name: x for name, x in params.items() if x is not None}
        spaces = {name: columns[name][0] for name in params}
        trial = optuna.trial.create_trial(params=params, distributions=spaces, value=value)
        study.add_trial(trial)

    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    if normalize:
        return optuna.importance.get_param_importances(study, evaluator=evaluator)
    return evaluator.evaluate(study)


def ours(columns: Columns, measure: np.ndarray) -> dict[str, float]:
    """What we say."""
    chosen = top(measure)
    known = np.isfinite(measure)
    return {name: importance(setting, chosen, known) for name, (_, setting, _) in columns.items()}


# ---- designs


def grid(rng: np.random.Generator) -> tuple[Columns, np.ndarray]:
    """12 x 12 points and 5 seeds, as the sweep of digits has them."""
    depth, activity, _ = np.meshgrid(
        np.geomspace(1e-4, 1e-1, 12), np.geomspace(1e-4, 1e-1, 12), np.arange(5), indexing="ij"
    )
    columns = {
        "depth": number(depth.ravel(), is_log=True),
        "activity": number(activity.ravel(), is_log=True),
    }
    measure = -np.abs(np.log10(depth.ravel()) + 2.5) + 0.1 * np.log10(activity.ravel())
    return columns, measure + 0.1 * rng.normal(size=measure.size)


def samples(rng: np.random.Generator) -> tuple[Columns, np.ndarray]:
    """300 points at random, with every kind of setting."""
    price = 10 ** rng.uniform(-5, -1, 300)
    power = rng.uniform(1, 4, 300)
    n_iterations = rng.integers(2, 7, 300).astype(float)
    n_neurons = np.round(10 ** rng.uniform(1, 3, 300))
    activation = rng.choice(["relu", "tanh", "linear"], 300).tolist()
    columns = {
        "price": number(price, is_log=True),
        "power": number(power),
        "iterations": number(n_iterations, is_whole=True),
        "neurons": number(n_neurons, is_log=True, is_whole=True),
        "activation": word(activation),
    }
    measure = np.log10(price) * (np.array(activation) == "relu") + 0.3 * n_iterations
    return columns, measure + 0.2 * rng.normal(size=300)


def with_ties(rng: np.random.Generator) -> tuple[Columns, np.ndarray]:
    """A measure of three values: more than a tenth of the networks have the highest."""
    columns, measure = samples(rng)
    return columns, np.clip(np.round(measure - measure.mean()), -1, 1)


def conditional(rng: np.random.Generator) -> tuple[Columns, np.ndarray]:
    """Settings that some networks do not have, and one that a single network has."""
    columns, measure = samples(rng)
    price = np.where(rng.random(300) < 0.4, np.nan, 10 ** rng.uniform(-5, -1, 300))
    columns["other"] = number(price, is_log=True)
    return columns, np.where(np.isnan(price), measure, measure - np.log10(price))


def few(rng: np.random.Generator) -> tuple[Columns, np.ndarray]:
    """Eight networks, of which one is best."""
    values = np.repeat(np.geomspace(1e-4, 1e-1, 4), 2)
    return {"price": number(values, is_log=True)}, values + 1e-3 * rng.normal(size=8)


DESIGNS = [grid, samples, with_ties, conditional, few]


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.__name__)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("end", [1, -1])
def test_it_is_what_optuna_says(
    design: Callable[[np.random.Generator], tuple[Columns, np.ndarray]], seed: int, end: int
) -> None:
    columns, measure = design(np.random.default_rng(seed))
    expected = oracle(columns, end * measure)
    result = ours(columns, end * measure)
    assert max(expected.values()) > 1e-3
    assert set(result) == set(expected)
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, abs=TOLERANCE), name

    shares = oracle(columns, end * measure, normalize=True)
    total = sum(result.values())
    for name, share in shares.items():
        assert result[name] / total == pytest.approx(share, abs=TOLERANCE), name


# ---- what has to hold


def test_a_setting_of_one_value_and_a_measure_of_one_value_have_no_importance() -> None:
    known = np.ones(40, dtype=bool)
    even = numeric(np.repeat([1.0, 2.0], 20))
    assert importance(even, top(np.ones(40)), known) == pytest.approx(0, abs=1e-12)
    for constant in (numeric(np.ones(40)), categorical(["a"] * 40), numeric(np.full(40, np.nan))):
        assert importance(constant, top(np.arange(40)), known) == 0


def test_what_decides_is_important_and_what_does_not_is_as_a_shuffle_gives_it() -> None:
    rng = np.random.default_rng(0)
    columns, measure = grid(rng)
    chosen = top(measure)
    known = np.isfinite(measure)
    points = np.arange(len(measure)) // 5

    result = ours(columns, measure)
    draws = {
        name: shuffled(setting, chosen, known, points, rng, 200)
        for name, (_, setting, _) in columns.items()
    }
    assert result["depth"] > 2 * draws["depth"].max()
    unrelated = numeric(np.tile(rng.random(5), 144))
    value = importance(unrelated, chosen, known)
    # Not a setting of a point: here each network is its own.
    alone = shuffled(unrelated, chosen, known, np.arange(len(measure)), rng, 200)
    assert value < np.quantile(alone, 0.99)


def test_repeats_of_a_point_are_no_evidence() -> None:
    """Thirty points at random, each five times: what chance gives is that of thirty."""
    rng = np.random.default_rng(1)
    p_together = []
    p_apart = []
    for _ in range(60):
        point = np.repeat(np.arange(30), 5)
        setting = numeric(rng.random(30)[point])
        measure = rng.random(30)[point] + 1e-6 * rng.random(150)
        known = np.ones(150, dtype=bool)
        value = importance(setting, top(measure), known)
        for listed, points in ((p_together, point), (p_apart, np.arange(150))):
            draws = shuffled(setting, top(measure), known, points, rng, 99)
            listed.append((1 + (draws >= value).sum()) / 100)
    assert np.mean(np.array(p_together) <= 0.05) <= 0.15
    assert np.mean(np.array(p_apart) <= 0.05) > 0.3


def test_networks_without_the_measure_do_not_count() -> None:
    rng = np.random.default_rng(2)
    values = rng.random(100)
    measure = np.where(rng.random(100) < 0.3, np.nan, values)
    known = np.isfinite(measure)
    kept = importance(numeric(values), top(measure), known)
    # The cells are those of all networks: the ends are kept.
    ends = known | (values == values.min()) | (values == values.max())
    alone = importance(numeric(values[ends]), top(measure[ends]), known[ends])
    assert kept == pytest.approx(alone, abs=1e-12)
    assert not top(np.full(3, np.nan)).any()
