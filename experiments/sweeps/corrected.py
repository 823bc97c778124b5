"""The verdicts of a sweep, corrected for how many networks were judged. Stores nothing.

Among many networks some have a small p by chance. q, the p of a verdict corrected for all networks
of the sweep (`analysis.nulls.q_values`), depends on which networks there are, so it is computed
whenever a store is read.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.arrays import Bools, Floats
from analysis.nulls import q_values
from analysis.verdicts import ALPHA, VERDICTS
from experiments.sweeps.borders import inferred_rows
from experiments.sweeps.columns import EFFECTS
from experiments.sweeps.store import Store

LEVEL = ALPHA
"""Largest q with which a verdict survives the correction: the bar that its p has to pass alone."""


@dataclass(frozen=True)
class Corrected:
    """One verdict over n networks of a sweep.

    Attributes
    ----------
    name : str
        Of the verdict.
    judged : (n,) boolean array
        Networks of which the store says whether they have it.
    present : (n,) boolean array
        Networks that have it.
    p, q : (n,) arrays
        Before and after the correction; NaN where nothing was tested.
    """

    name: str
    judged: Bools
    present: Bools
    p: Floats
    q: Floats

    @property
    def survives(self) -> Bools:
        """(n,) networks that have the verdict, and keep it after the correction."""
        return self.present & (self.q <= LEVEL)

    @property
    def fallen(self) -> Bools:
        """(n,) networks that have the verdict by their own p, and not after the correction."""
        return self.present & (self.p <= LEVEL) & (self.q > LEVEL)

    @property
    def untested(self) -> Bools:
        """(n,) networks that have the verdict without a p: none there is, or none is asked for."""
        return self.present & ~(self.p <= LEVEL)

    @property
    def n_needed(self) -> int:
        """How many networks would need the smallest p that any has, for a q of LEVEL."""
        n_tested = int(np.isfinite(self.p).sum())
        # Rounded, so that a whole number is not the next one for the rounding of the quotient.
        return math.ceil(round(self.least_p * n_tested / LEVEL, 6)) if n_tested else 0

    @property
    def least_p(self) -> float:
        """The smallest p of any network; NaN where nothing was tested."""
        return float(np.nanmin(self.p)) if np.isfinite(self.p).any() else math.nan

    @property
    def out_of_reach(self) -> bool:
        """Whether verdicts fell that would fall with the smallest p in all that have them, too."""
        return bool(self.fallen.any()) and self.n_needed > self.present.sum()


def corrected(columns: Mapping[str, Iterable[float | None]]) -> list[Corrected]:
    """Every verdict of a sweep that any network was judged for.

    Parameters
    ----------
    columns : mapping
        Of the store, by name, an entry a network: for each verdict whether it is there, and its p.
    """
    out = []
    for name in EFFECTS:
        # A network is not judged where it diverged, or where an older store has no such verdict.
        flags = np.array(list(columns[name]), dtype=float)
        p = np.array(list(columns[f"{name}_p"]), dtype=float)
        if np.isfinite(flags).any():
            out.append(Corrected(name, np.isfinite(flags), flags == 1, p, q_values(p)))
    return out


def counts(store: Store) -> list[Corrected]:
    """Every verdict of the networks of a store that are done."""
    names = [column for name in EFFECTS for column in (name, f"{name}_p")]
    return corrected(dict(zip(names, _transposed(store.rows(names), len(names)), strict=True)))


def fallen(verdicts: Iterable[Corrected], architectures: np.ndarray) -> Bools:
    """Networks whose architecture is named after a verdict that falls to the correction.

    Parameters
    ----------
    verdicts : iterable of Corrected
    architectures : (n,) array of str
        Of the same networks.

    Returns
    -------
    (n,) boolean array
    """
    words = [set(architecture.split()) for architecture in architectures.tolist()]
    out = np.zeros(len(words), dtype=bool)
    for verdict in verdicts:
        # A dense network has no word of its own in the registry: it is called MLP.
        word = VERDICTS[verdict.name].word or "MLP"
        out |= verdict.fallen & np.array([word in named for named in words], dtype=bool)
    return out


def read_table(store: Store, inferred: bool = False) -> tuple[dict[str, str], dict[str, Sequence]]:
    """The columns of a store with those of q: each behind its p.

    Parameters
    ----------
    store : Store
        An open store.
    inferred : bool
        Whether points that a search for borders left out have rows too, behind the others.

    Returns
    -------
    kinds : dict
        What each column holds, by name: INTEGER, REAL or TEXT.
    columns : dict
        Its values by name, an entry a network that is done; None where there is none. `computed`
        is 1 of a network that was trained, and 0 of a point that was inferred from the one that
        `inferred_from` names.
    """
    kinds = store.columns()
    stored: dict[str, Sequence] = dict(
        zip(kinds, _transposed(store.rows(kinds), len(kinds)), strict=True)
    )
    verdict_of = {f"{name}_p": name for name in EFFECTS}

    all_kinds: dict[str, str] = {}
    columns: dict[str, Sequence] = {}
    for name, kind in kinds.items():
        all_kinds[name] = kind
        columns[name] = stored[name]
        # Beside its p, q is found by who reads the table from left to right.
        if name in verdict_of:
            q = q_values(np.array(stored[name], dtype=float))
            all_kinds[f"{verdict_of[name]}_q"] = "REAL"
            columns[f"{verdict_of[name]}_q"] = [_none_for_nan(value) for value in q.tolist()]

    n = len(columns["number"])
    all_kinds |= {"computed": "INTEGER", "inferred_from": "INTEGER"}
    columns |= {"computed": [1] * n, "inferred_from": [None] * n}
    rows = inferred_rows(store) if inferred else []
    for row in rows:
        row["computed"] = 0
    return all_kinds, {
        name: [*values, *(row.get(name) for row in rows)] for name, values in columns.items()
    }


def _none_for_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _transposed(rows: Sequence[tuple], n_columns: int) -> list[tuple]:
    """The columns of rows, empty ones where there is no row."""
    return list(zip(*rows, strict=True)) if rows else [()] * n_columns
