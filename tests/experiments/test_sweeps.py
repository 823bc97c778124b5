"""Sweeps: points are what `urn train` makes of them, nothing finished is lost or done twice.

Wrong files get one line.
"""

import csv
import os
import random
import signal
import sqlite3
import time
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
import tomli_w
import torch

from experiments.commands.sweep import translate
from experiments.sweeps.engine import Engine, room, train_batch
from experiments.sweeps.measure import UNLEARNED
from experiments.sweeps.pictures import Choice, Pictures
from experiments.sweeps.plan import MOST_POINTS, Sweep, make_plan, parse_plan, read_plan
from experiments.sweeps.schema import DATABASE
from experiments.sweeps.store import DONE, Store
from tests.conftest import SMALL, after, cases
from urn import InputError, load_run, train
from urn.cli import main

BASE = SMALL.to_dict() | {
    "snapshots": 1,
    "strengths": {"weight": 1e-3, "depth": {"value": 1e-2, "warmup": 5}},
}
BASE.pop("seed")


def sweep(seeds=2, base=None, **kind):
    return Sweep(
        seeds=seeds,
        base=BASE | (base or {}),
        **kind or {"grid": {"strengths.weight": [1e-4, 1e-3]}},
    )


def text(**changes) -> str:
    """A sweep file of 8 points."""
    return tomli_w.dumps(
        {"seeds": 2, "base": BASE, "grid": {"strengths.weight": [1e-4, 1e-3, 1e-2, 10.0]}} | changes
    )


@pytest.fixture
def file(cwd):
    path = cwd / "small.toml"
    path.write_text(text())
    return path


def engine(store, plan, stop=lambda: False, workers=1):
    return Engine(store, plan, workers, lambda *said: None, stop)


# ---- plans


def test_a_grid_is_every_combination_and_a_number_keeps_the_rest_of_a_schedule():
    plan = make_plan(
        sweep(grid={"strengths": {"depth": {"log": [1e-3, 1e-1], "n": 3}}, "n_neurons": [12, 14]})
    )
    assert plan.axes == ("strengths.depth", "n_neurons")
    assert len(plan.points) == 3 * 2 * 2
    depth = plan.points[4].config.strengths["depth"]
    assert (depth.value, depth.warmup) == (0.01, 5)
    assert [point.config.seed for point in plan.points[:2]] == [100, 101]
    assert len({point.shared for point in plan.points}) == 2
    assert len({point.hash for point in plan.points}) == 12


@pytest.mark.parametrize("kind", ["random", "sobol"])
def test_samples_lie_in_their_ranges_and_whole_fields_get_whole_numbers(kind):
    over = {"strengths.weight": {"log": [1e-5, 1e-1]}, "n_neurons": {"linear": [12, 20]}}
    points = make_plan(sweep(1, **{kind: {"n": 50, "seed": 3, "over": over}})).points
    weights = np.log10([point.config.strengths["weight"].value for point in points])
    assert weights.min() >= -5
    assert weights.max() <= -1
    assert 20 <= (weights < -3).sum() <= 30 or kind == "random"
    assert {point.config.n_neurons for point in points} <= set(range(12, 21))
    assert points == make_plan(sweep(1, **{kind: {"n": 50, "seed": 3, "over": over}})).points


def test_a_list_of_points():
    plan = make_plan(
        sweep(
            [7],
            points=[{"strengths": {"weight": 1e-3}}, {"n_iterations": 2, "strengths.weight": 0}],
        )
    )
    assert [point.config.n_iterations for point in plan.points] == [3, 2]
    assert plan.points[1].config.strengths["weight"].value == 0


# ---- training


def test_a_point_is_what_training_alone_makes_of_it_also_beside_one_that_diverges(cwd):
    plan = make_plan(sweep(base={"steps": 60}, grid={"strengths.activity": [0.0, 1e-3, 1e30]}), "")
    with Store.create(cwd / "out", plan) as store:
        engine(store, plan).run()
        rows = store.rows(["number", "status", "test_accuracy", "summary", "strengths.activity"])
    assert [row[1] for row in rows[4:]] == ["diverged", "diverged"]
    for number, status, accuracy, summary, _ in rows[:4]:
        alone, kept = (
            train(plan.points[number].config),
            load_run(cwd / "out" / "runs" / f"{number:06d}"),
        )
        torch.testing.assert_close(kept.weights, alone.weights, rtol=1e-3, atol=1e-4)
        assert kept.config == alone.config
        assert (status, accuracy) == (alone.status, pytest.approx(alone.test_accuracy, abs=0.07))
        assert summary


def test_a_network_at_chance_is_called_that_whatever_its_remains_look_like(cwd, capsys):
    """One step at a rate of almost nothing leaves a network connected that has learned nothing."""
    base = {"steps": 1, "learning_rate": 1e-9, "n_neurons": 40}
    plan = make_plan(sweep(base=base), "")
    with Store.create(cwd / "out", plan) as store:
        engine(store, plan).run()
        rows = store.rows(["status", "architecture", "summary"])
    for status, architecture, summary in rows:
        assert (status, architecture) == ("ok", UNLEARNED)
        assert UNLEARNED not in summary
    assert main(["inspect", str(cwd / "out" / "runs" / "000000"), "--nulls", "200", "--html"]) == 0
    assert "No better than chance" in capsys.readouterr().out
    assert "No better than chance" in (cwd / "out" / "runs" / "000000" / "report.html").read_text()


def test_stopping_gives_points_back_and_resuming_trains_the_rest_only(file, cwd, monkeypatch):
    monkeypatch.setattr("experiments.sweeps.engine.POPULATION", 4)
    plan = read_plan(file)
    with Store.create(cwd / "out", plan) as store:
        engine(store, plan, after(30)).run()
        assert store.count()["interrupted"] == 4
        before = store.rows(["number", "hash", "seconds"])
        assert len(before) == 4
        engine(store, plan).run()
        assert sum(store.count()[status] for status in DONE) == 8
        assert set(before) <= set(store.rows(["number", "hash", "seconds"]))
        assert store.db.execute("SELECT count(*) FROM owners").fetchone() == (0,)


def test_killed_at_any_moment_no_finished_point_is_lost_or_run_twice(file, cwd):
    plan = read_plan(file)
    Store.create(cwd / "out", plan).db.close()
    kept: dict = {}
    rng = random.Random(0)
    for _ in range(20):
        child = os.fork()
        if not child:
            with Store(cwd / "out") as store:
                engine(store, plan).run()
            os._exit(0)
        time.sleep(rng.uniform(0, 0.25))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with Store(cwd / "out") as store:
            assert store.count().total() == 8
            rows = dict(
                store.db.execute(f"SELECT number, seconds FROM points WHERE status IN {DONE}")
            )
            assert kept.items() <= rows.items()
            assert all(load_run(store.run_folder(number)).steps_done for number in rows)
            half = (
                "SELECT count(*) FROM points "
                "WHERE (summary IS NULL AND loss IS NULL) = (status IN ('ok', 'disconnected'))"
            )
            assert store.db.execute(half).fetchone() == (0,)
            kept = rows
    with Store(cwd / "out") as store:
        engine(store, plan).run()
        assert len(store.rows(["number"])) == 8
        assert sorted(path.name for path in (cwd / "out" / "runs").iterdir()) == [
            f"{number:06d}" for number in range(8)
        ]


def test_two_processes_share_a_store_without_running_a_point_twice(file, cwd):
    plan = read_plan(file)
    with Store.create(cwd / "out", plan) as one, Store(cwd / "out") as other:
        one.enrol()
        other.enrol()
        first, second = one.claim(lambda number, n: 3), other.claim(lambda number, n: 100)
        assert sorted(first + second) == list(range(8))
        assert other.claim(lambda number, n: 1) == []
        assert one.count() == {"running": 8}
        one.db.execute(
            "UPDATE owners SET started = 'before' WHERE id = ?", (one.owner,)
        )  # as if another process had its number
        assert one.count() == {"running": 5, "interrupted": 3}
        assert other.claim(lambda number, n: 100) == first
        run = train(plan.points[first[0]].config)
        assert not one.finish(first[0], run, {"status": "ok"})
        assert not list((cwd / "out" / "runs").iterdir())
        assert other.finish(first[0], run, {"status": "ok", "test_accuracy": 0.5})
        assert one.rows(["number", "test_accuracy"]) == [(first[0], 0.5)]


def test_a_population_is_as_large_as_memory_allows(monkeypatch):
    config = SMALL.replace(n_neurons=1000)
    monkeypatch.setattr("experiments.sweeps.engine.available_memory", lambda: 10 * 2**30)
    assert room(config, 100, 1) == 16
    assert room(config, 6, 2) == 3
    monkeypatch.setattr("experiments.sweeps.engine.available_memory", lambda: 100 * 2**20)
    assert 1 <= room(config, 100, 1) <= 2
    assert room(config, 100, 2) == 1


def test_a_batch_whose_lease_was_lost_keeps_nothing(file, cwd):
    from experiments.sweeps.engine import Batch

    plan = read_plan(file)
    Store.create(cwd / "out", plan).db.close()
    assert train_batch(Batch(cwd / "out", "nobody", (0,), (plan.points[0].config,))) == []
    assert not list((cwd / "out" / "runs").iterdir())


SHARING = {
    "learning_rate": [1e-3, 5e-3, {"value": 2e-3, "warmup": 10}],
    "steps": [10, 25, 40],
}
"""Fields whose values share a population, with three values."""


@pytest.mark.parametrize("field", SHARING)
def test_what_may_differ_shares_a_population_also_in_a_store_of_before(cwd, field):
    """Such a store says that it does not; then each point was a population of its own."""
    plan = parse_plan(text(grid={field: SHARING[field]}))
    assert len({point.shared for point in plan.points}) == 1
    with Store.create(cwd / "out", plan) as store:
        store.db.execute("UPDATE points SET shared = 'of before, ' || number")
        store.check_same(plan)
        assert not store.damaged
        begun = []
        Engine(store, plan, 1, lambda number, *said: begun.append(number), lambda: False).run()
        assert set(begun) == {0}
        numbers = [number for (number,) in store.rows(["number"])]
        assert numbers == list(range(6))
        for number in numbers:
            kept = load_run(store.run_folder(number))
            alone = train(plan.points[number].config)
            torch.testing.assert_close(kept.weights, alone.weights, rtol=1e-3, atol=1e-4)
            assert kept.config == alone.config
            assert kept.steps_done == alone.steps_done == kept.config.steps


# ---- the command


def test_the_command_trains_resumes_reports_and_exports(file, cwd, capsys):
    assert main(["sweep", "run", str(file), "--workers", "1", "--quiet"]) == 0
    assert "8 of 8 points done" in capsys.readouterr().out
    folder = cwd / "sweeps" / "small"
    assert main(["sweep", "resume", str(folder), "--workers", "1"]) == 0
    assert main(["sweep", "resume", str(file), "--out", str(folder), "--workers", "1"]) == 0
    capsys.readouterr()
    assert main(["sweep", "status", str(folder)]) == 0
    assert "disconnected" in capsys.readouterr().out
    assert main(["sweep", "table", str(folder)]) == 0
    assert capsys.readouterr().err == ""
    with (folder / "sweep.csv").open() as lines:
        table = list(csv.DictReader(lines))
    assert len(table) == 8
    assert {
        "hash",
        "seed",
        "strengths.weight",
        "strengths.depth",
        "R_weight",
        "residual_p",
        "skip_share",
    } <= set(table[0])
    parquet = pytest.importorskip("pyarrow.parquet")
    assert main(["sweep", "table", str(folder), "--to", "parquet"]) == 0
    assert parquet.read_table(folder / "sweep.parquet").column("test_accuracy").to_pylist() == [
        float(row["test_accuracy"]) for row in table
    ]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (["q.toml", "--workers", "2"], ["run", "q.toml", "--workers", "2"]),
        (["q.toml", "--resume", "--out", "o"], ["resume", "q.toml", "--out", "o"]),
        (["--resume", "sweeps/q"], ["resume", "sweeps/q"]),
        (["--status", "sweeps/q"], ["status", "sweeps/q"]),
        (["sweeps/q", "--to", "csv"], ["table", "sweeps/q", "--to", "csv"]),
        (["sweeps/q", "--to=csv"], ["table", "sweeps/q", "--to=csv"]),
        (["plot", "sweeps/q"], ["plot", "sweeps/q"]),
        (["--help"], ["--help"]),
        ([], []),
    ],
)
def test_the_spelling_of_before_has_one_of_today(before, now):
    assert translate(before) == now


def test_the_spelling_of_before_works_and_says_how_it_is_spelled_now(file, cwd, capsys):
    Store.create(cwd / "out", read_plan(file)).db.close()
    assert main(["sweep", "--status", "out"]) == 0
    shown = capsys.readouterr()
    assert "0 of 8 points done" in shown.out
    assert shown.err.count("\n") == 1
    assert "now: urn sweep status out" in shown.err
    assert main(["sweep", "out", "--to", "csv"]) == 0
    assert "now: urn sweep table out --to csv" in capsys.readouterr().err


BAD = {
    "unknown field": (text(grid={"n_neuron": [1]}), "grid.n_neuron: no such field"),
    "unknown strength": (text(grid={"strengths.wait": [1e-3]}), "wait"),
    "unknown key": (text(grids={}), "grids: unknown key"),
    "empty grid": (text(grid={}), "grid: must name at least one field"),
    "empty axis": (
        text(grid={"strengths.weight": []}),
        "grid.strengths.weight: must hold at least one value",
    ),
    "strings for numbers": (
        text(grid={"strengths.weight": ["1e-3"]}),
        "strengths.weight: must be a number",
    ),
    "strings for whole numbers": (text(grid={"n_neurons": ["12"]}), "n_neurons: must be a number"),
    "negative strength": (
        text(grid={"strengths.weight": [-1.0]}),
        "at strengths.weight = -1: strengths.weight",
    ),
    "10^9 points": (
        text(
            grid={
                f"strengths.{t}": {"log": [1e-4, 1], "n": 1000} for t in ("weight", "self", "bias")
            }
        ),
        "points",
    ),
    "an axis too long": (
        text(grid={"strengths.weight": {"log": [1e-4, 1], "n": 10**9}}),
        f"{MOST_POINTS:,}",
    ),
    "log of zero": (
        text(grid={"strengths.weight": {"log": [0, 1], "n": 3}}),
        "grid.strengths.weight.log: must be above 0",
    ),
    "ends turned round": (
        text(grid={"strengths.weight": {"log": [1, 0.1], "n": 3}}),
        "the lower first",
    ),
    "two kinds": (
        text(points=[{"n_neurons": 12}]),
        "one of [grid], [[points]], [random] and [sobol] is needed",
    ),
    "no seeds": (text(seeds=0), "seeds: must be how many"),
    "negative seed": (text(seeds=[-1]), "seeds.0"),
    "seed in the grid": (text(grid={"seed": [1, 2]}), "grid.seed: give seeds at the top"),
    "twice the same": (text(grid={"strengths.weight": [1e-3, 1e-3]}), "appears twice"),
    "impossible base": (text(base=BASE | {"n_iterations": -1}), "base: n_iterations"),
    "too few neurons": (text(grid={"n_neurons": [12, 3]}), "point 2: "),
    "not TOML": ("seeds = = 1", "not TOML"),
    "a field within a number": (text(grid={"n_neurons.value": [1]}), "n_neurons holds no value"),
    "schedule that cannot be": (text(grid={"strengths.weight.warmup": [1.5]}), "warmup"),
}


@cases(BAD)
def test_bad_sweep_files_get_one_line_and_nothing_is_written(given, culprit, refused, cwd):
    (cwd / "bad.toml").write_text(given)
    refused(["sweep", "run", "bad.toml"], culprit)


def test_wrong_words_get_one_line(file, cwd, refused):
    plan = read_plan(file)
    Store.create(cwd / "out", plan).db.close()
    (cwd / "other.toml").write_text(text(seeds=3))
    refused(["sweep", "resume", "other.toml", "--out", "out"], "out: the store of another sweep")
    refused(["sweep", "run", "small.toml", "--out", "out"], "--out: out already exists")
    refused(["sweep", "run", "out"], "out: a folder; urn sweep resume goes on with it")
    refused(["sweep", "status", "nowhere"], "nowhere: no sweep here")
    refused(["sweep", "run", "nowhere.toml"], "nowhere.toml: no such file")
    refused(["sweep", "run", "small.toml", "--workers", "0"], "--workers")
    (cwd / "broken").mkdir()
    (cwd / "broken" / DATABASE).write_bytes(
        b"no database at all, but long enough to look like one" * 100
    )
    refused(["sweep", "status", "broken"], "not the store of a sweep")
    sqlite3.connect(cwd / "broken" / "empty").close()
    with pytest.raises(InputError, match="no sweep here"):
        Store(cwd)


# ---- many rows


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A store of 10,000 points that are done: 20 x 20 x 25 seeds, their rows made up."""
    axis = {"log": [1e-4, 1e-1], "n": 20}
    plan = make_plan(sweep(25, grid={"strengths.weight": axis, "strengths.depth": axis}))
    folder = tmp_path_factory.mktemp("many") / "out"
    with Store.create(folder, plan) as store, store.transaction():
        store.db.execute(
            """UPDATE points SET status = 'ok', validation_accuracy = 0.9 + seed / 2000.0,
            used_connections = number + 1, path_depth = 1 + seed / 200.0,
            architecture = CASE WHEN "strengths.weight" < 0.003 THEN 'MLP' ELSE 'recurrent' END,
            reuse_share = 0.5, depth = seed % 3"""
        )
    return folder


@pytest.mark.parametrize("words", [["status"], ["table"], ["table", "--to", "parquet"]])
def test_ten_thousand_rows_are_reported_and_exported_in_seconds(words, many, capsys):
    begun = time.process_time()
    assert main(["sweep", *words, str(many)]) == 0
    assert time.process_time() - begun < 3
    assert "10,000" in capsys.readouterr().out


def test_ten_thousand_rows_are_drawn_in_seconds_each(many):
    pictures = Pictures(Store(many), Choice(measures=("validation_accuracy", "depth")))
    begun, names = time.process_time(), []
    for name, figure in pictures.all():
        figure.canvas.draw()
        assert time.process_time() - begun < 3
        begun = time.process_time()
        names.append(name)
    assert names == ["phase_map", "map_validation_accuracy", "map_depth", "trade_off", "plane"]


def test_wrong_words_for_plot_get_one_line(many, capsys):
    for words, culprit in (
        (
            ["--x", "n_neurons"],
            "n_neurons: does not vary in this sweep; strengths.weight, strengths.depth does",
        ),
        (["--measure", "beauty"], "beauty: no measure of this sweep"),
        (["--at", "strengths.weight"], "must be FIELD=VALUE"),
        (["--at", "strengths.weight=7"], "no such value"),
        (["--point", "10000"], "--point 10000: not done"),
        (
            ["--x", "strengths.depth", "--y", "strengths.depth"],
            "--y strengths.depth: is on the horizontal axis already",
        ),
        (["--status"], "--status"),
        (["--workers", "2"], "--workers"),
    ):
        assert main(["sweep", "plot", str(many), *words, "--out", str(many / "drawn")]) == 2
        error = capsys.readouterr().err
        assert culprit in error
        assert error.count("\n") == 1
        assert not (many / "drawn").exists()
    assert main(["sweep", "status", str(many), "--x", "seed"]) == 2
    assert main(["sweep", "plot"]) == 2


def test_a_sweep_that_cannot_be_written_can_be_read(file, cwd, monkeypatch):
    plan = read_plan(file)
    with Store.create(cwd / "out", plan) as store:
        engine(store, plan).run()
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everything
    with Store(cwd / "out") as store:
        assert store.count().total() == 8
        assert len(store.rows(["number"])) == 8
        with pytest.raises(InputError, match="out: is read-only"):
            store.enrol()


# ---- workers that die


class Crew:
    """Workers whose first batches die with them; the others train here."""

    deaths = 0

    def __init__(self, n, work, observer):
        self.work, self.free, self.running = work, True, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, number, batch):
        self.running[number], self.free = batch, False

    def ended(self):
        if Crew.deaths:
            Crew.deaths -= 1
            raise BrokenProcessPool
        batches, self.free = list(self.running.values()), True
        self.running.clear()
        return [(batch, self.work(batch)) for batch in batches]


def test_points_of_a_worker_that_was_killed_are_begun_again(file, cwd, monkeypatch):
    monkeypatch.setattr("experiments.sweeps.engine.Workers", Crew)
    plan = read_plan(file)
    with Store.create(cwd / "out", plan) as store:
        Crew.deaths = 3
        with pytest.raises(InputError, match=r"killed 3 times"):
            engine(store, plan, workers=2).run()
        assert store.count()["running"] == 0
        assert not store.db.execute("SELECT 1 FROM owners").fetchone()
        engine(store, plan, workers=2).run()
        assert sum(store.count()[status] for status in DONE) == 8


def test_what_must_be_shared_makes_populations_of_its_own():
    plan = parse_plan(text(grid={"batch_size": [8, 16]}))
    assert len({point.shared for point in plan.points}) == 2

    # Steps are shared where a setting falls after a part of them.
    falling = {"self_target": {"value": 1.0, "milestones": [0.5]}}
    plan = parse_plan(text(grid={"steps": [10, 20]}, base=falling))
    assert len({point.shared for point in plan.points}) == 2


def test_a_store_that_was_begun_before_a_field_came_goes_on():
    """The hash of a point is the one that was written then, as long as the field is unused."""
    text = 'seeds=2\n[base]\ntask="shells"\nsteps=30\n{}[grid]\nstrengths.weight=[1e-4,1e-3]\n'
    before = parse_plan(text.format("")).points[0]
    assert before.hash == "a3a9563b50e92e82"
    for field in "stationary=2\n", "shared_step=false\n":
        used = parse_plan(text.format(field)).points[0]
        assert used.hash != before.hash
        assert used.shared != before.shared
