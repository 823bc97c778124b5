"""The store of a sweep: one SQLite database, a row a point, and a run folder beside it for every network that was trained.

A point is waiting, running, or done with what came out ("ok", "disconnected", "diverged"); "interrupted" if begun and to be
begun again. Who trains holds a lease: an owner with host, process and heartbeat. Every change is one transaction, so a kill
leaves no half row, and only who still holds the lease of a point can finish it.
"""

import contextlib
import json
import math
import os
import shutil
import socket
import sqlite3
import statistics
import tempfile
import time
import tomllib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from experiments.sweeps.columns import COLUMNS
from experiments.sweeps.plan import Plan, Point, Sweep, look_up, make_plan
from urn import InputError, Run
from urn.io import check_new
from urn.runs.folders import STRUCTURE, RunFolder
from urn.runs.train import save_run

DATABASE, RUNS = "sweep.sqlite", "runs"
VERSION = "1"
DONE = ("ok", "disconnected", "diverged")
OPEN = ("waiting", "interrupted")
SECONDS_TO_DIE = 300.0
"""After so long without a heartbeat a process on another machine counts as dead."""
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
INTERNAL = ("turn", "shared", "owner")
"""Columns that only the store has a use for."""


class Store:
    """An open store. `me` is the owner under whose name this process takes points."""

    def __init__(self, folder: Path, me: str = ""):
        self.folder, self.me = Path(folder), me
        path = self.folder / DATABASE
        if not path.is_file():
            raise InputError(f"{self.folder}: no sweep here (no {DATABASE})")
        self.db = _connect(path)
        try:
            self.about = dict(self.db.execute("SELECT key, value FROM about"))
        except sqlite3.Error as error:
            self.db.close()
            raise InputError(f"{path}: not the store of a sweep ({error})") from None
        if self.about.get("version") != VERSION:
            raise InputError(
                f"{path}: a store of version {self.about.get('version')}; this program reads {VERSION}"
            )
        self.axes: list[str] = json.loads(self.about["axes"])
        self.db.execute("PRAGMA synchronous = FULL")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.db.close()

    # ---- making one

    @staticmethod
    def check_new(folder: Path) -> None:
        """Raise InputError if something is there already."""
        check_new(folder)

    @classmethod
    def create(cls, folder: Path, plan: Plan) -> "Store":
        """A new store with every point waiting, complete or not there at all."""
        folder = Path(folder)
        cls.check_new(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            _write_database(draft / DATABASE, plan)
            (draft / RUNS).mkdir()
            draft.chmod(0o755)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return cls(folder)

    def plan(self) -> Plan:
        """The plan that the store was made with."""
        plan = make_plan(Sweep(**tomllib.loads(self.about["sweep"])), self.about["sweep"])
        self.check_same(plan)
        return plan

    def check_same(self, plan: Plan) -> None:
        """Raise InputError unless this is the store of that plan."""
        if plan.fingerprint != self.about["fingerprint"]:
            n = self.count().total()
            raise InputError(
                f"{self.folder}: the store of another sweep, or of another version of urn ({n} other points)"
            )

    # ---- leases

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and no other process writes meanwhile."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def enrol(self) -> None:
        """Become an owner. Raises InputError where the store cannot be written."""
        if not os.access(self.folder, os.W_OK):
            raise InputError(f"{self.folder}: is read-only; copy it to where you can write")
        self.me = uuid.uuid4().hex
        host, pid = socket.gethostname(), os.getpid()
        self.db.execute(
            "INSERT INTO owners VALUES (?, ?, ?, ?, ?)",
            (self.me, host, pid, _started(pid), time.time()),
        )

    def beat(self) -> None:
        """Say that this owner lives."""
        self.db.execute("UPDATE owners SET beat = ? WHERE id = ?", (time.time(), self.me))

    def claim(self, room: Callable[[int, int], int]) -> list[int]:
        """Take points that may share a population, next in turn. `room(first, n)` says how many of n that are like the first.

        Returns their numbers; none when nothing is left that another process does not hold.
        """
        with self.transaction():
            self._bury()
            waiting = f"status IN {OPEN}"
            first = self.db.execute(
                f"SELECT number, shared FROM points WHERE {waiting} ORDER BY turn LIMIT 1"
            ).fetchone()
            if first is None:
                return []
            like = f"FROM points WHERE {waiting} AND shared = ?"
            n = self.db.execute(f"SELECT count(*) {like}", first[1:]).fetchone()[0]
            rows = self.db.execute(
                f"SELECT number {like} ORDER BY turn LIMIT ?", (first[1], room(first[0], n))
            )
            numbers = [number for (number,) in rows]
            self.db.executemany(
                "UPDATE points SET status = 'running', owner = ?, attempts = attempts + 1 WHERE number = ?",
                [(self.me, number) for number in numbers],
            )
        return numbers

    def release(self, numbers: Sequence[int] | None = None) -> None:
        """Give back points that were not finished, all of this owner's by default; then it is an owner no more."""
        with self.transaction():
            give = "UPDATE points SET status = 'interrupted', owner = NULL WHERE status = 'running' AND owner = ?"
            if numbers is None:
                self.db.execute(give, (self.me,))
                self.db.execute("DELETE FROM owners WHERE id = ?", (self.me,))
            else:
                self.db.executemany(
                    f"{give} AND number = ?", [(self.me, number) for number in numbers]
                )

    def most_attempts(self, numbers: Sequence[int]) -> tuple[int, int]:
        """The one of these points that was begun most often without an end, and how often."""
        begun = self.db.execute(
            "SELECT number, attempts FROM points WHERE status = 'interrupted'"
        ).fetchall()
        return max(
            ((n, attempts) for n, attempts in begun if n in set(numbers)),
            key=lambda one: one[1],
            default=(-1, 0),
        )

    def _bury(self) -> None:
        """Free the points of owners that are dead."""
        for owner, host, pid, started, beat in self.db.execute(
            "SELECT * FROM owners WHERE id != ?", (self.me,)
        ).fetchall():
            if not _lives(host, pid, started, beat):
                self.db.execute(
                    "UPDATE points SET status = 'interrupted', owner = NULL WHERE status = 'running' AND owner = ?",
                    (owner,),
                )
                self.db.execute("DELETE FROM owners WHERE id = ?", (owner,))

    # ---- results

    def finish(self, number: int, run: Run, row: dict, report: dict | None = None) -> bool:
        """Keep a trained network, its row and its report, if the lease still holds; says whether it does."""
        draft = self.folder / RUNS / f".{number:06d}.{uuid.uuid4().hex[:8]}"
        try:
            save_run(run, draft)
            if report:
                about = {
                    "run": str(self.run_folder(number)),
                    "task": run.config.task,
                    "test_accuracy": run.test_accuracy,
                }
                RunFolder(draft).write(
                    STRUCTURE, json.dumps(plain(about | report), indent=1, allow_nan=False).encode()
                )
            with self.transaction():
                held = self.db.execute(
                    "SELECT 1 FROM points WHERE number = ? AND owner = ? AND status = 'running'",
                    (number, self.me),
                ).fetchone()
                if not held:
                    return False
                place = self.run_folder(number)
                shutil.rmtree(
                    place, ignore_errors=True
                )  # a kill may have come between the renaming and the row
                draft.rename(place)
                names = ", ".join(f"{_quoted(name)} = ?" for name in row)
                self.db.execute(
                    f"UPDATE points SET {names}, owner = NULL WHERE number = ?",
                    (*row.values(), number),
                )
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return True

    def layers(self, number: int) -> dict[int, int]:
        """{neuron: layer} of the network of a point; empty where nothing was found."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            found = json.loads((self.run_folder(number) / STRUCTURE).read_text(encoding="utf-8"))[
                "layer_of"
            ]
            return {int(neuron): layer for neuron, layer in found.items()}
        return {}

    def run_folder(self, number: int) -> Path:
        """Where the network of a point lies once it is done."""
        return self.folder / RUNS / f"{number:06d}"

    def sweep_drafts(self) -> None:
        """Take away drafts of runs that killed processes left, when no process is at work."""
        with self.transaction():
            self._bury()
            if not self.db.execute("SELECT 1 FROM owners WHERE id != ?", (self.me,)).fetchone():
                for draft in (self.folder / RUNS).glob(".*"):
                    shutil.rmtree(draft, ignore_errors=True)

    # ---- reading

    def count(self) -> Counter:
        """How many points have which status; what dead processes hold counts as interrupted."""
        dead = [
            owner for owner, *who in self.db.execute("SELECT * FROM owners") if not _lives(*who)
        ]
        found: Counter = Counter()
        for status, owner, n in self.db.execute(
            "SELECT status, owner, count(*) FROM points GROUP BY status, owner"
        ):
            found["interrupted" if owner in dead else status] += n
        return found

    def architectures(self) -> list[tuple]:
        """(architecture, networks, median validation accuracy, median of connections used), the most frequent first."""
        found: dict[str, list] = {}
        for name, *numbers in self.rows(
            ["architecture", "validation_accuracy", "used_connections"]
        ):
            found.setdefault(name, []).append(numbers)
        table = [
            (name, len(rows), *map(_median, zip(*rows, strict=True)))
            for name, rows in found.items()
        ]
        return sorted(table, key=lambda row: -row[1])

    def columns(self) -> dict[str, str]:
        """The columns that a user has a use for, with what they hold: INTEGER, REAL or TEXT."""
        found = {
            name: kind.split()[0]
            for _, name, kind, *_ in self.db.execute("PRAGMA table_info(points)")
        }
        return {name: kind for name, kind in found.items() if name not in INTERNAL}

    def rows(self, columns: Iterable[str], done: bool = True) -> list[tuple]:
        """Those columns of all points, in order; of points that are done only, unless told otherwise."""
        names = ", ".join(_quoted(name) for name in columns)
        which = f"WHERE status IN {DONE}" if done else ""
        return self.db.execute(f"SELECT {names} FROM points {which} ORDER BY number").fetchall()


def _connect(path: Path) -> sqlite3.Connection:
    """A connection; one that only reads where the folder cannot be written, which SQLite's journal would need."""
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return sqlite3.connect(path, timeout=60, isolation_level=None)
    journal = path.with_name(f"{path.name}-wal")
    if journal.exists() and journal.stat().st_size:
        raise InputError(
            f"{path.parent}: is read-only, and its last rows are in {journal.name}; copy it to where you can write"
        )
    return sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True, isolation_level=None)


def _write_database(path: Path, plan: Plan) -> None:
    terms = dict.fromkeys(name for point in plan.points for name in point.config.strengths)
    strengths = [f"strengths.{name}" for name in terms]
    inputs = list(dict.fromkeys([*plan.axes, *strengths]))
    kinds = {name: _kind(plan, name) for name in inputs}
    columns = FIXED | kinds | COLUMNS | {f"R_{name}": "REAL" for name in terms}
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN")
        db.execute("CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT)")
        db.execute(
            "CREATE TABLE owners (id TEXT PRIMARY KEY, host TEXT, pid INTEGER, started TEXT, beat REAL)"
        )
        db.execute(
            f"CREATE TABLE points ({', '.join(f'{_quoted(name)} {kind}' for name, kind in columns.items())})"
        )
        db.execute("CREATE INDEX next ON points (status, turn)")
        about = {
            "version": VERSION,
            "sweep": plan.text,
            "fingerprint": plan.fingerprint,
            "axes": json.dumps(plan.axes),
        }
        db.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        turns = {point.number: turn for turn, point in enumerate(sorted(plan.points, key=_size))}
        names = ["number", "hash", "status", "turn", "shared", "seed", *inputs]
        marks = ", ".join("?" * len(names))
        db.executemany(
            f"INSERT INTO points ({', '.join(map(_quoted, names))}) VALUES ({marks})",
            (
                (
                    p.number,
                    p.hash,
                    "waiting",
                    turns[p.number],
                    p.shared,
                    p.config.seed,
                    *(_cell(p, name) for name in inputs),
                )
                for p in plan.points
            ),
        )
        db.execute("COMMIT")


def _size(point: Point) -> tuple:
    """Points that sort near each other end about equally large, so that a population wastes little on its largest member."""
    price = 1.0
    for name in ("weight", "activity", "locality"):
        schedule = point.config.strengths.get(name)
        price *= max(schedule.value, 1e-9) if schedule else 1.0
    return point.shared, price, point.number


def _cell(point: Point, name: str) -> object:
    """The value of a field as a cell: text for what is no number, nothing where the configuration lacks it."""
    try:
        value = look_up(point.config, name)
    except (KeyError, AttributeError):
        return None
    if isinstance(value, int | float | str | None) and not isinstance(value, bool):
        return value
    return json.dumps(value, default=str)


def _kind(plan: Plan, name: str) -> str:
    kinds = {type(_cell(point, name)) for point in plan.points} - {type(None)}
    return "INTEGER" if kinds <= {int} else "REAL" if kinds <= {int, float} else "TEXT"


def plain(value: object) -> object:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _median(values: Iterable) -> float | None:
    numbers = [value for value in values if value is not None]
    return statistics.median(numbers) if numbers else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _started(pid: int) -> str:
    """When a process was started, to tell it from a later one with its number; "" if it is dead or the system does not say."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return "" if state == "Z" else fields[18]
    except (OSError, IndexError):
        return ""


def _lives(host: str, pid: int, started: str, beat: float) -> bool:
    if host != socket.gethostname():
        return time.time() - beat < SECONDS_TO_DIE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return _started(pid) == started
