"""Cutting samples in two, as `sklearn.model_selection.train_test_split` does, index for index.

Scikit-learn takes two seconds to load, a third of what a small table takes to train on; the draws
are NumPy's. The tests hold these functions against it.
"""

import math

import numpy as np

from urn.errors import InputError


def cut(n: int, share: float, seed: int, y: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """Which of n samples are the rest, and which the share.

    Parameters
    ----------
    n : int
    share : float
        Of all samples; rounded up.
    seed : int
    y : (n,) integer array, optional
        Classes, of which both parts are to hold their share.

    Returns
    -------
    rest, taken : integer arrays
        In the order in which they were drawn.
    """
    n_taken = math.ceil(share * n)
    if not 0 < n_taken < n:
        raise InputError(f"samples: {n} are too few to be cut into parts")
    generator = np.random.RandomState(seed)
    if y is None:
        order = generator.permutation(n)
        return order[n_taken:], order[:n_taken]

    counts = np.bincount(np.unique(y, return_inverse=True)[1])
    of_class = np.split(np.argsort(y, kind="stable"), np.cumsum(counts)[:-1])
    n_rest = _likeliest(counts, n - n_taken, generator)
    n_share = _likeliest(counts - n_rest, n_taken, generator)

    rest: list[np.ndarray] = []
    taken: list[np.ndarray] = []
    for members, first, second in zip(of_class, n_rest, n_share, strict=True):
        drawn = members[generator.permutation(len(members))]
        rest.append(drawn[:first])
        taken.append(drawn[first : first + second])
    return (
        generator.permutation(np.concatenate(rest)),
        generator.permutation(np.concatenate(taken)),
    )


def _likeliest(
    counts: np.ndarray,
    n_draws: int,
    generator: np.random.RandomState,
) -> np.ndarray:
    """How many of each class n draws hold most likely; where classes tie, chance decides."""
    expected = counts / counts.sum() * n_draws
    whole = np.floor(expected)
    missing = int(n_draws - whole.sum())

    # What rounding took is given to the largest remainders.
    remainder = expected - whole
    for value in np.sort(np.unique(remainder))[::-1]:
        if missing <= 0:
            break
        (tied,) = np.where(remainder == value)
        n_now = min(len(tied), missing)
        whole[generator.choice(tied, size=n_now, replace=False)] += 1
        missing -= n_now
    return whole.astype(int)
