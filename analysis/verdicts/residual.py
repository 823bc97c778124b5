"""Residual: skips that join a parallel computing path, or neurons that carry and add.

A skip is an edge of the contracted graph over more than one layer: relays hand a value on past
neurons that compute. It counts when a computing path leads from the same source to the same target,
and skip and path both have a real share of the variance there (CARRY_SHARE of layers.py, 0.05). An
input that is written again (clamped) is no skip. A neuron carries its own value to its next
iteration, and carries and adds where it adds to it there (`carry_and_add` in layers.py).

Effect: share of the signal power from inputs to outputs that takes at least one skip or carried
value. This power is that of whole paths, squared weights alone (`share_through` in layers.py), so
that it does not shrink with the width of the branch; the signal of single edges, `signal_power`,
counts the spread of their source as well. Of neurons that carry and add those count that keep all
of their value (MIN_KEPT), or that add over fresh weights (FRESH); what keeps a part and uses the
same weights again leaks, which is recurrent and no residual stream.

The kind is "adds" where a target hears one neuron over its skips, as where a stream is added to,
and "concatenates" where it hears many, as in a DenseNet. A skip through a dense projection is the
same wiring as a concatenation and has its name.

Two things are counted: the bar asks for neurons that are joined, the targets of skips; p is of
neurons that send, the sources, for these the null model can draw.

Null model: edges are thrown anew at random between the same pair of iterations, as many as there
are. Two counts of neurons are tested, and the smaller p is doubled: (a) neurons whose value relays
hand on past computing neurons, against such wiring (in-degrees are then binomial, given that a used
node has one at least, and sources random); (b) neurons that carry and add, against an own earlier
value that is any of the possible sources. The probability that a neuron is counted is worked out,
and counts are drawn from it. The plain degree-preserving null would break the
layers themselves; it is not used. Whether the task needs the skips is a question for causal.py.
"""

from typing import Any

import numpy as np
from scipy import sparse

from analysis.arrays import Bools, Floats, Ints, Matrix
from analysis.edges import Edges
from analysis.effective import EffectiveGraph
from analysis.layers import (
    CARRY_SHARE,
    Layers,
    carried_edges,
    carries_whole,
    carry_and_add,
    fresh,
    share_through,
    signal_power,
)
from analysis.nulls import empirical_p, poisson_binomial
from analysis.verdicts.verdict import Bar, Case, Verdict, decide, p_bar

MIN_EFFECT = 0.1
"""Share of the signal power over skips or carried values. By judgement, on planted networks."""
MIN_JOINS = 2
"""Neurons that a skip joins, or that carry and add: a single one is no architecture. By
judgement."""
ONE_TO_ONE = 0.8
"""Share of what a node hears over skips that comes from one neuron, where it is added to. By
judgement."""
MAX_SOURCES = 256
"""Skip sources whose parallel paths are traced; of more, this many are drawn and the others left
out, which can only lower the effect. By judgement: memory grows with their number times the
nodes."""


def residual(case: Case) -> Verdict:
    """Judge skips and carried values."""
    graph, layering = case.graph, case.layers
    joins = skip_joins(graph, layering, rng=case.rng)
    carries = _streams(graph)
    effect = share_through(graph, joins | carried_edges(graph, carries))
    # Two counts are tested: neurons whose value relays hand on, and neurons that carry theirs.
    handed = _handed_null(graph, graph.edges.where(joins), rng=case.rng, n_draws=case.n_draws)
    carried = _carry_null(graph, carries, rng=case.rng, n_draws=case.n_draws)
    p_handed = empirical_p(*handed)
    p_carries = empirical_p(*carried)
    p_value = min(1.0, 2 * min(p_handed, p_carries))

    evidence = {
        "effect_is": "share of the signal power over at least one skip or carried value",
        **_counts(graph, layering, joins, carries),
        "kind": _kind(graph, joins, carries),
        "n_handed_on": handed[0],
        "null_handed_on": float(handed[1].mean()),
        "p_handed_on": p_handed,
        "null_carries": float(carried[1].mean()),
        "p_carries": p_carries,
    }
    bars = [
        Bar("signal over skips", effect, MIN_EFFECT),
        Bar("neurons joined", evidence["n_joined_neurons"], MIN_JOINS),
        p_bar(p_value),
    ]
    return decide("residual", effect, p_value, evidence, bars)


def _streams(graph: EffectiveGraph) -> Bools:
    """Nodes of neurons that carry their value, and do not only leak, (I + 1, S) bool."""
    carries = carry_and_add(graph)
    again = (carries & ~fresh(graph)).any(axis=0)
    return carries & (carries_whole(graph) | ~again)


def _counts(
    graph: EffectiveGraph, layering: Layers, joins: Bools, carries: Bools
) -> dict[str, Any]:
    """How many skips there are, how many nodes carry and add, and how much weight skips have."""
    size = np.abs(graph.edges.weight)
    mass = float(size[~layering.injects].sum())
    targets = np.unique(graph.edges.target[joins])
    layer = layering.layer.ravel()
    joined = np.concatenate([layer[targets], layer[np.flatnonzero(carries.ravel())]])

    # Neurons, each once, at however many iterations it is joined.
    joins_neuron = np.zeros(graph.n_neurons, dtype=bool)
    joins_neuron[graph.neurons_of(targets)] = True
    joins_neuron |= carries.any(axis=0)
    return {
        "skip_mass": float(size[joins].sum()) / mass if mass else 0.0,
        "long_edge_mass": float(size[layering.is_skip].sum()) / mass if mass else 0.0,
        "n_skip_edges": int(joins.sum()),
        "n_skip_targets": len(targets),
        "carry_and_add_share": float(carries.sum() / max(graph.computing.sum(), 1)),
        "n_carry_and_add": int(carries.sum()),
        "n_joined_neurons": int(joins_neuron.sum()),
        "n_blocks": len(np.unique(joined)),
    }


def _kind(graph: EffectiveGraph, joins: Bools, carries: Bools) -> str:
    """ "adds" or "concatenates", by the signal at the nodes that hear skips; "" without any.

    A node hears one neuron over its skips where ONE_TO_ONE of their signal comes from it. Carried
    values are added.
    """
    edges = graph.edges.where(joins)
    if not len(edges):
        return "adds" if carries.any() else ""
    power = signal_power(graph, edges)
    heard = np.bincount(edges.target, power, minlength=graph.n_nodes)
    largest = np.zeros(graph.n_nodes)
    np.maximum.at(largest, edges.target, power)
    adding = heard[largest >= ONE_TO_ONE * heard].sum()
    return "adds" if adding >= 0.5 * heard.sum() else "concatenates"


def skip_joins(graph: EffectiveGraph, layering: Layers, *, rng: np.random.Generator) -> Bools:
    """Contracted edges that are skips and join a computing path from the same source.

    Returns
    -------
    (M,) bool array
    """
    edges = graph.edges
    power = signal_power(graph, edges)
    is_skip = layering.is_skip
    total = np.bincount(edges.target, power, minlength=graph.n_nodes)
    skipped = np.bincount(edges.target[is_skip], power[is_skip], minlength=graph.n_nodes)
    share = np.divide(skipped, total, out=np.zeros(graph.n_nodes), where=total > 0)
    # Skip and path both have a real share of the variance at the target.
    is_shared = (share >= CARRY_SHARE) & (share <= 1 - CARRY_SHARE)
    is_real = is_skip & is_shared[edges.target]
    if not is_real.any():
        return is_real

    sources = np.unique(edges.source[is_real])
    if len(sources) > MAX_SOURCES:
        sources = np.sort(rng.choice(sources, MAX_SOURCES, replace=False))
        is_real &= np.isin(edges.source, sources)
    reach = _parallel_reach(graph, sources)
    joins = np.zeros(len(edges), dtype=bool)
    real = np.flatnonzero(is_real)
    rows = np.searchsorted(sources, edges.source[real])
    joins[real] = reach[rows, edges.target[real]]
    return joins


def _parallel_reach(graph: EffectiveGraph, sources: Ints) -> Bools:
    """(len(sources), nodes) bool: what each source reaches over two or more contracted edges."""
    edges = graph.edges
    n_nodes = graph.n_nodes
    ones = np.ones(len(edges))
    step = sparse.csr_array((ones, (edges.source, edges.target)), shape=(n_nodes, n_nodes))
    begin = (np.ones(len(sources)), (np.arange(len(sources)), sources))
    start = sparse.csr_array(begin, shape=(len(sources), n_nodes))

    # Step by step, from the second step on: a single edge is no parallel path.
    frontier = _binary(start @ step)
    reach = np.zeros(frontier.shape, dtype=bool)
    while frontier.nnz:
        frontier = _binary(frontier @ step)
        reach[frontier.nonzero()] = True
    return reach


def _binary(matrix: Matrix) -> Matrix:
    matrix.data[:] = 1.0
    return matrix


def _handed_null(
    graph: EffectiveGraph, skips: Edges, *, rng: np.random.Generator, n_draws: int
) -> tuple[int, Ints | Floats]:
    """Neurons whose value relays hand on to a skip, and how many there are by chance (n_draws,).

    By chance a node of iteration l is such a relay with the probability that a used node has a
    single input, that input being positive, and that one of its targets is joined: that a node of
    l - 1 reaches one of l + 1 by computing. Whose value it hands on is drawn from the nodes of
    l - 1. Neurons are counted, not nodes, since their wiring is the same at every iteration.
    """
    if not len(skips):
        return 0, np.zeros(n_draws)
    nodes = np.flatnonzero((graph.computing | graph.is_source)[:-2].ravel())
    nodes = np.sort(rng.choice(nodes, min(MAX_SOURCES, len(nodes)), replace=False))
    reach = _parallel_reach(graph, nodes)
    begins = graph.iterations_of(nodes)
    ends = graph.computing.copy()
    ends[-1] = graph.used[-1]
    fan_out = np.bincount(graph.unrolled.source_iteration, minlength=len(graph.used))

    # The probability that a neuron's value is handed on at no iteration.
    never = np.ones(graph.n_neurons)
    steps = graph.unrolled.steps(graph.n_iterations)
    for l in range(1, graph.n_iterations):
        edges = graph.unrolled.where(steps[l - 1])
        sources = graph.used[l - 1]
        if not graph.has_data:
            sources = sources & ~graph.is_source[l - 1]
        n_targets = len(np.unique(edges.target))
        if not n_targets or not sources.any():
            continue

        # P(relay) = P(positive) P(joined) P(single input).
        is_positive = float((edges.weight > 0).mean()) if graph.activation == "relu" else 1.0
        later = graph.nodes_at(l + 1, np.flatnonzero(ends[l + 1]))
        joined = reach[begins == l - 1][:, later]
        is_joined = 1.0
        if joined.size:
            is_joined = 1 - (1 - joined.mean()) ** (fan_out[l] / n_targets)
        n_sources = int(graph.used[l - 1].sum())
        is_single = _single_input(n_sources, len(edges) / n_targets)
        is_relay = is_positive * is_joined * is_single
        never[sources] *= (1 - is_relay / n_sources) ** n_targets

    n_handed = len(np.unique(skips.source_neuron))
    return n_handed, poisson_binomial(1 - never[never < 1], rng=rng, n_draws=n_draws)


def _single_input(n_sources: int, mean_degree: float) -> float:
    """P(one input | at least one) of binomial in-degrees over n_sources.

    `mean_degree` is the mean of the truncated law.
    """
    if mean_degree <= 1 or n_sources == 1:
        return 1.0
    if mean_degree >= n_sources:
        return 0.0

    def truncated_mean(q: float) -> float:
        return n_sources * q / -np.expm1(n_sources * np.log1p(-q))

    from scipy.optimize import brentq  # takes its time to load

    q = brentq(lambda q: truncated_mean(q) - mean_degree, 1e-12, 1 - 1e-12)
    single = n_sources * q * (1 - q) ** (n_sources - 1)
    return float(single / -np.expm1(n_sources * np.log1p(-q)))


def _carry_null(
    graph: EffectiveGraph, carries: Bools, *, rng: np.random.Generator, n_draws: int
) -> tuple[int, Ints]:
    """Neurons that carry and add, and how many would by chance (n_draws,).

    By chance the neuron's own earlier value is any of the sources of that iteration. Each neuron
    keeps its incoming weights, the same at every iteration; which source counts as its own is
    drawn.
    """
    edges = graph.unrolled
    power = signal_power(graph, edges)
    total = np.bincount(edges.target, power, minlength=graph.n_nodes)
    share = power / total[edges.target]
    could = (edges.weight > 0) & (share >= CARRY_SHARE) & (share <= 1 - CARRY_SHARE)
    both = np.zeros_like(graph.used)
    both[1:] = graph.used[:-1] & graph.computing[1:]
    could &= both.ravel()[edges.target]

    # Compared are sources used wherever the neuron's own earlier value is: others meet fewer
    # competitors, or none.
    ids = np.flatnonzero(both.any(axis=0))
    # Iterations without the source, (neurons, sources).
    absent = both[1:, ids].T.astype(np.float32) @ ~graph.used[:-1]
    candidate = absent == 0
    row_of = np.full(graph.n_neurons, -1)
    row_of[ids] = np.arange(len(ids))
    hit = np.zeros_like(candidate)
    hit[row_of[edges.target_neuron[could]], edges.source_neuron[could]] = True

    probability = (hit & candidate).sum(axis=1) / candidate.sum(axis=1)
    n_carries = int(carries.any(axis=0).sum())
    return n_carries, poisson_binomial(probability, rng=rng, n_draws=n_draws)
