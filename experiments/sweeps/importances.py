"""How much each field that varies matters for each measure of a sweep. Computes, and draws nothing.

`analysis.importance` has the method. Here fields become settings by how their values are spaced,
and what the measure says is compared with points that are shuffled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Bools, Floats, Ints
from analysis.importance import QUANTILE, Setting, categorical, importance, numeric, shuffled, top
from analysis.verdicts import ALPHA

N_DRAWS = 100
"""Shuffles of the points: as few as allow p = 0.01."""

SEED = 0
"""Of the shuffles: the same sweep has the same page."""

FEWEST = 5
"""Networks at an end that are asked for their settings, where a tenth are fewer. The least that
optuna advises for PED-ANOVA."""

LARGEST_END = 0.5
"""Share of the networks that an end may be. By judgement: of more than half, who is not there would
be the question."""

DECADE = 10.0
"""Ratio of largest to smallest above which values are spaced by their logarithm, as in pictures."""

ENDS = {"highest": 1.0, "lowest": -1.0}
"""The ends of a measure: which tenth of the networks is asked for, and the sign of the measure."""


@dataclass(frozen=True)
class Importance:
    """How much each field matters for one end of a measure.

    Attributes
    ----------
    measure, end : str
        The column, and which of ENDS.
    n_chosen, n_known : int
        How many networks are at that end, of how many that have the measure.
    raw : (fields,) array
        Pearson divergences, times the square of the share that is at that end.
    p : (fields,) array
        How often shuffled points give as much.
    """

    measure: str
    end: str
    n_chosen: int
    n_known: int
    raw: Floats
    p: Floats

    @property
    def shares(self) -> Floats:
        """(fields,) importances, the sum being 1; even where there is none."""
        total = self.raw.sum()
        return self.raw / total if total > 0 else np.full(len(self.raw), 1 / len(self.raw))

    @property
    def by_chance(self) -> Bools:
        """(fields,) whether shuffled points give as much too often to say anything."""
        return self.p > ALPHA


def spacing(values: np.ndarray) -> str:
    """How the values of a field are spaced.

    Returns
    -------
    "kinds"
        Words.
    "log"
        Numbers above 0 that span more than a decade.
    "levels"
        The same with a 0, which has no logarithm: they are counted off in order.
    "linear"
        Other numbers.
    """
    if values.dtype.kind not in "fiu":
        return "kinds"
    known = values[np.isfinite(values)]
    positive = known[known > 0]
    if not len(positive) or (known < 0).any() or positive.max() <= DECADE * positive.min():
        return "linear"
    return "log" if len(positive) == len(known) else "levels"


def setting(values: np.ndarray, is_whole: bool) -> Setting:
    """A field of n networks, put into cells as its values are spaced."""
    how = spacing(values)
    if how == "kinds":
        return categorical(values.tolist())
    if how == "levels":
        known = np.isfinite(values)
        rank = np.full(len(values), np.nan)
        rank[known] = np.unique(values[known], return_inverse=True)[1]
        return numeric(rank, is_whole=True)
    return numeric(values, is_log=how == "log", is_whole=is_whole)


def points(fields: Sequence[np.ndarray]) -> Ints:
    """The point of each network, from 0: those that differ in the seed only share one."""
    codes = [np.unique(values, return_inverse=True)[1] for values in fields]
    return np.unique(np.column_stack(codes), axis=0, return_inverse=True)[1].ravel()


def importances(
    fields: dict[str, np.ndarray], whole: set[str], measures: dict[str, np.ndarray]
) -> list[Importance]:
    """The importance of every field for both ends of every measure.

    Ends that would say nothing are left out: those of measures that hardly vary, and of few
    networks.

    Parameters
    ----------
    fields : dict
        {name: (n,) values} of those that vary, at least one.
    whole : set of str
        Fields that take whole numbers only.
    measures : dict
        {name: (n,) values}; NaN where a network has none.
    """
    settings = [setting(values, name in whole) for name, values in fields.items()]
    at = points(list(fields.values()))
    rng = np.random.default_rng(SEED)

    out = []
    for name, values in measures.items():
        known = np.isfinite(values)
        if LARGEST_END * known.sum() < FEWEST:
            continue
        for end, sign in ENDS.items():
            chosen = top(sign * values, max(QUANTILE, FEWEST / known.sum()))
            if chosen.sum() <= LARGEST_END * known.sum():
                ask = (chosen, known)
                raw = np.array([importance(one_field, *ask) for one_field in settings])
                p = np.array([_p(*pair, ask, at, rng) for pair in zip(settings, raw, strict=True)])
                out.append(Importance(name, end, int(chosen.sum()), int(known.sum()), raw, p))
    return out


def _p(
    field: Setting, value: float, ask: tuple[Bools, Bools], at: Ints, rng: np.random.Generator
) -> float:
    """How often shuffled points make a field as important, itself counted in."""
    draws = shuffled(field, *ask, at, rng, N_DRAWS)
    return float((1 + (draws >= value).sum()) / (1 + N_DRAWS))
