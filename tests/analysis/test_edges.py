"""Edges between nodes: numbers, chains of relays, and sums over paths against enumeration."""

import networkx as nx
import numpy as np
import pytest

from analysis.edges import Edges, by_iteration, contract, first_iteration, relay_steps
from analysis.paths import accumulate, path_shares
from tests.analysis.test_effective import graph_of, random_weights


def edges_of(*ends: tuple[int, int, float], n_neurons: int) -> Edges:
    source, target, weight = (np.array(column) for column in zip(*ends, strict=True))
    return Edges(source, target, weight, source, n_neurons)


def test_nodes_are_numbered_by_iteration_then_neuron() -> None:
    edges = edges_of((3, 9, 2.0), (10, 15, 1.0), n_neurons=5)
    assert edges.source_neuron.tolist() == [3, 0]
    assert edges.source_iteration.tolist() == [0, 2]
    assert edges.target_neuron.tolist() == [4, 0]
    assert edges.target_iteration.tolist() == [1, 3]
    assert edges.pair.tolist() == [4 * 5 + 3, 0]
    assert edges.joins_itself.tolist() == [False, True]
    assert [step.tolist() for step in edges.steps(3)] == [[0], [], [1]]


def test_edges_are_grouped_in_their_order() -> None:
    groups = by_iteration(np.array([2, 0, 2, 1, 0]), 3)
    assert [group.tolist() for group in groups] == [[1, 4], [3], [0, 2], []]


def test_chains_of_relays_are_walked_forwards_and_contracted() -> None:
    # 0 -> 4 -> 8 -> 12 with relays 4 and 8, and 0 -> 5 -> 9 -> 12 that computes.
    ends = ((8, 12, 5.0), (0, 4, 2.0), (4, 8, 3.0), (0, 5, 1.0), (5, 9, 1.0), (9, 12, 1.0))
    unrolled = edges_of(*ends, n_neurons=4)
    relay = np.isin(np.arange(16), [4, 8])
    assert [step.target.tolist() for step in relay_steps(unrolled, relay)] == [[4], [8]]

    edges = contract(unrolled, relay)
    skip = edges.where(edges.target == 12).where(slice(0, 1))
    assert (skip.source.tolist(), skip.via.tolist(), skip.weight.tolist()) == ([0], [8], [30.0])
    assert len(edges) == 4


def test_sources_that_are_the_same_at_every_iteration_move_to_the_first() -> None:
    same = np.array([[True, False], [True, False], [False, False]])
    edges = first_iteration(edges_of((2, 5, 1.0), (3, 5, 1.0), n_neurons=2), same)
    assert edges.source.tolist() == [0, 3]


@pytest.mark.parametrize("seed", range(5))
def test_sums_over_paths_by_enumeration(seed: int) -> None:
    facts = {"n_inputs": 3, "n_outputs": 2, "n_iterations": 3, "activation": "tanh"}
    graph = graph_of(random_weights(np.random.default_rng(seed), 10, 0.3), **facts)
    edges = graph.unrolled
    size = np.abs(edges.weight)
    drawn = nx.DiGraph()
    ends = zip(edges.source.tolist(), edges.target.tolist(), size.tolist(), strict=True)
    drawn.add_weighted_edges_from(ends)

    through = np.zeros(graph.n_nodes)
    for begin in np.flatnonzero(graph.is_source.ravel()):
        for end in np.flatnonzero(graph.is_output.ravel()):
            for path in nx.all_simple_paths(drawn, begin, end):
                weights = [drawn.edges[step]["weight"] for step in nx.utils.pairwise(path)]
                through[path] += np.prod(weights)
    total = through[graph.is_output.ravel()].sum()

    forwards, grown = accumulate(edges, size, graph.is_source)
    backwards, shrunk = accumulate(edges, size, graph.is_output, backwards=True)
    assert np.exp(grown[-1]) * forwards[-1].sum() == pytest.approx(total)
    assert np.exp(shrunk[0]) * backwards[0].sum() == pytest.approx(total)
    _, share = path_shares(edges, size, graph.is_source, graph.is_output)
    np.testing.assert_allclose(share.ravel() * total, through, atol=1e-12)
