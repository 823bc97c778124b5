"""`urn reproduce`: claims of other packages, wrong words, cuts and killed workers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import results
from urn import InputError
from urn.cli import main

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
        (["nonsense"], "nonsense: no such claim; there are atlas, fully_connected"),
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
