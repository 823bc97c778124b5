"""Differences between two kinds of networks: mean, interval and p, and p corrected for how many.

A difference is known for every seed and every test sample. Another seed would have given other
networks and another draw of samples another test set, so both count: with scores D `(k, n)` of k
seeds on n samples, the variance of the mean is that of the seeds' means over k and that of the
samples' means over n. Each holds a part of the noise of single answers, so the sum errs on the safe
side. Degrees of freedom are Welch's and Satterthwaite's. That other training data might have been
drawn is not in it.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import t

CONFIDENCE = 0.95
"""Of the intervals: the usual one."""


@dataclass(frozen=True)
class Difference:
    """A mean difference in test score.

    Attributes
    ----------
    mean, low, high : float
        With its interval of CONFIDENCE; 0.01 is a point of accuracy.
    p : float
        Two-sided, that the mean is 0.
    """

    mean: float
    low: float
    high: float
    p: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def difference(D: np.ndarray) -> Difference:
    """The mean of differences D `(k, n)` over seeds and samples, k and n at least 2."""
    k, n = D.shape
    mean = float(D.mean())
    of_seeds = float(D.mean(1).var(ddof=1)) / k
    of_samples = float(D.mean(0).var(ddof=1)) / n
    variance = of_seeds + of_samples
    if variance == 0:
        return Difference(mean, mean, mean, 1.0 if mean == 0 else 0.0)

    # Welch and Satterthwaite: each variance counts with the freedom that it was estimated with.
    freedom = variance**2 / (of_seeds**2 / (k - 1) + of_samples**2 / (n - 1))
    error = variance**0.5
    half = float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return Difference(mean, mean - half, mean + half, float(2 * t.sf(abs(mean) / error, freedom)))


def holm(p: list[float]) -> list[float]:
    """p corrected for how many were asked (Holm 1979), in the order given."""
    m = len(p)
    corrected = [0.0] * m
    largest = 0.0
    for rank, k in enumerate(sorted(range(m), key=lambda k: p[k])):
        # A corrected p is never below that of a smaller p.
        largest = max(largest, min(1.0, (m - rank) * p[k]))
        corrected[k] = largest
    return corrected
