"""Fully connected: consecutive layers are joined by dense bipartite blocks. Local blocks do not count; the read-out
decides only where there is no hidden layer, since nearly every network ends in a dense read-out.

Effect: the density of the block in which the typical edge sits, i.e. block densities averaged over edges, where
skips and local blocks count as density zero. The network may hold other blocks too: a convolutional network with a
dense hidden layer that has most of the weights is both. Most weight mass must lie between neighbouring layers, and
a network that lives on its skips or on carried values is residual instead.

Null model: the same number of edges at random in the bipartite graph of the living neurons (columns -> rows of W).
The statistic is the number of complete 2 x 2 blocks (two targets that share two sources): it needs no layers, which
would be fitted to the wiring they are to test. Levels alone raise it too, so a small p says "in blocks" and the
effect says "dense". Where all living sources are wired to all living targets densely, the network is one block, no
wiring of that density differs from it, and p is not asked.
"""

import numpy as np

from analysis.nulls import empirical_p, random_bipartite, z_score
from analysis.verdicts import ALPHA, Verdict

MIN_DENSITY = 0.5
MIN_NEIGHBOUR_MASS = 0.8  # share of the weight mass between neighbouring layers
MAX_ROWS = 48  # targets whose shared sources are counted; more are sampled
CHUNK = 2**21  # numbers held at once while drawing
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
                "density": n_edges / (len(sources) * len(targets))
                if len(sources) and len(targets)
                else 0.0,
                "mass": float(np.abs(edges.weight[here]).sum()),
            }
        )
    return table


def fully_connected(graph, lay, *, n_null, rng, local_layers=(), is_residual=False):
    """Verdict on a layered EffectiveGraph; `local_layers` are left out (see locally_connected.py).

    `is_residual`: whether the network was found to live on skips, which excludes this verdict.
    """
    edges, n = graph.edges, graph.n_neurons
    table = blocks(graph, lay)
    judged = table[:-1] or table
    long = (lay.span > 1) & ~lay.injects
    size = np.abs(edges.weight)
    mass = float(size[~lay.injects].sum())
    neighbour_mass = 1 - float(size[long].sum()) / mass if mass else 0.0
    last = judged[-1]["layer"]
    total = sum(b["n_edges"] for b in judged) + int(
        (long & (lay.layer.ravel()[edges.target] <= last)).sum()
    )
    dense = sum(
        b["n_edges"] * b["density"]
        for b in judged
        if b["layer"] not in local_layers and min(b["n_sources"], b["n_targets"]) >= MIN_SIDE
    )
    effect = dense / total if total else 0.0
    observed, draws, whole = _shared_pairs(edges, n, n_null, rng)
    p_value, p_asked = empirical_p(observed, draws), whole < MIN_DENSITY
    present = (
        effect >= MIN_DENSITY
        and neighbour_mass >= MIN_NEIGHBOUR_MASS
        and not is_residual
        and (p_value <= ALPHA or not p_asked)
    )
    evidence = {
        "effect_is": "block density averaged over edges",
        "neighbour_mass": neighbour_mass,
        "blocks": table,
        "local_layers": list(local_layers),
        "whole_density": whole,
        "p_asked": bool(p_asked),
        "complete_2x2": observed,
        "null_complete_2x2": float(draws.mean()),
        "z": z_score(observed, draws),
    }
    return Verdict("fully_connected", bool(present), float(effect), p_value, evidence)


def _shared_pairs(edges, n_neurons, n_null, rng):
    """Complete 2 x 2 blocks among up to MAX_ROWS living targets, and their number in density-matched random wiring
    (n_null,).
    """
    rows, i = np.unique(edges.target % n_neurons, return_inverse=True)
    columns, j = np.unique(edges.source % n_neurons, return_inverse=True)
    wired = np.zeros((len(rows), len(columns)), dtype=bool)
    wired[i, j] = True
    n_rows = min(len(rows), MAX_ROWS)
    inside = n_rows * len(columns)
    observed = _complete_2x2(wired[rng.choice(len(rows), n_rows, replace=False)][None])[0]
    n_edges = rng.hypergeometric(inside, wired.size - inside, int(wired.sum()), size=n_null)
    per_chunk = max(1, CHUNK // inside)
    chunks = np.split(n_edges, np.arange(per_chunk, n_null, per_chunk))
    draws = [
        _complete_2x2(random_bipartite(n_rows, len(columns), chunk, rng, len(chunk)))
        for chunk in chunks
    ]
    return float(observed), np.concatenate(draws), float(wired.mean())


def _complete_2x2(wired):
    """Pairs of rows and pairs of columns with all four edges, for each matrix of (n_draws, rows, columns)."""
    wired = wired.astype(np.float32)
    shared = wired @ wired.transpose(0, 2, 1)
    off = ~np.eye(wired.shape[1], dtype=bool)
    return (shared * (shared - 1) / 2)[:, off].sum(axis=1, dtype=float) / 2
