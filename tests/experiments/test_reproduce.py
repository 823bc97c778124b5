"""`urn reproduce`: claims can fail, nothing is trained twice, what others wrote stays, wrong words get one line."""

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
        arms=lambda scale: {"one way": small(), "another": small(strengths={"weight": 1e-3})},
        measure=measure,
        checks=lambda measured, scale: [
            Check("learns", spread(column(measured["one way"], "test accuracy")), "> 0", True)
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
    folder = tmp_path / "toy" / "one_way" / "seed-101"
    before = (folder / "weights.safetensors").stat().st_mtime_ns
    second = perform(toy, tmp_path)
    assert first == second
    assert len(toy.calls) == 4
    assert (folder / "weights.safetensors").stat().st_mtime_ns == before
    run = load_run(folder)
    assert (run.config.seed, len(run.snapshots), len(run.history)) == (101, 2, 3)


def test_a_run_of_another_configuration_or_half_a_run_is_made_anew(toy, tmp_path):
    perform(toy, tmp_path, [100])
    folder = tmp_path / "toy" / "one_way" / "seed-100"
    (folder / "weights.safetensors").unlink()  # as a kill between two files leaves it
    toy.arms = lambda scale: {"one way": small(), "another": small(steps=40)}
    rows = perform(toy, tmp_path, [100])
    assert load_run(folder).steps_done == 60
    assert load_run(tmp_path / "toy" / "another" / "seed-100").steps_done == 40
    assert rows["another"][0]["status"] == "ok"


def test_what_goes_on_from_a_run_follows_it(toy, tmp_path):
    """The later phase starts from the weights of the earlier one, and is trained again when that was."""
    toy.AFTER = {"another": "one way"}
    perform(toy, tmp_path, [100])
    earlier, later = (
        load_run(tmp_path / "toy" / arm / "seed-100") for arm in ("one_way", "another")
    )
    alone = train(later.config, start=earlier)
    torch.testing.assert_close(later.weights, alone.weights, rtol=0, atol=0)
    toy.arms = lambda scale: {
        "one way": small(steps=40),
        "another": small(strengths={"weight": 1e-3}),
    }
    perform(toy, tmp_path, [100])
    assert not torch.equal(
        load_run(tmp_path / "toy" / "another" / "seed-100").weights, later.weights
    )
    assert len(toy.calls) == 4


def test_measurements_are_made_anew_when_the_code_changes(toy, tmp_path, monkeypatch):
    perform(toy, tmp_path, [100])
    monkeypatch.setattr(lab, "code_of", lambda claim: "other code")
    perform(toy, tmp_path, [100])
    assert len(toy.calls) == 4


def test_what_draws_does_not_measure():
    """A change in DRAWS makes nothing stale: no module that measures imports from there."""
    code = "import analysis, experiments.commands.judging, sys; print(*(name for name in sys.modules if name.startswith('analysis.')))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "analysis.verdicts.recurrent" in loaded
    assert not [name for name in loaded if name.split(".")[1] in lab.DRAWS]


def test_stopping_leaves_no_run_of_a_population_behind(toy, tmp_path):
    job = lab.jobs_of("toy", "quick", [100], tmp_path)[0]
    assert lab.perform(job, stop=lambda: True) is None
    assert not job.folders[0].exists()


def test_the_store_replaces_by_name_and_escapes(toy, tmp_path):
    store = results.Store(tmp_path)
    rows = {
        arm: dict(zip((100,), found, strict=True))
        for arm, found in perform(toy, tmp_path / "runs", [100]).items()
    }
    entry = reproduce.conclude("toy", "quick", [100], rows, tmp_path / "runs", store)
    assert set(results.KEYS) == set(entry)
    other = entry | {
        "name": "depth",
        "passed": False,
        "ours": entry["ours"]
        | {"measured": {arm: [{"x": float("nan"), "seconds": 1.0}] for arm in rows}},
    }
    store.put(other, {}, "story")
    store.put(entry, {}, "again")
    store.write_page()
    assert [one["name"] for one in store.entries()] == ["depth", "toy"]
    assert (
        json.loads((tmp_path / "claims.json").read_text())[0]["ours"]["measured"]["another"][0]["x"]
        is None
    )
    page = (tmp_path / "index.html").read_text()
    assert "it &lt;i&gt;learns&lt;/i&gt;" in page
    assert "<i>" not in page
    results.write_docs(store, tmp_path / "docs")
    text = (tmp_path / "docs" / "results.md").read_text()
    kept = json.loads((tmp_path / "docs" / "claims.json").read_text())[1]["ours"]["measured"][
        "one way"
    ][0]
    assert set(kept) == {"status", "test accuracy", "good", "seconds"}
    assert "## toy" in text
    assert "again" in text
    assert "**no**" in text
    assert not list(tmp_path.rglob(".*.draft"))


def test_the_documentation_keeps_claims_that_a_results_folder_lacks(toy, tmp_path):
    rows = {
        arm: dict(zip((100,), found, strict=True))
        for arm, found in perform(toy, tmp_path / "runs", [100]).items()
    }
    older, newer, docs = (
        results.Store(tmp_path / "older"),
        results.Store(tmp_path / "newer"),
        tmp_path / "docs",
    )
    entry = reproduce.conclude("toy", "quick", [100], rows, tmp_path / "runs", older)
    older.put(entry | {"name": "depth"}, {"curve": Figure()}, "kept")
    results.write_docs(older, docs)
    maps = {f"arm {k}": [{"seconds": 30.0, "x": k}] for k in range(results.MOST_ARMS + 1)}
    newer.put(
        entry | {"name": "phase_map", "ours": entry["ours"] | {"measured": maps}},
        {"map": Figure()},
        "new",
    )
    for _ in range(2):  # the second time from what the first has written
        results.write_docs(newer, docs)
        text = (docs / "results.md").read_text()
        assert [text.count(f"## {name}\n") for name in ("depth", "phase_map", "toy")] == [1, 1, 1]
        assert "16 minutes of training" in text
        assert "31 kinds of networks: too many for tables." in text
        assert {path.name for path in (docs / "figures" / "claims").iterdir()} == {
            "depth-curve.png",
            "phase_map-map.png",
        }
        newer = results.Store(tmp_path / "newest")  # which holds nothing


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
    """A process that hears Ctrl-C, which one begun in a shell's background does not, and that has work for minutes."""
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
        assert all(
            isinstance(text, str) and text
            for text in (module.CLAIM, module.SOURCE, module.PAPER, module.__doc__)
        )
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

    assert all(passed(fully_connected.checks(rows(), "paper")))
    assert passed(fully_connected.checks(rows(accuracy=0.998), "paper")) == [
        False,
        True,
        True,
        True,
        True,
        True,
    ]
    assert passed(fully_connected.checks(rows(**{"hidden neurons": 121}), "paper")) == [
        True,
        False,
        False,
        True,
        True,
        True,
    ]
    assert passed(fully_connected.checks(rows(**{"neighbour mass": 0.9}), "paper")) == [
        True,
        True,
        True,
        False,
        True,
        True,
    ]
    assert passed(fully_connected.checks(rows(depth=2), "paper")) == [
        True,
        True,
        True,
        True,
        False,
        True,
    ]
    assert passed(fully_connected.checks(rows(fully_connected=False), "paper")) == [
        True,
        True,
        True,
        True,
        False,
        True,
    ]
    control = rows() | {fully_connected.CONTROL: rows()["layered"]}
    assert not fully_connected.checks(control, "paper")[-1].passed


def test_depth_can_fail():
    def rows(layers=3, reused=0.0, free=0.5):
        made = lambda depth, share: {"hidden layers": depth, "re-used share": share}  # noqa: E731
        found = {f"I = {d + 1}": [made(d, 0.0)] * 5 for d in depth.DEPTHS}
        found["I = 4"] = [made(3, 0.0)] * 3 + [made(layers, reused)] * 2
        return found | {depth.CONTROL: [made(4, free)] * 5}

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
