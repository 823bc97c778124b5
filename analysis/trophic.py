"""Trophic levels and incoherence: how far a weighted directed network points one way, without asking for layers first.

The form of MacKay, Johnson & Sansom (2020, "How directed is a directed network?", R. Soc. Open Sci. 7, 201138),
which is defined for every network, with cycles and without sources too. Gives no verdict: a level is a real
number, no layer.
"""

import numpy as np
from scipy.linalg import solve
from scipy.sparse.csgraph import connected_components


def trophic_levels(weights) -> np.ndarray:
    """Level of every neuron: the h that minimises `sum |W_ij| (h_i - h_j - 1)^2`.

    Parameters
    ----------
    weights : `(S, S)`, `weights[i, j]` from j to i; signs are ignored.

    Returns
    -------
    `(S,)` floats; the lowest level of each weakly connected part is 0, so levels of separate parts do not compare.
    Neurons without edges are at 0.

    Raises
    ------
    ValueError : `weights` not square or not finite.

    Notes
    -----
    Solves (diag(in + out) - |W| - |W|^T) h = in - out, one neuron of each part held at 0.
    Cost: one Cholesky factorisation over the neurons that have edges.
    """
    weights = _magnitudes(weights)
    levels = np.zeros(len(weights))
    used = np.flatnonzero(weights.any(axis=0) | weights.any(axis=1))
    flow = weights[np.ix_(used, used)]
    incoming, outgoing = flow.sum(axis=1), flow.sum(axis=0)
    laplacian = np.diag(incoming + outgoing) - flow - flow.T
    _, part = connected_components(flow, directed=True, connection="weak")
    # The heaviest neuron of each part is the one held at 0: that keeps the rest best conditioned.
    heaviest_first = np.argsort(-(incoming + outgoing), kind="stable")
    held = heaviest_first[np.unique(part[heaviest_first], return_index=True)[1]]
    free = np.setdiff1d(np.arange(len(used)), held)
    found = np.zeros(len(used))
    if free.size:
        found[free] = solve(
            laplacian[np.ix_(free, free)], (incoming - outgoing)[free], assume_a="pos"
        )
    lowest = np.full(len(held), np.inf)
    np.minimum.at(lowest, part, found)
    levels[used] = found - lowest[part]
    return levels


def trophic_incoherence(weights, levels=None) -> float:
    """`F = sum |W_ij| (h_i - h_j - 1)^2 / sum |W_ij|`, between 0 and 1.

    0: every edge climbs exactly one level (an MLP without skips). 1: no direction at all (every neuron passes on
    as much as it takes in: a cycle, a symmetric matrix). A self-loop counts fully as incoherent.

    `weights` as in `trophic_levels`; `levels` `(S,)` are computed when not given. NaN for a network without edges.
    """
    weights = _magnitudes(weights)
    levels = trophic_levels(weights) if levels is None else np.asarray(levels, dtype=float)
    if levels.shape != (len(weights),):
        raise ValueError(f"levels must have shape ({len(weights)},), got {levels.shape}")
    total = weights.sum()
    if total == 0:
        return float("nan")
    return float((weights * (levels[:, None] - levels[None, :] - 1) ** 2).sum() / total)


def _magnitudes(weights) -> np.ndarray:
    weights = np.abs(np.asarray(weights, dtype=float))
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"weights must be a square matrix, got shape {weights.shape}")
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite")
    return weights
