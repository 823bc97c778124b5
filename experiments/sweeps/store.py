"""The store of a sweep: a row a point in SQLite, and a run folder for every trained network.

A point is waiting, running, or done ("ok", "disconnected", "diverged"); "interrupted" if begun and
to be begun again. Who trains holds a lease: an owner with host, process and heartbeat. Every change
is one transaction, so a kill leaves no half row, and only who still holds the lease of a point can
finish it.
"""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import statistics
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from experiments.sweeps.owners import Watch, started
from experiments.sweeps.plan import Plan, parse_plan
from experiments.sweeps.schema import (
    DATABASE,
    INTERNAL,
    about_of,
    add_later_columns,
    columns_of,
    connect,
    damaged_points,
    lacking,
    quoted,
    read_about,
    read_axes,
    write_database,
)
from urn import InputError, Run
from urn.io import atomic_write, check_new, create_folder, to_json
from urn.runs.folders import STRUCTURE
from urn.runs.train import save_run

RUNS = "runs"
"""Folder of the trained networks, in that of the sweep."""

DONE = ("ok", "disconnected", "diverged")
"""Statuses of a point that is not to be trained again."""

OPEN = ("waiting", "interrupted")
"""Statuses of a point that anyone may begin."""

ORPHANED = (
    "UPDATE points SET status = 'interrupted', owner = NULL WHERE status = 'running' AND owner = ?"
)
"""Gives back what an owner has begun and not finished."""


UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What sqlite3 raises; the second where the name of a damaged table is not text."""

MOST_WARNINGS = 5
"""Lines about damaged points. By judgement: the first say what happened."""


class Store:
    """An open store.

    Parameters
    ----------
    folder : path
        That of the sweep.
    owner : str
        Under whose name this process takes points; `enrol` gives it one.
    """

    def __init__(self, folder: Path, owner: str = "") -> None:
        self.folder = Path(folder)
        self.owner = owner
        self._watch = Watch()
        # Seconds counted on from the time of day now: a clock that is set back cannot set it back.
        self._clock = time.time() - time.monotonic()
        path = self.folder / DATABASE
        if not path.is_file():
            raise InputError(f"{self.folder}: no sweep here (no {DATABASE})")

        self.path = path
        try:
            self.db = connect(path)
        except sqlite3.Error as error:
            raise InputError(f"{path}: cannot be opened ({error})") from None
        try:
            self.about = read_about(self.db)
            self.axes: list[str] = read_axes(self.about, self.columns())
            self.damaged = damaged_points(self.db, (*DONE, *OPEN, "running"))
            self.db.execute("PRAGMA synchronous = FULL")
        except UNREADABLE as error:
            self.db.close()
            raise InputError(f"{path}: not the store of a sweep ({error})") from None
        except InputError as error:
            self.db.close()
            raise InputError(f"{path}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.db.close()
        if isinstance(error, UNREADABLE):  # a full disk, a file that was damaged meanwhile
            raise InputError(f"{self.path}: {error}") from None

    def warn(self) -> None:
        """Say on stderr, a line each, which points are left out because their rows are damaged."""
        for number, fault in list(self.damaged.items())[:MOST_WARNINGS]:
            print(f"urn: {self.path}: point {number} is left out: {fault}", file=sys.stderr)
        more = len(self.damaged) - MOST_WARNINGS
        if more > 0:
            print(f"urn: {self.path}: {more:,} more points are left out", file=sys.stderr)

    # ---- making one

    @classmethod
    def create(cls, folder: Path, plan: Plan) -> "Store":
        """A new store with every point waiting, complete or not there at all."""

        def fill(draft: Path) -> None:
            write_database(draft / DATABASE, plan)
            (draft / RUNS).mkdir()

        check_new(Path(folder))
        try:
            create_folder(folder, fill)
        except sqlite3.Error as error:  # SQLite takes shorter paths than the system
            raise InputError(f"{folder}: cannot be written ({error})") from None
        return cls(folder)

    def plan(self) -> Plan:
        """The plan that the store was made with."""
        try:
            plan = parse_plan(self.about["sweep"])
        except (InputError, RecursionError) as error:
            raise InputError(f"{self.path}: damaged: {error}") from None
        self.check_same(plan)
        return plan

    def check_same(self, plan: Plan) -> None:
        """Raise InputError unless this is the store of that plan."""
        if plan.fingerprint != self.about["fingerprint"]:
            raise InputError(
                f"{self.folder}: the store of another sweep, or of another version of urn "
                f"({self.count().total()} other points)"
            )

        hashes = {point.number: point.hash for point in plan.points}
        for number, fingerprint in self.db.execute("SELECT number, hash FROM points"):
            if hashes.get(number) != fingerprint:
                self.damaged.setdefault(number, "hash is not that of the sweep file")

    @property
    def has_borders(self) -> bool:
        """Whether only what lies at borders is trained."""
        return self.about.get("borders") == "followed"

    def keep_file(self, plan: Plan) -> None:
        """Go by a sweep file of the same points.

        It may follow other borders, or none; and what may share a population is what this version
        says, which may be more than the version did that made the store.
        """
        shared = [(point.shared, point.number, point.shared) for point in plan.points]
        with self.transaction():
            self.db.executemany(
                "UPDATE points SET shared = ? WHERE number = ? AND shared != ?", shared
            )
        about = about_of(plan)
        if all(self.about.get(key) == value for key, value in about.items()):
            return
        self.db.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())
        self.about |= about

    # ---- leases

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and no other process writes meanwhile."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.db.in_transaction:  # SQLite may have ended it itself, as when a disk is full
                self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def enrol(self) -> None:
        """Become an owner, and bring the columns of an older store up to date.

        Raises InputError where the store cannot be written.
        """
        if not os.access(self.folder, os.W_OK):
            raise InputError(f"{self.folder}: is read-only; copy it to where you can write")

        # Before any point is claimed: workers write whole rows, those columns among them.
        with self.transaction():
            add_later_columns(self.db)
        self.owner = uuid.uuid4().hex
        pid = os.getpid()
        self.db.execute(
            "INSERT INTO owners VALUES (?, ?, ?, ?, ?)",
            (self.owner, socket.gethostname(), pid, started(pid), self._now()),
        )

    def beat(self) -> None:
        """Say that this owner lives."""
        self.db.execute("UPDATE owners SET beat = ? WHERE id = ?", (self._now(), self.owner))

    def _now(self) -> float:
        return self._clock + time.monotonic()

    def claim(
        self, room: Callable[[int, int], int], among: Iterable[int] | None = None
    ) -> list[int]:
        """Take points that may share a population, next in turn.

        Parameters
        ----------
        room : callable
            `room(first, n)` says how many to take of the n points that are like the first.
        among : iterable of int, optional
            Numbers of the points to take from; all of them by default.

        Returns
        -------
        list of int
            Their numbers; none when nothing is left that another process does not hold.
        """
        waiting = f"status IN {OPEN} AND {self._whole}"
        if among is not None:
            waiting += f" AND {_among(among)}"
        alike = f"FROM points WHERE {waiting} AND shared = ?"

        with self.transaction():
            self._bury()
            first = self.db.execute(
                f"SELECT number, shared FROM points WHERE {waiting} ORDER BY turn LIMIT 1"
            ).fetchone()
            if first is None:
                return []

            number, shared = first
            n = self.db.execute(f"SELECT count(*) {alike}", (shared,)).fetchone()[0]
            rows = self.db.execute(
                f"SELECT number {alike} ORDER BY turn LIMIT ?", (shared, room(number, n))
            ).fetchall()
            self.db.executemany(
                "UPDATE points SET status = 'running', owner = ?, attempts = attempts + 1 "
                "WHERE number = ?",
                [(self.owner, number) for (number,) in rows],
            )
        return [number for (number,) in rows]

    def release(self, numbers: Sequence[int] | None = None) -> None:
        """Give back points that were not finished.

        All of this owner's by default; then it is an owner no more.
        """
        with self.transaction():
            if numbers is None:
                self._dismiss(self.owner)
            else:
                rows = [(self.owner, number) for number in numbers]
                self.db.executemany(f"{ORPHANED} AND number = ?", rows)

    def most_attempts(self, numbers: Sequence[int]) -> tuple[int, int]:
        """Which of these points was begun most often without an end, and how often."""
        rows = self.db.execute("SELECT number, attempts FROM points WHERE status = 'interrupted'")
        attempts = {number: n for number, n in rows if number in set(numbers)}
        worst = max(attempts, key=attempts.__getitem__, default=-1)
        return worst, attempts.get(worst, 0)

    def _bury(self) -> None:
        """Free the points of owners that are dead."""
        others = self.db.execute(
            "SELECT id, host, pid, started, beat FROM owners WHERE id != ?", (self.owner,)
        ).fetchall()
        for owner, *process in others:
            if not self._watch.lives(owner, *process):
                self._dismiss(owner)

    def _dismiss(self, owner: str) -> None:
        self.db.execute(ORPHANED, (owner,))
        self.db.execute("DELETE FROM owners WHERE id = ?", (owner,))

    # ---- results

    def finish(self, number: int, run: Run, row: dict, report: dict | None = None) -> bool:
        """Keep a trained network, its row and its report, if the lease still holds.

        Parameters
        ----------
        number : int
            Of the point.
        run : Run
            The network, trained in memory.
        row : dict
            Its columns.
        report : dict, optional
            The whole report, for structure.json.

        Returns
        -------
        bool
            Whether the lease held, and all was kept.
        """
        draft = self.folder / RUNS / f".{number:06d}.{uuid.uuid4().hex[:8]}"
        try:
            save_run(run, draft)
            if report:
                self._write_structure(draft, number, run, report)
            with self.transaction():
                if not self._holds(number):
                    return False

                # A kill may have come between the renaming and the row, so a folder may be there.
                folder = self.run_folder(number)
                shutil.rmtree(folder, ignore_errors=True)
                draft.rename(folder)
                self._write_row(number, row)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return True

    def _holds(self, number: int) -> bool:
        """Whether this process has the lease of a point."""
        lease = self.db.execute(
            "SELECT 1 FROM points WHERE number = ? AND owner = ? AND status = 'running'",
            (number, self.owner),
        )
        return lease.fetchone() is not None

    def _write_row(self, number: int, row: dict) -> None:
        names = ", ".join(f"{quoted(name)} = ?" for name in row)
        self.db.execute(
            f"UPDATE points SET {names}, owner = NULL WHERE number = ?", (*row.values(), number)
        )

    def _write_structure(self, draft: Path, number: int, run: Run, report: dict) -> None:
        about = {
            "run": str(self.run_folder(number)),
            "task": run.config.task,
            "test_accuracy": run.test_accuracy,
        }
        atomic_write(draft / STRUCTURE, to_json(about | report))

    def layers(self, number: int) -> dict[int, int]:
        """{neuron: layer} of the network of a point; empty where it has no structure."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            text = (self.run_folder(number) / STRUCTURE).read_text(encoding="utf-8")
            layer_of = json.loads(text)["layer_of"]
            return {int(neuron): layer for neuron, layer in layer_of.items()}
        return {}

    def run_folder(self, number: int) -> Path:
        """Where the network of a point lies once it is done."""
        return self.folder / RUNS / f"{number:06d}"

    def sweep_drafts(self) -> None:
        """Take away drafts of runs that killed processes left, when no process is at work."""
        with self.transaction():
            self._bury()
            if self.db.execute("SELECT 1 FROM owners WHERE id != ?", (self.owner,)).fetchone():
                return
            for draft in (self.folder / RUNS).glob(".*"):
                shutil.rmtree(draft, ignore_errors=True)

    # ---- reading

    def count(self) -> Counter[str]:
        """How many points have which status; what dead processes hold counts as interrupted."""
        owners = self.db.execute("SELECT id, host, pid, started, beat FROM owners").fetchall()
        dead = [owner for owner, *process in owners if not self._watch.lives(owner, *process)]

        points: Counter[str] = Counter()
        for status, owner, n in self.db.execute(
            "SELECT status, owner, count(*) FROM points GROUP BY status, owner"
        ):
            points["interrupted" if owner in dead else str(status)] += n
        return points

    def architectures(self) -> list[tuple]:
        """(architecture, networks, median validation accuracy, median of connections used).

        The most frequent first.
        """
        groups: dict[str, list] = {}
        columns = ["architecture", "validation_accuracy", "used_connections"]
        for name, *numbers in self.rows(columns):
            groups.setdefault(name, []).append(numbers)

        table = [
            (name, len(rows), *map(_median, zip(*rows, strict=True)))
            for name, rows in groups.items()
        ]
        return sorted(table, key=lambda row: -row[1])

    def columns(self) -> dict[str, str]:
        """The columns for users, with what they hold: INTEGER, REAL or TEXT.

        Those that an older store lacks are among them.
        """
        kinds = columns_of(self.db) | lacking(self.db)
        return {name: kind for name, kind in kinds.items() if name not in INTERNAL}

    @property
    def _whole(self) -> str:
        """A test in SQL that the row of a point is not damaged."""
        return f"number NOT IN ({', '.join(map(str, self.damaged))})"

    def rows(self, columns: Iterable[str], numbers: Iterable[int] | None = None) -> list[tuple]:
        """Those columns of all points that are done, in order; None for what the store lacks.

        With `numbers` of those points, whether they are done or not.
        """
        missing = lacking(self.db)
        names = ", ".join("NULL" if name in missing else quoted(name) for name in columns)
        asked = f"status IN {DONE}" if numbers is None else _among(numbers)
        return self.db.execute(
            f"SELECT {names} FROM points WHERE {asked} AND {self._whole} ORDER BY number"
        ).fetchall()


def _among(numbers: Iterable[int]) -> str:
    """A test in SQL that a point is one of these."""
    return f"number IN ({', '.join(map(str, numbers))})"


def _median(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return statistics.median(numbers) if numbers else None
