"""Spread and Moran's I against their textbook formulas."""

import numpy as np
import pytest
from scipy import sparse

from analysis.spatial import distance_correlation, field_spread, morans_i, unrolled


def test_spread_by_hand() -> None:
    positions = np.array([[0.0, 0.0], [2.0, 0.0], [9.0, 9.0]])
    assert field_spread(np.array([[1.0, -1.0, 0.0]]), positions).tolist() == pytest.approx([1.0])
    assert field_spread(np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), positions).tolist() == [
        0.0,
        0.0,
    ]


def test_spread_is_the_weighted_standard_deviation() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 20))
    positions = rng.normal(size=(20, 3)) + 1e3
    expected = []
    for row in np.abs(weights):
        centre = np.average(positions, axis=0, weights=row)
        expected.append(np.sqrt(np.average(((positions - centre) ** 2).sum(axis=1), weights=row)))
    np.testing.assert_allclose(field_spread(weights, positions), expected)
    np.testing.assert_allclose(field_spread(sparse.csr_array(weights), positions), expected)


def test_many_draws_of_positions_at_once() -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(4, 10))
    draws = rng.normal(size=(3, 10, 2))
    np.testing.assert_allclose(
        field_spread(weights, draws), [field_spread(weights, p) for p in draws]
    )


def test_spread_ignores_rigid_motions() -> None:
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(4, 10))
    positions = rng.normal(size=(10, 2))
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    np.testing.assert_allclose(
        field_spread(weights, positions @ turn + 5), field_spread(weights, positions)
    )


def test_morans_i_by_its_definition() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=12)
    positions = rng.uniform(size=(12, 2))
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    near = np.zeros((12, 12))
    for i in range(12):
        near[i, [j for j in np.argsort(distance[i]) if j != i][:4]] = 1
    centred = values - values.mean()
    expected = 12 / near.sum() * (centred @ near @ centred) / (centred @ centred)
    assert morans_i(values, positions)[0] == pytest.approx(expected)


def test_morans_i_of_a_bump_of_noise_and_of_nothing() -> None:
    x = np.linspace(0, 1, 60)[:, None]
    rng = np.random.default_rng(4)
    assert morans_i(np.exp(-((x[:, 0] - 0.4) ** 2) / 0.01), x)[0] > 0.8
    assert abs(np.mean(morans_i(rng.normal(size=(200, 60)), x)) + 1 / 59) < 0.02
    assert np.isnan(morans_i(np.ones(60), x)[0])


def test_weights_that_fall_off_with_distance_correlate_negatively_and_shuffled_positions_not() -> (
    None
):
    rng = np.random.default_rng(0)
    positions = rng.random((60, 2))
    apart = np.linalg.norm(positions[:, None] - positions, axis=2)
    weights = np.exp(-5 * apart) * rng.choice([-1, 1], (60, 60))
    assert distance_correlation(weights, positions) == pytest.approx(
        -1
    )  # ranks are exactly reversed
    assert abs(distance_correlation(weights, rng.permutation(positions))) < 0.1
    positions[0] = np.nan
    assert distance_correlation(weights, positions) == pytest.approx(-1)
    assert np.isnan(distance_correlation(np.zeros((60, 60)), positions))


def test_a_ring_is_unrolled_and_nothing_else_is() -> None:
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.column_stack([3 + np.cos(angle), np.sin(angle)])
    placed = np.vstack([ring, ring, [np.nan, np.nan]])  # two channels, and a neuron without a place
    flat = unrolled(placed)
    assert flat.shape == (25, 1)
    assert np.isnan(flat[24, 0])
    np.testing.assert_allclose(np.diff(np.sort(flat[:12, 0])), 2 * np.pi / 12)
    np.testing.assert_array_equal(flat[:12], flat[12:24])
    grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(4.0)), -1).reshape(-1, 2)
    for other in (grid, ring * [1, 2], grid[[0, 3, 12, 15]], np.arange(5.0)[:, None]):
        assert unrolled(other) is other
