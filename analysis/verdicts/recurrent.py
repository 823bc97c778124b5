"""Recurrent: computing neurons work at several iterations.

Says nothing about attractors or memory; no null model is needed. A neuron is used once for each
iteration at which it computes on an input -> output path. Relays do not compute. A neuron that only
accumulates, i.e. carries its own value (positive self weight with a real share) and adds
contributions that come over *other* weights each time, is one running sum and counts once: that is
a residual stream. If the same incoming weights are used again, the step is the same computation
again and counts anew, as in a vanilla RNN, an identity-initialised one (Le, Jaitly & Hinton 2015)
or a residual network with tied weights, which is therefore both residual and recurrent.
"""

import numpy as np

from analysis.arrays import Bools, Ints
from analysis.effective import EffectiveGraph
from analysis.layers import carry_and_add
from analysis.verdicts.verdict import Case, Verdict

MIN_SHARE = 0.2
"""Share of the computing neurons that compute more than once. By judgement, on planted networks."""
FRESH = 0.5
"""Share of the added weight that must be new for a step to be part of the same running sum. By
judgement: more new than old."""


def recurrent(case: Case) -> Verdict:
    """Judge re-use; effect = share of the computing neurons used at two or more iterations."""
    count = services(case.graph)
    n_computing = int((count > 0).sum())
    n_reused = int((count > 1).sum())
    effect = n_reused / n_computing if n_computing else 0.0

    edges = case.graph.unrolled
    evidence = {
        "effect_is": "share of computing neurons that serve at several iterations",
        "n_computing": n_computing,
        "n_reused": n_reused,
        "services_histogram": np.bincount(count[count > 0]).tolist(),
        "n_self_connected": int(np.unique(edges.target_neuron[edges.joins_itself]).size),
    }
    return Verdict("recurrent", bool(effect >= MIN_SHARE), float(effect), None, evidence)


def services(graph: EffectiveGraph) -> Ints:
    """(S,) int: how often each neuron is used to compute, accumulation counted once."""
    computing = graph.computing
    carries = carry_and_add(graph) & _fresh(graph)
    carries[1:] &= computing[:-1] | graph.relay[:-1] | graph.is_source[:-1]

    # Relays between two steps of a sum are part of the sum; its first computing node counts.
    running = np.zeros(graph.n_neurons, dtype=bool)
    count = np.zeros(graph.n_neurons, dtype=int)
    for l in range(len(computing)):
        count += computing[l] & ~(carries[l] & running)
        running = computing[l] | (graph.relay[l] & running)
    return count


def _fresh(graph: EffectiveGraph) -> Bools:
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
