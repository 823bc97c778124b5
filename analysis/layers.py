"""Layers, depth, widths, skips and flow of an effective graph; the path-depth distribution; carry-and-add neurons.
No verdicts.

Layer of a computing node = longest path from the inputs in the contracted graph. Flow = product of abs(weights)
along paths.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analysis.paths import accumulate, path_shares

CARRY_SHARE = 0.05  # a real share of the variance of a pre-activation


@dataclass(frozen=True)
class Layers:
    """What layering finds. Arrays over nodes have shape (I + 1, S), arrays over contracted edges (M,)."""

    layer: np.ndarray  # -1 off the contracted graph, 0 inputs, 1 .. depth hidden, depth + 1 outputs
    depth: int
    widths: tuple  # computing nodes per hidden layer
    layer_of: dict  # neuron -> layer, see `layers`
    span: np.ndarray  # layers that an edge crosses; 1 is the next layer
    injects: (
        np.ndarray
    )  # bool: edge from a clamped input at l >= 1 (the input written again, not a skip)
    flow: np.ndarray  # share of the input -> output flow through each edge
    node_flow: np.ndarray  # share of the flow through each node

    def nodes(self, k):
        """Node numbers in layer k."""
        return np.flatnonzero(self.layer.ravel() == k)


def layers(graph):
    """Longest-path layers of an EffectiveGraph.

    A neuron that computes at several iterations lies in several layers and counts in the width of each; `layer_of`
    gives the layer where most flow passes through it. Input and output neurons are in layers 0 and depth + 1 of
    `layer_of` even where they also serve as hidden neurons.
    """
    edges, shape = graph.edges, graph.alive.shape
    layer = np.full(graph.alive.size, -1)
    layer[graph.is_source.ravel()] = 0
    for step in _by_iteration(edges, shape):
        np.maximum.at(layer, step.target, layer[step.source] + 1)
    hidden = graph.computing.ravel()
    depth = int(layer[hidden].max(initial=0))
    outputs = np.flatnonzero(graph.alive[-1]) + (shape[0] - 1) * shape[1]
    layer[outputs] = depth + 1
    widths = tuple(int(n) for n in np.bincount(layer[hidden], minlength=depth + 1)[1:])
    ends = edges.source, edges.target, np.abs(edges.weight)
    flow, node_flow = path_shares(*ends, graph.is_source.ravel(), outputs, shape)
    layer_of = _main_layer(layer, node_flow, graph, depth)
    injects = (edges.source >= shape[1]) & graph.is_source.ravel()[edges.source]
    return Layers(
        layer.reshape(shape),
        depth,
        widths,
        layer_of,
        layer[edges.target] - layer[edges.source],
        injects,
        flow,
        node_flow.reshape(shape),
    )


def _by_iteration(edges, shape):
    """Edges in groups by the iteration of their target, in order."""
    iteration = edges.target // shape[1]
    order = np.argsort(iteration, kind="stable")
    cuts = np.searchsorted(iteration[order], np.arange(1, shape[0] + 1))
    return [edges.where(order[a:b]) for a, b in pairwise(cuts) if b > a]


def _main_layer(layer, node_flow, graph, depth):
    """{neuron: layer with most flow}, lowest layer on ties."""
    n_neurons = graph.n_neurons
    nodes = np.flatnonzero(graph.computing.ravel())
    per_layer = {}
    order = nodes[np.lexsort((-layer[nodes], node_flow[nodes]))]
    for node in order:  # later entries win: most flow last, then the lowest layer
        per_layer[int(node % n_neurons)] = int(layer[node])
    per_layer.update((int(i), depth + 1) for i in np.flatnonzero(graph.alive[-1]))
    per_layer.update((int(i), 0) for i in np.flatnonzero(graph.is_source.any(axis=0)))
    return dict(sorted(per_layer.items()))


def path_depths(graph):
    """Path-depth distribution (after Veit, Wilber & Belongie 2016): shares of the flow along paths with 0, 1, 2,
    ... nonlinear nodes.

    Each node counts as nonlinear with the weight `graph.nonlinearity`, so that the distribution of a path is that
    of a sum of independent coin tosses. Exact, by dynamic programming over the unrolled graph.

    Returns
    -------
    (I,) array that sums to 1, index = number of nonlinear nodes; zeros where nothing is alive.
    """
    return _flow_by_count(
        graph, graph.nonlinearity.ravel()[graph.unrolled.target], graph.n_iterations
    )


def steps_on_path(graph):
    """Path lengths as Veit, Wilber & Belongie (2016) count them: shares of the flow along paths with 0 .. I weighted steps.

    A step is weighted unless a neuron hands on its own value (a positive weight to itself) or a relay hands on another's. A
    network that only runs forward has all its flow at I; where values are carried, shorter paths remain.

    Returns
    -------
    (I + 1,) array that sums to 1, index = number of weighted steps; zeros where nothing is alive.
    """
    edges, n = graph.unrolled, graph.n_neurons
    carried = (edges.source % n == edges.target % n) & (edges.weight > 0)
    weighted = ~(carried | graph.relay.ravel()[edges.target])
    return _flow_by_count(graph, weighted.astype(float), graph.n_iterations + 1)


def _flow_by_count(graph, counts, n_bins):
    """(n_bins,) shares of the input -> output flow over paths that count 0, 1, 2, ...; an edge counts with `counts` (M,)."""
    n_neurons, n_iterations = graph.n_neurons, graph.n_iterations
    flow = np.zeros((n_neurons, n_bins))
    iteration = graph.unrolled.source // n_neurons
    sources = graph.is_source
    flow[sources[0], 0] = 1.0
    size = np.abs(graph.unrolled.weight)
    scale = 1.0
    for l in range(n_iterations):
        step = np.flatnonzero(iteration == l)
        i, j = graph.unrolled.target[step] % n_neurons, graph.unrolled.source[step] % n_neurons
        passed, counted = size[step] * (1 - counts[step]), size[step] * counts[step]
        arriving = np.zeros_like(flow)
        for k in range(n_bins):
            arriving[:, k] += np.bincount(i, passed * flow[j, k], minlength=n_neurons)
            if k + 1 < n_bins:
                arriving[:, k + 1] = np.bincount(i, counted * flow[j, k], minlength=n_neurons)
        flow = arriving
        largest = flow.max()
        if largest > 0:
            flow /= largest
            scale /= largest
        if l + 1 < n_iterations:
            flow[sources[l + 1], 0] = scale
    outputs = flow[n_neurons - graph.n_outputs :].sum(axis=0)
    return outputs / outputs.sum() if outputs.sum() > 0 else outputs


def carry_and_add(graph):
    """(I + 1, S) bool: nodes that carry the neuron's own previous value, rectified and with a positive weight, and
    add to it.

    Both the own value and the rest have at least CARRY_SHARE of the variance of the pre-activation (without data:
    of the sum of squared weights).
    """
    edges = graph.unrolled
    own, rest = np.zeros(graph.alive.size), np.zeros(graph.alive.size)
    power = (edges.weight * graph.spread.ravel()[edges.source]) ** 2
    is_self = (edges.source % graph.n_neurons == edges.target % graph.n_neurons) & (
        edges.weight > 0
    )
    np.add.at(own, edges.target[is_self], power[is_self])
    np.add.at(rest, edges.target[~is_self], power[~is_self])
    both = own + rest
    real = (own >= CARRY_SHARE * both) & (rest >= CARRY_SHARE * both) & (both > 0)
    return real.reshape(graph.alive.shape) & graph.computing


def carried_edges(graph, carries):
    """(M,) bool: contracted edges that bring a carry-and-add node (`carries`, (I + 1, S)) the neuron's own earlier
    value.
    """
    edges, n = graph.edges, graph.n_neurons
    return carries.ravel()[edges.target] & (edges.via % n == edges.target % n)


def share_through(graph, cut):
    """Share of the signal power from inputs to outputs over paths with at least one of the contracted edges `cut` (M,).

    Power is the product of squared weights along a path: the variance that arrives when contributions are independent.
    """
    edges, shape = graph.edges, graph.alive.shape
    logs = []
    for kept in (slice(None), ~cut):
        ends = edges.source[kept], edges.target[kept], edges.weight[kept] ** 2
        sums, grown = accumulate(*ends, graph.is_source.ravel(), range(1, shape[0]), shape)
        arrived = sums[-shape[1] :].sum()
        logs.append(grown[-1] + np.log(arrived) if arrived > 0 else -np.inf)
    return float(1 - np.exp(logs[1] - logs[0])) if np.isfinite(logs[0]) else 0.0
