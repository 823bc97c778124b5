"""Recurrent: computing neurons serve at several iterations. Says nothing about attractors or memory; no null model
is needed.

A neuron serves once for each iteration at which it computes on an input -> output path. Relays do not compute. A
neuron that only accumulates, i.e. carries its own value (positive self weight with a real share) and adds
contributions that come over *other* weights each time, is one running sum and counts once: that is a residual
stream. If the same incoming weights are used again, the step is the same computation again and counts anew, as in a
vanilla RNN, an identity-initialised one (Le, Jaitly & Hinton 2015) or a residual network with tied weights, which
is therefore both residual and recurrent.
"""

import numpy as np

from analysis.layers import carry_and_add
from analysis.verdicts import Verdict

MIN_SHARE = 0.2  # share of the computing neurons that serve more than once
FRESH = (
    0.5  # share of the added weight that must be new for a step to be part of the same running sum
)


def services(graph):
    """(S,) int: how often each neuron serves as a computing neuron, accumulation counted once."""
    computing = graph.computing
    carries = carry_and_add(graph) & _fresh(graph)
    carries[1:] &= computing[:-1] | graph.relay[:-1] | graph.is_source[:-1]
    # relays between two steps of a sum are part of the sum; its first computing node is the one service
    running = np.zeros(graph.n_neurons, dtype=bool)
    count = np.zeros(graph.n_neurons, dtype=int)
    for l in range(len(computing)):
        count += computing[l] & ~(carries[l] & running)
        running = computing[l] | (graph.relay[l] & running)
    return count


def _fresh(graph):
    """(I + 1, S) bool: at least half the weight added here, from other neurons, was not used by the neuron before."""
    edges, n = graph.unrolled, graph.n_neurons
    i, j = edges.target % n, edges.source % n
    others = i != j
    order = np.lexsort((edges.target[others], j[others], i[others]))
    pair = (i[others] * n + j[others])[order]
    first = np.ones(len(pair), dtype=bool)
    first[1:] = pair[1:] != pair[:-1]
    size, target = np.abs(edges.weight[others])[order], edges.target[others][order]
    new = np.bincount(target[first], size[first], minlength=graph.alive.size)
    total = np.bincount(target, size, minlength=graph.alive.size)
    return ((new >= FRESH * total) & (total > 0)).reshape(graph.alive.shape)


def recurrent(graph):
    """Verdict on an EffectiveGraph; effect = share of the computing neurons that serve at two or more iterations."""
    count = services(graph)
    n_computing, n_reused = int((count > 0).sum()), int((count > 1).sum())
    effect = n_reused / n_computing if n_computing else 0.0
    evidence = {
        "effect_is": "share of computing neurons that serve at several iterations",
        "n_computing": n_computing,
        "n_reused": n_reused,
        "services_histogram": np.bincount(count[count > 0]).tolist(),
        "n_self_connected": int(
            np.unique(graph.unrolled.target[_is_self(graph)] % graph.n_neurons).size
        ),
    }
    return Verdict("recurrent", bool(effect >= MIN_SHARE), float(effect), None, evidence)


def _is_self(graph):
    return graph.unrolled.source % graph.n_neurons == graph.unrolled.target % graph.n_neurons
