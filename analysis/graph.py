"""Conversions to networkx for drawing, export and oracles. W[i, j] is the weight from j to i, so the edge is (j,
i). No judging.
"""

import networkx as nx
import numpy as np

from analysis.checks import as_network


def to_networkx(weights, biases=None, *, n_inputs, n_outputs, positions=None, threshold=0.0):
    """The neurons as a DiGraph: nodes 0 .. S-1 with "role" ("input", "hidden", "output"), "bias" and, where given,
    "position" (tuple).

    Parameters
    ----------
    weights : (S, S) array. An edge (j, i) with attribute "weight" = weights[i, j] for every entry larger than
        `threshold` in size.
    positions : (S, dim) array or None; rows with NaN give no position.
    """
    weights, biases = as_network(weights, biases, n_inputs, n_outputs, 1)
    n_neurons = len(weights)
    graph = nx.DiGraph()
    for i in range(n_neurons):
        graph.add_node(i, role=role(i, n_neurons, n_inputs, n_outputs), bias=float(biases[i]))
        if positions is not None and np.isfinite(positions[i]).all():
            graph.nodes[i]["position"] = tuple(float(x) for x in positions[i])
    i, j = np.nonzero(np.abs(weights) > threshold)
    graph.add_weighted_edges_from(zip(j.tolist(), i.tolist(), weights[i, j].tolist(), strict=True))
    return graph


def role(i, n_neurons, n_inputs, n_outputs):
    """ "input", "hidden" or "output" by the neuron order of DESIGN section 1."""
    if i < n_inputs:
        return "input"
    return "output" if i >= n_neurons - n_outputs else "hidden"


def unrolled_networkx(graph):
    """The pruned unrolled network as a DiGraph, nodes (neuron, iteration) with "relay", edges one iteration long
    with "weight".
    """
    out = nx.DiGraph()
    n = graph.n_neurons
    for l, i in np.argwhere(graph.alive).tolist():
        out.add_node((i, l), relay=bool(graph.relay[l, i]))
    out.add_weighted_edges_from(_named(graph.unrolled, n))
    return out


def effective_networkx(graph, lay):
    """The contracted graph as a DiGraph, nodes (neuron, iteration) with "layer" and "role", edges with "weight" and
    "span" in layers.

    Parallel relay chains between the same two nodes add up to one edge.
    """
    out = nx.DiGraph()
    n = graph.n_neurons
    for l, i in np.argwhere(lay.layer >= 0).tolist():
        layer = int(lay.layer[l, i])
        out.add_node(
            (i, l),
            layer=layer,
            role="input" if layer == 0 else "output" if layer == lay.depth + 1 else "hidden",
        )
    for (source, target, weight), span in zip(
        _named(graph.edges, n), lay.span.tolist(), strict=True
    ):
        if out.has_edge(source, target):
            weight += out.edges[source, target]["weight"]
        out.add_edge(source, target, weight=weight, span=span)
    return out


def _named(edges, n):
    """(source, target, weight) with nodes as (neuron, iteration)."""
    columns = (
        edges.source % n,
        edges.source // n,
        edges.target % n,
        edges.target // n,
        edges.weight,
    )
    return [
        ((j, k), (i, l), w) for j, k, i, l, w in zip(*(c.tolist() for c in columns), strict=True)
    ]
