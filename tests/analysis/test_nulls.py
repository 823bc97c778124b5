"""Null models keep what they say they keep, and p-values count right."""

import numpy as np
import pytest
from scipy import stats

from analysis.nulls import (
    empirical_p,
    permutations,
    poisson_binomial,
    z_score,
)


def test_empirical_p_by_hand() -> None:
    draws = [1, 2, 3, 4]
    assert empirical_p(3, draws) == 3 / 5
    assert empirical_p(5, draws) == 1 / 5
    assert empirical_p(2, draws, tail="lower") == 3 / 5
    with pytest.raises(ValueError, match="tail"):
        empirical_p(2, draws, tail="both")


def test_ties_at_random_make_discrete_p_uniform() -> None:
    rng = np.random.default_rng(0)
    p = [
        empirical_p(x, rng.binomial(5, 0.3, size=199), rng=rng)
        for x in rng.binomial(5, 0.3, size=400)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    conservative = [
        empirical_p(x, rng.binomial(5, 0.3, size=199)) for x in rng.binomial(5, 0.3, size=400)
    ]
    assert np.mean(np.array(conservative) <= 0.05) <= 0.05


def test_z_score_of_draws_that_do_not_vary() -> None:
    assert z_score(2, [2, 2]) == 0
    assert z_score(3, [2, 2]) == np.inf
    assert z_score(1, [0, 2]) == 0


def test_permutations_are_uniform() -> None:
    draws = permutations(4, rng=np.random.default_rng(0), n_draws=4000)
    assert (np.sort(draws, axis=1) == np.arange(4)).all()
    counts = np.unique(draws, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 0.001


def test_poisson_binomial_mean_and_variance() -> None:
    p = np.array([0.1, 0.5, 0.9, 1.0])
    draws = poisson_binomial(p, rng=np.random.default_rng(0), n_draws=20_000)
    assert draws.mean() == pytest.approx(p.sum(), abs=0.03)
    assert draws.var() == pytest.approx((p * (1 - p)).sum(), abs=0.03)


def test_draws_follow_the_generator() -> None:
    first, again = (permutations(9, rng=np.random.default_rng(7), n_draws=5) for _ in range(2))
    assert (first == again).all()
