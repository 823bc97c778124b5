"""How much a setting matters for a measure, over many networks: PED-ANOVA.

Which networks have the highest (or lowest) values of a measure, and how far do their settings
differ from those of all networks? Each setting is put into cells, the density over the cells is
estimated twice, and the importance is the Pearson divergence of the two. Knows numbers only.

References
----------
Watanabe, Bansal & Hutter (2023), PED-ANOVA, arXiv 2304.10255. Where the paper leaves a choice (the
cells, the width of kernels, settings that only some have), it is that of optuna 5, which follows
arXiv 2601.20800 in the last; `tests/analysis/test_importance.py` holds the numbers against it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from analysis.arrays import Bools, Floats, Ints

QUANTILE = 0.1
"""Share of networks whose settings are asked for, as in the paper and in optuna."""

MOST_CELLS = 50
"""Of numbers, as in optuna."""

PRIOR = 1.0
"""Weight of an even density among the networks, of each of which the weight is 1. As in optuna."""

SMALLEST_WIDTH = 0.5 / 1.64
"""Of a kernel, in cells: 90 % of it then lie within its own cell. As in optuna."""

FLOOR = 1e-12
"""Added to densities before they are divided. As in optuna."""

MISSING = -1
"""The cell of a network that does not have a setting."""


@dataclass(frozen=True)
class Setting:
    """A setting of n networks.

    Attributes
    ----------
    cell : (n,) int array
        In which cell its value lies; MISSING where a network does not have it.
    n_cells : int
    is_ordered : bool
        Whether neighbouring cells are alike.
    """

    cell: Ints
    n_cells: int
    is_ordered: bool

    def count(self, networks: Bools) -> Ints:
        """How many of the networks `(n,)` lie in each cell `(n_cells,)`."""
        present = networks & (self.cell != MISSING)
        return np.bincount(self.cell[present], minlength=self.n_cells)


def numeric(values: ArrayLike, *, is_log: bool = False, is_whole: bool = False) -> Setting:
    """A setting that is a number, put into equally wide cells from its least to its largest value.

    Parameters
    ----------
    values : (n,) array
        NaN where a network does not have it.
    is_log : bool
        Whether cells are equally wide in its logarithm.
    is_whole : bool
        Whether it takes whole numbers only: then no more cells than there are of these, on a
        logarithmic scale than powers of two.
    """
    values = np.asarray(values, dtype=float)
    known = np.isfinite(values)
    cell = np.full(len(values), MISSING)
    if not known.any():
        return Setting(cell, 1, True)

    span = values[known].max() - values[known].min()
    n_cells = MOST_CELLS
    if is_whole:
        n_whole = math.ceil(math.log2(span + 1)) + 1 if is_log else round(span) + 1
        n_cells = min(n_whole, MOST_CELLS)

    spaced = np.log(values[known]) if is_log else values[known]
    width = (spaced.max() - spaced.min()) / max(1, n_cells - 1)
    if not width:
        return Setting(np.where(known, 0, cell), 1, True)
    # A value in the middle between two cells goes to the lower.
    at = np.ceil((spaced - spaced.min()) / width - 0.5).astype(int)
    cell[known] = np.clip(at, 0, n_cells - 1)
    return Setting(cell, n_cells, True)


def categorical(values: Sequence[str]) -> Setting:
    """A setting that is a word: a cell for each, in no order."""
    words, cell = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    return Setting(cell, len(words), False)


def top(values: ArrayLike, quantile: float = QUANTILE) -> Bools:
    """The networks with the highest values `(n,)`: a share `quantile` of those that have any.

    Where more are equal to the least of them, these belong to it too.
    """
    values = np.asarray(values, dtype=float)
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), dtype=bool)

    k = math.ceil(quantile * len(known)) - 1
    # NaN is not above any bar.
    return values >= -np.partition(-known, k)[k]


def importance(setting: Setting, chosen: Bools, known: Bools) -> float:
    """How far a setting of the `chosen` networks differs from that of all `known` ones.

    Parameters
    ----------
    setting : Setting
    chosen : (n,) boolean array
        Networks that `top` names.
    known : (n,) boolean array
        Networks that have the measure, the chosen among them.

    Returns
    -------
    float
        0 where it does not differ, or nothing varies. Comparable over settings, with the same
        networks chosen.
    """
    counts = setting.count(chosen)
    sizes = (int(chosen.sum()), int(known.sum()))
    return _of_counts(setting, counts, setting.count(known), sizes)


def shuffled(
    setting: Setting,
    chosen: Bools,
    known: Bools,
    points: Ints,
    rng: np.random.Generator,
    n_draws: int,
) -> Floats:
    """Importances where the measure has nothing to do with the setting.

    What the networks of a point have is given to those of another point, drawn at random. Networks
    of the same point stay together: they are repeats, and alike.

    Parameters
    ----------
    setting, chosen, known
        As in `importance`.
    points : (n,) int array
        The point of each network, from 0; the networks of a point are in the same cell.
    rng : generator
    n_draws : int

    Returns
    -------
    (n_draws,) array
    """
    first = np.unique(points[known], return_index=True)[1]
    cell = setting.cell[known][first]
    of_point = np.unique(points[known], return_inverse=True)[1]
    n_chosen = np.bincount(of_point, weights=chosen[known])

    region = setting.count(known)
    sizes = (int(chosen.sum()), int(known.sum()))
    has_it = cell != MISSING
    draws = np.empty(n_draws)
    for k in range(n_draws):
        drawn = rng.permutation(n_chosen)[has_it]
        counts = np.bincount(cell[has_it], weights=drawn, minlength=setting.n_cells)
        draws[k] = _of_counts(setting, counts.round().astype(int), region, sizes)
    return draws


def _of_counts(setting: Setting, counts: Ints, region: Ints, sizes: tuple[int, int]) -> float:
    """The importance, from how many chosen and how many known networks lie in each cell.

    `sizes` are how many chosen and known networks there are, those without the setting among them.
    """
    n_chosen, n_known = sizes
    if setting.n_cells == 1 or not counts.sum() or region.sum() <= 1:
        return 0.0

    of_chosen = _density(counts, setting.is_ordered) + FLOOR
    of_known = _density(region, setting.is_ordered) + FLOOR
    divergence = float(of_known @ (of_chosen / of_known - 1) ** 2)

    # The three shares are 1, 1 and the quantile where all networks have the setting.
    share_of_chosen = counts.sum() / n_chosen
    share_of_known = region.sum() / n_known
    return (n_chosen / n_known) ** 2 * share_of_chosen**2 / share_of_known * divergence


# ---- densities


def _density(counts: Ints, is_ordered: bool) -> Floats:
    """The density over cells, estimated from how many networks lie in each, the sum being 1."""
    weights = np.append(counts[counts > 0], PRIOR)
    kernels = _bells(counts) if is_ordered else _peaks(counts)
    return kernels @ (weights / weights.sum())


def _bells(counts: Ints) -> Floats:
    """A normal kernel for each cell that holds networks, cut off at both ends; then a wide one.

    Returns an array `(n_cells, kernels)`.
    """
    n_cells = len(counts)
    centres = np.flatnonzero(counts)
    width = max(_scott(centres, counts[centres]), SMALLEST_WIDTH)

    mu = np.append(centres, (n_cells - 1) / 2)
    sigma = np.append(np.full(len(centres), width), n_cells)
    edges = np.arange(n_cells + 1)[:, None] - 0.5
    mass = np.diff(ndtr((edges - mu) / sigma), axis=0)
    return mass / mass.sum(axis=0)


def _scott(at: Ints, counts: Ints) -> float:
    """Width of kernels at some cells by Scott's rule, with the range of the middle half."""
    n = counts.sum()
    mean = at @ counts / n
    deviation = math.sqrt((at - mean) ** 2 @ counts / max(1, n - 1))

    cumulated = np.cumsum(counts)
    first = np.searchsorted(cumulated, n // 4, side="left")
    third = np.searchsorted(cumulated, n * 3 // 4, side="right")
    middle_half = at[min(len(at) - 1, third)] - at[first]
    return float(1.059 * min(middle_half / 1.34, deviation) * n**-0.2)


def _peaks(counts: Ints) -> Floats:
    """A kernel for each cell that holds networks: nearly all in it, the rest even; then an even
    one.

    Returns an array `(n_cells, kernels)`.
    """
    held = np.flatnonzero(counts)
    n_kernels = len(held) + 1
    kernels = np.full((len(counts), n_kernels), PRIOR / n_kernels)
    kernels[held, np.arange(len(held))] += 1
    return kernels / kernels.sum(axis=0)
