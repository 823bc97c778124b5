"""A sweep as a table that other programs read: CSV or Parquet, a row a point that is done."""

import csv
from contextlib import suppress
from pathlib import Path

from experiments.sweeps.store import Store
from urn import InputError

FORMATS = ("csv", "parquet")


def write(store: Store, form: str, out: Path | None = None) -> int:
    """Write the table, to DIR/sweep.csv or DIR/sweep.parquet unless told otherwise, and print where it is."""
    path = out or store.folder / f"sweep.{form}"
    kinds = store.columns()
    rows = store.rows(kinds)
    draft = path.with_name(f".{path.name}.draft")
    try:
        (_csv if form == "csv" else _parquet)(draft, kinds, rows)
        draft.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with suppress(OSError):
            draft.unlink()
    print(f"{path}: {len(rows):,} points")
    return 0


def _csv(path: Path, kinds: dict[str, str], rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(kinds)
        table.writerows(rows)


def _parquet(path: Path, kinds: dict[str, str], rows: list[tuple]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError("--to parquet: needs pyarrow; install urn[parquet], or take csv") from None
    types = {"INTEGER": pyarrow.int64(), "REAL": pyarrow.float64(), "TEXT": pyarrow.string()}
    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    arrays = [
        pyarrow.array(values, types[kind])
        for values, kind in zip(columns, kinds.values(), strict=True)
    ]
    parquet.write_table(pyarrow.table(arrays, names=list(kinds)), path)
