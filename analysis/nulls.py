"""Null models: how a statistic is distributed by chance. No statistic and no verdict lives here.

Every null model takes the generator `rng` and the number of draws `n_draws` by name. Empirical
p-values count the observed value among the draws, p = (1 + number of draws at least as extreme) /
(1 + number of draws) (Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9, 39), so they are never
zero and are valid at any number of draws. Where many networks are judged at once, `q_values`
corrects their p-values for how many there are.
"""

import numpy as np
from numpy.typing import ArrayLike

from analysis.arrays import Floats, Ints

SAME = 1e-12
"""Values that differ by no more, relative to the observed one, are ties: the rounding of sums."""


def empirical_p(
    observed: float,
    draws: ArrayLike,
    *,
    tail: str = "upper",
    rng: np.random.Generator | None = None,
) -> float:
    """Empirical p-value of `observed` among draws of a null model.

    Parameters
    ----------
    observed : float
    draws : (n_draws,) array
    tail : str
        "upper": large values are extreme; "lower": small ones.
    rng : numpy Generator, optional
        Ties count as extreme, which makes the test conservative for discrete statistics. With a
        generator ties are broken at random instead, which makes p uniform under the null.

    Raises
    ------
    ValueError
        For another `tail`.
    """
    if tail not in ("upper", "lower"):
        raise ValueError(f"tail must be upper or lower, got {tail!r}")
    values = np.asarray(draws, dtype=float)
    sign = 1.0 if tail == "upper" else -1.0
    gap = sign * values - sign * observed
    # Sums that are equal but for rounding are ties.
    close = np.abs(gap) <= SAME * max(1.0, abs(float(observed)))
    above = int((gap[~close] > 0).sum())
    ties = int(close.sum())

    if rng is None:
        return (1 + above + ties) / (1 + len(values))
    return (above + rng.uniform() * (1 + ties)) / (1 + len(values))


def q_values(p_values: ArrayLike) -> Floats:
    """P-values of one question, asked of many networks, corrected for how many there are.

    Of the tests with q at most a, a share of at most a is expected to be false (Benjamini &
    Hochberg 1995, J. R. Stat. Soc. B 57, 289). That holds for independent tests, and for tests
    that depend positively, as those of networks with like strengths or equal seeds do (Benjamini &
    Yekutieli 2001, Ann. Stat. 29, 1165).

    Parameters
    ----------
    p_values : (n,) array
        From 0 to 1; NaN where nothing was tested.

    Returns
    -------
    (n,) array
        q, never below p; NaN where nothing was tested, which does not count among the tests.

    Raises
    ------
    ValueError
        For a p below 0 or above 1.
    """
    p = np.asarray(p_values, dtype=float)
    tested = ~np.isnan(p)
    if (p < 0).any() or (p > 1).any():
        raise ValueError("p_values must be from 0 to 1")

    q = np.full(p.shape, np.nan)
    if tested.any():
        from scipy.stats import false_discovery_control  # half a second: not at the start

        q[tested] = false_discovery_control(p[tested], method="bh")
    return q


def z_score(observed: float, draws: ArrayLike) -> float:
    """(observed - mean) / standard deviation of the draws.

    Where the draws do not vary it is 0 if they equal `observed`, and infinite if they do not.
    """
    values = np.asarray(draws, dtype=float)
    deviation = float(observed) - float(values.mean())
    std = float(values.std())
    if std > 0:
        return deviation / std
    return 0.0 if abs(deviation) < SAME else float(np.copysign(np.inf, deviation))


def poisson_binomial(probabilities: Floats, *, rng: np.random.Generator, n_draws: int) -> Ints:
    """Sums of independent coin tosses with the given probabilities (n,): (n_draws,) counts."""
    tosses = rng.random((n_draws, len(probabilities)))
    return (tosses < probabilities).sum(axis=1)


def permutations(n: int, *, rng: np.random.Generator, n_draws: int) -> Ints:
    """Random permutations of n things as rows, (n_draws, n)."""
    return rng.permuted(np.broadcast_to(np.arange(n), (n_draws, n)), axis=1)
