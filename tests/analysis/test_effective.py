"""The effective graph against networkx as an oracle, and against pen and paper."""

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import sparse

from analysis.effective import EffectiveGraph, effective_graph
from analysis.forward import forward
from analysis.graph import effective_networkx, to_networkx, unrolled_networkx
from analysis.layers import layers
from analysis.network import flat_network


def graph_of(
    weights: np.ndarray,
    biases: ArrayLike | None = None,
    *,
    n_inputs: int = 1,
    n_outputs: int = 1,
    n_iterations: int,
    inputs: np.ndarray | None = None,
    faint: float = 0.0,
    **options: Any,
) -> EffectiveGraph:
    facts = {"n_inputs": n_inputs, "n_outputs": n_outputs, "n_iterations": n_iterations}
    return effective_graph(flat_network(weights, biases, **facts, **options), inputs, faint=faint)


def wire(n_neurons: int, *edges: tuple[int, int, float]) -> np.ndarray:
    weights = np.zeros((n_neurons, n_neurons))
    for source, target, weight in edges:
        weights[target, source] = weight
    return weights


def random_weights(
    rng: np.random.Generator, n_neurons: int = 14, density: float = 0.2
) -> np.ndarray:
    shape = (n_neurons, n_neurons)
    return np.where(rng.random(shape) < density, rng.normal(size=shape), 0.0)


def oracle(
    weights: np.ndarray, n_inputs: int, n_outputs: int, n_iterations: int, input_mode: str
) -> nx.classes.reportviews.OutEdgeView:
    """Nodes on input -> output paths of the unrolled graph, by networkx."""
    n = len(weights)
    unrolled = nx.DiGraph()
    clamped = input_mode == "clamped"
    for l in range(n_iterations):
        for i, j in np.argwhere(weights):
            if not (clamped and i < n_inputs and l + 1 < n_iterations):
                unrolled.add_edge((int(j), l), (int(i), l + 1))

    sources = [
        (i, l)
        for i in range(n_inputs)
        for l in range(n_iterations if clamped else 1)
        if (i, l) in unrolled
    ]
    sinks = [(i, n_iterations) for i in range(n - n_outputs, n) if (i, n_iterations) in unrolled]
    below = set(sources).union(*(nx.descendants(unrolled, s) for s in sources))
    above = set(sinks).union(*(nx.ancestors(unrolled, s) for s in sinks))
    return unrolled.subgraph(below & above).edges


@pytest.mark.parametrize("input_mode", ["pulse", "clamped"])
@pytest.mark.parametrize("seed", range(15))
def test_pruning_agrees_with_networkx(seed: int, input_mode: str) -> None:
    weights = random_weights(np.random.default_rng(seed))
    graph = graph_of(
        weights, n_inputs=3, n_outputs=2, n_iterations=4, input_mode=input_mode, activation="tanh"
    )
    assert set(unrolled_networkx(graph).edges) == set(oracle(weights, 3, 2, 4, input_mode))


@pytest.mark.parametrize("input_mode", ["pulse", "clamped"])
@pytest.mark.parametrize("seed", range(5))
def test_weights_that_are_not_used_do_not_matter(seed: int, input_mode: str) -> None:
    rng = np.random.default_rng(seed)
    weights = random_weights(rng, 20, 0.15)
    x = rng.normal(size=(50, 4))
    graph = graph_of(weights, n_inputs=4, n_outputs=3, n_iterations=4, input_mode=input_mode)
    used = np.zeros_like(weights)
    used[graph.unrolled.target_neuron, graph.unrolled.source_neuron] = 1

    net = flat_network(weights, n_inputs=4, n_outputs=3, n_iterations=4, input_mode=input_mode)
    before = forward(net, x).outputs
    after = forward(replace(net, weights=weights * used), x).outputs
    np.testing.assert_allclose(before, after, atol=1e-12)


def test_an_edge_points_from_column_to_row() -> None:
    assert set(to_networkx(wire(3, (0, 1, 2.0)), n_inputs=1, n_outputs=1).edges(data="weight")) == {
        (0, 1, 2.0)
    }


def test_a_path_of_the_wrong_length_does_not_count() -> None:
    weights = wire(4, (0, 1, 1), (1, 2, 1), (2, 3, 1))
    assert graph_of(weights, n_iterations=3).used.sum() == 4
    assert not graph_of(weights, n_iterations=2).used.any()
    assert not graph_of(weights, n_iterations=4).used.any()


def test_a_constant_source_is_folded_into_the_bias() -> None:
    # 1 is a relay of 0 by its weights, but constant neuron 3 pushes it below zero: it bends
    weights = wire(6, (0, 1, 1), (1, 2, 1), (2, 5, 1), (3, 2, -1))
    assert graph_of(weights, n_iterations=3).relay[2, 2]
    pushed = graph_of(weights, [0, 0, 0, 0.5, 0, 0], n_iterations=3)
    assert not pushed.relay.any()
    assert not pushed.used[:, 3].any()


def test_rectified_sources_with_negative_weights_cannot_fire_a_neuron() -> None:
    weights = wire(4, (0, 1, 1), (1, 2, -1), (2, 3, 1))
    assert not graph_of(weights, n_iterations=3).used.any()
    assert graph_of(weights, [0, 0, 1, 0], n_iterations=3).used.sum() == 4
    assert graph_of(weights, n_iterations=3, activation="tanh").used.sum() == 4


def test_relays_are_contracted_and_gains_multiply() -> None:
    # 0 -> 1 -> 2 -> 3 -> 6 with 2 and 3 relays; 1 -> 4 -> 5 -> 6 computes at 4 and 5, which have
    # a bias.
    weights = wire(7, (0, 1, 1), (1, 2, 2), (2, 3, 3), (3, 6, 5), (1, 4, 1), (4, 5, 1), (5, 6, 1))
    graph = graph_of(weights, [0, 0, 0, 0, -0.1, -0.1, 0], n_iterations=4)
    layering = layers(graph)
    drawn = effective_networkx(graph, layering)
    assert drawn.edges[(1, 1), (6, 4)] == {"weight": 30.0, "span": 3}
    assert (layering.depth, layering.widths) == (3, (1, 1, 1))
    assert layering.layer_of == {0: 0, 1: 1, 4: 2, 5: 3, 6: 4}


def test_a_relay_of_a_signed_input_bends() -> None:
    weights = wire(3, (0, 1, 1), (1, 2, 1))
    assert not graph_of(weights, n_iterations=2).relay.any()
    x = np.linspace(0, 1, 10)[:, None]
    assert graph_of(weights, n_iterations=2, inputs=x).relay[1, 1]
    assert not graph_of(weights, n_iterations=2, inputs=x - 0.5).relay.any()


def test_data_fold_away_what_does_not_vary() -> None:
    weights = wire(5, (0, 2, 1), (1, 2, 1), (1, 3, 1), (2, 4, 1), (3, 4, 1))
    x = np.column_stack([np.linspace(-1, 1, 20), np.full(20, 3.0)])
    graph = graph_of(weights, n_inputs=2, n_iterations=2, inputs=x)
    assert np.flatnonzero(graph.used[0]).tolist() == [0]
    assert np.flatnonzero(graph.used[1]).tolist() == [2]


def test_nonlinearity_of_a_gaussian_relu_is_one() -> None:
    weights = wire(3, (0, 1, 1), (1, 2, 1))
    x = np.random.default_rng(0).normal(size=(200_000, 1))
    assert graph_of(weights, n_iterations=2, inputs=x).nonlinearity[1, 1] == pytest.approx(
        1.0, abs=0.02
    )
    shifted = graph_of(weights, [0, 2, 0], n_iterations=2, inputs=x).nonlinearity[1, 1]
    assert 0 < shifted < 0.05


def test_sparse_arrays_are_welcome() -> None:
    weights = random_weights(np.random.default_rng(3))
    dense = graph_of(weights, n_inputs=3, n_outputs=2, n_iterations=4)
    net = flat_network(weights, n_inputs=3, n_outputs=2, n_iterations=4)
    thin = effective_graph(replace(net, weights=sparse.csr_array(weights)))
    assert set(unrolled_networkx(dense).edges) == set(unrolled_networkx(thin).edges)


@pytest.mark.parametrize(("strength", "n_hidden_nodes"), [(0.01, 2), (1.0, 4)])
def test_faint_echoes_at_other_iterations_are_no_nodes_on_data(
    strength: float, n_hidden_nodes: int
) -> None:
    # 0 -> 1 -> 2 -> 3 is the main path; over the weight 0 -> 2 the two neurons are also used in
    # the opposite order.
    weights = wire(4, (0, 1, 1), (1, 2, 1), (2, 3, 1), (0, 2, strength), (2, 1, 1), (1, 3, 1))
    x = np.random.default_rng(0).normal(size=(200, 1))
    assert (
        graph_of(weights, [0, 1, 1, 0], n_iterations=3, inputs=x).used[1:3].sum() == n_hidden_nodes
    )
    assert graph_of(weights, [0, 1, 1, 0], n_iterations=3).used[1:3].sum() == 4


def test_an_input_neuron_that_also_computes_stays_an_input() -> None:
    weights = wire(4, (0, 1, 1), (1, 0, 1), (0, 2, 1), (2, 3, 1))
    x = np.random.default_rng(0).normal(size=(200, 1))
    graph = graph_of(weights, [0.1, 0.1, 0.1, 0], n_iterations=4, inputs=x)
    assert np.argwhere(graph.used).tolist() == [[0, 0], [1, 1], [2, 0], [3, 2], [4, 3]]


def test_stray_edges_that_carry_nothing_are_dropped_where_asked() -> None:
    rng = np.random.default_rng(0)
    main = wire(6, (0, 1, 1), (1, 2, 1), (2, 5, 1))
    stray = wire(
        6, (0, 3, 0.01), (3, 2, 0.01), (0, 2, 0.01), (2, 4, 0.01), (4, 5, 0.01)
    ) * rng.uniform(0.9, 1, (6, 6))
    options = {"n_iterations": 3, "activation": "tanh"}
    assert set(unrolled_networkx(graph_of(main + stray, faint=1e-3, **options)).edges) == set(
        unrolled_networkx(graph_of(main, **options)).edges
    )
