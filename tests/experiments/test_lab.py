"""Networks of a claim and their numbers: nothing is trained or measured twice; results stay."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from matplotlib.figure import Figure

from experiments import claims, lab, reproduce, results
from experiments.claims import Check, column, spread
from experiments.results_markdown import write_docs
from urn import TrainConfig, load_run, train


def small(**changes) -> TrainConfig:
    fields = {
        "task": "digits",
        "n_neurons": 90,
        "n_iterations": 3,
        "steps": 60,
        "log_every": 20,
        "snapshots": 2,
    }
    return TrainConfig(**fields | changes)


@pytest.fixture
def toy(monkeypatch):
    """A claim of two arms that costs a second; `measure` counts its calls."""
    calls = []

    def measure(arm, run, data):
        calls.append((arm, run.config.seed))
        return {"test accuracy": run.test_accuracy, "widths": [1, 2], "good": True}

    module = SimpleNamespace(
        __doc__="A toy.\n\nIts story <b>.",
        __file__=__file__,
        CLAIM="it <i>learns</i>",
        SOURCE="here",
        PAPER="not at hand",
        arms=lambda scale: {"plain": small(), "priced": small(strengths={"weight": 1e-3})},
        measure=measure,
        checks=lambda measured, scale: [
            Check("learns", spread(column(measured["plain"], "test accuracy")), "> 0", True)
        ],
        figures=lambda runs, measured: {},
        calls=calls,
    )
    monkeypatch.setattr(claims, "load", lambda name: module)
    return module


def perform(toy, tmp_path, seeds=(100, 101)):
    jobs = lab.jobs_of("toy", "quick", list(seeds), tmp_path)
    return {job.arm: lab.perform(job) for job in jobs}


def test_nothing_is_trained_or_measured_twice(toy, tmp_path):
    first = perform(toy, tmp_path)
    folder = tmp_path / "toy" / "plain" / "seed-101"
    before = (folder / "weights.safetensors").stat().st_mtime_ns
    second = perform(toy, tmp_path)
    assert first == second
    assert len(toy.calls) == 4
    assert (folder / "weights.safetensors").stat().st_mtime_ns == before
    run = load_run(folder)
    assert (run.config.seed, len(run.snapshots), len(run.history)) == (101, 2, 3)


def test_a_run_of_another_configuration_or_half_a_run_is_made_anew(toy, tmp_path):
    perform(toy, tmp_path, [100])
    folder = tmp_path / "toy" / "plain" / "seed-100"
    (folder / "weights.safetensors").unlink()  # as a kill between two files leaves it
    toy.arms = lambda scale: {"plain": small(), "priced": small(steps=40)}
    rows = perform(toy, tmp_path, [100])
    assert load_run(folder).steps_done == 60
    assert load_run(tmp_path / "toy" / "priced" / "seed-100").steps_done == 40
    assert rows["priced"][0]["status"] == "ok"


def test_what_goes_on_from_a_run_follows_it(toy, tmp_path):
    """The later phase starts from the weights of the earlier one, and is trained again with it."""
    toy.AFTER = {"priced": "plain"}
    perform(toy, tmp_path, [100])
    earlier, later = (load_run(tmp_path / "toy" / arm / "seed-100") for arm in ("plain", "priced"))
    alone = train(later.config, start=earlier)
    torch.testing.assert_close(later.weights, alone.weights, rtol=0, atol=0)

    toy.arms = lambda scale: {
        "plain": small(steps=40),
        "priced": small(strengths={"weight": 1e-3}),
    }
    perform(toy, tmp_path, [100])
    assert not torch.equal(
        load_run(tmp_path / "toy" / "priced" / "seed-100").weights, later.weights
    )
    assert len(toy.calls) == 4


def test_measurements_are_made_anew_when_the_code_changes(toy, tmp_path, monkeypatch):
    perform(toy, tmp_path, [100])
    monkeypatch.setattr(lab, "code_of", lambda claim: "other code")
    perform(toy, tmp_path, [100])
    assert len(toy.calls) == 4


def test_what_draws_does_not_measure():
    """A change in DRAWING makes nothing stale: no module that measures imports from there."""
    code = (
        "import analysis, experiments.commands.judging, sys; "
        "print(*(name for name in sys.modules if name.startswith('analysis.')))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = process.stdout.decode().split()
    assert "analysis.verdicts.recurrent" in loaded
    assert not [name for name in loaded if name.split(".")[1] in lab.DRAWING]


def test_stopping_leaves_no_run_of_a_population_behind(toy, tmp_path):
    job = lab.jobs_of("toy", "quick", [100], tmp_path)[0]
    assert lab.perform(job, stop=lambda: True) is None
    assert not job.folders[0].exists()


def conclude(toy, tmp_path, store):
    """Train and measure the toy, and put its entry into a store."""
    measured = perform(toy, tmp_path / "runs", [100])
    rows = {arm: {100: row} for arm, (row,) in measured.items()}
    return reproduce.conclude("toy", "quick", [100], rows, tmp_path / "runs", store)


def test_the_store_replaces_by_name(toy, tmp_path):
    store = results.Store(tmp_path)
    entry = conclude(toy, tmp_path, store)
    assert set(entry) == {*results.KEYS, "provenance"}

    measured = {arm: [{"x": float("nan"), "seconds": 1.0}] for arm in entry["ours"]["measured"]}
    ours = entry["ours"] | {"measured": measured}
    store.put(entry | {"name": "depth", "passed": False, "ours": ours}, {}, "story")
    store.put(entry, {}, "again")

    assert [held["name"] for held in store.entries()] == ["depth", "toy"]
    first, second = json.loads((tmp_path / "claims.json").read_text())
    assert first["ours"]["measured"]["priced"][0]["x"] is None
    assert second["ours"]["story"] == "again"
    assert second["provenance"]["torch"] == torch.__version__
    assert not list(tmp_path.rglob(".*.draft"))


def test_an_entry_without_provenance_is_read(toy, tmp_path):
    """As version 0.1 wrote them."""
    store = results.Store(tmp_path)
    entry = conclude(toy, tmp_path, store)
    entry.pop("provenance")
    store.put(entry, {}, "story")
    store.write_page()
    write_docs(store, tmp_path / "docs")
    assert [set(held) for held in store.entries()] == [set(results.KEYS)]


def test_pages_escape_and_hold_numbers_only(toy, tmp_path):
    store = results.Store(tmp_path)
    entry = conclude(toy, tmp_path, store)
    entry["provenance"]["command"] = "/home/me/bin/urn reproduce --out '/home/me/my results'"
    store.put(entry | {"passed": False}, {}, "again")
    store.write_page()
    page = (tmp_path / "index.html").read_text()
    assert "it &lt;i&gt;learns&lt;/i&gt;" in page
    assert "<i>" not in page

    write_docs(store, tmp_path / "docs")
    text = (tmp_path / "docs" / "results.md").read_text()
    for part in ("## toy", "again", "**no**"):
        assert part in text
    (held,) = json.loads((tmp_path / "docs" / "claims.json").read_text())
    numbers = held["ours"]["measured"]["plain"][0]
    assert set(numbers) == {"status", "test accuracy", "good", "seconds"}
    command = "urn reproduce --out 'my results'"  # no folder of one machine is published
    assert held["provenance"] == entry["provenance"] | {"command": command}


def test_the_documentation_keeps_claims_that_a_results_folder_lacks(toy, tmp_path):
    older = results.Store(tmp_path / "older")
    newer = results.Store(tmp_path / "newer")
    docs = tmp_path / "docs"
    entry = conclude(toy, tmp_path, older)
    older.put(entry | {"name": "depth"}, {"curve": Figure()}, "kept")
    write_docs(older, docs)

    maps = {f"arm {k}": [{"seconds": 30.0, "x": k}] for k in range(results.MOST_ARMS + 1)}
    ours = entry["ours"] | {"measured": maps}
    newer.put(entry | {"name": "phase_map", "ours": ours}, {"map": Figure()}, "new")
    for _ in range(2):  # the second time from what the first has written
        write_docs(newer, docs)
        text = (docs / "results.md").read_text()
        assert [text.count(f"## {name}\n") for name in ("depth", "phase_map", "toy")] == [1, 1, 1]
        assert "16 minutes of training" in text
        assert "31 kinds of networks: too many for tables." in text
        assert {path.name for path in (docs / "figures" / "claims").iterdir()} == {
            "depth-curve.png",
            "phase_map-map.png",
        }
        newer = results.Store(tmp_path / "newest")  # which holds nothing
