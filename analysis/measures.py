"""Plain measures of a weight matrix, offered beside the verdicts: arrival, path lengths, density by block, modularity,
self-loops and reciprocity.

Every non-zero weight counts as an edge; where weights are not exactly sparse, set the small ones to zero first.
Gives no verdict and draws no nulls.
"""

from collections.abc import Sequence

import networkx as nx
import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import dijkstra


def arrival_step(weights, n_inputs: int, n_iterations: int) -> np.ndarray:
    """The first iteration at which anything from the inputs can reach each neuron.

    Parameters
    ----------
    weights : `(S, S)`, `weights[i, j]` from j to i.
    n_inputs : the inputs are neurons 0..n_inputs-1; they have step 0.
    n_iterations : steps looked ahead.

    Returns
    -------
    `(S,)` integers, -1 for neurons that nothing reaches in time.

    Raises
    ------
    ValueError : `weights` not square, `n_inputs` not within 0..S, `n_iterations` under 1.
    """
    edges = _edges(weights)
    if not 0 <= n_inputs <= len(edges):
        raise ValueError(f"n_inputs must lie between 0 and {len(edges)}, got {n_inputs}")
    _positive(n_iterations)
    step = np.full(len(edges), -1)
    step[:n_inputs] = 0
    front = step == 0
    for iteration in range(1, n_iterations + 1):
        front = edges[:, front].any(axis=1) & (step < 0)
        step[front] = iteration
    return step


def path_lengths(weights, n_iterations: int, *, sources=None) -> np.ndarray:
    """Fewest steps from each source to each neuron, as far as `n_iterations` allow.

    `weights` `(S, S)`; `sources` the indices of the starting neurons, all when None. Returns `(S, len(sources))`
    floats, `[i, k]` from source k to neuron i: 0 from a neuron to itself, infinite where more steps are needed
    than there are. Raises ValueError for a matrix that is not square, `n_iterations` under 1 and sources out of
    range.
    """
    edges = _edges(weights)
    _positive(n_iterations)
    sources = np.arange(len(edges)) if sources is None else np.asarray(sources, dtype=int)
    if sources.size and not (sources.min() >= 0 and sources.max() < len(edges)):
        raise ValueError(f"sources must lie between 0 and {len(edges) - 1}")
    if not sources.size:
        return np.zeros((len(edges), 0))
    forward = sp.csr_array(edges.T.astype(float))
    return dijkstra(forward, unweighted=True, indices=sources, limit=n_iterations).T


def density_by_block(weights, groups: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """How densely groups of neurons (layers, say) are joined.

    Parameters
    ----------
    weights : `(S, S)`, `weights[i, j]` from j to i.
    groups : G lists of neurons; no neuron may occur twice.

    Returns
    -------
    {"edges", "density", "mass_share"}, each `(G, G)`, `[a, b]` from group b to group a. Self-loops are left out:
    "density" is edges over possible pairs (NaN where there are none), "mass_share" the block's share of sum |W|
    between the neurons of all groups.

    Raises
    ------
    ValueError : `weights` not square, a neuron out of range or in two groups.
    """
    edges = _edges(weights)
    members = [np.asarray(group, dtype=int) for group in groups]
    everyone = np.concatenate([*members, np.zeros(0, dtype=int)])
    if len(np.unique(everyone)) < len(everyone):
        raise ValueError("groups must not share neurons")
    if everyone.size and not (everyone.min() >= 0 and everyone.max() < len(edges)):
        raise ValueError(f"groups must hold neurons between 0 and {len(edges) - 1}")
    belongs = np.zeros((len(members), len(edges)))
    for number, group in enumerate(members):
        belongs[number, group] = 1.0
    off_diagonal = edges & ~np.eye(len(edges), dtype=bool)
    count = belongs @ off_diagonal @ belongs.T
    mass = belongs @ (np.abs(weights) * off_diagonal) @ belongs.T
    sizes = belongs.sum(axis=1)
    possible = np.outer(sizes, sizes) - np.diag(sizes)
    return {
        "edges": np.rint(count).astype(int),
        "density": np.divide(count, possible, out=np.full(count.shape, np.nan), where=possible > 0),
        "mass_share": mass / mass.sum() if mass.sum() > 0 else mass,
    }


def modularity(weights, seed: int) -> tuple[float, list[set[int]]]:
    """Directed modularity of |weights| and its communities, found by networkx's Louvain method.

    `weights` `(S, S)`; neurons without edges are left out. Returns (Q, communities, largest first). Q is at most
    1; near 0 means no more mass within communities than chance puts there, but random sparse networks reach 0.3
    and more (Guimera, Sales-Pardo & Amaral 2004), so compare with a null. 0 and no communities for a network
    without edges. Takes seconds for 200,000 edges.
    """
    edges = _edges(weights)
    target, source = np.nonzero(edges)
    graph = nx.DiGraph()
    mass = np.abs(np.asarray(weights, dtype=float))[target, source]
    graph.add_weighted_edges_from(zip(source.tolist(), target.tolist(), mass.tolist(), strict=True))
    if not len(target):
        return 0.0, []
    communities = nx.community.louvain_communities(graph, weight="weight", seed=seed)
    quality = nx.community.modularity(graph, communities, weight="weight")
    return float(quality), sorted(
        communities, key=lambda community: (-len(community), min(community))
    )


def self_loops(weights) -> dict[str, float]:
    """Neurons that feed themselves: "count", "share" of the neurons with edges, "mass_share" of sum |W|, "mean_weight".

    `weights` `(S, S)`. Shares and mean are 0 where there is nothing to share.
    """
    edges = _edges(weights)
    weights = np.asarray(weights, dtype=float)
    own = weights.diagonal()[edges.diagonal()]
    living = (edges.any(axis=0) | edges.any(axis=1)).sum()
    return {
        "count": len(own),
        "share": float(len(own) / max(living, 1)),
        "mass_share": float(np.abs(own).sum() / np.abs(weights).sum()) if len(own) else 0.0,
        "mean_weight": float(own.mean()) if len(own) else 0.0,
    }


def reciprocity(weights, *, weighted: bool = False) -> float:
    """Share of the edges, or of the weight, that is returned; self-loops left out.

    Plain: edges whose reverse exists over all edges (`networkx.overall_reciprocity`). Weighted: sum of
    min(|W_ij|, |W_ji|) over sum |W_ij| (Squartini et al. 2013), which a few weak edges cannot move. NaN without
    edges.
    """
    edges = _edges(weights) & ~np.eye(len(weights), dtype=bool)
    value = np.abs(np.asarray(weights, dtype=float)) * edges if weighted else edges.astype(float)
    total = value.sum()
    return float(np.minimum(value, value.T).sum() / total) if total > 0 else float("nan")


def _edges(weights) -> np.ndarray:
    weights = np.asarray(weights)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"weights must be a square matrix, got shape {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite")
    return weights != 0


def _positive(n_iterations: int) -> None:
    if n_iterations < 1:
        raise ValueError(f"n_iterations must be at least 1, got {n_iterations}")
