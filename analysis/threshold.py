"""Which weights count as zero. Exactly sparse matrices need no threshold; for the others one stated rule, recorded
and swept.

The rule starts from the universal threshold of Donoho & Johnstone (1994, Biometrika 81, 425): with n weights of
which most are Gaussian noise of standard deviation sigma = median|W| / 0.6745, pure noise stays below sigma sqrt(2
ln n). Weak weights of trained networks have heavier tails, so the threshold is moved up from there to the emptiest
place before the strong weights: where fewest weights lie within a factor sqrt(2), up to half their typical size
(the root of sum W^4 / sum W^2). It is applied only where weights are not exactly sparse, and only where what it
keeps holds most of the energy sum W^2: a matrix without a weak majority (a dense random one) is left whole. Stray
weights that survive are dropped where they carry next to no signal (FAINT).
"""

from dataclasses import dataclass

import numpy as np

EXACT_ZEROS = 0.1  # with at least this share of exact zeros among the wired neurons, the support is taken as it is
FAINT = 1e-3  # share of the mean signal power of an edge below which an edge is dropped, where a threshold is used
SWEEP = (0.5, 0.75, 1.5, 2.0, 4.0)


@dataclass(frozen=True)
class Threshold:
    """The cut-off on abs(W), how it was chosen ("exact", "universal", "none" or "given"), and what it removed."""

    value: float
    rule: str
    kept: int
    dropped: int
    dropped_mass: float

    def to_dict(self):
        """Plain JSON types."""
        return {
            "value": self.value,
            "rule": self.rule,
            "kept": self.kept,
            "dropped": self.dropped,
            "dropped_mass": self.dropped_mass,
        }


def choose_threshold(weights, value=None):
    """The threshold for weights (S, S): `value` where given, else the module's rule. Weights of size at most the
    value count as zero.
    """
    size = np.abs(weights)
    rule = "given"
    if value is None:
        rule, value = "exact", 0.0
        present = size > 0
        wired = int((present.any(axis=1) | present.any(axis=0)).sum())
        if wired and present.sum() > (1 - EXACT_ZEROS) * wired**2:
            noise = np.median(size[present]) / 0.6745
            value = _valley(np.sort(size[present]), noise * np.sqrt(2 * np.log(present.sum())))
            kept_energy = float((size[size > value] ** 2).sum())
            rule = "universal"
            if kept_energy < 0.5 * float((size**2).sum()):
                rule, value = "none", 0.0
    kept = size > value
    total = float(size.sum())
    dropped = (size > 0) & ~kept
    return Threshold(
        float(value),
        rule,
        int(kept.sum()),
        int(dropped.sum()),
        float(size[dropped].sum() / total) if total else 0.0,
    )


def _valley(size, start):
    """The emptiest place of the sorted sizes between `start` and half the typical strong weight, in steps of
    2^(1/8).
    """
    typical = np.sqrt((size**4).sum() / (size**2).sum())
    steps = max(0, int(np.floor(8 * np.log2(max(typical / 2 / start, 1.0)))))
    places = start * 2.0 ** (np.arange(steps + 1) / 8)
    counts = np.searchsorted(size, places * np.sqrt(2)) - np.searchsorted(size, places / np.sqrt(2))
    return float(places[counts.argmin()])
