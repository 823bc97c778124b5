"""Provenance is written beside a run, never fails, changes no weight; inspect says what differs."""

import json
import subprocess
import sys

import pytest
import torch

from tests.conftest import SMALL, after
from urn import provenance as module
from urn import resume, train
from urn.cli import main
from urn.provenance import changes, checkout, differences, provenance, read_records

# Every fact of a record.
FACTS = {
    "urn",
    "python",
    "torch",
    "numpy",
    "numba",
    "blas",
    "processor",
    "threads",
    "blas_threads",
    "gpu",
    "command",
    "time",
    "commit",
    "dirty",
}


def test_the_facts_are_those_of_this_process(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["urn", "train", "--out", "a b"])
    record = provenance()

    assert set(record) == FACTS
    assert record["torch"] == torch.__version__
    assert record["threads"] == torch.get_num_threads()
    assert "openblas" in record["blas"] or "mkl" in record["blas"]
    assert record["command"] == "urn train --out 'a b'"
    assert record["time"].endswith("+00:00")
    assert json.loads(json.dumps(record)) == record


def test_what_cannot_be_had_is_none(monkeypatch):
    def broken(*_):
        raise RuntimeError

    for name in ("version", "threadpool_info", "_processor"):
        monkeypatch.setattr(module, name, broken)
    monkeypatch.delattr(sys, "argv")
    record = provenance()
    for name in ("urn", "numpy", "blas", "blas_threads", "processor", "command"):
        assert record[name] is None


def git(folder, *words):
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True)


def test_the_commit_of_a_checkout(tmp_path, monkeypatch):
    """The commit that git names; dirty once a tracked file is; None without checkout or git."""
    assert checkout(tmp_path / "none") == (None, None)

    clean, changed, lost = (tmp_path / name for name in ("clean", "changed", "lost"))
    for folder in (clean, changed, lost):
        folder.mkdir()
        git(folder, "init")
        (folder / "a.txt").write_text("a")
        git(folder, "add", ".")
        git(folder, "commit", "-m", "a")
    (clean / "untracked.txt").write_text("b")
    (changed / "a.txt").write_text("b")

    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))  # as in a hook
    assert [len(checkout(clean)[0]), checkout(clean)[1]] == [40, False]
    assert checkout(changed)[1] is True
    monkeypatch.setenv("PATH", "")
    assert checkout(lost) == (None, None)


def test_differences_leave_out_the_moment_and_the_unknown():
    before = {"torch": "2.6", "time": "then", "command": "a", "gpu": None, "commit": "1", "old": 1}
    now = {"torch": "2.7", "time": "now", "command": "b", "gpu": "H100", "commit": "1", "new": 2}
    assert differences(before, now) == {"torch": ("2.6", "2.7")}
    changed = differences(before | {"dirty": False}, now | {"dirty": True, "torch": "2.6"})
    assert changed == {"commit": ("1", "1 with changes")}


def test_a_run_folder_holds_a_record_of_every_process(tmp_path):
    """Weights are the same bits with another record beside them."""
    whole = train(SMALL, tmp_path / "whole")
    train(SMALL, tmp_path / "broken", stop=after(12))
    broken = resume(tmp_path / "broken")
    resume(tmp_path / "broken")  # is complete: nothing is trained

    assert torch.equal(whole.weights, broken.weights)
    assert len(read_records(tmp_path / "whole")) == 1
    assert len(read_records(tmp_path / "broken")) == 2


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"torch": "1"}', "3"])
def test_an_unreadable_record_ends_nothing(text, tmp_path):
    train(SMALL, tmp_path / "run", stop=after(12))
    (tmp_path / "run" / "provenance.json").write_text(text)
    (line,) = changes(tmp_path / "run")
    assert "provenance.json" in line
    assert resume(tmp_path / "run").status == "ok"
    assert len(read_records(tmp_path / "run")) == 1


def test_inspect_tells_what_differs(finished_run, capsys):
    assert main(["inspect", str(finished_run), "--nulls", "200"]) == 0
    assert "when it was trained" not in capsys.readouterr().out

    path = finished_run / "provenance.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps([records[0] | {"torch": "2.0", "processor": "a 6502"}]))
    assert main(["inspect", str(finished_run), "--nulls", "200"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "when it was trained" in line]
    assert lines[0] == f"torch: 2.0 when it was trained, {torch.__version__} now"
    assert lines[1].startswith("processor: a 6502 when it was trained")
    assert len(lines) == 2

    path.unlink()  # as in a run of version 0.1
    assert main(["inspect", str(finished_run), "--nulls", "200"]) == 0
