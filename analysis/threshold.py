"""Which weights count as zero: the one rule, and the only module that decides it.

Exact zeros need no threshold. They are exact where the caller says so by a threshold of 0 (a run
whose weights were priced does: `Run.flat`), and where there are many of them, unless the weights
beside them fall into faint and strong ones with next to nothing in between. For other matrices
the rule starts from the universal threshold of Donoho & Johnstone (1994, Biometrika 81, 425): with
n weights of which most are Gaussian noise of standard deviation sigma = median|W| / 0.6745, pure
noise stays below sigma sqrt(2 ln n). Weak weights of trained networks have heavier tails, so the
threshold is moved up from there to the emptiest place before the strong weights: where fewest
weights lie within a factor sqrt(2), up to half their typical size (the root of sum W^4 / sum W^2).
It is applied only where the weights it keeps hold most of the energy sum W^2: a matrix without a
weak majority (a dense random one) is left whole. Weights that survive and carry next to no signal
are left out of the graph (analysis/effective.py).
"""

from dataclasses import asdict, dataclass

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.network import FlatNetwork

EXACT_ZEROS = 0.1
"""With at least this share of exact zeros among the wired neurons, every other weight is meant. By
judgement: optimisers without exact zeros leave none."""
DEEP = 0.2
"""Weights at the emptiest size between faint and strong ones, relative to those at the commonest
size of the faint: as many as that or fewer. By judgement."""
MIN_FAINT = 0.02
"""Share of the weights that must have about the commonest size of the faint ones: a few stray ones
are no kind of their own. By judgement."""
GAUSSIAN_MEDIAN = 0.6745
"""Median of |z| for z ~ N(0, 1)."""
FARTHEST = 1e-60
"""Sizes relative to the largest weight from which a threshold is looked for: no faint weight lies
below, only what has faded to the last numbers of a float."""
FACTORS = (0.5, 0.75, 1.5, 2.0, 4.0)
"""Multiples of a threshold at which verdicts are given as well, to show how much hangs on it."""


@dataclass(frozen=True)
class Threshold:
    """The cut-off on abs(W), how it was chosen, and what it removed.

    Attributes
    ----------
    value : float
        Weights of at most this size count as zero.
    rule : str
        "exact", "gap" (exact zeros beside faint weights), "universal", "none" (no weak majority) or
        "given".
    kept, dropped : int
        Weights above the threshold, and non-zero ones that are not.
    dropped_mass : float
        Share of sum abs(W) that is dropped.
    """

    value: float
    rule: str
    kept: int
    dropped: int
    dropped_mass: float

    def to_dict(self) -> dict[str, float | str]:
        """Plain JSON types."""
        return asdict(self)


def choose_threshold(net: FlatNetwork) -> Threshold:
    """The threshold of a network: `net.threshold` where given, else the rule of this module."""
    size = np.abs(net.weights)
    if net.threshold is not None:
        return _applied(size, float(net.threshold), "given")
    # Weights beside exact zeros are all meant, unless there are faint ones among them.
    is_exact = _has_exact_zeros(size)
    value = _below_strong(size) if is_exact else _universal(size)

    # Without a weak majority the threshold would cut into the structure itself.
    kept_energy = float((size[size > value] ** 2).sum())
    if value == 0.0 or kept_energy < 0.5 * float((size**2).sum()):
        return _applied(size, 0.0, "exact" if is_exact else "none")
    return _applied(size, value, "gap" if is_exact else "universal")


def cut(weights: Floats, threshold: float) -> Floats:
    """The weights with those of at most the threshold set to zero; the same array for 0."""
    return np.where(np.abs(weights) > threshold, weights, 0.0) if threshold > 0 else weights


def _has_exact_zeros(size: Floats) -> bool:
    """Whether the neurons that have weights leave EXACT_ZEROS of their pairs unwired."""
    present = size > 0
    n_wired = int((present.any(axis=1) | present.any(axis=0)).sum())
    return n_wired == 0 or bool(present.sum() <= (1 - EXACT_ZEROS) * n_wired**2)


def _universal(size: Floats) -> float:
    """Donoho & Johnstone's threshold, moved up to the emptiest place."""
    sizes = np.sort(size[size > 0])
    # Most weights are noise, so their median tells its standard deviation.
    noise = np.median(sizes) / GAUSSIAN_MEDIAN
    return _valley(sizes, noise * np.sqrt(2 * np.log(len(sizes))))


def _below_strong(size: Floats) -> float:
    """The emptiest size between faint and strong weights, or 0 where they are of one kind.

    On a logarithmic scale weights of one kind have one commonest size.
    """
    sizes = np.sort(size[size > 0])
    if not len(sizes):
        return 0.0
    candidates, counts = _counted(sizes, sizes[0])
    commonest = np.maximum.accumulate(counts)
    depth = np.where(commonest >= MIN_FAINT * len(sizes), counts / np.maximum(commonest, 1), 1.0)
    deepest = int(depth.argmin())
    return float(candidates[deepest]) if depth[deepest] <= DEEP else 0.0


def _valley(sizes: Floats, start: float) -> float:
    """The emptiest place of the sorted sizes from `start` to half the typical strong weight.

    Looked for in steps of 2^(1/8).
    """
    candidates, counts = _counted(sizes, start)
    return float(candidates[counts.argmin()])


def _counted(sizes: Floats, start: float) -> tuple[Floats, Ints]:
    """Sizes from `start` to half the typical strong weight, and the weights near each."""
    # In units of the largest, a power of two so that nothing rounds: fourth powers stay in range.
    unit = 2.0 ** np.floor(np.log2(sizes[-1]))
    scaled = sizes / unit
    typical = unit * np.sqrt((scaled**4).sum() / (scaled**2).sum())
    start = max(start, FARTHEST * sizes[-1])
    n_steps = max(0, int(np.floor(8 * np.log2(max(typical / 2 / start, 1.0)))))
    candidates = start * 2.0 ** (np.arange(n_steps + 1) / 8)
    # Weights within a factor sqrt(2) of each candidate, to both sides.
    below = np.searchsorted(sizes, candidates / np.sqrt(2))
    return candidates, np.searchsorted(sizes, candidates * np.sqrt(2)) - below


def _applied(size: Floats, value: float, rule: str) -> Threshold:
    kept = size > value
    total = float(size.sum())
    dropped = (size > 0) & ~kept
    lost = float(size[dropped].sum() / total) if total else 0.0
    return Threshold(value, rule, int(kept.sum()), int(dropped.sum()), lost)
