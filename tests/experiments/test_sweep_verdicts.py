"""Verdicts in the store of a sweep: columns of every kind, in older stores too, and q when read."""

import csv
import sqlite3

import numpy as np
import pytest
from scipy import stats

from analysis.verdicts import VERDICTS
from experiments.commands.inspection import Inspection
from experiments.sweeps.columns import EFFECTS, LATER
from experiments.sweeps.corrected import counts, fallen
from experiments.sweeps.page import write_page
from experiments.sweeps.pictures import Choice, Pictures
from experiments.sweeps.plan import make_plan
from experiments.sweeps.schema import DATABASE, columns_of
from experiments.sweeps.store import Store
from tests.experiments.test_sweep_page import Seen
from tests.experiments.test_sweeps import engine, sweep, text
from urn import load_run
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

N_LARGE = 64
"""Networks of a sweep whose verdicts are made up: those of an 8 x 8 grid."""


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


def test_a_row_says_what_the_report_of_its_network_says(cwd):
    """The same draws, from the same generators."""
    plan = make_plan(sweep(1, base={"steps": 60}), "")
    with Store.create(cwd / "s", plan) as store:
        engine(store, plan).run()
        rows = store.rows(["number", "status", *(f"{name}_p" for name in EFFECTS)])
        compared = [row for row in rows if row[1] == "ok"]
        assert compared
        for number, _, *p in compared:
            report = Inspection(load_run(store.run_folder(number))).report
            assert p == [report.verdicts[name].p_value for name in EFFECTS]


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
    assert {row[name] for row in table for name in (*LATER, "modular_q")} == {""}
    assert "modular" not in Seen(old / "index.html").text

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


# ---- q


@pytest.fixture
def large(cwd):
    """A store of 64 networks, of which the first 41 are recurrent; p and more is made up."""
    axes = [{"log": [1e-4, 1e-1], "n": 8}, {"log": [1e-3, 1e-1], "n": 8}]
    plan = make_plan(sweep(1, grid={"strengths.weight": axes[0], "strengths.depth": axes[1]}), "")
    with Store.create(cwd / "s", plan) as store:
        store.db.execute(
            "UPDATE points SET status = 'ok', validation_accuracy = 0.9, recurrent = number < 41, "
            "architecture = CASE WHEN number < 41 THEN 'recurrent' ELSE 'feed-forward' END"
        )
        yield store


def give(store, verdict, p):
    """Put p-values, None where there is none, into the rows of a store."""
    rows = [(value, number) for number, value in enumerate(p)]
    store.db.executemany(f"UPDATE points SET {verdict}_p = ? WHERE number = ?", rows)


def made_up() -> list[float | None]:
    """Forty small p, one of 0.009 that does not survive, and 19 large; four have none."""
    return [1e-3] * 40 + [0.009] + [0.5] * 19 + [None] * 4


def test_the_table_holds_q_as_scipy_says_and_missing_stays_missing(large, cwd):
    p = made_up()
    give(large, "recurrent", p)
    assert main(["sweep", "table", "s"]) == 0
    with (cwd / "s" / "sweep.csv").open() as lines:
        table = list(csv.DictReader(lines))
    by_scipy = stats.false_discovery_control(p[:60], method="bh")
    np.testing.assert_allclose([float(row["recurrent_q"]) for row in table[:60]], by_scipy)
    assert [row["recurrent_q"] for row in table[60:]] == [""] * 4
    assert {row["residual_q"] for row in table} == {""}
    names = list(table[0])
    assert names[names.index("recurrent_p") + 1] == "recurrent_q"
    assert not [name for name in columns_of(large.db) if name.endswith("_q")]  # never stored


def test_q_follows_which_networks_there_are(large):
    give(large, "recurrent", [0.009] * 41 + [0.5] * 23)
    (recurrent,) = counts(large)
    assert recurrent.fallen.sum() == 41
    large.db.execute("UPDATE points SET status = 'waiting' WHERE number >= 41")
    (recurrent,) = counts(large)
    assert (recurrent.survives.sum(), recurrent.fallen.sum()) == (41, 0)


def test_nearly_nothing_survives_among_networks_without_structure(large):
    """Each has the verdict by its own p wherever that is at most 0.01, as one in a hundred is."""
    rng = np.random.default_rng(3)
    present = 0
    survive = 0
    for _ in range(50):
        p = rng.uniform(size=N_LARGE)
        give(large, "recurrent", p.tolist())
        large.db.execute("UPDATE points SET recurrent = recurrent_p <= 0.01")
        (recurrent,) = counts(large)
        present += recurrent.present.sum()
        survive += recurrent.survives.sum()
    assert present > 20
    assert survive <= 2


def test_the_command_prints_how_many_survive(large, capsys):
    give(large, "recurrent", made_up())
    assert main(["sweep", "status", "s"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "41 of 64" in line)
    assert line.split() == ["recurrent", "41", "of", "64", "40", "1", "0"]


def test_what_does_not_survive_is_marked_on_the_page_and_in_the_map(large):
    give(large, "recurrent", made_up())
    pictures = Pictures(large, Choice())
    assert np.flatnonzero(pictures.fallen).tolist() == [40]
    labels = pictures.phase_map().legends[0].get_texts()
    assert "a verdict has q > 0.01 (1)" in [label.get_text() for label in labels]

    path = write_page(pictures, [])
    page = Seen(path)
    q = 0.009 * 60 / 41
    assert f"seed 100: recurrent, 0.900 (recurrent: q = {q:.2g})" in page.text
    assert page.text.count("q = 0.") == 1
    assert page.text.count("1 of 1, 1 with q > 0.01") == 1
    assert path.read_text().count('<td class="fallen"') == 1
    row = path.read_text().split('<th scope="row">recurrent</th>')[1].split("</tr>")[0]
    cells = ["41 of 64", "40", "<b>1</b>", "0", "60"]
    assert row == "".join(f"<td>{cell}</td>" for cell in cells)


def test_where_all_survive_nothing_is_marked(large):
    give(large, "recurrent", [1e-3] * 41 + [0.5] * 23)
    pictures = Pictures(large, Choice())
    assert not pictures.fallen.any()
    path = write_page(pictures, [])
    assert 'class="fallen"' not in path.read_text()
    assert "q >" not in "".join(
        label.get_text() for label in pictures.phase_map().legends[0].get_texts()
    )


def test_too_few_draws_are_said(large):
    """With 200 draws and a p that is doubled none is below 2 / 201: 64 of 64 would need it."""
    give(large, "recurrent", [2 / 201] * 41 + [0.5] * 23)
    text = Seen(write_page(Pictures(large, Choice()), [])).text
    needed = "needed by 64 of 64 networks for recurrent (p = 0.00995; 41 have the verdict)."
    assert needed in " ".join(text.split())

    give(large, "recurrent", [2 / 1001] * 41 + [0.5] * 23)
    assert "for want of draws" not in Seen(write_page(Pictures(large, Choice()), [])).text


def test_a_verdict_that_asks_no_p_does_not_fall(large):
    """Small dense networks are called MLP whatever their p: that is no verdict by chance."""
    large.db.execute("UPDATE points SET recurrent = NULL, fully_connected = 1")
    give(large, "fully_connected", [None] * 32 + [0.4] * 32)
    (dense,) = counts(large)
    assert (dense.present.sum(), dense.untested.sum(), dense.fallen.sum()) == (64, 64, 0)


def test_a_network_is_marked_for_the_verdicts_that_name_it(large):
    """A recurrent network may be dense as well, and is not named after that."""
    large.db.execute("UPDATE points SET fully_connected = 1")
    give(large, "recurrent", [1e-3] * 64)
    give(large, "fully_connected", [0.009] * 2 + [0.5] * 62)
    verdicts = counts(large)
    names = np.array(["recurrent", "MLP"] + ["nothing learned"] * 62)
    assert fallen(verdicts, names).tolist() == [False, True] + [False] * 62
