"""Plain measures against networkx and against networks that can be counted by hand."""

from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.measures import (
    arrival_step,
    density_by_block,
    modularity,
    path_lengths,
    reciprocity,
    self_loops,
)


def sparse_weights(seed: int, n: int = 20, density: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n)) * (rng.random((n, n)) < density)


def graph_of(weights: np.ndarray) -> nx.DiGraph:
    """networkx edges are (j, i)."""
    return nx.from_numpy_array(np.abs(weights).T, create_using=nx.DiGraph)


@given(seed=st.integers(0, 10_000), steps=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_path_lengths_are_those_of_networkx(seed: int, steps: int) -> None:
    weights = sparse_weights(seed)
    expected = np.full((20, 20), np.inf)
    for source, lengths in nx.all_pairs_shortest_path_length(graph_of(weights), cutoff=steps):
        for target, length in lengths.items():
            expected[target, source] = length
    assert np.array_equal(path_lengths(weights, steps), expected)
    assert np.array_equal(path_lengths(weights, steps, sources=[7, 3]), expected[:, [7, 3]])


@given(seed=st.integers(0, 10_000), steps=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_arrival_is_the_shortest_way_from_any_input(seed: int, steps: int) -> None:
    weights = sparse_weights(seed)
    nearest = path_lengths(weights, steps, sources=range(4)).min(axis=1)
    assert np.array_equal(
        arrival_step(weights, 4, steps), np.where(np.isfinite(nearest), nearest, -1)
    )


def test_arrival_is_the_step_at_which_a_linear_network_first_moves() -> None:
    weights = np.abs(sparse_weights(1, n=30, density=0.05))
    state = np.arange(30) < 3
    first = np.where(state, 0, -1)
    for step in range(1, 5):
        state = weights @ state > 0
        first = np.where((first < 0) & state, step, first)
    assert np.array_equal(arrival_step(weights, 3, 4), first)


def test_density_by_block_by_hand() -> None:
    weights = np.zeros((6, 6))
    weights[2:4, :2] = 3.0  # dense from {0, 1} to {2, 3}
    weights[4, 2] = -4.0
    weights[2, 3] = 1.0
    weights[3, 3] = 9.0  # self-loops are left out
    weights[5, 5] = 9.0
    blocks = density_by_block(weights, [[0, 1], [2, 3], [4]])
    assert blocks["edges"].tolist() == [[0, 0, 0], [4, 1, 0], [0, 1, 0]]
    np.testing.assert_allclose(blocks["density"], [[0, 0, 0], [1, 0.5, 0], [0, 0.5, np.nan]])
    np.testing.assert_allclose(
        blocks["mass_share"], np.array([[0, 0, 0], [12, 1, 0], [0, 4, 0]]) / 17
    )


def test_blocks_together_hold_every_edge() -> None:
    weights = sparse_weights(2)
    order = np.random.default_rng(2).permutation(20)
    blocks = density_by_block(weights, [order[:3], order[3:11], order[11:]])
    assert blocks["edges"].sum() == np.count_nonzero(weights) - np.count_nonzero(weights.diagonal())
    assert blocks["mass_share"].sum() == pytest.approx(1)
    whole = density_by_block(weights, [range(20)])
    assert whole["density"].item() == pytest.approx(
        nx.density(graph_of(weights - np.diag(weights.diagonal())))
    )


def test_modularity_finds_planted_communities_and_equals_the_formula() -> None:
    """Leicht & Newman (2008): Q = sum over pairs in one community of A_ij - k_i k_j / m, over m."""
    rng = np.random.default_rng(3)
    member = np.repeat([0, 1, 2], 10)
    weights = rng.uniform(0.5, 1, (30, 30)) * (
        (member[:, None] == member) | (rng.random((30, 30)) < 0.03)
    )
    quality, communities = modularity(-weights, seed=0)
    assert sorted(sorted(community) for community in communities) == [
        list(range(k, k + 10)) for k in (0, 10, 20)
    ]

    mass = weights.sum()
    expected = weights - np.outer(weights.sum(axis=1), weights.sum(axis=0)) / mass
    assert quality == pytest.approx(expected[member[:, None] == member].sum() / mass)
    assert modularity(weights, seed=0) == modularity(weights, seed=0)
    assert modularity(np.zeros((3, 3)), seed=0) == (0.0, [])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_reciprocity_is_that_of_networkx(seed: int) -> None:
    weights = sparse_weights(seed, density=0.3)
    without = weights - np.diag(weights.diagonal())
    assert reciprocity(weights) == pytest.approx(nx.overall_reciprocity(graph_of(without)))


def test_weighted_reciprocity_by_hand() -> None:
    weights = np.array([[5.0, 1.0, 0.0], [-3.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    assert reciprocity(weights, weighted=True) == pytest.approx(2 / 6)
    assert reciprocity(weights) == pytest.approx(2 / 3)
    assert np.isnan(reciprocity(np.eye(3)))


def test_self_loops_by_hand() -> None:
    weights = np.diag([0.0, 2.0, -1.0, 0.0])
    weights[1, 0] = 3.0
    assert self_loops(weights) == {
        "count": 2,
        "share": 2 / 3,
        "mass_share": 0.5,
        "mean_weight": 0.5,
    }
    assert self_loops(weights)["count"] == nx.number_of_selfloops(graph_of(weights))
    assert self_loops(np.zeros((2, 2)))["share"] == 0


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: arrival_step(np.zeros((2, 3)), 1, 1), "weights"),
        (lambda: arrival_step(np.zeros((2, 2)), 3, 1), "n_inputs"),
        (lambda: arrival_step(np.zeros((2, 2)), 1, 0), "n_iterations"),
        (lambda: path_lengths(np.full((2, 2), np.nan), 1), "weights"),
        (lambda: path_lengths(np.zeros((2, 2)), 1, sources=[2]), "sources"),
        (lambda: density_by_block(np.zeros((2, 2)), [[0], [0]]), "groups"),
        (lambda: density_by_block(np.zeros((2, 2)), [[2]]), "groups"),
    ],
)
def test_bad_arguments_are_refused(call: Callable[[], object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        call()
