"""A module as a network of its own: the part of the effective graph that is the module's.

A module keeps its hidden neurons, the inputs that it hears, the outputs that it feeds, and the
relays between them; what other modules send it is left out. Neurons keep their numbers, and signals
are those of the whole network, so that nothing is measured anew. Judges nothing.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from analysis.arrays import Bools
from analysis.edges import Edges, contract, relay_steps
from analysis.effective import EffectiveGraph
from analysis.network import FlatNetwork
from analysis.signal import on_paths


def part_of(graph: EffectiveGraph, neurons: Iterable[int]) -> EffectiveGraph:
    """The effective graph of a module.

    Parameters
    ----------
    graph : EffectiveGraph
        Of the whole network.
    neurons : iterable of int
        The hidden neurons of the module.

    Returns
    -------
    EffectiveGraph
        Nothing is used where the module has no path from an input to an output.
    """
    kept = _steps_of(graph, _edges_of(graph, neurons))
    unrolled = graph.unrolled.where(kept)
    unrolled = unrolled.where(on_paths(unrolled, graph.written))

    used = np.zeros_like(graph.used)
    used.reshape(-1)[unrolled.source] = True
    used.reshape(-1)[unrolled.target] = True
    relay = graph.relay & used
    return replace(
        graph,
        used=used,
        relay=relay,
        nonlinearity=np.where(used, graph.nonlinearity, 0.0),
        unrolled=unrolled,
        edges=contract(unrolled, relay),
    )


def weights_of(net: FlatNetwork, part: EffectiveGraph) -> FlatNetwork:
    """The network with the weights between the neurons of a module only."""
    inside = np.flatnonzero(part.used.any(axis=0))
    block = np.ix_(inside, inside)
    weights = np.zeros((net.n_neurons, net.n_neurons))
    weights[block] = net.weights[block]
    return replace(net, weights=weights)


def _edges_of(graph: EffectiveGraph, neurons: Iterable[int]) -> Bools:
    """(M,) bool: contracted edges within the module, from an input into it, and to an output."""
    is_member = np.zeros(graph.n_neurons, dtype=bool)
    is_member[list(neurons)] = True
    inside = (graph.computing & is_member).ravel()
    is_end = (graph.is_source | graph.is_output).ravel()

    edges = graph.edges
    from_inside = inside[edges.source]
    to_inside = inside[edges.target]
    # An edge from an input straight to an output belongs to no module.
    within = (from_inside | is_end[edges.source]) & (to_inside | is_end[edges.target])
    return within & (from_inside | to_inside)


def _steps_of(graph: EffectiveGraph, chosen: Bools) -> Bools:
    """(unrolled,) bool: the steps of contracted edges, those through relays included."""
    unrolled = graph.unrolled
    relay = graph.relay.ravel()
    into_relay = relay[unrolled.target]
    # Contracted edges come in the order of the steps that end them.
    kept = np.zeros(len(unrolled), dtype=bool)
    kept[~into_relay] = chosen

    needed = np.zeros(graph.n_nodes, dtype=bool)
    needed[unrolled.source[kept]] = True
    steps: list[Edges] = list(relay_steps(unrolled, graph.relay))
    for step in reversed(steps):
        needed[step.source[needed[step.target]]] = True
    return kept | (into_relay & needed[unrolled.target])
