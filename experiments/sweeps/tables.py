"""A sweep as a table that other programs read: CSV or Parquet, a row a point that is done.

Beside the columns of the store it has the q of every verdict (experiments/sweeps/corrected.py), and
of a sweep that follows borders a row for every point that was inferred (`computed` is 0 there).
"""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from experiments.sweeps.store import Store
from urn import InputError
from urn.io import atomic_write

FORMATS = ("csv", "parquet")
"""Kinds of table."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What text begins with that a spreadsheet takes for a formula (OWASP, CSV injection)."""


def write(store: Store, form: str, out: Path | None = None) -> int:
    """Write the table and print where it is.

    Parameters
    ----------
    store : Store
        An open store.
    form : str
        One of FORMATS.
    out : path, optional
        The file; sweep.csv or sweep.parquet in the folder of the sweep if left out.

    Raises
    ------
    InputError
        Where the table cannot be written, or pyarrow is not installed.
    """
    # Imported here: what computes q takes its time to load.
    from experiments.sweeps.corrected import read_table

    path = out or store.folder / f"sweep.{form}"
    kinds, columns = read_table(store, inferred=True)
    n_inferred = sum(not computed for computed in columns["computed"])

    write_table = _csv if form == "csv" else _parquet
    atomic_write(path, partial(write_table, kinds, columns))
    note = f", {n_inferred:,} of them inferred" if n_inferred else ""
    print(f"{path}: {len(columns['number']):,} points{note}")
    return 0


def _csv(kinds: dict[str, str], columns: dict[str, Sequence], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(map(_inert, kinds))
        rows = zip(*columns.values(), strict=True)
        table.writerows(map(_inert, row) for row in rows)


def _inert(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that could be one is quoted."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _parquet(kinds: dict[str, str], columns: dict[str, Sequence], path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            "--to parquet: needs pyarrow; install urn-networks[parquet], or take csv"
        ) from None

    types = {"INTEGER": pyarrow.int64(), "REAL": pyarrow.float64(), "TEXT": pyarrow.string()}
    arrays = [pyarrow.array(columns[name], types[kind]) for name, kind in kinds.items()]
    parquet.write_table(pyarrow.table(arrays, names=list(kinds)), path)
