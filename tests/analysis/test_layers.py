"""Layers, flow and path depths against networkx and against enumeration of all paths."""

import networkx as nx
import numpy as np
import pytest

from analysis.graph import effective_networkx, unrolled_networkx
from analysis.layers import (
    carried_edges,
    carry_and_add,
    layers,
    path_depths,
    share_through,
    steps_on_path,
)
from tests.analysis.test_effective import graph_of, random_weights, wire
from tests.planted import FAMILIES


@pytest.mark.parametrize("input_mode", ["pulse", "clamped"])
@pytest.mark.parametrize("seed", range(10))
def test_layers_are_the_longest_paths(seed: int, input_mode: str) -> None:
    graph = graph_of(
        random_weights(np.random.default_rng(seed), 14, 0.12),
        n_inputs=3,
        n_outputs=2,
        n_iterations=4,
        input_mode=input_mode,
    )
    contracted = effective_networkx(graph, layers(graph))
    for node in contracted:
        if contracted.nodes[node]["role"] == "hidden":
            above = contracted.subgraph(nx.ancestors(contracted, node) | {node})
            longest = nx.dag_longest_path_length(above, weight=None)
            assert contracted.nodes[node]["layer"] == longest


@pytest.mark.parametrize("seed", range(10))
def test_flow_and_path_depths_by_enumeration(seed: int) -> None:
    graph = graph_of(
        random_weights(np.random.default_rng(seed), 12, 0.2),
        n_inputs=3,
        n_outputs=2,
        n_iterations=3,
    )
    layering = layers(graph)
    unrolled = unrolled_networkx(graph)
    sources = [node for node in unrolled if node[1] == 0]
    sinks = [node for node in unrolled if node[1] == 3]
    by_depth = np.zeros(3)
    through = {}
    total = 0.0
    for source in sources:
        for path in (p for sink in sinks for p in nx.all_simple_paths(unrolled, source, sink)):
            weight = np.prod(
                [abs(unrolled.edges[edge]["weight"]) for edge in nx.utils.pairwise(path)]
            )
            total += weight
            by_depth[sum(not unrolled.nodes[node]["relay"] for node in path[1:-1])] += weight
            for node in path:
                through[node] = through.get(node, 0.0) + weight

    if total == 0:
        assert not path_depths(graph).any()
        return
    np.testing.assert_allclose(path_depths(graph), by_depth / total)
    for (i, l), weight in through.items():
        if not graph.relay[l, i]:
            assert layering.node_flow[l, i] == pytest.approx(weight / total)


def test_each_node_counts_by_how_far_from_linear_it_is() -> None:
    weights = wire(3, (0, 1, 1), (1, 2, 1))
    x = np.random.default_rng(0).normal(size=(1000, 1))
    graph = graph_of(weights, [0, 1.0, 0], n_iterations=2, inputs=x)
    bend = graph.nonlinearity[1, 1]
    assert 0 < bend < 1
    np.testing.assert_allclose(path_depths(graph), [1 - bend, bend])


def test_a_carried_value_makes_no_step_on_its_path() -> None:
    """1 takes x at l = 1 and keeps half of it; 2 takes what 1 has; 3 reads 1 and 2 at l = 3."""
    weights = wire(4, (0, 1, 1), (1, 1, 0.5), (1, 2, 1), (1, 3, 1), (2, 3, 1))
    graph = graph_of(weights, [0, 0, -0.1, 0], n_iterations=3)
    # 0-1-1-3 has flow 0.5, 0-1-2-3 has 1.
    np.testing.assert_allclose(steps_on_path(graph), [0, 0, 1 / 3, 2 / 3])
    # A value with its sign turned is not handed on.
    weights[1, 1] = -0.5
    turned = graph_of(weights, [0, 0, -0.1, 0], n_iterations=3)
    np.testing.assert_allclose(steps_on_path(turned), [0, 0, 0, 1])


def test_path_depths_do_not_overflow() -> None:
    weights = np.zeros((4, 4))
    weights[1, 0] = weights[2, 1] = weights[3, 2] = 1
    weights[1, 1] = 1e9
    graph = graph_of(weights, [0, -1, 0, 0], n_iterations=200)
    assert path_depths(graph).sum() == pytest.approx(1)


@pytest.mark.parametrize("family", ["mlp 3", "residual 2", "rnn sparse", "local 2d"])
def test_hidden_neurons_have_no_names(family: str) -> None:
    """Every measure is invariant under permutation of hidden neurons.

    And under positive rescaling of a rectified one.
    """
    rng = np.random.default_rng(5)
    least, make = FAMILIES[family]
    network = make(least, rng)
    options = {
        key: network.arguments[key]
        for key in ("n_inputs", "n_outputs", "n_iterations", "input_mode", "activation")
    }
    n = len(network.weights)
    hidden = np.arange(options["n_inputs"], n - options["n_outputs"])
    order = np.arange(n)
    order[hidden] = rng.permutation(hidden)
    moved = graph_of(network.weights[np.ix_(order, order)], network.biases[order], **options)
    scale = np.ones(n)
    scale[hidden] = rng.uniform(0.5, 2, size=len(hidden))
    scaled = graph_of(
        network.weights * scale[:, None] / scale[None], network.biases * scale, **options
    )

    here = layers(graph_of(network.weights, network.biases, **options))
    for other in (layers(moved), layers(scaled)):
        assert (other.depth, other.widths) == (here.depth, here.widths)
    np.testing.assert_allclose(path_depths(moved), path_depths(scaled), atol=1e-12)


def test_carry_and_add_needs_both_shares() -> None:
    def nodes(own: float, other: float) -> list[list[int]]:
        # 1 carries itself; 2 feeds it at l = 2
        graph = graph_of(
            wire(4, (0, 1, 1), (0, 2, 1), (1, 1, own), (2, 1, other), (1, 3, 1)), n_iterations=3
        )
        return np.argwhere(carry_and_add(graph)).tolist()

    assert nodes(1.0, 1.0) == [[2, 1]]
    assert nodes(1.0, 0.1) == []
    assert nodes(0.1, 1.0) == []
    assert nodes(-1.0, 1.0) == []


def test_share_through_a_skip_is_its_share_of_the_variance() -> None:
    # 1 -> 3 -> 4 is a relayed skip of gain 2, 1 -> 2 -> 4 computes with gain 1
    weights = wire(6, (0, 1, 1), (1, 3, 2), (3, 4, 1), (1, 2, 1), (2, 4, 1), (4, 5, 1))
    graph = graph_of(weights, [0, 0, -0.1, 0, 0, 0], n_iterations=4)
    layering = layers(graph)
    assert share_through(graph, layering.span > 1) == pytest.approx(4 / 5)
    assert not carried_edges(graph, carry_and_add(graph)).any()


def test_nothing_alive_has_no_layers() -> None:
    graph = graph_of(np.zeros((5, 5)), n_iterations=2)
    layering = layers(graph)
    assert (layering.depth, layering.widths, layering.layer_of) == (0, (), {})
    assert share_through(graph, layering.span > 1) == 0.0
