"""Conversions to networkx for drawing, export and oracles. No judging.

W[i, j] is the weight from j to i, so the edge is (j, i).
"""

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike

from analysis.checks import as_network
from analysis.edges import Edges
from analysis.effective import EffectiveGraph
from analysis.layers import Layers

Node = tuple[int, int]
"""(neuron, iteration), as networkx names the nodes of unrolled graphs."""


def to_networkx(
    weights: ArrayLike,
    biases: ArrayLike | None = None,
    *,
    n_inputs: int,
    n_outputs: int,
    positions: ArrayLike | None = None,
    threshold: float = 0.0,
) -> nx.DiGraph:
    """The neurons as a networkx graph.

    Parameters
    ----------
    weights : (S, S) array
        An edge (j, i) with attribute "weight" = `weights[i, j]` for every entry larger than
        `threshold` in size.
    biases : (S,) array, optional
    n_inputs, n_outputs : int
        The first and the last neurons.
    positions : (S, dim) array, optional
        Rows with NaN give no position.
    threshold : float

    Returns
    -------
    networkx.DiGraph
        Nodes 0 .. S-1 with "role" ("input", "hidden", "output"), "bias" and, where given,
        "position" (a tuple).

    Raises
    ------
    ValueError
        Naming the argument.
    """
    weights, biases = as_network(weights, biases, n_inputs, n_outputs, 1)
    places = None if positions is None else np.asarray(positions)
    n_neurons = len(weights)
    graph = nx.DiGraph()
    for i in range(n_neurons):
        graph.add_node(i, role=role(i, n_neurons, n_inputs, n_outputs), bias=float(biases[i]))
        if places is not None and np.isfinite(places[i]).all():
            graph.nodes[i]["position"] = tuple(float(x) for x in places[i])

    # A row of W is what a neuron receives.
    target, source = np.nonzero(np.abs(weights) > threshold)
    values = weights[target, source].tolist()
    graph.add_weighted_edges_from(zip(source.tolist(), target.tolist(), values, strict=True))
    return graph


def role(i: int, n_neurons: int, n_inputs: int, n_outputs: int) -> str:
    """ "input", "hidden" or "output" by the order of neurons (docs/theory.md: network)."""
    if i < n_inputs:
        return "input"
    return "output" if i >= n_neurons - n_outputs else "hidden"


def unrolled_networkx(graph: EffectiveGraph) -> nx.DiGraph:
    """The pruned unrolled network, nodes (neuron, iteration).

    Nodes have the attribute "relay"; edges are one iteration long and have "weight".
    """
    out = nx.DiGraph()
    for l, i in np.argwhere(graph.used).tolist():
        out.add_node((i, l), relay=bool(graph.relay[l, i]))
    out.add_weighted_edges_from(_named(graph.unrolled))
    return out


def effective_networkx(graph: EffectiveGraph, layering: Layers) -> nx.DiGraph:
    """The contracted graph, nodes (neuron, iteration).

    Nodes have "layer" and "role", edges "weight" and "span" in layers. Parallel relay chains
    between the same two nodes add up to one edge.
    """
    out = nx.DiGraph()
    roles = {0: "input", layering.depth + 1: "output"}
    for l, i in np.argwhere(layering.layer >= 0).tolist():
        layer = int(layering.layer[l, i])
        out.add_node((i, l), layer=layer, role=roles.get(layer, "hidden"))

    spans = layering.span.tolist()
    for (source, target, weight), span in zip(_named(graph.edges), spans, strict=True):
        # networkx holds a single edge between two nodes: chains between them add up.
        if out.has_edge(source, target):
            weight += out.edges[source, target]["weight"]
        out.add_edge(source, target, weight=weight, span=span)
    return out


def _named(edges: Edges) -> list[tuple[Node, Node, float]]:
    """(source, target, weight) with nodes as (neuron, iteration)."""
    sources = zip(edges.source_neuron.tolist(), edges.source_iteration.tolist(), strict=True)
    targets = zip(edges.target_neuron.tolist(), edges.target_iteration.tolist(), strict=True)
    return list(zip(sources, targets, edges.weight.tolist(), strict=True))
