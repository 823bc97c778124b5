"""Stores that are damaged or of another version: one line says where, and the rest goes on."""

import csv
import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.commands.workers import data_of
from experiments.sweeps.engine import Engine, loadable
from experiments.sweeps.measure import measure
from experiments.sweeps.owners import SECONDS_TO_DIE, Watch
from experiments.sweeps.plan import Sweep, make_plan, read_plan
from experiments.sweeps.schema import DATABASE
from experiments.sweeps.store import DONE, Store
from tests.conftest import SMALL
from tests.experiments.test_sweeps import engine, sweep, text
from urn import InputError, load_run, train
from urn.cli import main
from urn.runs.train import save_run


@pytest.fixture
def folder(cwd):
    """A store of four points, all done."""
    plan = make_plan(sweep(), text(grid={"strengths.weight": [1e-4, 1e-3]}))
    with Store.create(cwd / "s", plan) as store:
        engine(store, plan).run()
    return cwd / "s"


def change(folder, *statements):
    with sqlite3.connect(folder / DATABASE) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


READERS = [["status"], ["table"], ["plot"], ["resume"]]


@pytest.mark.parametrize(
    ("statement", "culprit"),
    [
        ("PRAGMA user_version = 7", "a store of version 7; this program reads 1"),
        ("UPDATE about SET value = '0' WHERE key = 'version'", "a store of version '0'"),
        ("DELETE FROM about WHERE key = 'axes'", "about has no axes"),
        ("DELETE FROM about WHERE key = 'sweep'", "about has no sweep"),
        ("UPDATE about SET value = NULL WHERE key = 'fingerprint'", "about has no fingerprint"),
        ("UPDATE about SET value = '[1' WHERE key = 'axes'", "axes in about is no list"),
        ("UPDATE about SET value = '[\"x\"]' WHERE key = 'axes'", "points has no column 'x'"),
        ("DROP TABLE points", "points has no column number"),
        ("DROP TABLE owners", "no such table: owners"),
        ("DROP TABLE about", "no such table: about"),
        ("ALTER TABLE points DROP COLUMN depth", "points has no column depth"),
        ("ALTER TABLE owners DROP COLUMN beat", "no such column: beat"),
    ],
)
def test_what_a_store_lacks_is_one_line(statement, culprit, folder, refused):
    change(folder, statement)
    for words in READERS:
        refused(["sweep", *words, "s"], culprit)


def test_a_store_from_before_versions_were_kept_is_read(folder, capsys):
    change(folder, "PRAGMA user_version = 0")
    assert main(["sweep", "status", "s"]) == 0
    assert "4 of 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "culprit"),
    [
        ("validation_accuracy = 'high'", "validation_accuracy is 'high'"),
        ("validation_accuracy = 9e999", "validation_accuracy is inf"),
        ("architecture = x'ff00'", "architecture is b'"),
        ("depth = 'x'", "depth is 'x'"),
        ("recurrent_p = 1.5", "recurrent_p is 1.5"),
        ("status = 'finished'", "status is 'finished'"),
        ("seed = 'x'", "seed is 'x'"),
        ("turn = 'x', status = 'waiting'", "turn is 'x'"),
    ],
)
def test_a_damaged_row_is_named_and_the_others_go_on(statement, culprit, folder, capsys):
    change(folder, f"UPDATE points SET {statement} WHERE number = 2")
    for words in (["status"], ["table", "--force"], ["plot"], ["resume", "--workers", "1"]):
        capsys.readouterr()
        assert main(["sweep", *words, "s"]) == 0
        error = capsys.readouterr().err
        assert f"point 2 is left out: {culprit}" in error
        assert "\n" not in error.strip()
    with (folder / "sweep.csv").open() as lines:
        assert [row["number"] for row in csv.DictReader(lines)] == ["0", "1", "3"]


def test_a_point_of_another_sweep_is_not_trained(folder, capsys):
    change(
        folder,
        "UPDATE points SET hash = 'x', status = 'waiting' WHERE number = 2",
        "INSERT INTO points (number, hash, status, turn, shared, seed) "
        "VALUES (99, 'y', 'waiting', 0, 'z', 1)",
        "UPDATE points SET status = 'interrupted' WHERE number = 3",
    )
    assert main(["sweep", "resume", "s", "--workers", "1", "--quiet"]) == 0
    error = capsys.readouterr().err
    assert "point 2 is left out: hash is not that" in error
    assert "point 99 is left out: hash is not that" in error
    with Store(folder) as store:
        assert store.count() == {"ok": 3 - store.count()["disconnected"], "waiting": 2} | {
            name: n for name, n in store.count().items() if name == "disconnected"
        }


def test_a_damaged_owner_counts_as_dead(folder, capsys):
    change(
        folder,
        "INSERT INTO owners VALUES ('a', NULL, 'x', 3, 'never')",
        "INSERT INTO owners VALUES ('b', 'here', 99999999999999999, NULL, NULL)",
        "UPDATE points SET status = 'running', owner = 'a' WHERE number = 1",
    )
    assert main(["sweep", "status", "s"]) == 0
    assert main(["sweep", "resume", "s", "--workers", "1", "--quiet"]) == 0
    assert "4 of 4 points done" in capsys.readouterr().out


def test_text_in_a_store_is_text(folder, capsys):
    change(
        folder,
        "UPDATE points SET architecture = '[/red]', summary = '=1+1' WHERE number = 0",
        "UPDATE points SET summary = '-x' WHERE number = 1",
    )
    assert main(["sweep", "status", "s"]) == 0
    assert "[/red]" in capsys.readouterr().out
    assert main(["sweep", "table", "s"]) == 0
    with (folder / "sweep.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["summary"] for row in rows[:2]] == ["'=1+1", "'-x"]
    assert float(rows[0]["loss"]) == pytest.approx(float(rows[0]["loss"]))


def test_a_status_in_brackets_is_printed(folder, capsys):
    change(folder, "UPDATE points SET status = '[/red]' WHERE number = 0")
    assert main(["sweep", "status", "s"]) == 0
    assert "[/red]" in capsys.readouterr().out


def test_a_full_disk_is_one_line(folder, capsys, monkeypatch):
    change(folder, "UPDATE points SET status = 'interrupted' WHERE number = 3")

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "_write_row", full)
    assert main(["sweep", "resume", "s", "--workers", "1", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error == "urn: s/sweep.sqlite: database or disk is full\n"


def test_a_sweep_file_may_be_a_pipe_and_its_sweep_be_resumed(cwd, capsys):
    os.mkfifo("q")
    writer = threading.Thread(target=lambda: (cwd / "q").write_text(text()))
    writer.start()
    assert main(["sweep", "run", "q", "--workers", "1", "--quiet"]) == 0
    writer.join()
    assert main(["sweep", "resume", "sweeps/q", "--workers", "1"]) == 0
    assert "8 of 8" in capsys.readouterr().out


def test_a_sweep_file_may_be_standard_input(cwd):
    script = (
        f'"{sys.executable}" -m urn sweep run /dev/stdin --out s --workers 1 --quiet &&'
        f'"{sys.executable}" -m urn sweep resume s --workers 1 --quiet'
    )
    done = subprocess.run(["sh", "-c", script], input=text(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("8 of 8 points done") == 2


# ---- clocks


def test_a_clock_that_is_set_back_sets_no_heartbeat_back(folder, monkeypatch):
    with Store(folder) as store:
        store.enrol()
        monkeypatch.setattr(time, "time", lambda: 0.0)
        beats = []
        for _ in range(3):
            store.beat()
            beats.append(store.db.execute("SELECT beat FROM owners").fetchone()[0])
    assert beats == sorted(beats)
    assert beats[0] > 1e9


def test_an_owner_on_another_machine_lives_as_long_as_its_heart_beats(monkeypatch):
    """First its heartbeat is held against the time of day, then against what was there before."""
    now = {"time": 1000.0, "monotonic": 0.0}
    for clock in now:
        monkeypatch.setattr(time, clock, lambda clock=clock: now[clock])
    watch = Watch()

    def lives(owner: str, beat: float) -> bool:
        return watch.lives(owner, "elsewhere", 1, "", beat)

    assert lives("a", 990.0)
    assert not lives("long dead", 600.0)
    now["time"] = 0.0  # our clock goes back, and both hearts are in the future
    assert lives("a", 990.0)
    assert lives("dead", 990.0)
    now["monotonic"] += SECONDS_TO_DIE - 1
    assert lives("a", 1289.0)
    assert lives("dead", 990.0)
    now["monotonic"] += 2
    assert lives("a", 1289.0)
    assert not lives("dead", 990.0)
    now["time"] = 1e9  # our clock goes ahead: who was heard of lives
    assert lives("a", 1289.0)
    now["monotonic"] += SECONDS_TO_DIE
    assert not lives("a", 1289.0)


def test_a_sweep_whose_clock_goes_back_comes_to_its_end(cwd, monkeypatch):
    backwards = iter(range(10**9, 0, -1000))
    monkeypatch.setattr(time, "time", lambda: float(next(backwards)))
    monkeypatch.setattr("experiments.sweeps.engine.SECONDS_BETWEEN_BEATS", 0.0)
    plan = make_plan(sweep())
    with Store.create(cwd / "s", plan) as store:
        engine(store, plan).run()
        assert sum(store.count()[status] for status in DONE) == len(plan.points)
        assert store.db.execute("SELECT count(*) FROM owners").fetchone() == (0,)


# ---- networks that diverge


def test_a_network_that_could_not_be_loaded_is_diverged(cwd):
    run = train(SMALL)
    assert loadable(run) is run
    run.snapshots[-1].held_weights[0, 0] = torch.nan
    settled = loadable(run)
    assert settled.status == "diverged"
    assert len(settled.snapshots) == len(run.snapshots) - 1
    assert save_run(settled, cwd / "r").status == "diverged"

    settled = loadable(replace(run, weights=run.weights * torch.inf))
    assert settled.status == "diverged"
    assert save_run(settled, cwd / "q").weights.isfinite().all()


def test_answers_that_overflow_are_a_row_too():
    config = SMALL.replace(n_iterations=40)
    run = train(config)
    run.weights.fill_(1e30)
    with np.errstate(all="ignore"):
        row, report = measure(run, data_of(config))
    assert (row["status"], report) == ("diverged", None)


def test_one_diverging_point_does_not_stop_a_sweep(cwd, monkeypatch):
    plan = make_plan(sweep())
    real = loadable

    def poisoned(run):
        if run.config.seed == 101:
            run.snapshots[-1].held_weights[0, 0] = torch.inf
        return real(run)

    monkeypatch.setattr("experiments.sweeps.engine.loadable", poisoned)
    with Store.create(cwd / "s", plan) as store:
        Engine(store, plan, 1, lambda *_: None, lambda: False).run()
        statuses = dict(store.rows(["number", "status"]))
        assert len(statuses) == 4
        assert statuses[1] == statuses[3] == "diverged"
        assert load_run(store.run_folder(1)).status == "diverged"


# ---- numbers that are too large


@pytest.mark.parametrize(
    ("kind", "culprit"),
    [
        ({"sobol": {"n": 2, "over": {"task_options": {}}}}, "sobol.over: 22,000 fields"),
        ({"random": {"n": 2, "over": {"learning_rate": {"linear": [-1e308, 1.7e308]}}}}, "overfl"),
        ({"grid": {"learning_rate": {"linear": [-1e308, 1.7e308], "n": 3}}}, "overflows"),
        ({"grid": {"learning_rate": {"log": [1e-300, 1e300], "n": 3}}}, "overflows"),
        ({"grid": {"learning_rate": {"linear": [0, 10**400], "n": 3}}}, "must be two numbers"),
    ],
)
def test_axes_that_cannot_be_are_one_line(kind, culprit):
    if "sobol" in kind:
        many = {f"x{k}": {"linear": [0, 1]} for k in range(22_000)}
        kind = {"sobol": {"n": 2, "over": {"task_options": many}}}
    with pytest.raises(InputError, match=culprit):
        make_plan(Sweep(seeds=1, **kind))


def test_nesting_without_end_is_one_line(cwd):
    (cwd / "deep.toml").write_text("seeds = 1\n[grid]\n" + ".".join("a" * 3000) + " = [1]\n")
    with pytest.raises(InputError, match=r"deep\.toml"):
        read_plan(cwd / "deep.toml")
    (cwd / "deep.toml").write_text("seeds = 1\nbase." + ".".join("a" * 3000) + " = 1\n")
    with pytest.raises(InputError, match=r"deep\.toml"):
        read_plan(cwd / "deep.toml")


def test_numbers_of_many_digits_are_one_line(finished_run, refused):
    digits = "1" * 31
    refused(["inspect", "run", "--nulls", "1000000000000"], "--nulls: must be at most 1,000,000")
    refused(["inspect", "run", "--seed", digits], "--seed: must be from 0 to")
    refused(["prune", "run", "--seed", digits], "--seed: must be from 0 to")


def test_a_network_without_a_path_is_not_pruned(cwd, refused):
    run = train(SMALL.replace(strengths={"weight": 1e6}), cwd / "r")
    assert run.status == "disconnected"
    for words in ([], ["--criterion", "obs", "--keep", "0.5"]):
        refused(["prune", "r", *words], "r: no path of weights is left to prune")


# ---- data that changed


def test_data_that_changed_since_are_not_judged_on(cwd, refused, capsys):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    np.savez("mine.npz", X=X, y=(X[:, 0] > 0).astype(int))
    flags = ["--n-neurons", "12", "--steps", "20", "--out", "r", "--quiet"]
    assert main(["train", "--data", "mine.npz", *flags]) == 0
    assert main(["inspect", "r", "--nulls", "200"]) == 0
    capsys.readouterr()

    np.savez("mine.npz", X=X**3, y=(X[:, 0] > 0).astype(int))
    for command in (["inspect", "r"], ["prune", "r"], ["export", "r", "--to", "json"]):
        refused(command, "mine.npz: not the data that r was trained on")
