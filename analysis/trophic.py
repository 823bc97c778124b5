"""Trophic levels and incoherence: how far a weighted network points one way, whatever its layers.

The form of MacKay, Johnson & Sansom (2020, "How directed is a directed network?", R. Soc. Open Sci.
7, 201138), which is defined for every network, with cycles and without sources too. Gives no
verdict: a level is a real number, no layer.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve
from scipy.sparse.csgraph import connected_components

from analysis.arrays import Floats
from analysis.checks import as_weights


def trophic_levels(weights: ArrayLike) -> Floats:
    """Level of every neuron: the h that minimises `sum |W_ij| (h_i - h_j - 1)^2`.

    Parameters
    ----------
    weights : (S, S) array
        `weights[i, j]` from j to i; signs are ignored.

    Returns
    -------
    (S,) array
        The lowest level of each weakly connected part is 0, so levels of separate parts do not
        compare. Neurons without edges are at 0.

    Raises
    ------
    ValueError
        Where `weights` are not square or not finite.

    Notes
    -----
    Solves (diag(in + out) - |W| - |W|^T) h = in - out, one neuron of each part held at 0. Cost: one
    Cholesky factorisation over the neurons that have edges.
    """
    size = np.abs(as_weights(weights))
    wired = np.flatnonzero(size.any(axis=0) | size.any(axis=1))
    flow = size[np.ix_(wired, wired)]
    incoming = flow.sum(axis=1)
    outgoing = flow.sum(axis=0)
    laplacian = np.diag(incoming + outgoing) - flow - flow.T
    _, part = connected_components(flow, directed=True, connection="weak")

    # The heaviest neuron of each part is held at 0: that keeps the others best conditioned.
    heaviest_first = np.argsort(-(incoming + outgoing), kind="stable")
    fixed = heaviest_first[np.unique(part[heaviest_first], return_index=True)[1]]
    free = np.setdiff1d(np.arange(len(wired)), fixed)
    height = np.zeros(len(wired))
    if free.size:
        difference = (incoming - outgoing)[free]
        height[free] = solve(laplacian[np.ix_(free, free)], difference, assume_a="pos")

    # Every part starts at level 0.
    lowest = np.full(len(fixed), np.inf)
    np.minimum.at(lowest, part, height)
    levels = np.zeros(len(size))
    levels[wired] = height - lowest[part]
    return levels


def trophic_incoherence(weights: ArrayLike, levels: ArrayLike | None = None) -> float:
    """`F = sum |W_ij| (h_i - h_j - 1)^2 / sum |W_ij|`, between 0 and 1.

    0: every edge climbs exactly one level (an MLP without skips). 1: no direction at all (every
    neuron passes on as much as it takes in: a cycle, a symmetric matrix). A self-loop counts fully
    as incoherent.

    Parameters
    ----------
    weights : (S, S) array
        As in `trophic_levels`.
    levels : (S,) array, optional
        Those of `trophic_levels` if not given.

    Returns
    -------
    float
        NaN for a network without edges.

    Raises
    ------
    ValueError
        Where `weights` are not square or not finite, or `levels` do not fit them.
    """
    size = np.abs(as_weights(weights))
    height = trophic_levels(size) if levels is None else np.asarray(levels, dtype=float)
    if height.shape != (len(size),):
        raise ValueError(f"levels must have shape ({len(size)},), got {height.shape}")

    total = size.sum()
    if total == 0:
        return float("nan")
    return float((size * (height[:, None] - height[None, :] - 1) ** 2).sum() / total)
