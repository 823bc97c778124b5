"""Borders of a sweep: a grid bisected ends where the whole grid does, with fewer networks.

What is asked is held against geometry, votes against every way in which they could go on, and a
sweep against the same grid trained whole.
"""

import csv
import itertools
import os
import random
import shutil
import signal
import sqlite3
import time
from collections import Counter

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.sweeps.borders import (
    INFERRED,
    Search,
    inferred_rows,
    labels_of,
    rows_of,
    search_of,
    vote,
)
from experiments.sweeps.embedded import embedded
from experiments.sweeps.engine import SECONDS_BETWEEN_LOOKS, Engine
from experiments.sweeps.page import write_page
from experiments.sweeps.pictures import Choice, Pictures
from experiments.sweeps.plan import parse_plan
from experiments.sweeps.refine import coarse, refine
from experiments.sweeps.schema import DATABASE
from experiments.sweeps.store import DONE, Store
from tests.conftest import SMALL, after, cases
from urn.cli import main

BASE = SMALL.to_dict() | {"snapshots": 0, "steps": 10, "strengths": {"weight": 1e-3}}
BASE.pop("seed")
GRID = {
    "strengths.weight": {"log": [1e-4, 100], "n": 9},
    "strengths.activity": {"log": [1e-3, 10], "n": 6},
}
BORDERS = {"levels": {"used_connections": 20}}


def text(**changes) -> str:
    """A sweep file of 9 x 6 settings and 3 seeds, whose networks die along both axes."""
    return tomli_w.dumps({"seeds": 3, "base": BASE, "grid": GRID, "borders": BORDERS} | changes)


def trained(folder, content, stop=lambda: False, workers=1):
    """The store of a sweep file after training, open."""
    plan = parse_plan(content)
    store = Store(folder) if folder.exists() else Store.create(folder, plan)
    Engine(store, plan, workers, lambda *said: None, stop).run()
    return store


# ---- which points are asked


def bisected(truth, shape, halvings):
    """Ask until nothing is wanted; the points asked, and the label of every point."""
    known: dict = {}
    while wanted := (refined := refine(known, shape, halvings)).wanted:
        assert not wanted & known.keys()
        known |= {place: truth(place) for place in wanted}
    labels = known | {place: known[source] for place, source in refined.sources.items()}
    assert not refined.sources.keys() & known.keys()
    assert labels.keys() == set(itertools.product(*map(range, shape)))
    return known, labels


@settings(deadline=None)
@given(st.integers(1, 14), st.integers(1, 14), st.integers(0, 4), st.integers(1, 4), st.randoms())
def test_every_border_runs_between_points_that_were_asked(width, height, halvings, kinds, rng):
    cells = {place: rng.randrange(kinds) for place in np.ndindex(width, height)}
    known, labels = bisected(cells.__getitem__, (width, height), halvings)
    for column, row in cells:
        for other in ((column + 1, row), (column, row + 1)):
            if other in cells and labels[column, row] != labels[other]:
                assert {(column, row), other} <= known.keys()


@settings(deadline=None)
@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(0, 4),
    st.floats(-1, 1), st.floats(-1, 1), st.floats(-20, 20),
)  # fmt: skip
def test_half_planes_come_out_exactly(width, height, halvings, a, b, c):
    """A linear function is largest at a corner of a box: none is cut without a corner to see it."""

    def truth(place):
        return a * place[0] + b * place[1] > c

    _, labels = bisected(truth, (width, height), halvings)
    assert all(label == truth(place) for place, label in labels.items())


@settings(deadline=None)
@given(st.integers(2, 1000), st.integers(1, 9), st.floats(0, 1))
def test_along_one_axis_a_step_costs_two_questions_a_halving_at_most(n, halvings, share):
    known, labels = bisected(lambda place: place[0] >= share * n, (n, 1), halvings)
    assert all(label == (place[0] >= share * n) for place, label in labels.items())
    assert len(known) <= len(coarse(n, halvings)) + 2 * halvings


def test_a_straight_border_of_a_large_map_costs_its_length():
    n = 128
    known, _ = bisected(lambda place: place[0] >= 50, (n, n), 4)
    assert len(known) <= 2 * n + len(coarse(n, 4)) ** 2 + 4 * len(coarse(n, 4))


def test_without_closing_a_straight_border_is_drawn_from_the_coarse_lines():
    known: dict = {}
    while wanted := (refined := refine(known, (33, 33), 3, closed=False)).wanted:
        known |= {place: place[0] >= 13 for place in wanted}
    labels = known | {place: known[source] for place, source in refined.sources.items()}
    assert all(label == (place[0] >= 13) for place, label in labels.items())
    assert len(known) == 5 * (5 + 3)


def test_an_island_within_the_coarse_grid_is_what_is_overseen():
    """Said in the documentation; one on the coarse grid is seen whole."""

    def around(centre):
        return lambda place: max(abs(place[0] - centre), abs(place[1] - centre)) <= 1

    _, labels = bisected(around(6), (13, 13), 2)
    assert not any(labels.values())
    _, labels = bisected(around(8), (13, 13), 2)
    assert {place for place, label in labels.items() if label} == set(
        itertools.product((7, 8, 9), repeat=2)
    )


# ---- votes


@settings(deadline=None)
@given(st.integers(1, 6), st.sampled_from([(True, False), ("a", "b"), ("b", "c", "a")]), st.data())
def test_a_vote_is_closed_when_nothing_to_come_can_turn_it(n, kinds, data):
    known = data.draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=n))

    def winner(labels):
        counts = Counter(labels)
        most = [label for label in counts if counts[label] == max(counts.values())]
        return max(most) if isinstance(most[0], bool) else min(most)

    # Labels that nobody has yet may come too, first by name among them.
    possible = kinds if isinstance(kinds[0], bool) else ("", *kinds)
    ends = {winner([*known, *more]) for more in itertools.product(possible, repeat=n - len(known))}
    assert vote(known, n) == (ends.pop() if len(ends) == 1 else None)


def test_a_network_that_failed_has_no_verdict_and_reaches_no_level():
    borders = parse_plan(
        text(borders={"follow": ["recurrent", "learned"], "levels": {"loss": [2, 1]}})
    ).borders
    row = {"architecture": "recurrent", "recurrent": 1, "loss": 1.5}
    assert labels_of(row, borders) == (True, True, True, False)
    assert labels_of(row | {"architecture": "nothing learned"}, borders)[:2] == (False, False)
    assert labels_of({"architecture": "diverged", "loss": None}, borders) == (False,) * 4
    assert labels_of({}, borders) == (False,) * 4


# ---- a sweep


@pytest.fixture(scope="module", autouse=True)
def _few_draws():
    """Null models take most of the time of such small networks, and nothing here asks them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.sweeps.measure.N_DRAWS", 200)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What each network of the whole grid becomes, by its number."""
    content = tomli_w.dumps({"seeds": 3, "base": BASE, "grid": GRID})
    with trained(tmp_path_factory.mktemp("sweeps") / "whole", content) as store:
        return rows_of(store, parse_plan(text()).borders)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The folder of the same grid, of which only the border was trained."""
    folder = tmp_path_factory.mktemp("sweeps") / "searched"
    trained(folder, text()).db.close()
    return folder


def test_what_is_trained_and_inferred_is_what_the_whole_grid_says(whole, searched):
    """Every seed that was left out would have changed nothing, either."""
    plan = parse_plan(text())
    labels = {
        first.number: vote(
            [labels_of(whole[first.number + k], plan.borders)[0] for k in range(3)], 3
        )
        for first in plan.points[::3]
    }
    assert len(set(labels.values())) == 2

    with Store(searched) as store:
        search, inferred = search_of(store)
        assert search.is_complete
        assert search.asked == {number for (number,) in store.rows(["number"])}
        assert len(search.asked) <= 0.4 * len(plan.points)
        known = {}
        for number in search.asked:
            known.setdefault(number - number % 3, []).append(
                labels_of(rows_of(store, plan.borders)[number], plan.borders)[0]
            )
    assert {first: vote(seeds, 3) for first, seeds in known.items()} == {
        first: labels[first] for first in known
    }
    assert {point.point.number for point in inferred} == labels.keys() - known.keys()
    assert all(point.labels["used_connections"] == labels[point.point.number] for point in inferred)


def test_killed_at_any_moment_it_asks_what_it_would_have_asked(searched, cwd):
    plan = parse_plan(text())
    Store.create(cwd / "out", plan).db.close()
    rng = random.Random(0)
    for _ in range(12):
        child = os.fork()
        if not child:
            trained(cwd / "out", text())
            os._exit(0)
        time.sleep(rng.uniform(0, 0.4))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with trained(cwd / "out", text()) as store, Store(searched) as unbroken:
        assert store.rows(["number", "status"]) == unbroken.rows(["number", "status"])
        assert inferred_rows(store) == inferred_rows(unbroken)


def test_stopped_it_says_how_far_it_is_and_infers_nothing(cwd, capsys):
    trained(cwd / "out", text(), stop=after(15)).db.close()
    assert main(["sweep", "status", "out"]) == 0
    shown = capsys.readouterr().out
    assert "of at most 162 points done" in shown
    assert "asked so far" in shown
    assert main(["sweep", "resume", "out", "--quiet", "--workers", "2"]) == 0
    assert "known to one step" in capsys.readouterr().out
    with Store("out") as store:
        assert store.count()["waiting"] > 0
        assert len(inferred_rows(store)) > 0


def test_a_file_without_borders_trains_the_rest(cwd, capsys):
    grid = GRID | {"strengths.activity": [1e-3, 1e-2, 1e-1]}
    with trained(cwd / "out", text(grid=grid)) as store:
        assert 0 < len(store.rows(["number"])) < 81
    whole = {"seeds": 3, "base": BASE, "grid": grid}
    (cwd / "all.toml").write_text(tomli_w.dumps(whole))

    assert main(["sweep", "resume", "all.toml", "--out", "out", "--quiet", "--workers", "1"]) == 0
    assert "81 of 81 points done" in capsys.readouterr().out
    with Store(cwd / "out") as store:
        assert sum(store.count()[status] for status in DONE) == 81
        assert inferred_rows(store) == []


def test_a_helper_waits_for_the_round_that_another_process_trains(cwd, monkeypatch):
    plan = parse_plan(text())
    naps = []
    with Store.create(cwd / "out", plan) as other, Store(cwd / "out") as store:
        other.enrol()
        first = other.claim(lambda number, n: n, Search(plan).advance({}))
        assert len(first) == len(coarse(9, 2)) * len(coarse(6, 2)) * 2

        def nap(seconds):
            if seconds != SECONDS_BETWEEN_LOOKS:
                return pause(seconds)  # of a library in another thread
            naps.append(seconds)
            other.release()

        pause = time.sleep
        monkeypatch.setattr("experiments.sweeps.engine.time.sleep", nap)
        Engine(store, plan, 1, lambda *said: None, lambda: False).run()
        assert len(naps) == 1
        assert search_of(store)[0].is_complete


def test_each_map_is_searched_by_itself_along_the_axes_named(cwd):
    borders = BORDERS | {"along": ["strengths.weight"]}
    grid = GRID | {"strengths.activity": [1e-3, 10.0]}
    with trained(cwd / "out", text(borders=borders, grid=grid, seeds=1)) as store:
        done = dict(store.rows(["number", "strengths.activity"]))
        inferred = inferred_rows(store)
    assert Counter(done.values())[1e-3] > Counter(done.values())[10.0] == 3
    assert {row["number"] for row in inferred} | done.keys() == set(range(18))


def test_a_damaged_row_counts_as_a_network_that_failed(searched, cwd):
    shutil.copytree(searched, "copy")
    with sqlite3.connect("copy/sweep.sqlite") as database:
        database.execute("UPDATE points SET status = 'lost' WHERE number = 0")
    with trained(cwd / "copy", text()) as store:
        assert list(store.damaged) == [0]
        assert search_of(store)[0].is_complete


# ---- what is shown of it


def test_the_table_says_what_was_computed_and_what_was_inferred(searched, cwd, capsys):
    assert main(["sweep", "table", str(searched), "--out", "out.csv"]) == 0
    assert "of them inferred" in capsys.readouterr().out
    with open("out.csv", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    computed = [row for row in table if row["computed"] == "1"]
    inferred = [row for row in table if row["computed"] == "0"]
    assert len(computed) + len(inferred) == len(table)
    assert all(row["seed"] and not row["inferred_from"] for row in computed)
    numbers = {row["number"] for row in computed}
    settings = {(row["strengths.weight"], row["strengths.activity"]) for row in table}
    assert len(settings) == 54
    assert inferred
    for row in inferred:
        assert row["status"] == INFERRED
        assert row["inferred_from"] in numbers
        assert {row[name] for name in ("seed", "loss", "seconds")} == {""}
        assert f"like point {row['inferred_from']}: used_connections" in row["summary"]


def test_maps_and_page_show_inferred_points_apart(searched, cwd):
    shutil.copytree(searched, "copy")
    with Store("copy") as store:
        pictures = Pictures(store, Choice())
        n = len(inferred_rows(store))
        figure = pictures.phase_map()
        assert f"inferred, not trained ({n})" in figure.legends[0].get_title().get_text()
        assert len(figure.axes[0].patches) == n
        page = write_page(pictures, []).read_text(encoding="utf-8")
    assert page.count('<td class="inferred">') == n
    assert f"{n} cells without colour" in page


def test_a_row_of_which_nothing_was_trained_keeps_its_place_in_maps(searched, cwd):
    shutil.copytree(searched, "copy")
    with Store("copy") as store:
        pictures = Pictures(store, Choice())
        pictures.inferred.append(pictures.inferred[0] | {pictures.y: 50.0})
        (_, rows) = embedded(pictures)["map"]["levels"]
        assert rows[-1] == 50.0
        drawn = pictures.heat_map("validation_accuracy").axes[0].get_yticklabels()
        assert drawn[-1].get_text() == "50"


# ---- bad files

BAD = {
    "no grid": (
        tomli_w.dumps({"seeds": 1, "base": BASE, "points": [{"steps": 3}], "borders": BORDERS}),
        "borders: are those of a [grid]",
    ),
    "unknown key": (text(borders={"follows": ["learned"]}), "borders.follows: unknown key"),
    "unknown verdict": (text(borders={"follow": ["learnt"]}), "follow: must be of"),
    "no list": (text(borders={"follow": 3}), "borders.follow"),
    "unknown measure": (text(borders={"levels": {"lost": 1}}), "levels.lost: no measure"),
    "a verdict as a measure": (text(borders={"levels": {"recurrent": 1}}), "no measure"),
    "unknown term": (text(borders={"levels": {"R_depth": 1}}), "levels.R_depth: no term"),
    "no level": (text(borders={"levels": {"loss": []}}), "borders.levels.loss"),
    "a level of text": (text(borders={"levels": {"loss": ["high"]}}), "borders.levels.loss"),
    "unknown axis": (text(borders={"along": ["steps"]}), "borders.along: steps is no axis"),
    "an axis twice": (text(borders={"along": ["strengths.weight"] * 2}), "one or two axes"),
    "three axes": (text(grid=GRID | {"n_iterations": [2, 3]}), "one or two axes"),
    "an axis without an order": (
        text(grid={"activation": ["relu", "tanh"]}),
        "borders.along: activation has a value without an order",
    ),
    "too many halvings": (
        text(borders={"halvings": 4}),
        "borders.halvings: 4 are more than an axis of 9 values takes, 3",
    ),
    "negative halvings": (text(borders={"halvings": -1}), "borders.halvings"),
}


@cases(BAD)
def test_bad_borders_get_one_line_and_nothing_is_written(given, culprit, refused, cwd):
    (cwd / "bad.toml").write_text(given)
    refused(["sweep", "run", "bad.toml"], culprit)


def test_halvings_left_out_fit_the_axis():
    for n, halvings in ((1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (9, 2), (100, 2)):
        axis = [10.0**-k for k in range(n)]
        assert parse_plan(text(grid={"strengths.weight": axis})).borders.halvings == halvings


def test_a_store_that_knows_no_borders_is_read_as_before(cwd):
    content = tomli_w.dumps({"seeds": 1, "base": BASE, "grid": {"strengths.weight": [1e-3]}})
    trained(cwd / "out", content).db.close()
    with sqlite3.connect(cwd / "out" / DATABASE) as database:
        database.execute("DELETE FROM about WHERE key = 'borders'")
    with Store(cwd / "out") as store:
        assert search_of(store) is None
        assert inferred_rows(store) == []
