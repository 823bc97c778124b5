"""Where a neuron's incoming weights come from in space: receptive-field spread, Moran's I, corr(|W|, distance).
Positions and weights only; no verdicts.
"""

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import spearmanr

MIN_RING = 5  # places; the corners of any rectangle lie on a circle


def field_spread(weights, positions):
    """Receptive-field spread: root mean square distance of a neuron's sources from their centre, weighted by
    abs(weight).

    Parameters
    ----------
    weights : (T, N) array or scipy sparse array, incoming weights of T neurons from N sources.
    positions : (N, dim) array, or (D, N, dim) for D draws of positions.

    Returns
    -------
    (T,) or (D, T) array in units of the positions; zero for neurons without incoming weights.
    """
    share = abs(weights)
    total = np.asarray(share.sum(axis=1)).reshape(-1, 1)
    draws = positions if positions.ndim == 3 else positions[None]
    n_draws, n_sources, dim = draws.shape
    draws = draws - draws[0].mean(axis=0)  # centred: E[p^2] - E[p]^2 must not cancel
    stacked = np.concatenate(
        [draws, (draws**2).sum(axis=2, keepdims=True)], axis=2
    )  # (D, N, dim + 1)
    moments = share @ stacked.transpose(1, 0, 2).reshape(n_sources, -1)
    moments = np.divide(moments, total, out=np.zeros(moments.shape), where=total > 0).reshape(
        -1, n_draws, dim + 1
    )
    variance = moments[..., dim] - (moments[..., :dim] ** 2).sum(axis=2)
    spread = np.sqrt(np.maximum(variance, 0.0)).T
    return spread if positions.ndim == 3 else spread[0]


def unrolled(positions):
    """Positions (S, 2) that lie on one circle as angles (S, 1), so that a ring is the cyclic lattice it is; others as
    they are. NaN rows stay NaN.
    """
    placed = np.isfinite(positions).all(axis=1)
    places = np.unique(positions[placed].round(6), axis=0)
    if positions.shape[1] != 2 or len(places) < MIN_RING:
        return positions
    centred = positions - places.mean(axis=0)
    radius = np.linalg.norm(centred[placed], axis=1)
    if radius.min() <= 0 or np.ptp(radius) > 1e-4 * radius.max():
        return positions
    return np.arctan2(centred[:, 1], centred[:, 0])[:, None]


def morans_i(values, positions, n_neighbours=4):
    """Moran's I of each row of `values` (T, N) over positions (N, dim), neighbours being the k nearest with equal
    weight.

    Near 0 (exactly -1 / (N - 1) in the mean) without spatial order, towards 1 where near sources have like values;
    nan for rows that do not vary. Moran (1950), Biometrika 37, 17.
    """
    values = np.atleast_2d(np.asarray(values, dtype=float))
    n = len(positions)
    k = min(n_neighbours, n - 1)
    if k < 1:
        return np.full(len(values), np.nan)
    neighbours = cKDTree(positions).query(positions, k + 1)[1]
    # with coinciding positions a point need not be its own first neighbour
    others = np.array([[m for m in row if m != i][:k] for i, row in enumerate(neighbours)])
    centred = values - values.mean(axis=1, keepdims=True)
    product = np.einsum("tn,tnk->t", centred, centred[:, others]) / k
    power = (centred**2).sum(axis=1)
    return np.divide(product, power, out=np.full(len(values), np.nan), where=power > 0)


def distance_correlation(weights, positions):
    """Spearman's rank correlation of |W_ij| with the distance between i and j; negative where strong wires are short.

    Parameters
    ----------
    weights : (S, S) array, `weights[i, j]` from j to i. Neurons without any weight are left out, and self-loops.
    positions : (S, dim) array; rows with NaN have no place and are left out.

    Returns
    -------
    float; nan where fewer than two pairs are left or nothing varies.
    """
    magnitude = np.abs(np.asarray(weights, dtype=float))
    positions = np.asarray(positions, dtype=float)
    placed = np.isfinite(positions).all(axis=1) & (
        (magnitude.sum(axis=0) + magnitude.sum(axis=1)) > 0
    )
    i, j = np.nonzero(~np.eye(int(placed.sum()), dtype=bool))
    p, strength = positions[placed], magnitude[np.ix_(placed, placed)][i, j]
    distance = np.linalg.norm(p[i] - p[j], axis=1)
    if len(i) < 2 or np.ptp(strength) == 0 or np.ptp(distance) == 0:
        return float("nan")
    return float(spearmanr(strength, distance).statistic)
