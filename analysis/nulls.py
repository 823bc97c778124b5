"""Null models: what a statistic looks like by chance. Every draw takes a passed generator. No statistic and no
verdict lives here.

Empirical p-values count the observed value among the draws, p = (1 + number of draws at least as extreme) / (1 +
number of draws) (Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, 39), so they are never zero and are valid
at any number of draws.
"""

import numpy as np


def empirical_p(observed, draws, *, tail="upper", rng=None):
    """Empirical p-value of `observed` among `draws` (n,).

    Ties count as extreme, which makes the test conservative for discrete statistics. With a generator `rng` ties
    are broken at random instead, which makes p uniform under the null.
    """
    if tail not in ("upper", "lower"):
        raise ValueError(f"tail must be upper or lower, got {tail!r}")
    draws = np.asarray(draws, dtype=float)
    sign = 1.0 if tail == "upper" else -1.0
    gap = sign * draws - sign * observed
    close = np.abs(gap) <= 1e-12 * max(1.0, abs(float(observed)))
    above, ties = int((gap[~close] > 0).sum()), int(close.sum())
    if rng is None:
        return (1 + above + ties) / (1 + len(draws))
    return (above + rng.uniform() * (1 + ties)) / (1 + len(draws))


def z_score(observed, draws):
    """(observed - mean) / standard deviation of the draws; 0 where the draws do not vary and equal it, inf where
    they differ.
    """
    draws = np.asarray(draws, dtype=float)
    deviation = float(observed) - float(draws.mean())
    std = float(draws.std())
    if std > 0:
        return deviation / std
    return 0.0 if abs(deviation) < 1e-12 else float(np.copysign(np.inf, deviation))


def random_bipartite(n_rows, n_columns, n_edges, rng, n_draws):
    """Density-matched bipartite wiring: 0/1 matrices (n_draws, n_rows, n_columns), each with `n_edges` ones at
    random places.

    `n_edges` may be an array (n_draws,), one number for each draw.
    """
    keys = rng.random((n_draws, n_rows * n_columns), dtype=np.float32)
    wired = np.zeros(keys.shape, dtype=bool)
    for row, key, count in zip(wired, keys, np.broadcast_to(n_edges, n_draws), strict=True):
        row[np.argpartition(key, count - 1)[:count] if count < len(key) else slice(None)] = (
            count > 0
        )
    return wired.reshape(n_draws, n_rows, n_columns)


def poisson_binomial(probabilities, rng, n_draws):
    """Sums of independent coin tosses with the given probabilities (n,): (n_draws,) counts."""
    return (rng.random((n_draws, len(probabilities))) < probabilities).sum(axis=1)


def permutations(n, rng, n_draws):
    """Random permutations of n things as rows, (n_draws, n)."""
    return rng.permuted(np.broadcast_to(np.arange(n), (n_draws, n)), axis=1)


def permute_along_orbit(values, support, rng, n_draws):
    """Permute each row's entries among its own support: keeps what a receptive field covers, forgets which weight
    sits where.

    Parameters
    ----------
    values : (n, D) array of kernels over offsets. support : (n, D) bool, the receptive fields.

    Returns
    -------
    (n_draws, n, D) array, float32.
    """
    n, n_taps = values.shape
    size = support.sum(axis=1, keepdims=True)
    home = np.argsort(~support, axis=1, kind="stable")[
        :, : size.max(initial=0)
    ]  # of each row its own taps, then others
    keys = rng.random((n_draws, *home.shape), dtype=np.float32)
    keys[:, np.arange(home.shape[1]) >= size] = 2.0  # not of its own: they stay behind
    held = np.take_along_axis(values, home, axis=1).astype(np.float32)
    shuffled = np.zeros((n_draws, n, n_taps), dtype=np.float32)
    rows = np.arange(n)[:, None]
    shuffled[:, rows, home] = held[rows, np.argsort(keys, axis=2)]
    return shuffled
