"""`urn reproduce`: claims can fail, nothing is trained twice, wrong words get one line.

Other results in a folder stay, and a claim can be added from outside the package.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from matplotlib.figure import Figure

from experiments import claims, lab, reproduce, results
from experiments.claims import Check, column, depth, fully_connected, most, spread, width
from experiments.results_markdown import write_docs
from urn import InputError, TrainConfig, load_run, train
from urn.cli import main


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
    assert held["provenance"] == entry["provenance"]


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


OUTSIDE = '''"""A claim of another package.

Refuted when nothing is learned.
"""

from matplotlib.figure import Figure

from experiments.claims import Check, column, spread
from urn import TrainConfig

CLAIM = "a network learns"
SOURCE = "elsewhere"
PAPER = "nothing"


def arms(scale):
    shells = {"dimension": 2, "n_train": 200, "n_validation": 50, "n_test": 50}
    config = TrainConfig(task="shells", task_options=shells, n_neurons=30, steps=200, snapshots=0)
    return {"plain": config}


def measure(arm, run, data):
    return {"test accuracy": run.test_accuracy}


def checks(measured, scale):
    accuracy = column(measured["plain"], "test accuracy")
    return [Check("test accuracy", spread(accuracy), "> 0.6", min(accuracy) > 0.6)]


def figures(runs, measured):
    return {"empty": Figure()}
'''
"""The module of a claim: the first of two files."""

ENTRY_POINT = "[urn.claims]\nlearns = other_claims.learns\nbroken = other_claims.broken\n"
"""The second: what the metadata of an installed package say of it."""


@pytest.fixture
def outside(tmp_path):
    """A folder with another package that adds a claim, as if it were installed."""
    folder = tmp_path / "site"
    (folder / "other_claims").mkdir(parents=True)
    (folder / "other_claims" / "learns.py").write_text(OUTSIDE)
    (folder / "other_claims" / "broken.py").write_text('CLAIM = "no more than this"')
    metadata = folder / "other_claims-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other_claims\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINT)
    return folder


def urn(outside: Path, *words: str) -> subprocess.CompletedProcess:
    """The command line with another package installed beside ours."""
    path = os.pathsep.join(filter(None, (str(outside), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "urn", *words],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_another_package_adds_a_claim_and_reproduces_it(outside, tmp_path):
    """Two files, none of them ours: workers train it, and it is held against its number."""
    out = tmp_path / "out"
    process = urn(outside, "reproduce", "learns", "--out", str(out))
    assert process.returncode == 0, process.stderr
    assert "1 of 1 claims hold" in process.stdout

    (entry,) = json.loads((out / "claims.json").read_text())
    assert (entry["name"], entry["claim"]) == ("learns", "a network learns")
    assert entry["ours"]["story"] == "Refuted when nothing is learned."
    assert (out / "figures" / "learns-empty.png").is_file()


def test_a_module_that_is_no_claim_gets_one_line(outside, tmp_path):
    process = urn(outside, "reproduce", "broken", "--out", str(tmp_path / "out"))
    assert process.returncode == 2
    assert process.stderr.startswith("urn: broken: other_claims.broken lacks SOURCE, PAPER, arms,")
    assert process.stderr.count("\n") == 1


def test_a_foreign_claims_json_is_refused_and_kept(tmp_path, capsys):
    (tmp_path / "claims.json").write_text("[1, 2]")
    assert main(["reproduce", "depth", "--out", str(tmp_path)]) == 2
    assert "claims.json: not a list of claims" in capsys.readouterr().err
    assert (tmp_path / "claims.json").read_text() == "[1, 2]"
    with pytest.raises(InputError):
        results.Store(tmp_path).entries()


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (["nonsense"], "nonsense: no such claim; there are fully_connected"),
        (["depth", "--seeds", "0"], "--seeds: must be from 1"),
        (["depth", "--seeds", "many"], "--seeds"),
        (["depth", "--scale", "huge"], "--scale"),
        (["depth", "--workers", "-1"], "--workers: must be from 1"),
        (["depth", "--first-seed", "-5"], "--first-seed: must be from 0"),
    ],
)
def test_wrong_words_get_one_line(words, culprit, tmp_path, capsys):
    assert main(["reproduce", *words, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert culprit in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def reproducing(out: Path) -> subprocess.Popen:
    """A process with work for minutes that receives Ctrl-C.

    A process that a shell starts in its background ignores it.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "urn", "reproduce", "width", "--scale", "paper", "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_cut_leaves_no_worker_and_no_half_results(number, tmp_path):
    process = reproducing(tmp_path / "out")
    next(line for line in process.stderr if "step" in line)  # a worker is at work
    workers = _children(process.pid)
    assert workers
    os.killpg(process.pid, number) if number == signal.SIGINT else process.kill()
    process.wait(240)

    if number == signal.SIGINT:
        assert process.returncode == 130
    end = time.monotonic() + 120
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert not (tmp_path / "out" / "claims.json").exists()
    process.stderr.close()


def test_a_killed_worker_gets_one_line(tmp_path):
    process = reproducing(tmp_path / "out")
    next(line for line in process.stderr if "step" in line)
    for pid in _children(process.pid):
        if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 2
    assert "Traceback" not in said
    assert "a process that trains was killed" in said.splitlines()[-1]
    assert not (tmp_path / "out" / "claims.json").exists()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_every_claim_has_its_parts_and_arms_at_both_scales():
    for name in claims.NAMES:
        module = claims.load(name)
        texts = (module.CLAIM, module.SOURCE, module.PAPER, module.__doc__)
        assert all(isinstance(text, str) and text for text in texts)

        for scale in claims.SCALES:
            arms = module.arms(scale)
            assert len({lab.slug(arm) for arm in arms}) == len(arms)
            assert all(isinstance(config, TrainConfig) for config in arms.values())
            after = getattr(module, "AFTER", {})
            assert all(after[arm] in arms for arm in arms if arm in after)
            assert results.settings(arms, {})["n_neurons"]


def passed(checks):
    return [check.passed for check in checks]


def test_fully_connected_can_fail():
    def rows(**changes):
        good = {
            "accuracy": 1.0,
            "hidden neurons": 50,
            "neighbour mass": 0.99,
            "fully_connected": True,
            "depth": 3,
        }
        good["re-used share"] = 0.0
        bad = good | {"re-used share": 1.0}
        return {"layered": [good, good | changes], fully_connected.CONTROL: [bad, bad]}

    def failing(**changes):
        held = passed(fully_connected.checks(rows(**changes), "paper"))
        return [k for k, holds in enumerate(held) if not holds]

    assert failing() == []
    assert failing(accuracy=0.998) == [0]
    assert failing(**{"hidden neurons": 121}) == [1, 2]
    assert failing(**{"neighbour mass": 0.9}) == [3]
    assert failing(depth=2) == [4]
    assert failing(fully_connected=False) == [4]
    control = rows() | {fully_connected.CONTROL: rows()["layered"]}
    assert not fully_connected.checks(control, "paper")[-1].passed


def test_depth_can_fail():
    def row(n_layers, share):
        return {"hidden layers": n_layers, "re-used share": share}

    def rows(layers=3, reused=0.0, free=0.5):
        measured = {f"I = {d + 1}": [row(d, 0.0)] * 5 for d in depth.DEPTHS}
        measured["I = 4"] = [row(3, 0.0)] * 3 + [row(layers, reused)] * 2
        return measured | {depth.CONTROL: [row(4, free)] * 5}

    assert all(passed(depth.checks(rows(), "paper")))
    assert passed(depth.checks(rows(layers=2), "paper")) == [True, True, False, True, True]
    assert passed(depth.checks(rows(reused=0.2), "paper")) == [True, True, False, True, True]
    assert passed(depth.checks(rows(free=0.0), "paper")) == [True, True, True, True, False]


def test_width_can_fail():
    def rows(living, accuracy):
        return {
            str(k): [{"living hidden neurons": n, "test accuracy": a}]
            for k, (n, a) in enumerate(zip(living, accuracy, strict=True))
        }

    assert passed(width.checks(rows([300, 100, 30], [1.0, 1.0, 0.998]), "paper")) == [True, True]
    assert passed(width.checks(rows([300, 100, 30], [1.0, 1.0, 0.99]), "paper")) == [False, True]
    assert passed(width.checks(rows([300, 30, 40], [1.0, 1.0, 1.0]), "paper")) == [True, False]


def test_counting_over_seeds():
    assert most([True] * 4 + [False])
    assert not most([True] * 3 + [False] * 2)
    assert most([True])
    assert spread([1.0, 3.0, 2.0]) == "2 (1 to 3)"
    assert spread([True, False]) == "1 of 2"
    assert spread([float("nan"), 0.5]) == "0.5"
