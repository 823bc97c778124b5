"""Residual: skip edges that join a parallel computing path at the same target, or neurons that carry their own
value and add to it.

A skip is an edge of the contracted graph over more than one layer: a value handed on by relays past neurons that
compute. It counts when a computing path leads from the same source to the same target, and skip and path both have
a real share of the variance there. An input that is written again (clamped) is no skip. Carry-and-add is defined in
layers.py.

Effect: share of the signal power from inputs to outputs that takes at least one skip or carried value (squared
weights along paths, see `share_through` in layers.py, so that it does not shrink with the width of the branch).

Null model: edges are thrown anew at random between the same pair of iterations, as many as there are. Two signs are
tested and the smaller p is doubled: (a) more neurons whose value relays hand on past computing neurons than such
wiring has by chance (in-degrees are then binomial, given that a living node has one at least, and sources random);
(b) more carry-and-add neurons than if a neuron's own earlier value were any of its possible sources. The plain
degree-preserving null would break the layers themselves; it is not used. Whether the task needs the skips is a
question for causal.py.
"""

import numpy as np
from scipy import sparse
from scipy.optimize import brentq

from analysis.layers import CARRY_SHARE, carried_edges, carry_and_add, share_through
from analysis.nulls import empirical_p, poisson_binomial
from analysis.verdicts import ALPHA, Verdict

MIN_EFFECT = 0.1
MIN_JOINS = 2
MAX_SOURCES = 256  # skip sources whose parallel paths are traced


def residual(graph, lay, *, n_null, rng):
    """Verdict on a layered EffectiveGraph."""
    joins = skip_joins(graph, lay, rng)
    carries = carry_and_add(graph)
    edges, size = graph.edges, np.abs(graph.edges.weight)
    counted = ~lay.injects
    mass = float(size[counted].sum())
    effect = share_through(graph, joins | carried_edges(graph, carries))
    n_handed, handed_draws = _handed_null(graph, edges.where(joins), n_null, rng)
    n_carries, carry_draws = _carry_null(graph, carries, n_null, rng)
    p_handed, p_carries = empirical_p(n_handed, handed_draws), empirical_p(n_carries, carry_draws)
    p_value = min(1.0, 2 * min(p_handed, p_carries))
    targets = np.unique(edges.target[joins])
    computing = graph.computing
    n_joins = len(targets) + int(carries.sum())
    layer = lay.layer.ravel()
    evidence = {
        "effect_is": "share of the signal power over at least one skip or carried value",
        "skip_mass": float(size[joins].sum()) / mass if mass else 0.0,
        "long_edge_mass": float(size[counted & (lay.span > 1)].sum()) / mass if mass else 0.0,
        "n_skip_edges": int(joins.sum()),
        "n_skip_targets": len(targets),
        "carry_and_add_share": float(carries.sum() / max(computing.sum(), 1)),
        "n_carry_and_add": int(carries.sum()),
        "n_blocks": len(
            np.unique(np.concatenate([layer[targets], layer[np.flatnonzero(carries.ravel())]]))
        ),
        "n_handed_on": n_handed,
        "null_handed_on": float(handed_draws.mean()),
        "p_handed_on": p_handed,
        "null_carries": float(carry_draws.mean()),
        "p_carries": p_carries,
    }
    present = effect >= MIN_EFFECT and n_joins >= MIN_JOINS and p_value <= ALPHA
    return Verdict("residual", bool(present), float(effect), p_value, evidence)


def skip_joins(graph, lay, rng):
    """(M,) bool: contracted edges that are skips and join a computing path from the same source at their target."""
    edges = graph.edges
    power = (edges.weight * graph.spread.ravel()[edges.source]) ** 2
    long = (lay.span > 1) & ~lay.injects
    n_nodes = graph.alive.size
    total = np.bincount(edges.target, power, minlength=n_nodes)
    skipped = np.bincount(edges.target[long], power[long], minlength=n_nodes)
    share = np.divide(skipped, total, out=np.zeros(n_nodes), where=total > 0)
    real = long & (share >= CARRY_SHARE)[edges.target] & (share <= 1 - CARRY_SHARE)[edges.target]
    if not real.any():
        return real
    sources = np.unique(edges.source[real])
    if len(sources) > MAX_SOURCES:
        sources = np.sort(rng.choice(sources, MAX_SOURCES, replace=False))
        real &= np.isin(edges.source, sources)
    reach = _parallel_reach(graph, sources)
    joined = np.zeros(len(edges), dtype=bool)
    where = np.flatnonzero(real)
    joined[where] = reach[np.searchsorted(sources, edges.source[where]), edges.target[where]]
    return joined


def _parallel_reach(graph, sources):
    """(len(sources), nodes) bool: what each source reaches over two or more contracted edges."""
    edges, n_nodes = graph.edges, graph.alive.size
    step = sparse.csr_array(
        (np.ones(len(edges)), (edges.source, edges.target)), shape=(n_nodes, n_nodes)
    )
    start = (np.ones(len(sources)), (np.arange(len(sources)), sources))
    frontier = _binary(sparse.csr_array(start, shape=(len(sources), n_nodes)) @ step)
    reach = np.zeros(frontier.shape, dtype=bool)
    while frontier.nnz:
        frontier = _binary(frontier @ step)
        reach[frontier.nonzero()] = True
    return reach


def _binary(matrix):
    matrix.data[:] = 1.0
    return matrix


def _handed_null(graph, skips, n_null, rng):
    """Neurons whose value relays hand on to a skip, and how many there are by chance (n_null,).

    By chance a node of iteration l is such a relay with the probability that a living node has a single input, that
    input being positive, and that one of its targets is joined: that a node of l - 1 reaches one of l + 1 by
    computing. Whose value it hands on is drawn from the nodes of l - 1. Neurons are counted, not nodes, since their
    wiring is the same at every iteration.
    """
    shape = graph.alive.shape
    if not len(skips):
        return 0, np.zeros(n_null)
    nodes = np.flatnonzero((graph.computing | graph.is_source)[:-2].ravel())
    nodes = np.sort(rng.choice(nodes, min(MAX_SOURCES, len(nodes)), replace=False))
    reach = _parallel_reach(graph, nodes)
    into, out_of = graph.unrolled.target // shape[1], graph.unrolled.source // shape[1]
    ends = graph.computing.copy()
    ends[-1] = graph.alive[-1]
    none = np.ones(shape[1])  # probability that a neuron's value is handed on at no iteration
    for l in range(1, shape[0] - 1):
        step = into == l
        sources = (
            graph.alive[l - 1] if graph.has_data else graph.alive[l - 1] & ~graph.is_source[l - 1]
        )
        n_targets = len(np.unique(graph.unrolled.target[step]))
        if not n_targets or not sources.any():
            continue
        positive = (
            float((graph.unrolled.weight[step] > 0).mean()) if graph.activation == "relu" else 1.0
        )
        pairs = reach[nodes // shape[1] == l - 1][
            :, np.flatnonzero(ends[l + 1]) + (l + 1) * shape[1]
        ]
        joins = 1 - (1 - pairs.mean()) ** ((out_of == l).sum() / n_targets) if pairs.size else 1.0
        n_sources = int(graph.alive[l - 1].sum())
        relay = positive * joins * _single_input(n_sources, step.sum() / n_targets)
        none[sources] *= (1 - relay / n_sources) ** n_targets
    return len(np.unique(skips.source % shape[1])), poisson_binomial(
        1 - none[none < 1], rng, n_null
    )


def _single_input(n_sources, mean_degree):
    """P(one input | at least one) of binomial in-degrees over n_sources with the given mean of the truncated law."""
    if mean_degree <= 1 or n_sources == 1:
        return 1.0
    if mean_degree >= n_sources:
        return 0.0

    def truncated_mean(q):
        return n_sources * q / -np.expm1(n_sources * np.log1p(-q))

    q = brentq(lambda q: truncated_mean(q) - mean_degree, 1e-12, 1 - 1e-12)
    return float(n_sources * q * (1 - q) ** (n_sources - 1) / -np.expm1(n_sources * np.log1p(-q)))


def _carry_null(graph, carries, n_null, rng):
    """Neurons that carry and add, and how many would if the own earlier value were any of the sources of that
    iteration (n_null,).

    Each neuron keeps its incoming weights, the same at every iteration; which source counts as its own is drawn.
    """
    edges, n = graph.unrolled, graph.n_neurons
    power = (edges.weight * graph.spread.ravel()[edges.source]) ** 2
    share = power / np.bincount(edges.target, power, minlength=graph.alive.size)[edges.target]
    could = (edges.weight > 0) & (share >= CARRY_SHARE) & (share <= 1 - CARRY_SHARE)
    both = np.zeros_like(graph.alive)
    both[1:] = graph.alive[:-1] & graph.computing[1:]
    could &= both.ravel()[edges.target]
    # compared are sources alive wherever the neuron's own earlier value is: others meet fewer competitors, or none
    ids = np.flatnonzero(both.any(axis=0))
    absent = (
        both[1:, ids].T.astype(np.float32) @ ~graph.alive[:-1]
    )  # (neurons, sources): iterations without the source
    candidate = absent == 0
    place = np.full(n, -1)
    place[ids] = np.arange(len(ids))
    hit = np.zeros_like(candidate)
    hit[place[edges.target[could] % n], edges.source[could] % n] = True
    chance = (hit & candidate).sum(axis=1) / candidate.sum(axis=1)
    return int(carries.any(axis=0).sum()), poisson_binomial(chance, rng, n_null)
