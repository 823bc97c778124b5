"""Layers, depth, widths, skips and flow of an effective graph. No verdicts.

The layer of a computing node is the longest path to it from the inputs in the contracted graph.
Flow is the product of abs(weights) along paths, summed over paths. Also here, because verdicts
share them: how many nonlinear nodes and steps paths have, and neurons that carry their own value
and add to it.
"""

from dataclasses import dataclass

import numpy as np

from analysis.arrays import Bools, Floats, Ints
from analysis.edges import Edges
from analysis.effective import EffectiveGraph
from analysis.paths import accumulate, path_shares

CARRY_SHARE = 0.05
"""A real share of the variance of a pre-activation. By judgement, as `effective.ECHO`."""


FRESH = 0.5
"""Share of the added weight that must be new for a step to be part of the same running sum. By
judgement: more new than old."""
MIN_KEPT = 0.95
"""Part of its own value that a neuron keeps, where it is said to carry it. By judgement: with less
it leaks, and half is gone after a dozen iterations."""


@dataclass(frozen=True)
class Layers:
    """Layers of a graph. Arrays over nodes have shape (I + 1, S), over contracted edges (M,).

    Attributes
    ----------
    layer : int array over nodes
        -1 off the contracted graph, 0 inputs, 1 .. depth hidden, depth + 1 outputs.
    depth : int
        Hidden layers.
    widths : tuple of int
        Computing nodes in each hidden layer.
    layer_of : dict
        {neuron: layer}, see `layers`.
    span : int array over edges
        Layers that an edge crosses; 1 is the next layer.
    injects : bool array over edges
        From a clamped input at l >= 1: the input written again, not a skip.
    flow : array over edges
        Share of the input -> output flow through each edge.
    node_flow : array over nodes
        Share of the flow through each node.
    """

    layer: Ints
    depth: int
    widths: tuple[int, ...]
    layer_of: dict[int, int]
    span: Ints
    injects: Bools
    flow: Floats
    node_flow: Floats

    def neurons(self, k: int) -> Ints:
        """Neurons that lie in layer k, each once."""
        return np.flatnonzero((self.layer == k).any(axis=0))

    @property
    def joins_next(self) -> Bools:
        """(M,) bool: edges from one layer to the next, inputs that are written again left out."""
        return (self.span == 1) & ~self.injects

    @property
    def is_skip(self) -> Bools:
        """(M,) bool: edges over more than one layer, inputs that are written again left out."""
        return (self.span > 1) & ~self.injects

    def arrives_in(self, k: int, edges: Edges) -> Bools:
        """(M,) bool: edges whose target lies in layer k."""
        return self.layer.ravel()[edges.target] == k


def layers(graph: EffectiveGraph) -> Layers:
    """Longest-path layers of an EffectiveGraph.

    A neuron that computes at several iterations lies in several layers and counts in the width of
    each; `layer_of` gives the layer where most flow passes through it. Input and output neurons are
    in layers 0 and depth + 1 of `layer_of` even where they are hidden neurons as well.
    """
    edges = graph.edges
    # Sources come at earlier iterations than targets, so their layers are known by then.
    layer = np.full(graph.n_nodes, -1)
    layer[graph.is_source.ravel()] = 0
    for step in edges.steps(graph.n_iterations):
        np.maximum.at(layer, edges.target[step], layer[edges.source[step]] + 1)
    hidden = layer[graph.computing.ravel()]
    depth = int(hidden.max(initial=0))
    layer[graph.is_output.ravel()] = depth + 1

    widths = tuple(int(n) for n in np.bincount(hidden, minlength=depth + 1)[1:])
    flow, node_flow = path_shares(edges, np.abs(edges.weight), graph.is_source, graph.is_output)
    comes_late = edges.source_iteration > 0
    return Layers(
        layer=layer.reshape(graph.used.shape),
        depth=depth,
        widths=widths,
        layer_of=_main_layer(layer, node_flow.ravel(), graph, depth),
        span=layer[edges.target] - layer[edges.source],
        injects=comes_late & graph.is_source.ravel()[edges.source],
        flow=flow,
        node_flow=node_flow,
    )


def _main_layer(
    layer: Ints, node_flow: Floats, graph: EffectiveGraph, depth: int
) -> dict[int, int]:
    """{neuron: layer with most flow}, the lowest layer on ties; arrays over nodes are flat."""
    nodes = np.flatnonzero(graph.computing.ravel())
    # Later entries win: most flow comes last, then the lowest layer.
    order = nodes[np.lexsort((-layer[nodes], node_flow[nodes]))]
    neurons = graph.neurons_of(order)
    main = dict(zip(neurons.tolist(), layer[order].tolist(), strict=True))

    # Outputs and inputs come last: they are listed as what they are.
    main.update((int(i), depth + 1) for i in np.flatnonzero(graph.used[-1]))
    main.update((int(i), 0) for i in np.flatnonzero(graph.is_source.any(axis=0)))
    return dict(sorted(main.items()))


def path_depths(graph: EffectiveGraph) -> Floats:
    """Shares of the flow along paths with 0, 1, 2, ... nonlinear nodes.

    The path-depth distribution, after Veit, Wilber & Belongie (2016, "Residual networks behave like
    ensembles of relatively shallow networks", NIPS). Each node counts as nonlinear with the weight
    `graph.nonlinearity`, so that the distribution of a path is that of a sum of independent coin
    tosses. Exact, by dynamic programming over the unrolled graph.

    Returns
    -------
    (I,) array
        Sums to 1, index = number of nonlinear nodes; zeros where nothing is used.
    """
    counts = graph.nonlinearity.ravel()[graph.unrolled.target]
    return _flow_by_count(graph, counts, graph.n_iterations)


def steps_on_path(graph: EffectiveGraph) -> Floats:
    """Shares of the flow along paths with 0 .. I weighted steps.

    Path lengths as Veit, Wilber & Belongie (2016) count them. A step is weighted unless a neuron
    hands on its own value (a positive weight to itself) or a relay hands on another's. A network
    that only runs forward has all its flow at I; where values are carried, shorter paths remain.

    Returns
    -------
    (I + 1,) array
        Sums to 1, index = number of weighted steps; zeros where nothing is used.
    """
    edges = graph.unrolled
    carried = edges.joins_itself & (edges.weight > 0)
    weighted = ~(carried | graph.relay.ravel()[edges.target])
    return _flow_by_count(graph, weighted.astype(float), graph.n_iterations + 1)


def _flow_by_count(graph: EffectiveGraph, counts: Floats, n_bins: int) -> Floats:
    """(n_bins,) shares of the input -> output flow over paths that count 0, 1, 2, ...

    An unrolled edge counts with `counts` (M,).
    """
    n_neurons = graph.n_neurons
    edges = graph.unrolled
    size = np.abs(edges.weight)
    sources = graph.is_source
    flow = np.zeros((n_neurons, n_bins))
    flow[sources[0], 0] = 1.0
    scale = 1.0

    for l, step in enumerate(edges.steps(graph.n_iterations), start=1):
        target = edges.target_neuron[step]
        source = edges.source_neuron[step]
        passed = size[step] * (1 - counts[step])
        counted = size[step] * counts[step]
        # What is counted moves on by a bin.
        arriving = np.zeros_like(flow)
        for k in range(n_bins):
            arriving[:, k] += np.bincount(target, passed * flow[source, k], minlength=n_neurons)
            if k + 1 < n_bins:
                more = np.bincount(target, counted * flow[source, k], minlength=n_neurons)
                arriving[:, k + 1] = more

        # Flow is kept near 1; `scale` is what a flow of 1 at the inputs has become.
        flow = arriving
        largest = flow.max()
        if largest > 0:
            flow /= largest
            scale /= largest
        if l < graph.n_iterations:
            flow[sources[l], 0] = scale

    outputs = flow[n_neurons - graph.n_outputs :].sum(axis=0)
    return outputs / outputs.sum() if outputs.sum() > 0 else outputs


def signal_power(graph: EffectiveGraph, edges: Edges) -> Floats:
    """(M,) variance that each edge brings to its target: (weight x spread of its source)^2.

    Without data the spread is 1, and this the squared weight. `share_through` has no spread.
    """
    return (edges.weight * graph.spread.ravel()[edges.source]) ** 2


def carry_and_add(graph: EffectiveGraph) -> Bools:
    """Nodes that carry the neuron's own previous value, with a positive weight, and add to it.

    Both the own value and the rest have at least CARRY_SHARE of the variance of the pre-activation
    (without data: of the sum of squared weights).

    Returns
    -------
    (I + 1, S) bool array
    """
    edges = graph.unrolled
    power = signal_power(graph, edges)
    is_own = edges.joins_itself & (edges.weight > 0)
    own = np.zeros(graph.n_nodes)
    rest = np.zeros(graph.n_nodes)
    np.add.at(own, edges.target[is_own], power[is_own])
    np.add.at(rest, edges.target[~is_own], power[~is_own])

    both = own + rest
    is_real = (own >= CARRY_SHARE * both) & (rest >= CARRY_SHARE * both) & (both > 0)
    return is_real.reshape(graph.used.shape) & graph.computing


def carries_whole(graph: EffectiveGraph) -> Bools:
    """Nodes that carry and add, and keep their whole value over the iteration, (I + 1, S) bool."""
    edges = graph.unrolled
    own = edges.where(edges.joins_itself & (edges.weight >= MIN_KEPT))
    whole = np.zeros(graph.n_nodes, dtype=bool)
    whole[own.target] = True
    return whole.reshape(graph.used.shape) & carry_and_add(graph)


def fresh(graph: EffectiveGraph) -> Bools:
    """(I + 1, S) bool: nodes at which FRESH of the weight added was not used by the neuron before.

    The neuron's own earlier value is not counted.
    """
    edges = graph.unrolled.where(~graph.unrolled.joins_itself)
    # Edges of the same weight of W, by the iteration at which they arrive: the first is new.
    order = np.lexsort((edges.target, edges.source_neuron, edges.target_neuron))
    edges = edges.where(order)
    pair = edges.pair
    first = np.ones(len(pair), dtype=bool)
    first[1:] = pair[1:] != pair[:-1]

    size = np.abs(edges.weight)
    new = np.bincount(edges.target[first], size[first], minlength=graph.n_nodes)
    total = np.bincount(edges.target, size, minlength=graph.n_nodes)
    return ((new >= FRESH * total) & (total > 0)).reshape(graph.used.shape)


def carried_edges(graph: EffectiveGraph, carries: Bools) -> Bools:
    """Contracted edges that bring a node that carries and adds the neuron's own earlier value.

    Parameters
    ----------
    graph : EffectiveGraph
    carries : (I + 1, S) bool array
        Of `carry_and_add`.

    Returns
    -------
    (M,) bool array
    """
    edges = graph.edges
    return carries.ravel()[edges.target] & (edges.via_neuron == edges.target_neuron)


def share_through(graph: EffectiveGraph, cut: Bools) -> float:
    """Share of the signal power over paths with at least one of the contracted edges `cut` (M,).

    Power is here the product of squared weights along a path: the variance that arrives where the
    inputs have variance 1 and contributions are independent. `signal_power`, of single edges,
    counts the spread on the data as well.
    """
    everything = _log_power(graph, graph.edges)
    left = _log_power(graph, graph.edges.where(~cut))
    return float(1 - np.exp(left - everything)) if np.isfinite(everything) else 0.0


def _log_power(graph: EffectiveGraph, edges: Edges) -> float:
    """Logarithm of the signal power that arrives at the outputs."""
    sums, logs = accumulate(edges, edges.weight**2, graph.is_source)
    arrived = sums[-1].sum()
    return float(logs[-1] + np.log(arrived)) if arrived > 0 else -np.inf
