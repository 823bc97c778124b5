"""Fully connected: consecutive layers are joined by dense bipartite blocks.

Local blocks do not count; the read-out decides only where there is no hidden layer, since nearly
every network ends in a dense read-out.

Effect: the density of the block in which the typical edge sits, i.e. block densities averaged over
edges, where skips and local blocks count as density zero. The network may hold other blocks too: a
convolutional network with a dense hidden layer that has most of the weights is both. Most weight
mass must lie between neighbouring layers, and a network that lives on its skips or on carried
values is residual instead.

Null model: as many edges thrown at random over the same layers, onto any pair of neurons of two
neighbouring layers or of two layers that a skip could join. Its statistic is the effect. Where even
complete blocks are no rarer than ALPHA (a few neurons, or no hidden layer), p is not asked.
"""

from collections.abc import Collection
from typing import TypedDict

import numpy as np
from scipy.special import gammaln

from analysis.arrays import Floats
from analysis.effective import EffectiveGraph
from analysis.layers import Layers
from analysis.nulls import empirical_p, z_score
from analysis.verdicts.verdict import ALPHA, Bar, Case, Verdict, decide, p_bar

MIN_DENSITY = 0.5
"""Block density of the typical edge. By judgement, on planted networks."""
MIN_NEIGHBOUR_MASS = 0.8
"""Share of the weight mass between neighbouring layers. By judgement, as MIN_DENSITY."""
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
    judged = table[:-1] or table
    n_skips = _skips_into(graph, layering, judged[-1]["layer"])
    effect = _typical_density(judged, n_skips, local_layers)
    neighbour_mass = _neighbour_mass(graph, layering)
    draws, least_p = _thrown(
        table, int(layering.is_skip.sum()), local_layers, case.n_draws, case.rng
    )
    p_value = empirical_p(effect, draws)
    p_asked = least_p <= ALPHA

    bars = [
        Bar("block density", effect, MIN_DENSITY),
        Bar("weight between neighbours", neighbour_mass, MIN_NEIGHBOUR_MASS),
        Bar("residual", float(case.earlier["residual"].present), 0.5, at_least=False),
    ]
    evidence = {
        "effect_is": "block density averaged over edges",
        "neighbour_mass": neighbour_mass,
        "blocks": table,
        "local_layers": list(local_layers),
        "p_asked": bool(p_asked),
        "null_density": float(draws.mean()),
        "z": z_score(effect, draws),
    }
    if p_asked:
        bars.append(p_bar(p_value))
    return decide("fully_connected", effect, p_value, evidence, bars)


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


def _skips_into(graph: EffectiveGraph, layering: Layers, last: int) -> int:
    """Skips that end in the layers up to `last`."""
    ends = layering.layer.ravel()[graph.edges.target]
    return int((layering.is_skip & (ends <= last)).sum())


def _typical_density(judged: list[Block], n_skips: int, local_layers: Collection[int]) -> float:
    """Density of the judged blocks averaged over edges; skips and local blocks have density 0."""
    n_edges = sum(block["n_edges"] for block in judged) + n_skips
    dense = sum(
        block["n_edges"] * block["density"] for block in judged if _counts(block, local_layers)
    )
    return dense / n_edges if n_edges else 0.0


def _counts(block: Block, local_layers: Collection[int]) -> bool:
    """Whether a block may be dense: it is not local, and no side is a single neuron."""
    is_wide = min(block["n_sources"], block["n_targets"]) >= MIN_SIDE
    return is_wide and block["layer"] not in local_layers


def _neighbour_mass(graph: EffectiveGraph, layering: Layers) -> float:
    """Share of sum abs(weight) that does not skip a layer; inputs written again left out."""
    size = np.abs(graph.edges.weight)
    mass = float(size[~layering.injects].sum())
    return 1 - float(size[layering.is_skip].sum()) / mass if mass else 0.0


def _chance_of_most(n_neighbour: int, n_skip: int, n_thrown: int) -> float:
    """The chance that as many of the thrown edges as fit fall on pairs of neighbouring layers.

    Hypergeometric; `scipy.stats` has it, and takes half a second to load.
    """
    fitting = min(n_thrown, n_neighbour)
    ways = _log_choose(n_neighbour, fitting) + _log_choose(n_skip, n_thrown - fitting)
    return float(np.exp(ways - _log_choose(n_neighbour + n_skip, n_thrown)))


def _log_choose(n: int, k: int) -> float:
    """The logarithm of the number of ways to choose k of n things."""
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def _thrown(
    table: list[Block],
    n_skips: int,
    local_layers: Collection[int],
    n_draws: int,
    rng: np.random.Generator,
) -> tuple[Floats, float]:
    """The typical density where all edges are thrown over the same layers.

    Returns
    -------
    draws : (n_draws,) array
    least_p : float
        The chance that all edges fall between neighbours: no wiring of these layers can have a
        smaller p.
    """
    sizes = [table[0]["n_sources"], *(block["n_targets"] for block in table)]
    pairs = np.array([block["n_sources"] * block["n_targets"] for block in table])
    # Pairs of neurons that a skip into each layer could join.
    skip_pairs = np.array([sizes[m] * sum(sizes[: m - 1]) for m in range(1, len(sizes))])
    n_edges = sum(block["n_edges"] for block in table) + n_skips
    # A neuron of several layers, or chains of relays side by side, may wire a pair twice.
    n_thrown = min(n_edges, int(pairs.sum() + skip_pairs.sum()))

    # A draw is how many edges fall on each block and on the skips into each layer.
    wired = rng.multivariate_hypergeometric([*pairs, *skip_pairs], n_thrown, size=n_draws)
    n_judged = max(len(table) - 1, 1)
    inside = wired[:, :n_judged]
    skips = wired[:, len(table) : len(table) + n_judged].sum(axis=1)
    counted = np.array([_counts(block, local_layers) for block in table[:n_judged]])
    dense = (inside**2 / np.maximum(pairs[:n_judged], 1) * counted).sum(axis=1)
    draws = dense / np.maximum(inside.sum(axis=1) + skips, 1)

    return draws, _chance_of_most(int(pairs.sum()), int(skip_pairs.sum()), n_thrown)
