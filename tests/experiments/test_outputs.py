"""No output destroys anything: what is owned is refused, what is there asks for --force.

What cannot be written is found before any work.
"""

import os
import shutil
import subprocess
import sys

import pytest

from experiments.sweeps.plan import make_plan
from experiments.sweeps.store import Store
from tests.conftest import ROOT
from tests.experiments.test_sweeps import sweep, text
from urn.cli import main
from urn.errors import InputError
from urn.io import atomic_write, create_folder
from urn.outputs import check_file


@pytest.fixture
def store(cwd):
    Store.create(cwd / "s", make_plan(sweep())).db.close()
    return cwd / "s"


OWNED = [
    ["--to", "torch", "--out", "run/weights.py"],
    ["--to", "torch", "--out", "run/checkpoint.py"],
    ["--to", "json", "--out", "run/structure.json"],
    ["--to", "json", "--out", "run/provenance.json", "--force"],
    ["--to", "json", "--out", "run/snapshots/mine.json"],
    ["--to", "torch", "--out", "run/snapshots/../weights.py"],
    ["--to", "torch", "--out", "link/weights.py"],
    ["--to", "torch", "--out", "run/weights.py", "--force"],
]


@pytest.mark.parametrize("words", OWNED, ids=" ".join)
def test_what_a_run_owns_is_no_output(words, finished_run, refused, cwd):
    (cwd / "link").symlink_to(finished_run)
    refused(["export", "run", *words], "belongs to a run")


@pytest.mark.parametrize("name", ["sweep.sqlite", "sweep.sqlite-wal", "runs/x.csv", "index.html"])
def test_what_a_sweep_owns_is_no_output(name, store, refused):
    refused(["sweep", "table", "s", "--out", f"s/{name}"], "belongs to a sweep")
    refused(["sweep", "table", "s", "--out", f"s/{name}", "--force"], "belongs to a sweep")
    refused(["sweep", "s", "--to", "csv", "--out", f"s/{name}"], "belongs to a sweep")
    refused(["train", "--steps", "5", "--out", f"s/{name}"], "belongs to a sweep")


def test_a_run_of_a_sweep_may_be_exported_beside_its_weights(store, finished_run, capsys):
    shutil.copytree(finished_run, store / "runs" / "000000")
    assert main(["export", str(store / "runs" / "000000"), "--to", "json"]) == 0
    assert (store / "runs/000000/export/network.json").is_file()


def test_an_existing_file_asks_for_force(finished_run, store, refused, cwd, capsys):
    (cwd / "mine.npz").write_bytes(b"mine")
    (cwd / "mine.csv").write_bytes(b"mine")
    export = ["export", "run", "--to", "npz", "--out", "mine.npz"]
    table = ["sweep", "table", "s", "--out", "mine.csv"]
    for command in (export, table):
        refused(command, "exists already; --force overwrites it")
        assert main([*command, "--force"]) == 0
    assert (cwd / "mine.npz").read_bytes() != b"mine"
    assert (cwd / "mine.csv").read_bytes() != b"mine"
    assert main(["sweep", "table", "s"]) == main(["sweep", "table", "s"]) == 0


def test_a_device_is_not_replaced_forced_or_not(finished_run, refused, cwd):
    """Written over by a renaming, as all files are, it would be a device no more."""
    os.mkfifo(cwd / "pipe.json")
    for words in ([], ["--force"]):
        refused(["export", "run", "--to", "json", "--out", "pipe.json", *words], "no ordinary file")


def test_a_link_to_nowhere_is_there_already(finished_run, refused, cwd):
    (cwd / "out.json").symlink_to(cwd / "nowhere")
    refused(["export", "run", "--to", "json", "--out", "out.json"], "exists already")


def test_a_planted_link_is_not_followed(cwd, monkeypatch):
    (cwd / "victim").write_text("mine")
    for name in (".out.json.draft", "out.json"):
        (cwd / name).symlink_to(cwd / "victim")
    atomic_write(cwd / "out.json", "ours")
    assert (cwd / "victim").read_text() == "mine"
    assert (cwd / "out.json").read_text() == "ours"
    assert not (cwd / "out.json").is_symlink()

    monkeypatch.setattr("urn.io.secrets.token_hex", lambda n: "known")
    monkeypatch.setattr("urn.io._mark_of", lambda path: ".mark")
    (cwd / ".markknown.draft").symlink_to(cwd / "victim")
    with pytest.raises(InputError, match="cannot be written"):
        atomic_write(cwd / "out.json", "again")
    assert (cwd / "victim").read_text() == "mine"
    assert (cwd / ".markknown.draft").is_symlink()


@pytest.mark.parametrize("maker", ["atomic_write", "create_folder"])
def test_the_draft_of_a_killed_process_goes_with_the_next_that_writes_there(maker, cwd):
    """But not that of a process that is at work, nor a file of the user's of a similar name."""
    script = (
        "import time, urn.io;"
        f"urn.io.{maker}('out', lambda path: print(path, flush=True) or time.sleep(60))"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    draft = cwd / process.stdout.readline().strip()
    (cwd / ".out.draft").write_text("mine")
    write = {"atomic_write": lambda: atomic_write("out", "x"), "create_folder": new_folder}[maker]
    try:
        write()
        assert draft.exists()
    finally:
        process.kill()
        process.communicate()

    assert draft.exists()
    write()
    assert {path.name for path in cwd.iterdir()} == {"out", ".out.draft"}


def new_folder():
    shutil.rmtree("out", ignore_errors=True)
    create_folder("out", lambda draft: (draft / "x").touch())


def no_work(*_, **__):
    raise AssertionError("work was begun")


def test_what_cannot_be_written_is_found_before_any_work(finished_run, refused, cwd, monkeypatch):
    for name in ("experiments.commands.judging.analyse", "urn.runs.train.Trainer.run"):
        monkeypatch.setattr(name, no_work)
    (cwd / "f").write_text("a file")
    (cwd / "q.toml").write_text("seeds = 1\n[grid]\nn_iterations = [2]\n")
    refused(["export", "run", "--to", "json", "--out", "f/x.json"], "f", "ot a directory")
    refused(["export", "run", "--to", "json", "--out", "/proc/x.json"], "/proc/x.json")
    refused(["export", "run", "--to", "json", "--out", f"{'x' * 300}.json"], "name too long")
    refused(["sweep", "run", "q.toml", "--out", "f/x"], "f/x cannot be written")
    refused(["sweep", "run", "q.toml", "--out", "/proc/x"], "/proc/x cannot be written")
    prune = ["prune", "run", "--criterion", "obd", "--keep", "0.5"]
    refused([*prune, "--out", "f/x"], "f/x cannot be written")
    refused([*prune, "--out", "."], "--out: .")
    refused(["reproduce", "width", "--out", "/proc/x"], "/proc/x cannot be written")
    refused(["reproduce", "width", "--out", "f/x"], "f/x cannot be written")
    (finished_run / "figures").write_text("a file")
    refused(["inspect", "run", "--figures"], "--figures: run/figures is not a folder")


def test_a_path_that_is_too_long_for_a_database_is_refused(refused, cwd):
    (cwd / "q.toml").write_text(text())
    for n in (6, 20, 39):
        refused(["sweep", "run", "q.toml", "--out", "/".join(["x" * 99] * n)], "cannot be written")


def test_a_folder_for_tensorboard_that_cannot_be_is_refused(refused, cwd):
    pytest.importorskip("tensorboard")
    (cwd / "f").write_text("a file")
    refused(["train", "--steps", "5", "--out", "r", "--tensorboard", "f/x"], "f/x")


def test_what_is_owned_is_no_folder_for_tensorboard(finished_run, store, refused):
    pytest.importorskip("tensorboard")
    train = ["train", "--steps", "5", "--out", "r", "--tensorboard"]
    refused([*train, "run/snapshots"], "--tensorboard: run/snapshots belongs to a run")
    refused([*train, "s/runs"], "--tensorboard: s/runs belongs to a sweep")


def test_a_name_that_standard_output_lacks_a_letter_of_is_printed(finished_run, cwd):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "urn", "export", "run", "--to", "json", "--out", "né.json"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert b"n\\xe9.json" in ended.stdout
    assert (cwd / "né.json").is_file()


def test_a_name_that_is_no_utf8_is_refused(cwd):
    with pytest.raises(InputError, match="must be UTF-8"):
        check_file(cwd / os.fsdecode(b"\xff.json"))
