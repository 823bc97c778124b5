"""The database of a sweep: its tables, how a new one is filled, how one is opened."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from experiments.sweeps.columns import COLUMNS
from experiments.sweeps.plan import Plan, Point, look_up
from urn import InputError

DATABASE = "sweep.sqlite"
"""The store of a sweep, in its folder."""

VERSION = "1"
"""Of the tables, in `about`."""

SECONDS_TO_WAIT = 60
"""For another process that writes. By judgement: a transaction takes milliseconds."""

FIXED = {
    "number": "INTEGER PRIMARY KEY",
    "hash": "TEXT UNIQUE NOT NULL",
    "status": "TEXT NOT NULL",
    "turn": "INTEGER NOT NULL",
    "shared": "TEXT NOT NULL",
    "owner": "TEXT",
    "attempts": "INTEGER NOT NULL DEFAULT 0",
    "seed": "INTEGER NOT NULL",
}
"""Columns by which points are handed out."""

INTERNAL = ("turn", "shared", "owner")
"""Columns that only the store has a use for."""

LEAST_PRICE = 1e-9
"""In place of a price of 0 where prices are multiplied; below any that has an effect."""


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


# ---- opening one


def connect(path: Path) -> sqlite3.Connection:
    """A connection; one that only reads where the folder cannot be written.

    SQLite's journal would need that.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return sqlite3.connect(path, timeout=SECONDS_TO_WAIT, isolation_level=None)

    journal = path.with_name(f"{path.name}-wal")
    if journal.exists() and journal.stat().st_size:
        raise InputError(
            f"{path.parent}: is read-only, and its last rows are in {journal.name}; "
            "copy it to where you can write"
        )
    return sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True, isolation_level=None)


# ---- making one


def write_database(path: Path, plan: Plan) -> None:
    """A new database with every point of a plan waiting."""
    terms = dict.fromkeys(name for point in plan.points for name in point.config.strengths)
    inputs = list(dict.fromkeys([*plan.axes, *(f"strengths.{name}" for name in terms)]))

    columns = dict(FIXED)
    columns |= {name: _kind(plan, name) for name in inputs}
    columns |= COLUMNS
    columns |= {f"R_{name}": "REAL" for name in terms}

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN")
        _create_tables(db, columns)
        _write_about(db, plan)
        _write_points(db, plan, inputs)
        db.execute("COMMIT")


def _create_tables(db: sqlite3.Connection, columns: dict[str, str]) -> None:
    db.execute("CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT)")
    db.execute(
        "CREATE TABLE owners (id TEXT PRIMARY KEY, host TEXT, pid INTEGER, started TEXT, beat REAL)"
    )
    names = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    db.execute(f"CREATE TABLE points ({names})")
    db.execute("CREATE INDEX next ON points (status, turn)")


def _write_about(db: sqlite3.Connection, plan: Plan) -> None:
    about = {
        "version": VERSION,
        "sweep": plan.text,
        "fingerprint": plan.fingerprint,
        "axes": json.dumps(plan.axes),
    }
    db.executemany("INSERT INTO about VALUES (?, ?)", about.items())


def _write_points(db: sqlite3.Connection, plan: Plan, inputs: list[str]) -> None:
    """A row a point, with its turn and the fields that vary."""
    turns = {point.number: turn for turn, point in enumerate(sorted(plan.points, key=_size))}
    names = ["number", "hash", "status", "turn", "shared", "seed", *inputs]
    rows = (
        (
            point.number,
            point.hash,
            "waiting",
            turns[point.number],
            point.shared,
            point.config.seed,
            *(_cell(point, name) for name in inputs),
        )
        for point in plan.points
    )

    marks = ", ".join("?" * len(names))
    db.executemany(f"INSERT INTO points ({_listed(names)}) VALUES ({marks})", rows)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def _size(point: Point) -> tuple:
    """Points that sort near each other end about equally large.

    So a population wastes little on its largest member.
    """
    price = 1.0
    for name in ("weight", "activity", "locality"):
        schedule = point.config.strengths.get(name)
        price *= max(schedule.value, LEAST_PRICE) if schedule else 1.0
    return point.shared, price, point.number


def _cell(point: Point, name: str) -> object:
    """The value of a field as a cell.

    Text for what is no number, nothing where the configuration lacks it.
    """
    try:
        value = look_up(point.config, name)
    except (KeyError, AttributeError):
        return None
    if isinstance(value, int | float | str | None) and not isinstance(value, bool):
        return value
    return json.dumps(value, default=str)


def _kind(plan: Plan, name: str) -> str:
    """What a column of a field holds: INTEGER, REAL or TEXT."""
    kinds = {type(_cell(point, name)) for point in plan.points} - {type(None)}
    if kinds <= {int}:
        return "INTEGER"
    return "REAL" if kinds <= {int, float} else "TEXT"
