"""The triad census against networkx and exact counts, its nulls against what they must keep."""

from math import comb
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.census import TRIADS, triad_census, triad_test


def networkx_census(adjacency: np.ndarray) -> np.ndarray:
    graph = nx.from_numpy_array(np.asarray(adjacency).T.astype(int), create_using=nx.DiGraph)
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    census = nx.triadic_census(graph)
    return np.array([census[name] for name in TRIADS])


@given(n=st.integers(3, 14), density=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_networkx(n: int, density: float, seed: int) -> None:
    adjacency = np.random.default_rng(seed).random((n, n)) < density
    assert np.array_equal(triad_census(adjacency), networkx_census(adjacency))


@given(n=st.integers(3, 14), density=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_sparse_matrices_are_counted_alike(n: int, density: float, seed: int) -> None:
    adjacency = np.random.default_rng(seed).random((n, n)) < density
    for kind in (sp.csr_array, sp.coo_matrix):
        assert np.array_equal(triad_census(kind(adjacency * 0.5)), networkx_census(adjacency))


def test_a_batch_is_counted_matrix_by_matrix() -> None:
    rng = np.random.default_rng(0)
    batch = rng.random((2, 3, 11, 11)) < 0.3
    batch[..., 4, :] = batch[..., :, 4] = False
    counts = triad_census(batch)
    assert counts.shape == (2, 3, 16)
    for index in np.ndindex(2, 3):
        assert np.array_equal(counts[index], networkx_census(batch[index]))


def test_dense_and_sparse_routes_agree_at_a_size_where_both_are_used() -> None:
    rng = np.random.default_rng(1)
    thin, thick = rng.random((2, 150, 150)) < np.array([0.01, 0.5])[:, None, None]
    for adjacency in (thin, thick):
        expected = networkx_census(adjacency)
        assert np.array_equal(triad_census(adjacency), expected)
        assert np.array_equal(triad_census(sp.csr_array(adjacency)), expected)


def test_exact_counts() -> None:
    def of(name: str, counts: np.ndarray) -> int:
        return counts[TRIADS.index(name)]

    complete = triad_census(np.ones((9, 9)))
    assert of("300", complete) == complete.sum() == comb(9, 3)
    # A transitive tournament on 50 neurons holds feed-forward loops only.
    assert of("030T", triad_census(np.tril(np.ones((50, 50)), -1))) == comb(50, 3)
    # A dense two-layer network, a -> b: two sources and a target are an "up" triad, a source and
    # two targets a "down" one.
    layered = np.zeros((30, 30))
    layered[20:, :20] = 1
    counts = triad_census(layered)
    assert of("021U", counts) == comb(20, 2) * 10
    assert of("021D", counts) == 20 * comb(10, 2)
    assert of("003", counts) == comb(20, 3) + comb(10, 3)
    assert counts.sum() == comb(30, 3)


def test_renaming_neurons_changes_nothing_and_reversing_edges_swaps_up_and_down() -> None:
    rng = np.random.default_rng(2)
    adjacency = rng.random((40, 40)) < 0.2
    order = rng.permutation(40)
    counts = triad_census(adjacency)
    assert np.array_equal(triad_census(adjacency[np.ix_(order, order)]), counts)
    swap = {"D": "U", "U": "D"}
    mirrored = [TRIADS.index(name[:-1] + swap.get(name[-1], name[-1])) for name in TRIADS]
    assert np.array_equal(triad_census(adjacency.T), counts[mirrored])


@pytest.mark.parametrize("bad", [np.zeros((3, 4)), np.zeros(5), sp.csr_array((2, 3))])
def test_census_refuses_what_is_not_square(bad: Any) -> None:
    with pytest.raises(ValueError, match="adjacency"):
        triad_census(bad)


@pytest.mark.parametrize("skips", [True, False])
def test_the_degree_preserving_null_calls_layered_networks_poor_in_loops(skips: bool) -> None:
    """The trap (docs/structure.md): rewiring breaks layers and so makes loops.

    It makes more of them than a network full of skips has.
    """
    width = 12
    rng = np.random.default_rng(3)
    layers = np.repeat(np.arange(5), width)
    step = layers[:, None] - layers[None]
    weights = (step == 1) & (rng.random(step.shape) < 0.7)
    if skips:  # identity skips over two layers
        weights |= np.eye(len(layers), k=-2 * width, dtype=bool)
    result = triad_test(weights, layers=layers, n_draws=99, rng=np.random.default_rng(4))

    loop = TRIADS.index("030T")
    plain = result["degree_preserving"]
    layered = result["layer_preserving"]
    assert (plain["counts"][loop] > 100) == skips
    assert plain["z"][loop] < -3
    assert plain["p_fewer"][loop] == 0.01
    assert abs(layered["z"][loop]) < 3


def test_z_and_p_come_from_the_draws() -> None:
    """A shuffled network keeps its density alone: mean counts are those of a random network."""
    rng = np.random.default_rng(5)
    weights = np.triu(rng.random((30, 30)) < 0.5, 1)
    result = triad_test(weights, n_draws=200, rng=rng)["weight_shuffle"]
    density = weights.sum() / (30 * 29)
    transitive = 6 * comb(30, 3) * density**3 * (1 - density) ** 3
    k = TRIADS.index("030T")
    assert result["mean"][k] == pytest.approx(transitive, rel=0.05)
    assert result["p_more"][k] == 1 / 201
    assert result["p_fewer"][k] == 1
    assert result["z"][k] == (result["counts"][k] - result["mean"][k]) / result["sd"][k] > 10


def test_neurons_without_edges_change_open_triads_only() -> None:
    rng = np.random.default_rng(6)
    weights = np.zeros((50, 50))
    weights[10:30, 10:30] = rng.random((20, 20)) < 0.3
    result = triad_test(weights, n_draws=3, rng=rng)
    for name in ("degree_preserving", "weight_shuffle"):
        assert result[name]["mean"].sum() == pytest.approx(comb(50, 3))
    assert "layer_preserving" not in result


def test_p_values_are_uniform_when_the_network_is_a_draw_of_the_null() -> None:
    """One-sided p-values with ties counted against us: P(p <= a) <= a, and close to a."""
    rng = np.random.default_rng(7)
    places = [TRIADS.index("030T"), TRIADS.index("021C")]
    values = []
    for _ in range(150):
        weights = np.zeros((14, 14), dtype=bool)
        off = np.flatnonzero(~np.eye(14, dtype=bool))
        weights.ravel()[rng.choice(off, 60, replace=False)] = True
        values.append(triad_test(weights, n_draws=39, rng=rng)["weight_shuffle"]["p_more"][places])
    values = np.array(values)
    for level in (0.1, 0.25, 0.5):
        share = (values <= level).mean(axis=0)
        assert (np.abs(share - level) < 3.5 * np.sqrt(level * (1 - level) / 150) + 0.05).all()


def test_triad_test_refuses_what_does_not_fit() -> None:
    rng = np.random.default_rng(8)
    with pytest.raises(ValueError, match="weights"):
        triad_test(np.zeros((3, 4)), rng=rng)
    with pytest.raises(ValueError, match="layers"):
        triad_test(np.zeros((3, 3)), layers=[0, 1], rng=rng)
    with pytest.raises(ValueError, match="n_draws"):
        triad_test(np.zeros((3, 3)), n_draws=0, rng=rng)
