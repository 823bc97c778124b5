"""Trophic levels against exact solutions, an independent minimiser, and invariances."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.trophic import trophic_incoherence, trophic_levels


def matrix(n: int, edges: list[tuple[int, int, float]]) -> np.ndarray:
    weights = np.zeros((n, n))
    for source, target, weight in edges:
        weights[target, source] = weight
    return weights


def random_weights(seed: int, n: int = 12, density: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n)) * (rng.random((n, n)) < density)


def test_a_chain_climbs_one_level_an_edge_and_is_fully_coherent() -> None:
    weights = matrix(4, [(0, 1, 0.2), (1, 2, -3.0), (2, 3, 1.0)])
    np.testing.assert_allclose(trophic_levels(weights), [0, 1, 2, 3], atol=1e-12)
    assert trophic_incoherence(weights) == pytest.approx(0, abs=1e-20)


def test_a_cycle_and_a_symmetric_matrix_have_no_direction() -> None:
    cycle = matrix(5, [(k, (k + 1) % 5, 2.0) for k in range(5)])
    symmetric = np.abs(random_weights(0)) + np.abs(random_weights(0)).T
    for weights in (cycle, symmetric):
        np.testing.assert_allclose(trophic_levels(weights), 0, atol=1e-12)
        assert trophic_incoherence(weights) == pytest.approx(1)


def test_feed_forward_loop_by_hand() -> None:
    """0 -> 1 -> 2 and a skip 0 -> 2 of weight 1: h = (0, 2/3, 4/3), F = (1/9 + 1/9 + 1/9) / 3."""
    weights = matrix(3, [(0, 1, 1), (1, 2, 1), (0, 2, 1)])
    np.testing.assert_allclose(trophic_levels(weights), [0, 2 / 3, 4 / 3])
    assert trophic_incoherence(weights) == pytest.approx(1 / 9)


def test_two_nodes_that_answer_each_other_unequally_by_hand() -> None:
    """a to b with weight w, back with 1.

    h_b - h_a = (w - 1) / (w + 1) and F = 1 - ((w - 1) / (w + 1))^2.
    """
    for w in (1.0, 2.0, 50.0):
        weights = matrix(2, [(0, 1, w), (1, 0, 1.0)])
        np.testing.assert_allclose(np.diff(trophic_levels(weights)), (w - 1) / (w + 1))
        assert trophic_incoherence(weights) == pytest.approx(1 - ((w - 1) / (w + 1)) ** 2)


def test_a_self_loop_moves_no_level_and_counts_as_incoherent() -> None:
    weights = matrix(2, [(0, 1, 1.0), (1, 1, 1.0)])
    np.testing.assert_allclose(trophic_levels(weights), [0, 1])
    assert trophic_incoherence(weights) == pytest.approx(0.5)


def test_on_trees_the_levels_are_those_of_networkx() -> None:
    """networkx has the older form, which agrees without incoherence (its levels start at 1)."""
    tree = nx.balanced_tree(2, 3, create_using=nx.DiGraph)
    weights = nx.to_numpy_array(tree, nodelist=range(15)).T
    older = nx.trophic_levels(tree)
    np.testing.assert_allclose(trophic_levels(weights) + 1, [older[node] for node in range(15)])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_levels_minimise_the_incoherence(seed: int) -> None:
    """Oracle: the same minimum by least squares over the edges, with no Laplacian."""
    weights = random_weights(seed)
    target, source = np.nonzero(weights)
    root = np.sqrt(np.abs(weights[target, source]))
    rows = np.zeros((len(root), len(weights)))
    np.add.at(rows, (np.arange(len(root)), target), root)
    np.add.at(rows, (np.arange(len(root)), source), -root)
    best = np.linalg.lstsq(rows, root, rcond=None)[0]
    levels = trophic_levels(weights)
    np.testing.assert_allclose(rows @ levels, rows @ best, atol=1e-8)
    assert 0 <= trophic_incoherence(weights) <= 1
    assert trophic_incoherence(weights, best) == pytest.approx(trophic_incoherence(weights))


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_invariances(seed: int) -> None:
    weights = random_weights(seed)
    levels = trophic_levels(weights)
    incoherence = trophic_incoherence(weights)
    order = np.random.default_rng(seed).permutation(12)
    np.testing.assert_allclose(
        trophic_levels(weights[np.ix_(order, order)]), levels[order], atol=1e-8
    )
    np.testing.assert_allclose(trophic_levels(-7 * weights), levels, atol=1e-8)
    assert trophic_incoherence(weights.T) == pytest.approx(incoherence)


def test_separate_parts_start_at_zero_each_and_neurons_without_edges_too() -> None:
    weights = matrix(7, [(0, 1, 1), (1, 2, 1), (5, 4, 1)])
    np.testing.assert_allclose(trophic_levels(weights), [0, 1, 2, 0, 1, 0, 0])
    assert np.isnan(trophic_incoherence(np.zeros((3, 3))))
    assert (trophic_levels(np.zeros((3, 3))) == 0).all()


def test_weak_edges_hardly_move_the_levels() -> None:
    weights = matrix(4, [(0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 0, 1e-9)])
    np.testing.assert_allclose(trophic_levels(weights), [0, 1, 2, 3], atol=1e-7)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="weights"):
        trophic_levels(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="weights"):
        trophic_incoherence(np.full((2, 2), np.inf))
    with pytest.raises(ValueError, match="levels"):
        trophic_incoherence(np.eye(3), [0, 1])
