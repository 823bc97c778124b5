"""Sums over all paths of a graph unrolled over iterations, by dynamic programming. Knows edges and sizes only;
judges nothing.

Nodes are numbered iteration * S + neuron. Sums are kept near 1 with one logarithm an iteration, however deep the
network.
"""

import numpy as np


def accumulate(start, end, size, seed, iterations, shape):
    """Sums over paths of products of `size`, iteration by iteration: `sums * exp(logs)`, sums (nodes,), logs (I + 1,).

    Paths begin with 1 at the nodes of `seed` (nodes,) and run along the edges start -> end.
    """
    sums, logs = np.array(seed, dtype=float), np.zeros(shape[0])
    at = end // shape[1]
    order = np.argsort(at, kind="stable")
    cuts = np.searchsorted(at[order], np.arange(shape[0] + 1))
    for l in iterations:
        step = order[cuts[l] : cuts[l + 1]]
        if not len(step):
            continue
        before = logs[start[step] // shape[1]]
        top = before.max()
        arriving = np.bincount(
            end[step] % shape[1], sums[start[step]] * size[step] * np.exp(before - top), shape[1]
        )
        here = slice(l * shape[1], (l + 1) * shape[1])
        total = sums[here] * np.exp(-top) + arriving
        largest = total.max()
        if largest > 0:
            sums[here], logs[l] = total / largest, top + np.log(largest)
    return sums, logs


def path_shares(source, target, size, first, outputs, shape):
    """Share of the flow (sum over paths of the product of `size`) through each edge (M,) and each node (nodes,).

    Paths run from the nodes of `first` (nodes,) bool to the node numbers `outputs`; `shape` is (I + 1, S).
    """
    last = np.zeros(shape[0] * shape[1])
    last[outputs] = 1.0
    ahead, grown = accumulate(source, target, size, first, range(1, shape[0]), shape)
    behind, shrunk = accumulate(target, source, size, last, range(shape[0] - 2, -1, -1), shape)
    total = ahead[outputs].sum()
    if total == 0:
        return np.zeros(len(source)), np.zeros(len(last))
    through = ahead * behind / total * np.repeat(np.exp(grown + shrunk - grown[-1]), shape[1])
    scale = np.exp(grown[source // shape[1]] + shrunk[target // shape[1]] - grown[-1])
    return ahead[source] * size * behind[target] / total * scale, through
