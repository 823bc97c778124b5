"""Plain measures of a weight matrix, offered beside the verdicts.

Arrival, path lengths, density by block, modularity, self-loops and reciprocity. Every non-zero
weight counts as an edge; where weights are not exactly sparse, set the small ones to zero first.
Gives no verdict and draws no nulls.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import dijkstra

from analysis.arrays import Bools, Floats, Ints
from analysis.checks import as_count, as_weights


def arrival_step(weights: ArrayLike, n_inputs: int, n_iterations: int) -> Ints:
    """The first iteration at which anything from the inputs can reach each neuron.

    Parameters
    ----------
    weights : (S, S) array
        `weights[i, j]` from j to i.
    n_inputs : int
        The inputs are neurons 0 .. n_inputs - 1; they are reached at iteration 0.
    n_iterations : int
        Iterations looked ahead.

    Returns
    -------
    (S,) int array
        -1 for neurons that nothing reaches in time.

    Raises
    ------
    ValueError
        Where `weights` are not square, `n_inputs` not within 0..S, `n_iterations` under 1.
    """
    edges = as_weights(weights) != 0
    if not 0 <= n_inputs <= len(edges):
        raise ValueError(f"n_inputs must lie between 0 and {len(edges)}, got {n_inputs}")
    as_count("n_iterations", n_iterations, 1)

    arrival = np.full(len(edges), -1)
    arrival[:n_inputs] = 0
    # The front are the neurons reached in the last iteration.
    front = arrival == 0
    for iteration in range(1, n_iterations + 1):
        front = edges[:, front].any(axis=1) & (arrival < 0)
        arrival[front] = iteration
    return arrival


def path_lengths(
    weights: ArrayLike, n_iterations: int, *, sources: Sequence[int] | None = None
) -> Floats:
    """Fewest iterations from each source to each neuron, as far as `n_iterations` allow.

    Parameters
    ----------
    weights : (S, S) array
        `weights[i, j]` from j to i.
    n_iterations : int
    sources : sequence of int, optional
        The neurons to start from, all by default.

    Returns
    -------
    (S, len(sources)) array
        `[i, k]` from source k to neuron i: 0 from a neuron to itself, infinite where more
        iterations are needed than there are.

    Raises
    ------
    ValueError
        For a matrix that is not square, `n_iterations` under 1 and sources out of range.
    """
    edges = as_weights(weights) != 0
    as_count("n_iterations", n_iterations, 1)
    starts = np.arange(len(edges)) if sources is None else np.asarray(sources, dtype=int)
    if not _within(starts, len(edges)):
        raise ValueError(f"sources must lie between 0 and {len(edges) - 1}")
    if not starts.size:
        return np.zeros((len(edges), 0))

    forward = sp.csr_array(edges.T.astype(float))
    return dijkstra(forward, unweighted=True, indices=starts, limit=n_iterations).T


def density_by_block(weights: ArrayLike, groups: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """How densely groups of neurons (layers, say) are joined. Self-loops are left out.

    Parameters
    ----------
    weights : (S, S) array
        `weights[i, j]` from j to i.
    groups : sequence of G sequences of int
        No neuron may occur twice.

    Returns
    -------
    dict of (G, G) arrays, `[a, b]` from group b to group a
        "edges"; "density", edges over possible pairs (NaN where there are none); "mass_share", the
        block's share of sum abs(W) between the neurons of all groups.

    Raises
    ------
    ValueError
        Where `weights` are not square, a neuron is out of range or in two groups.
    """
    size = np.abs(as_weights(weights))
    members = [np.asarray(group, dtype=int) for group in groups]
    everyone = np.concatenate([*members, np.zeros(0, dtype=int)])
    if len(np.unique(everyone)) < len(everyone):
        raise ValueError("groups must not share neurons")
    if not _within(everyone, len(size)):
        raise ValueError(f"groups must hold neurons between 0 and {len(size) - 1}")

    # belongs[a, i]: whether neuron i is of group a, so that sums over blocks are products.
    belongs = np.zeros((len(members), len(size)))
    for number, group in enumerate(members):
        belongs[number, group] = 1.0
    off_diagonal = _off_diagonal(size != 0)
    count = belongs @ off_diagonal @ belongs.T
    mass = belongs @ (size * off_diagonal) @ belongs.T

    # Within a group a neuron has no pair with itself.
    sizes = belongs.sum(axis=1)
    possible = np.outer(sizes, sizes) - np.diag(sizes)
    density = np.divide(count, possible, out=np.full(count.shape, np.nan), where=possible > 0)
    return {
        "edges": np.rint(count).astype(int),
        "density": density,
        "mass_share": mass / mass.sum() if mass.sum() > 0 else mass,
    }


def modularity(weights: ArrayLike, seed: int) -> tuple[float, list[set[int]]]:
    """Directed modularity of |weights| and its communities, by networkx's Louvain method.

    Parameters
    ----------
    weights : (S, S) array
        Neurons without edges are left out.
    seed : int
        Of the method's random order.

    Returns
    -------
    quality : float
        Q, at most 1; near 0 means no more mass within communities than chance puts there, but
        random sparse networks reach 0.3 and more, so compare with a null. 0 without edges.
    communities : list of set of int
        Largest first.

    Notes
    -----
    Takes seconds for 200,000 edges.

    References
    ----------
    Guimera, Sales-Pardo & Amaral (2004), Phys. Rev. E 70, 025101.
    """
    import networkx as nx  # takes its time to load

    size = np.abs(as_weights(weights))
    target, source = np.nonzero(size)
    if not len(target):
        return 0.0, []

    graph = nx.DiGraph()
    mass = size[target, source]
    graph.add_weighted_edges_from(zip(source.tolist(), target.tolist(), mass.tolist(), strict=True))
    communities = nx.community.louvain_communities(graph, weight="weight", seed=seed)
    quality = nx.community.modularity(graph, communities, weight="weight")
    largest_first = sorted(communities, key=lambda community: (-len(community), min(community)))
    return float(quality), largest_first


def self_loops(weights: ArrayLike) -> dict[str, float]:
    """Neurons that feed themselves.

    Parameters
    ----------
    weights : (S, S) array

    Returns
    -------
    dict
        "count"; "share" of the neurons with edges; "mass_share" of sum abs(W); "mean_weight".
        Shares and mean are 0 where there is nothing to share.
    """
    values = as_weights(weights)
    edges = values != 0
    own = values.diagonal()[edges.diagonal()]
    n_wired = (edges.any(axis=0) | edges.any(axis=1)).sum()
    return {
        "count": len(own),
        "share": float(len(own) / max(n_wired, 1)),
        "mass_share": float(np.abs(own).sum() / np.abs(values).sum()) if len(own) else 0.0,
        "mean_weight": float(own.mean()) if len(own) else 0.0,
    }


def reciprocity(weights: ArrayLike, *, weighted: bool = False) -> float:
    """Share of the edges, or of the weight, that is returned; self-loops left out.

    Parameters
    ----------
    weights : (S, S) array
    weighted : bool
        False: edges whose reverse exists over all edges (`networkx.overall_reciprocity`). True: sum
        of min(|W_ij|, |W_ji|) over sum |W_ij|, which a few weak edges cannot move.

    Returns
    -------
    float
        NaN without edges.

    References
    ----------
    Squartini, Picciolo, Ruzzenenti & Garlaschelli (2013), Sci. Rep. 3, 2729.
    """
    size = np.abs(as_weights(weights))
    edges = _off_diagonal(size != 0)
    value = size * edges if weighted else edges.astype(float)
    total = value.sum()
    return float(np.minimum(value, value.T).sum() / total) if total > 0 else float("nan")


def _off_diagonal(edges: Bools) -> Bools:
    return edges & ~np.eye(len(edges), dtype=bool)


def _within(neurons: Ints, n_neurons: int) -> bool:
    return not neurons.size or bool(neurons.min() >= 0 and neurons.max() < n_neurons)
