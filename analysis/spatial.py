"""Where a neuron's incoming weights come from in space. Positions and weights only; no verdicts.

Receptive-field spread, Moran's I, and the correlation of |W| with distance.
"""

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, Ints, Matrix

MIN_RING = 5
"""Places that a ring needs; the four corners of any rectangle lie on a circle."""
ROUND = 1e-4
"""Largest deviation of a ring's radius, relative to it. By judgement: float32 positions pass."""


def field_spread(weights: Matrix, positions: Floats) -> Floats:
    """Receptive-field spread of each neuron.

    The root mean square distance of a neuron's sources from their centre, weighted by abs(weight).

    Parameters
    ----------
    weights : (T, N) array or scipy sparse array
        Incoming weights of T neurons from N sources.
    positions : (N, dim) array, or (D, N, dim) for D draws of positions

    Returns
    -------
    (T,) or (D, T) array
        In units of the positions; zero for neurons without incoming weights.
    """
    share = abs(weights)
    total = np.asarray(share.sum(axis=1)).reshape(-1, 1)
    draws = positions if positions.ndim == 3 else positions[None]
    n_draws, n_sources, dim = draws.shape

    # Positions are centred so that E[p^2] - E[p]^2 does not cancel.
    draws = draws - draws[0].mean(axis=0)
    squares = (draws**2).sum(axis=2, keepdims=True)
    stacked = np.concatenate([draws, squares], axis=2)  # (D, N, dim + 1)
    sums = share @ stacked.transpose(1, 0, 2).reshape(n_sources, -1)
    moments = np.divide(sums, total, out=np.zeros(sums.shape), where=total > 0)
    moments = moments.reshape(-1, n_draws, dim + 1)

    variance = moments[..., dim] - (moments[..., :dim] ** 2).sum(axis=2)
    spread = np.sqrt(np.maximum(variance, 0.0)).T
    return spread if positions.ndim == 3 else spread[0]


def unrolled(positions: Floats) -> Floats:
    """Positions (S, 2) that lie on one circle as angles (S, 1), others as they are.

    A ring so becomes the cyclic lattice that it is. NaN rows stay NaN.
    """
    placed = np.isfinite(positions).all(axis=1)
    sites = np.unique(positions[placed].round(6), axis=0)
    if positions.shape[1] != 2 or len(sites) < MIN_RING:
        return positions

    centred = positions - sites.mean(axis=0)
    radius = np.linalg.norm(centred[placed], axis=1)
    if radius.min() <= 0 or np.ptp(radius) > ROUND * radius.max():
        return positions
    return np.arctan2(centred[:, 1], centred[:, 0])[:, None]


def offsets(sources: Ints, targets: Ints, sizes: Ints, *, cyclic: bool) -> Ints:
    """Offsets of source sites from target sites, (..., dim), over which a kernel runs.

    On a lattice of `sizes` that closes on itself the shorter of the two directions counts.
    """
    offset = sources - targets
    return (offset + sizes // 2) % sizes - sizes // 2 if cyclic else offset


def morans_i(values: ArrayLike, positions: Floats, n_neighbours: int = 4) -> Floats:
    """Moran's I of each row of values, the neighbours of a place being the nearest others.

    Near 0 (exactly -1 / (N - 1) in the mean) without spatial order, towards 1 where near sources
    have like values.

    Parameters
    ----------
    values : (T, N) or (N,) array
    positions : (N, dim) array
    n_neighbours : int
        All of equal weight.

    Returns
    -------
    (T,) array
        NaN for rows that do not vary.

    References
    ----------
    Moran (1950), Biometrika 37, 17.
    """
    rows = np.atleast_2d(np.asarray(values, dtype=float))
    return neighbour_correlation(rows, neighbours(positions, n_neighbours))


def neighbours(positions: Floats, n_neighbours: int) -> Ints:
    """(N, k) the nearest other places of each place; fewer where there are not as many."""
    k = min(n_neighbours, len(positions) - 1)
    if k < 1:
        return np.empty((len(positions), 0), dtype=int)

    from scipy.spatial import cKDTree  # takes its time to load

    nearest = cKDTree(positions).query(positions, k + 1)[1]
    # With coinciding positions a point need not be its own first neighbour.
    own = nearest == np.arange(len(positions))[:, None]
    own[~own.any(axis=1), -1] = True
    return nearest[~own].reshape(len(positions), k)


def neighbour_correlation(values: Floats, nearest: Ints) -> Floats:
    """Correlation of each value with the mean of its neighbours, for each row of (T, N) values.

    `nearest` is that of `neighbours`. NaN for rows that do not vary.
    """
    if not nearest.shape[1]:
        return np.full(len(values), np.nan)
    centred = values - values.mean(axis=1, keepdims=True)
    beside = centred[:, nearest].mean(axis=2)
    power = (centred**2).sum(axis=1)
    product = (centred * beside).sum(axis=1)
    return np.divide(product, power, out=np.full(len(values), np.nan), where=power > 0)


def distance_correlation(weights: ArrayLike, positions: ArrayLike) -> float:
    """Spearman's rank correlation of |W_ij| with the distance between i and j.

    Negative where strong wires are short.

    Parameters
    ----------
    weights : (S, S) array
        `weights[i, j]` from j to i. Neurons without any weight are left out, and self-loops.
    positions : (S, dim) array
        Neurons with NaN are left out.

    Returns
    -------
    float
        NaN where fewer than two pairs are left or nothing varies.
    """
    magnitude = np.abs(np.asarray(weights, dtype=float))
    positions = np.asarray(positions, dtype=float)
    placed = np.isfinite(positions).all(axis=1)
    placed &= (magnitude.sum(axis=0) + magnitude.sum(axis=1)) > 0

    # All ordered pairs of different neurons.
    i, j = np.nonzero(~np.eye(int(placed.sum()), dtype=bool))
    p = positions[placed]
    size = magnitude[np.ix_(placed, placed)][i, j]
    distance = np.linalg.norm(p[i] - p[j], axis=1)
    if len(i) < 2 or np.ptp(size) == 0 or np.ptp(distance) == 0:
        return float("nan")
    from scipy.stats import spearmanr  # half a second: not at the start

    return float(spearmanr(size, distance).statistic)
