"""Sums over all paths of a graph unrolled over iterations, by dynamic programming.

Knows edges and sizes only; judges nothing. Sums are kept near 1 with one logarithm an iteration,
however deep the network.
"""

import numpy as np

from analysis.arrays import Bools, Floats
from analysis.edges import Edges, by_iteration, iterations_of, neurons_of


def accumulate(
    edges: Edges, size: Floats, begin: Bools | Floats, *, backwards: bool = False
) -> tuple[Floats, Floats]:
    """Sum the products of `size` over all paths that end at each node.

    Parameters
    ----------
    edges : Edges
    size : (M,) array
        The factor of each edge.
    begin : (I + 1, S) array
        The sum with which paths begin at each node.
    backwards : bool
        Follow the edges from target to source.

    Returns
    -------
    sums : (I + 1, S) array
    logs : (I + 1,) array
        The sum over paths is `sums * exp(logs)[:, None]`.
    """
    n_iterations = len(begin) - 1
    n_neurons = begin.shape[1]
    start = edges.target if backwards else edges.source
    end = edges.source if backwards else edges.target
    start_iteration = iterations_of(start, n_neurons)
    end_neuron = neurons_of(end, n_neurons)
    steps = by_iteration(iterations_of(end, n_neurons), n_iterations)

    sums = np.array(begin, dtype=float, order="C")
    flat = sums.reshape(-1)
    logs = np.zeros(len(sums))
    for l in reversed(range(n_iterations)) if backwards else range(1, n_iterations + 1):
        step = steps[l]
        if not len(step):
            continue
        # Sums of different iterations are brought to the largest of their scales.
        before = logs[start_iteration[step]]
        top = before.max()
        passed = flat[start[step]] * size[step] * np.exp(before - top)
        arriving = np.bincount(end_neuron[step], passed, n_neurons)
        # Paths that begin here join those that arrive.
        total = sums[l] * np.exp(-top) + arriving
        largest = total.max()
        if largest > 0:
            sums[l] = total / largest
            logs[l] = top + np.log(largest)

    return sums, logs


def path_shares(
    edges: Edges, size: Floats, sources: Bools, outputs: Bools
) -> tuple[Floats, Floats]:
    """Share of the flow through each edge and each node.

    Flow is the sum over paths of the product of `size`.

    Parameters
    ----------
    edges : Edges
    size : (M,) array
        The factor of each edge.
    sources, outputs : (I + 1, S) bool arrays
        Where paths begin, and where they end.

    Returns
    -------
    through_edge : (M,) array
    through_node : (I + 1, S) array
    """
    ahead, grown = accumulate(edges, size, sources)
    behind, shrunk = accumulate(edges, size, outputs, backwards=True)
    total = ahead[outputs].sum()
    if total == 0:
        return np.zeros(len(edges)), np.zeros(sources.shape)

    # Paths through a node: those that arrive times those that go on. The logarithm of the total is
    # that of the last iteration, where all paths end.
    through_node = ahead * behind / total * np.exp(grown + shrunk - grown[-1])[:, None]
    scale = np.exp(grown[edges.source_iteration] + shrunk[edges.target_iteration] - grown[-1])
    reached = ahead.ravel()[edges.source]
    useful = behind.ravel()[edges.target]
    return reached * size * useful / total * scale, through_node
