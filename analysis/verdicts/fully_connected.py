"""Fully connected: consecutive layers are joined by dense bipartite blocks.

Local blocks do not count; the read-out decides only where there is no hidden layer, since nearly
every network ends in a dense read-out.

Effect: the density of the block in which the typical edge sits, i.e. block densities averaged over
edges, where skips and local blocks count as density zero. The network may hold other blocks too: a
convolutional network with a dense hidden layer that has most of the weights is both. Most weight
mass must lie between neighbouring layers, and a network that lives on its skips or on carried
values is residual instead.

Null model: the same number of edges at random in the bipartite graph of the used neurons (columns
-> rows of W). The statistic is the number of complete 2 x 2 blocks (two targets that share two
sources): it needs no layers, which would be fitted to the wiring they are to test. Layers alone
raise it too, so a small p says "in blocks" and the effect says "dense". Where all used sources are
wired to all used targets densely, the network is one block, no wiring of that density differs from
it, and p is not asked.
"""

from collections.abc import Collection
from typing import TypedDict

import numpy as np

from analysis.arrays import Bools, Floats
from analysis.edges import Edges
from analysis.effective import EffectiveGraph
from analysis.layers import Layers
from analysis.nulls import empirical_p, random_bipartite, z_score
from analysis.verdicts.verdict import ALPHA, Case, Verdict

MIN_DENSITY = 0.5
"""Block density of the typical edge. By judgement, on planted networks."""
MIN_NEIGHBOUR_MASS = 0.8
"""Share of the weight mass between neighbouring layers. By judgement, as MIN_DENSITY."""
MAX_ROWS = 48
"""Targets whose shared sources are counted; of more, as many are sampled. By judgement: 1,128 pairs
of targets decide any p."""
CHUNK = 2**21
"""Numbers held at a time while drawing: some 10 MB."""
MIN_SIDE = 2
"""Neurons that a block needs on each side: a single one makes any block dense."""


class Block(TypedDict):
    """The edges from layer k - 1 to layer k; neurons count once, however often they are used."""

    layer: int
    n_sources: int
    n_targets: int
    n_edges: int
    density: float
    mass: float


def fully_connected(case: Case) -> Verdict:
    """Judge dense blocks. Local layers are left out, and a residual network is none."""
    graph, layering = case.graph, case.layers
    local_layers = case.earlier["locally_connected"].evidence["local_layers"]
    table = blocks(graph, layering)
    effect = _typical_density(graph, layering, table[:-1] or table, local_layers)
    neighbour_mass = _neighbour_mass(graph, layering)
    observed, draws, whole = _shared_pairs(graph.edges, case.n_draws, case.rng)
    # Where the whole wiring is a dense block, no wiring of its density differs from it.
    p_value = empirical_p(observed, draws)
    p_asked = whole < MIN_DENSITY

    present = (
        effect >= MIN_DENSITY
        and neighbour_mass >= MIN_NEIGHBOUR_MASS
        and not case.earlier["residual"].present
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


def blocks(graph: EffectiveGraph, layering: Layers) -> list[Block]:
    """The block into each layer k >= 1, the read-out last."""
    edges = graph.edges
    table: list[Block] = []
    for k in range(1, layering.depth + 2):
        n_sources = len(layering.neurons(k - 1))
        n_targets = len(layering.neurons(k))
        # The same weight may be used at several iterations: it counts once.
        here = edges.where(layering.joins_next & layering.arrives_in(k, edges))
        n_edges = len(np.unique(here.pair))
        n_pairs = n_sources * n_targets

        table.append(
            {
                "layer": k,
                "n_sources": n_sources,
                "n_targets": n_targets,
                "n_edges": n_edges,
                "density": n_edges / n_pairs if n_pairs else 0.0,
                "mass": float(np.abs(here.weight).sum()),
            }
        )
    return table


def _typical_density(
    graph: EffectiveGraph, layering: Layers, judged: list[Block], local_layers: Collection[int]
) -> float:
    """Density of the judged blocks averaged over edges; skips and local blocks have density 0."""
    last = judged[-1]["layer"]
    skips = layering.is_skip & (layering.layer.ravel()[graph.edges.target] <= last)
    n_edges = sum(block["n_edges"] for block in judged) + int(skips.sum())
    dense = sum(
        block["n_edges"] * block["density"]
        for block in judged
        if block["layer"] not in local_layers
        and min(block["n_sources"], block["n_targets"]) >= MIN_SIDE
    )
    return dense / n_edges if n_edges else 0.0


def _neighbour_mass(graph: EffectiveGraph, layering: Layers) -> float:
    """Share of sum abs(weight) that does not skip a layer; inputs written again left out."""
    size = np.abs(graph.edges.weight)
    mass = float(size[~layering.injects].sum())
    return 1 - float(size[layering.is_skip].sum()) / mass if mass else 0.0


def _shared_pairs(
    edges: Edges, n_draws: int, rng: np.random.Generator
) -> tuple[float, Floats, float]:
    """Complete 2 x 2 blocks among up to MAX_ROWS used targets.

    Returns
    -------
    observed : float
    draws : (n_draws,) array
        Their number in density-matched random wiring.
    density : float
        Of the wiring between all used sources and targets.
    """
    rows, i = np.unique(edges.target_neuron, return_inverse=True)
    columns, j = np.unique(edges.source_neuron, return_inverse=True)
    wired = np.zeros((len(rows), len(columns)), dtype=bool)
    wired[i, j] = True
    n_rows = min(len(rows), MAX_ROWS)
    observed = _complete_2x2(wired[rng.choice(len(rows), n_rows, replace=False)][None])[0]

    # The rows that were sampled hold a random number of the edges.
    n_inside = n_rows * len(columns)
    n_outside = wired.size - n_inside
    n_edges = rng.hypergeometric(n_inside, n_outside, int(wired.sum()), size=n_draws)
    per_chunk = max(1, CHUNK // n_inside)
    draws = [
        _complete_2x2(random_bipartite(n_rows, len(columns), chunk, rng=rng, n_draws=len(chunk)))
        for chunk in np.split(n_edges, np.arange(per_chunk, n_draws, per_chunk))
    ]
    return float(observed), np.concatenate(draws), float(wired.mean())


def _complete_2x2(wired: Bools) -> Floats:
    """Pairs of rows and of columns with all four edges, for each of (n_draws, rows, columns)."""
    ones = wired.astype(np.float32)
    shared = ones @ ones.transpose(0, 2, 1)
    off = ~np.eye(wired.shape[1], dtype=bool)
    return (shared * (shared - 1) / 2)[:, off].sum(axis=1, dtype=float) / 2
