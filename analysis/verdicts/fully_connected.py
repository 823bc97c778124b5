"""Fully connected: consecutive layers are joined by dense bipartite blocks. Local blocks do not count; the read-out
decides only where there is no hidden layer, since nearly every network ends in a dense read-out.

Effect: the density of the block in which the typical edge sits, i.e. block densities averaged over edges, where
skips and local blocks count as density zero. The network may hold other blocks too: a convolutional network with a
dense hidden layer that has most of the weights is both. Nearly all signal power must flow between neighbouring
layers: a network that lives on its skips or on carried values is residual instead. Null model: the same number of
edges at random in the bipartite graph (columns -> rows of W) of the living neurons.
"""

import numpy as np

from analysis.layers import share_through
from analysis.nulls import bipartite_overlap, empirical_p, z_score
from analysis.verdicts import ALPHA, Verdict

MIN_DENSITY = 0.5
MIN_NEIGHBOURS = 0.9  # share of the signal power that takes no long edge and no carried value
MIN_SIDE = 2  # a single neuron on one side makes any block dense


def blocks(graph, lay):
    """One dict per layer k >= 1, the read-out last: sizes, edges, density and mass of the block from layer k - 1 to
    layer k.

    Neurons count once a layer, whatever the number of iterations at which they serve in it.
    """
    n = graph.n_neurons
    edges = graph.edges
    adjacent = (lay.span == 1) & ~lay.injects
    target_layer = lay.layer.ravel()[edges.target]
    table = []
    for k in range(1, lay.depth + 2):
        sources, targets = np.unique(lay.nodes(k - 1) % n), np.unique(lay.nodes(k) % n)
        here = adjacent & (target_layer == k)
        n_edges = len(np.unique(edges.source[here] % n * n + edges.target[here] % n))
        table.append(
            {
                "layer": k,
                "n_sources": len(sources),
                "n_targets": len(targets),
                "n_edges": n_edges,
                "density": n_edges / (len(sources) * len(targets)) if len(sources) and len(targets) else 0.0,
                "mass": float(np.abs(edges.weight[here]).sum()),
            }
        )
    return table


def fully_connected(graph, lay, *, n_null, rng, local_layers=(), carried=None):
    """Verdict on a layered EffectiveGraph; `local_layers` are left out (see locally_connected.py).

    `carried`, (M,) bool or None, marks the edges that carry a residual stream in place, where there is one.
    """
    edges, n = graph.edges, graph.n_neurons
    table = blocks(graph, lay)
    judged = table[:-1] or table
    long = (lay.span > 1) & ~lay.injects
    neighbours = 1 - share_through(graph, long if carried is None else long | carried)
    last = judged[-1]["layer"]
    total = sum(b["n_edges"] for b in judged) + int((long & (lay.layer.ravel()[edges.target] <= last)).sum())
    dense = sum(
        b["n_edges"] * b["density"]
        for b in judged
        if b["layer"] not in local_layers and min(b["n_sources"], b["n_targets"]) >= MIN_SIDE
    )
    effect = dense / total if total else 0.0
    size = np.abs(edges.weight[~lay.injects])
    wired, block = _wiring(edges, lay, n)
    observed = int((wired & block).sum())
    draws = bipartite_overlap(int(block.sum()), block.size, int(wired.sum()), rng, n_null)
    p_value = empirical_p(observed, draws)
    present = effect >= MIN_DENSITY and neighbours >= MIN_NEIGHBOURS and p_value <= ALPHA
    evidence = {
        "effect_is": "block density averaged over edges",
        "neighbour_mass": float(size[lay.span[~lay.injects] == 1].sum() / size.sum()) if len(size) else 0.0,
        "neighbour_power": neighbours,
        "blocks": table,
        "local_layers": list(local_layers),
        "block_density": observed / max(int(block.sum()), 1),
        "null_block_density": float(draws.mean()) / max(int(block.sum()), 1),
        "z": z_score(observed, draws),
    }
    return Verdict("fully_connected", bool(present), float(effect), p_value, evidence)


def _wiring(edges, lay, n_neurons):
    """Bool matrices over the living neurons (target, source): which pairs are wired, and which lie in a block of
    adjacent layers.
    """
    ids = np.unique(np.flatnonzero(lay.layer.ravel() >= 0) % n_neurons)
    place = np.full(n_neurons, -1)
    place[ids] = np.arange(len(ids))
    wired, block = np.zeros((len(ids), len(ids)), dtype=bool), np.zeros((len(ids), len(ids)), dtype=bool)
    wired[place[edges.target % n_neurons], place[edges.source % n_neurons]] = True
    for k in range(1, lay.depth + 2):
        block[np.ix_(place[np.unique(lay.nodes(k) % n_neurons)], place[np.unique(lay.nodes(k - 1) % n_neurons)])] = True
    return wired, block
