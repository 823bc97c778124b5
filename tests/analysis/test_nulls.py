"""Null models keep what they say they keep, and p-values count right."""

import numpy as np
import pytest
from scipy import stats

from analysis.nulls import (
    empirical_p,
    permutations,
    permute_along_orbit,
    poisson_binomial,
    random_bipartite,
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


@pytest.mark.parametrize("n_edges", [0, 1, 7, 12])
def test_random_bipartite_has_the_number_of_edges(n_edges: int) -> None:
    draws = random_bipartite(3, 4, n_edges, rng=np.random.default_rng(0), n_draws=500)
    assert (draws.sum(axis=(1, 2)) == n_edges).all()
    np.testing.assert_allclose(draws.mean(axis=0), n_edges / 12, atol=0.1)


def test_random_bipartite_takes_a_number_for_each_draw() -> None:
    counts = np.array([0, 3, 6])
    draws = random_bipartite(2, 3, counts, rng=np.random.default_rng(0), n_draws=3)
    assert draws.sum(axis=(1, 2)).tolist() == counts.tolist()


def test_permutations_are_uniform() -> None:
    draws = permutations(4, rng=np.random.default_rng(0), n_draws=4000)
    assert (np.sort(draws, axis=1) == np.arange(4)).all()
    counts = np.unique(draws, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 0.001


def test_permuting_along_the_orbit_keeps_each_field_and_its_weights() -> None:
    rng = np.random.default_rng(0)
    support = rng.random((6, 9)) < 0.5
    kernels = np.where(support, rng.normal(size=(6, 9)), 0.0).astype(np.float32)
    draws = permute_along_orbit(kernels, support, rng=rng, n_draws=300)
    assert ((draws != 0) == support).all()
    np.testing.assert_array_equal(
        np.sort(draws, axis=2), np.broadcast_to(np.sort(kernels, axis=1), draws.shape)
    )

    # Every tap of a field has the mean of its weights.
    mean = draws.mean(axis=0)[support]
    expected = (
        kernels.sum(axis=1, keepdims=True)
        / np.maximum(support.sum(axis=1, keepdims=True), 1)
        * support
    )[support]
    np.testing.assert_allclose(mean, expected, atol=0.3)


def test_poisson_binomial_mean_and_variance() -> None:
    p = np.array([0.1, 0.5, 0.9, 1.0])
    draws = poisson_binomial(p, rng=np.random.default_rng(0), n_draws=20_000)
    assert draws.mean() == pytest.approx(p.sum(), abs=0.03)
    assert draws.var() == pytest.approx((p * (1 - p)).sum(), abs=0.03)


def test_draws_follow_the_generator() -> None:
    first, again = (permutations(9, rng=np.random.default_rng(7), n_draws=5) for _ in range(2))
    assert (first == again).all()
