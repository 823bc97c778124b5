"""`urn train --data`: the short way to a run on a user's own file."""

import numpy as np
import pytest

from urn import load_run
from urn.cli import main

SHORT = ["--steps", "20", "--n-neurons", "20", "--quiet"]


@pytest.fixture
def table(cwd):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    species = np.where(X[:, 0] > 0, "rose", "lily")
    rows = "\n".join(f"{a},{b},{c},{s}" for (a, b, c), s in zip(X, species, strict=True))
    (cwd / "mine.csv").write_text(f"a,b,c,species\n{rows}\n")
    np.savez(cwd / "mine.npz", X=X, y=X[:, 0] * 2 + 0.5)
    return cwd


def test_a_table_with_its_target(table):
    assert main(["train", "--data", "mine.csv", "--target", "species", *SHORT]) == 0
    run = load_run("runs/mine-0")
    assert run.config.task == "file"
    assert run.config.task_options == {"path": "mine.csv", "target": "species"}
    assert (run.n_inputs, run.n_outputs) == (3, 2)


def test_arrays_and_other_options(table):
    assert (
        main(
            [
                "train",
                "--data",
                "mine.npz",
                "--task-options.standardise",
                "false",
                "--out",
                "here",
                *SHORT,
            ]
        )
        == 0
    )
    assert load_run("here").config.task_options == {"standardise": False, "path": "mine.npz"}


def test_bad_input_is_one_line(table, refused):
    refused(["train", "--data", "none.csv", *SHORT], "none.csv")
    refused(["train", "--data", "mine.csv", *SHORT], "no column 'y'")
    refused(["train", "--target", "species"], "--target")
    refused(["train", "--data", "mine.csv", "--task", "digits"], "--data")
    refused(
        ["train", "--data", "mine.npz", "--target", "y", *SHORT],
        "--target: names a column of a .csv",
    )
    refused(
        ["train", "--data", "mine.csv", "--task-options.path", "other.csv", *SHORT],
        "task_options.path",
    )
    refused(
        ["train", "--data", "mine.csv", "--target", "a", "--task-options.target", "b", *SHORT],
        "task_options.target",
    )
    pytest.importorskip("tensorboard")
    refused(
        ["train", "--data", "mine.npz", "--tensorboard", "mine.csv", *SHORT],
        "tensorboard: mine.csv is not a folder",
    )
    refused(["train", "--resume", "here", "--data", "mine.csv"], "--resume")


@pytest.mark.parametrize(
    "command", [["inspect", "here", "--html"], ["export", "here", "--to", "torch"]]
)
def test_a_table_that_changed_its_size_is_no_longer_the_runs(table, refused, command):
    assert (
        main(["train", "--data", "mine.csv", "--target", "species", "--out", "here", *SHORT]) == 0
    )
    whole = (table / "mine.csv").read_text()
    (table / "mine.csv").write_text(
        "".join(line.partition(",")[2] for line in whole.splitlines(keepends=True))
    )
    refused(command, "mine.csv: 2 inputs and 2 outputs, where the network has 3 and 2")
    (table / "mine.csv").write_text(whole.replace("rose", "tulip", 1))
    refused(command, "mine.csv: 3 inputs and 3 outputs, where the network has 3 and 2")
