"""The database of a sweep: its tables, how a new one is filled, how one is opened."""

import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path

from experiments.sweeps.columns import COLUMNS, EFFECTS, LATER
from experiments.sweeps.plan import Plan, Point, look_up
from urn import InputError

DATABASE = "sweep.sqlite"
"""The store of a sweep, in its folder."""

VERSION = 1
"""Of the tables, in `about` and as SQLite's user_version. Stores from before user_version was kept
have 0 there."""

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

ALLOWED = {
    "INTEGER": ("null", "integer"),
    "REAL": ("null", "integer", "real"),
    "TEXT": ("null", "text"),
}
"""Types of a cell, by what its column holds; SQLite itself takes anything anywhere."""

P_VALUES = tuple(f"{name}_p" for name in EFFECTS)
"""Columns of p-values, which are from 0 to 1."""

LARGEST = sys.float_info.max
"""Beyond it a number is infinite."""

LEAST_PRICE = 1e-9
"""In place of a price of 0 where prices are multiplied; below any that has an effect."""


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


# ---- opening one


def connect(path: Path) -> sqlite3.Connection:
    """A connection that reads damaged text too.

    It only reads where the folder cannot be written, which SQLite's journal would need.
    """
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return _reading(sqlite3.connect(path, timeout=SECONDS_TO_WAIT, isolation_level=None))

    journal = path.with_name(f"{path.name}-wal")
    if journal.exists() and journal.stat().st_size:
        raise InputError(
            f"{path.parent}: is read-only, and its last rows are in {journal.name}; "
            "copy it to where you can write"
        )
    address = f"{path.resolve().as_uri()}?immutable=1"
    return _reading(sqlite3.connect(address, uri=True, isolation_level=None))


def _reading(db: sqlite3.Connection) -> sqlite3.Connection:
    db.text_factory = lambda content: content.decode(errors="replace")
    return db


def read_about(db: sqlite3.Connection) -> dict[str, str]:
    """What a store says about itself. Raises InputError unless it has all that is read later."""
    about = dict(db.execute("SELECT key, value FROM about"))
    version = db.execute("PRAGMA user_version").fetchone()[0]
    named = about.get("version")
    if version not in (0, VERSION) or named != str(VERSION):
        other = version if version not in (0, VERSION) else named
        raise InputError(f"a store of version {other!r:.60}; this program reads {VERSION}")

    for key in ("sweep", "fingerprint", "axes"):
        if not isinstance(about.get(key), str):
            raise InputError(f"damaged: about has no {key}")

    kinds = columns_of(db) | LATER
    missing = [name for name in (*FIXED, *COLUMNS) if name not in kinds]
    if missing:
        raise InputError(f"damaged: points has no column {missing[0]}")
    db.execute("SELECT id, host, pid, started, beat FROM owners LIMIT 0")
    return about


def read_axes(about: dict[str, str], kinds: dict[str, str]) -> list[str]:
    """The fields that vary. Raises InputError unless each has a column."""
    try:
        axes = json.loads(about["axes"])
    except (ValueError, RecursionError):
        axes = None
    if not isinstance(axes, list) or not all(isinstance(name, str) for name in axes):
        raise InputError("damaged: axes in about is no list of names")
    for name in axes:
        if name not in kinds:
            raise InputError(f"damaged: points has no column {name!r:.60}")
    return axes


def columns_of(db: sqlite3.Connection) -> dict[str, str]:
    """All columns of the points, with what they hold: INTEGER, REAL or TEXT."""
    table = db.execute("PRAGMA table_info(points)")
    return {name: (kind.split() or ["TEXT"])[0].upper() for _, name, kind, *_ in table}


def lacking(db: sqlite3.Connection) -> dict[str, str]:
    """The columns of LATER that a store does not have, with what they hold."""
    kinds = columns_of(db)
    return {name: kind for name, kind in LATER.items() if name not in kinds}


def add_later_columns(db: sqlite3.Connection) -> None:
    """Add the columns of LATER that a store does not have, empty in the rows that are there.

    Within a transaction of the caller, so that no other process adds them meanwhile.
    """
    for name, kind in lacking(db).items():
        db.execute(f"ALTER TABLE points ADD COLUMN {quoted(name)} {kind}")


def damaged_points(db: sqlite3.Connection, statuses: Iterable[str]) -> dict[int, str]:
    """{number: what is wrong} of rows that no program of ours has written."""
    faults = {}
    for name, kind in columns_of(db).items():
        column = quoted(name)
        test = f"typeof({column}) NOT IN {ALLOWED.get(kind, ALLOWED['TEXT'])}"
        if kind == "REAL":
            test += f" OR abs({column}) > {LARGEST!r}"
        if name in P_VALUES:
            test += f" OR {column} NOT BETWEEN 0 AND 1"
        for number, value in db.execute(f"SELECT number, {column} FROM points WHERE {test}"):
            faults.setdefault(number, f"{name} is {value!r:.60}")

    known = tuple(statuses)
    for number, status in db.execute(f"SELECT number, status FROM points WHERE NOT {_fit(known)}"):
        faults.setdefault(number, f"status is {status!r:.60}")
    return faults


def _fit(statuses: tuple[str, ...]) -> str:
    """A test that a row has a status there is, and what everything else needs."""
    return (
        f"(status IS NOT NULL AND status IN {statuses} AND number >= 0 AND hash IS NOT NULL "
        "AND shared IS NOT NULL AND turn IS NOT NULL AND seed IS NOT NULL AND attempts IS NOT NULL)"
    )


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
        db.execute(f"PRAGMA user_version = {VERSION}")
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
        "version": str(VERSION),
        "fingerprint": plan.fingerprint,
        "axes": json.dumps(plan.axes),
    }
    about |= about_of(plan)
    db.executemany("INSERT INTO about VALUES (?, ?)", about.items())


def about_of(plan: Plan) -> dict[str, str]:
    """What a store keeps of a sweep file beside its points."""
    return {"sweep": plan.text, "borders": "followed" if plan.borders else "all"}


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
    return point.shared, point.config.steps, price, point.number


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
