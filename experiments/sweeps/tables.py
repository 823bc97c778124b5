"""A sweep as a table that other programs read: CSV or Parquet, a row a point that is done."""

import csv
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
    path = out or store.folder / f"sweep.{form}"
    kinds = store.columns()
    rows = store.rows(kinds)

    write_table = _csv if form == "csv" else _parquet
    atomic_write(path, partial(write_table, kinds, rows))
    print(f"{path}: {len(rows):,} points")
    return 0


def _csv(kinds: dict[str, str], rows: list[tuple], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(map(_inert, kinds))
        table.writerows(map(_inert, row) for row in rows)


def _inert(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that could be one is quoted."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _parquet(kinds: dict[str, str], rows: list[tuple], path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            "--to parquet: needs pyarrow; install urn-networks[parquet], or take csv"
        ) from None

    types = {"INTEGER": pyarrow.int64(), "REAL": pyarrow.float64(), "TEXT": pyarrow.string()}
    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    arrays = [
        pyarrow.array(values, types[kind])
        for values, kind in zip(columns, kinds.values(), strict=True)
    ]
    parquet.write_table(pyarrow.table(arrays, names=list(kinds)), path)
