"""Null models keep what they say they keep, and p-values count right."""

import numpy as np
import pytest
from scipy import stats

from analysis.nulls import (
    empirical_p,
    permutations,
    poisson_binomial,
    q_values,
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


# The p-values of Benjamini & Hochberg (1995), section 3.2: what two treatments of myocardial
# infarction differ in.
PUBLISHED = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
PUBLISHED += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000]


def test_q_of_the_published_example() -> None:
    """The paper rejects four hypotheses at 0.05, where Bonferroni rejects three."""
    q = q_values(PUBLISHED)
    assert (q <= 0.05).sum() == 4
    assert (np.array(PUBLISHED) * len(PUBLISHED) <= 0.05).sum() == 3
    # By hand: p times 15 over its rank, or what a larger p gives where that is less.
    by_hand = [0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.0298 * 15 / 7, 0.0298 * 15 / 7, 0.0645]
    np.testing.assert_allclose(q[:8], by_hand)
    np.testing.assert_allclose(q[8], 0.0765)


def test_q_is_what_scipy_says_and_missing_p_stay_missing_and_uncounted() -> None:
    p = np.random.default_rng(0).uniform(size=50) ** 3
    holes = np.insert(p, [0, 7, 7, 50], np.nan)
    q = q_values(holes)
    assert (np.isnan(q) == np.isnan(holes)).all()
    np.testing.assert_array_equal(q[~np.isnan(q)], stats.false_discovery_control(p, method="bh"))

    assert np.isnan(q_values([np.nan, np.nan])).all()
    assert q_values([]).shape == (0,)
    assert q_values([0.3, np.nan])[0] == 0.3
    for wrong in ([0.5, -0.1], [1.1]):
        with pytest.raises(ValueError, match="p_values must be from 0 to 1"):
            q_values(wrong)


def test_nearly_nothing_survives_where_nothing_is_there() -> None:
    """Of 200 sweeps of 100 networks without structure a share of 0.05 has a q of at most 0.05.

    Each has a p of at most 0.05 in five networks, in the mean.
    """
    rng = np.random.default_rng(1)
    p = rng.uniform(size=(200, 100))
    lost = sum((q_values(sweep) <= 0.05).any() for sweep in p)
    assert (p <= 0.05).sum() > 900
    assert stats.binomtest(int(lost), 200, 0.05, alternative="greater").pvalue > 0.01


def test_of_what_survives_the_stated_share_is_false() -> None:
    """Forty of a hundred networks have structure, which half of the tests see."""
    rng = np.random.default_rng(2)
    shares = []
    for _ in range(300):
        z = rng.normal(size=100)
        z[:40] += 3.0
        found = q_values(stats.norm.sf(z)) <= 0.1
        shares.append(found[40:].sum() / max(found.sum(), 1))
    # The expected share is the level times that of networks without structure.
    assert np.mean(shares) == pytest.approx(0.06, abs=0.015)


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
