"""What each null keeps, what it changes, and that its draws are uniform."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import chisquare

from analysis.rewiring import degree_preserving, level_preserving, weight_shuffle


def draws(batches):
    return np.concatenate(list(batches))


@pytest.fixture
def layered():
    rng = np.random.default_rng(0)
    levels = rng.permutation(np.repeat([0, 1, 2], 10))
    step = levels[:, None] - levels[None]
    weights = rng.normal(size=(30, 30)) * (rng.random((30, 30)) < 0.3) * (step > 0)
    weights[3, 3] = 5.0
    return weights, levels


def test_degree_preserving_keeps_degrees_and_weights_of_each_source(layered):
    weights, _ = layered
    drawn = draws(degree_preserving(weights, 20, np.random.default_rng(1)))
    assert drawn.shape == (20, 30, 30)
    for axis in (1, 2):
        assert (
            np.count_nonzero(drawn, axis=axis) == np.count_nonzero(weights, axis=axis - 1)
        ).all()
    np.testing.assert_allclose(
        np.sort(drawn, axis=1), np.broadcast_to(np.sort(weights, axis=0), drawn.shape)
    )
    assert (drawn.diagonal(axis1=1, axis2=2) == weights.diagonal()).all()
    moved = ((drawn != 0) & (weights == 0)).sum(axis=(1, 2)) / np.count_nonzero(weights)
    assert (moved > 0.5).all()


def test_level_preserving_keeps_every_block_of_levels_and_the_degrees_within_it(layered):
    weights, levels = layered
    drawn = draws(level_preserving(weights, levels, 20, np.random.default_rng(2))) != 0
    member = levels == np.arange(3)[:, None]  # (levels, neurons)
    received = np.einsum("aj,kij->kai", member, drawn)
    sent = np.einsum("ai,kij->kaj", member, drawn)
    assert (received == np.einsum("aj,ij->ai", member, weights != 0)).all()
    assert (sent == np.einsum("ai,ij->aj", member, weights != 0)).all()
    assert (drawn != (weights != 0)).any(axis=(1, 2)).all()


def test_weight_shuffle_keeps_the_weights_and_with_levels_those_of_each_block(layered):
    weights, levels = layered
    for drawn in draws(weight_shuffle(weights, 5, np.random.default_rng(3))):
        np.testing.assert_allclose(np.sort(drawn, axis=None), np.sort(weights, axis=None))
        assert drawn[3, 3] == 5.0
        assert ((drawn != 0) != (weights != 0)).any()
    for drawn in draws(weight_shuffle(weights, 5, np.random.default_rng(3), levels=levels)):
        for upper, lower in product(range(3), range(3)):
            block = np.ix_(levels == upper, levels == lower)
            np.testing.assert_allclose(
                np.sort(drawn[block], axis=None), np.sort(weights[block], axis=None)
            )


def test_swapped_networks_are_uniform_over_all_with_the_same_degrees():
    """Three sources and three targets of degrees (2, 1, 1) each way: enumerate all matrices, then chi-square."""
    everything = np.array(list(product((0, 1), repeat=9))).reshape(-1, 3, 3)
    degrees = [2, 1, 1]
    fits = (everything.sum(axis=1) == degrees).all(axis=1) & (
        everything.sum(axis=2) == degrees
    ).all(axis=1)
    allowed = everything[fits]
    assert len(allowed) == 5
    weights = np.zeros((6, 6), dtype=bool)
    weights[3:, :3] = allowed[0]
    drawn = draws(degree_preserving(weights, 4000, np.random.default_rng(4)))[:, 3:, :3]
    found = [(drawn == matrix).all(axis=(1, 2)).sum() for matrix in allowed]
    assert sum(found) == 4000
    assert chisquare(found).pvalue > 1e-3


def test_shuffled_places_are_uniform():
    weights = np.zeros((4, 4), dtype=bool)
    weights[0, 1] = True
    counts = draws(weight_shuffle(weights, 3000, np.random.default_rng(5))).sum(axis=0)
    assert not counts.diagonal().any()
    assert chisquare(counts[~np.eye(4, dtype=bool)]).pvalue > 1e-3


def test_two_disjoint_edges_are_swapped_half_of_the_time():
    """A chain that always swapped would alternate and end in one state only."""
    weights = np.zeros((4, 4), dtype=bool)
    weights[2, 0] = weights[3, 1] = True
    drawn = draws(degree_preserving(weights, 2000, np.random.default_rng(6)))
    assert abs(drawn[:, 2, 0].mean() - 0.5) < 0.05


def test_same_seed_same_draws_and_tiny_networks_work(layered):
    weights, _ = layered
    for null in (degree_preserving, weight_shuffle):
        first, second = (draws(null(weights, 3, np.random.default_rng(7))) for _ in range(2))
        assert np.array_equal(first, second)
        for n in (1, 2):
            assert draws(null(np.zeros((n, n)), 3, np.random.default_rng(7))).shape == (3, n, n)
    lone = np.zeros((2, 2))
    lone[1, 0] = 1
    assert (draws(degree_preserving(lone, 3, np.random.default_rng(7))) == lone).all()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"weights": np.zeros((3, 4))}, "weights"),
        ({"n_draws": 0}, "n_draws"),
        ({"sweeps": 0}, "sweeps"),
        ({"levels": [0, 1]}, "levels"),
    ],
)
def test_bad_arguments_are_refused_at_once(arguments, named):
    good = {
        "weights": np.zeros((3, 3)),
        "levels": [0, 1, 2],
        "n_draws": 1,
        "generator": np.random.default_rng(8),
    }
    with pytest.raises(ValueError, match=named):
        level_preserving(**{**good, **arguments})
