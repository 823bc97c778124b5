"""What each null keeps, what it changes, and that its draws are uniform."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from analysis.rewiring import degree_preserving, layer_preserving, weight_shuffle


def draws(batches: Iterator[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(batches))


@pytest.fixture
def layered() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    layers = rng.permutation(np.repeat([0, 1, 2], 10))
    step = layers[:, None] - layers[None]
    weights = rng.normal(size=(30, 30)) * (rng.random((30, 30)) < 0.3) * (step > 0)
    weights[3, 3] = 5.0
    return weights, layers


def test_degree_preserving_keeps_degrees_and_weights_of_each_source(
    layered: tuple[np.ndarray, np.ndarray],
) -> None:
    weights, _ = layered
    drawn = draws(degree_preserving(weights, rng=np.random.default_rng(1), n_draws=20))
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


def test_layer_preserving_keeps_every_block_of_layers_and_the_degrees_within_it(
    layered: tuple[np.ndarray, np.ndarray],
) -> None:
    weights, layers = layered
    drawn = draws(layer_preserving(weights, layers, rng=np.random.default_rng(2), n_draws=20)) != 0
    member = layers == np.arange(3)[:, None]  # (layers, neurons)
    received = np.einsum("aj,kij->kai", member, drawn)
    sent = np.einsum("ai,kij->kaj", member, drawn)
    assert (received == np.einsum("aj,ij->ai", member, weights != 0)).all()
    assert (sent == np.einsum("ai,ij->aj", member, weights != 0)).all()
    assert (drawn != (weights != 0)).any(axis=(1, 2)).all()


def test_weight_shuffle_keeps_the_weights_and_with_layers_those_of_each_block(
    layered: tuple[np.ndarray, np.ndarray],
) -> None:
    weights, layers = layered
    for drawn in draws(weight_shuffle(weights, rng=np.random.default_rng(3), n_draws=5)):
        np.testing.assert_allclose(np.sort(drawn, axis=None), np.sort(weights, axis=None))
        assert drawn[3, 3] == 5.0
        assert ((drawn != 0) != (weights != 0)).any()

    for drawn in draws(
        weight_shuffle(weights, rng=np.random.default_rng(3), n_draws=5, layers=layers)
    ):
        for upper, lower in product(range(3), range(3)):
            block = np.ix_(layers == upper, layers == lower)
            np.testing.assert_allclose(
                np.sort(drawn[block], axis=None), np.sort(weights[block], axis=None)
            )


def test_swapped_networks_are_uniform_over_all_with_the_same_degrees() -> None:
    """Three sources and three targets of degrees (2, 1, 1): all matrices, then chi-square."""
    everything = np.array(list(product((0, 1), repeat=9))).reshape(-1, 3, 3)
    degrees = [2, 1, 1]
    fits = (everything.sum(axis=1) == degrees).all(axis=1) & (
        everything.sum(axis=2) == degrees
    ).all(axis=1)
    allowed = everything[fits]
    assert len(allowed) == 5
    weights = np.zeros((6, 6), dtype=bool)
    weights[3:, :3] = allowed[0]
    drawn = draws(degree_preserving(weights, rng=np.random.default_rng(4), n_draws=4000))[:, 3:, :3]
    counts = [(drawn == matrix).all(axis=(1, 2)).sum() for matrix in allowed]
    assert sum(counts) == 4000
    assert chisquare(counts).pvalue > 1e-3


def test_shuffled_places_are_uniform() -> None:
    weights = np.zeros((4, 4), dtype=bool)
    weights[0, 1] = True
    counts = draws(weight_shuffle(weights, rng=np.random.default_rng(5), n_draws=3000)).sum(axis=0)
    assert not counts.diagonal().any()
    assert chisquare(counts[~np.eye(4, dtype=bool)]).pvalue > 1e-3


def test_two_disjoint_edges_are_swapped_half_of_the_time() -> None:
    """A chain that always swapped would alternate and end in one state only."""
    weights = np.zeros((4, 4), dtype=bool)
    weights[2, 0] = weights[3, 1] = True
    drawn = draws(degree_preserving(weights, rng=np.random.default_rng(6), n_draws=2000))
    assert abs(drawn[:, 2, 0].mean() - 0.5) < 0.05


def test_same_seed_same_draws_and_tiny_networks_work(
    layered: tuple[np.ndarray, np.ndarray],
) -> None:
    weights, _ = layered
    for null in (degree_preserving, weight_shuffle):
        first, second = (
            draws(null(weights, rng=np.random.default_rng(7), n_draws=3)) for _ in range(2)
        )
        assert np.array_equal(first, second)
        for n in (1, 2):
            assert draws(null(np.zeros((n, n)), rng=np.random.default_rng(7), n_draws=3)).shape == (
                3,
                n,
                n,
            )

    lone = np.zeros((2, 2))
    lone[1, 0] = 1
    assert (draws(degree_preserving(lone, rng=np.random.default_rng(7), n_draws=3)) == lone).all()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"weights": np.zeros((3, 4))}, "weights"),
        ({"n_draws": 0}, "n_draws"),
        ({"rounds": 0}, "rounds"),
        ({"layers": [0, 1]}, "layers"),
    ],
)
def test_bad_arguments_are_refused_at_once(arguments: dict[str, Any], named: str) -> None:
    good = {
        "weights": np.zeros((3, 3)),
        "layers": [0, 1, 2],
        "n_draws": 1,
        "rng": np.random.default_rng(8),
    }
    with pytest.raises(ValueError, match=named):
        layer_preserving(**{**good, **arguments})
