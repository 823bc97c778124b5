"""Verdicts in the store of a sweep: columns of every kind, in older stores too."""

import csv
import sqlite3

import pytest

from analysis.verdicts import VERDICTS
from experiments.sweeps.columns import EFFECTS, LATER
from experiments.sweeps.plan import make_plan
from experiments.sweeps.schema import DATABASE, columns_of
from experiments.sweeps.store import Store
from tests.experiments.test_sweeps import engine, sweep, text
from urn.cli import main

OLD = (
    'CREATE TABLE points ("number" INTEGER PRIMARY KEY, "hash" TEXT UNIQUE NOT NULL, '
    '"status" TEXT NOT NULL, "turn" INTEGER NOT NULL, "shared" TEXT NOT NULL, "owner" TEXT, '
    '"attempts" INTEGER NOT NULL DEFAULT 0, "seed" INTEGER NOT NULL, "strengths.weight" REAL, '
    '"strengths.depth" REAL, "architecture" TEXT, "summary" TEXT, "validation_accuracy" REAL, '
    '"test_accuracy" REAL, "loss" REAL, "living_neurons" INTEGER, "connections" INTEGER, '
    '"used_neurons" INTEGER, "used_connections" INTEGER, "density" REAL, "depth" INTEGER, '
    '"widths" TEXT, "path_depth" REAL, "path_depth_spread" REAL, "fully_connected" INTEGER, '
    '"fully_connected_p" REAL, "block_density" REAL, "locally_connected" INTEGER, '
    '"locally_connected_p" REAL, "locality_ratio" REAL, "convolutional" INTEGER, '
    '"convolutional_p" REAL, "kernel_share" REAL, "residual" INTEGER, "residual_p" REAL, '
    '"skip_share" REAL, "recurrent" INTEGER, "recurrent_p" REAL, "reuse_share" REAL, '
    '"seconds" REAL, "analysis_seconds" REAL, "R_weight" REAL, "R_depth" REAL)'
)
"""The table of points of `GRID`, as urn wrote it before there was a verdict `modular`."""

GRID = {"strengths.weight": [1e-4, 1e-3]}

# ---- columns


def test_every_verdict_of_the_package_has_columns():
    assert set(EFFECTS) == set(VERDICTS)


def test_a_trained_network_has_its_verdict_of_modules_in_the_store(cwd):
    plan = make_plan(sweep(base={"steps": 60}), "")
    with Store.create(cwd / "s", plan) as store:
        engine(store, plan).run()
        rows = store.rows(["status", "modular", "modular_p", "coherence"])
    judged = [row[1:] for row in rows if row[0] == "ok"]
    assert judged
    for present, p, coherence in judged:
        assert present in (0, 1)
        assert p is None or 0 < p <= 1
        assert coherence <= 1


# ---- older stores


@pytest.fixture
def old(cwd):
    """A store of four points as an older version wrote it: two are done, two are waiting."""
    plan = make_plan(sweep(), text(grid=GRID))
    with Store.create(cwd / "s", plan) as store:
        engine(store, plan).run()
    with sqlite3.connect(cwd / "s" / DATABASE) as db:
        names = ", ".join(f'"{name}"' for name in columns_of(db) if name not in LATER)
        db.execute("DROP INDEX next")
        db.execute("ALTER TABLE points RENAME TO newer")
        db.execute(OLD)
        db.execute("CREATE INDEX next ON points (status, turn)")
        db.execute(f"INSERT INTO points ({names}) SELECT {names} FROM newer")
        db.execute("DROP TABLE newer")
        db.execute("UPDATE points SET status = 'waiting' WHERE number > 1")
    db.close()
    return cwd / "s"


def test_an_old_store_is_read_and_what_it_lacks_is_missing(old, capsys):
    for words in (["status"], ["table"], ["plot", "--measure", "coherence"]):
        assert main(["sweep", *words, "s"]) == 0
        assert capsys.readouterr().err == ""
    with (old / "sweep.csv").open() as lines:
        table = list(csv.DictReader(lines))
    assert len(table) == 2
    assert {row[name] for row in table for name in LATER} == {""}

    with sqlite3.connect(old / DATABASE) as db:
        assert not set(LATER) & set(columns_of(db))  # reading changes nothing
    db.close()


def test_a_sweep_in_an_old_store_goes_on_and_keeps_what_was_done(old, capsys):
    with Store(old) as store:
        before = store.rows(["number", "summary", "loss", "recurrent", "recurrent_p"])
    assert main(["sweep", "resume", "s", "--workers", "1", "--quiet"]) == 0
    assert "4 of 4 points done" in capsys.readouterr().out

    with Store(old) as store:
        assert store.rows(["number", "summary", "loss", "recurrent", "recurrent_p"])[:2] == before
        rows = store.rows(["status", "modular"])
        assert {modular for _, modular in rows[:2]} == {None}
        assert {modular is None for status, modular in rows[2:] if status == "ok"} <= {False}
        assert {"ok"} <= {status for status, _ in rows[2:]}
        assert list(LATER) == [name for name in columns_of(store.db) if name in LATER]


def test_two_processes_bring_an_old_store_up_to_date_once(old):
    with Store(old) as first, Store(old) as second:
        first.enrol()
        second.enrol()
        assert list(columns_of(second.db)).count("modular") == 1
