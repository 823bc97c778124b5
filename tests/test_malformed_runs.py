"""Bad run folders, bad places to write, and bad arguments in Python.

One line names the culprit, and nothing is lost.
"""

import errno
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import ROOT, SMALL, after, cases, listing
from urn import (
    URN,
    Dataset,
    InputError,
    Penalties,
    TrainConfig,
    load_run,
    register,
    resume,
    train,
    train_population,
)
from urn.cli import main
from urn.loss.penalties import TERMS
from urn.runs.folders import RunFolder
from urn.runs.train import save_run
from urn.training.trainer import Trainer

# ---- run folders


def edit(name: str, change):
    """Damage that rewrites a file's bytes (None takes the file away)."""

    def damage(run: Path) -> None:
        content = change((run / name).read_bytes())
        (run / name).unlink()
        if content is not None:
            (run / name).write_bytes(content)

    return damage


def edit_tensors(name: str, change):
    """Damage that leaves a well-formed .safetensors file of other content."""

    def damage(run: Path) -> None:
        from safetensors import safe_open

        path = next(run.glob(name))
        with safe_open(path, framework="pt") as file:
            about = file.metadata()
        tensors = load_file(path)
        change(tensors, about)
        save_file(tensors, path, about)

    return damage


def grown(name: str):
    """One row too many."""
    return lambda tensors, about: tensors.update(
        {name: torch.cat([tensors[name], tensors[name][:1]])}
    )


def without(name: str):
    return lambda tensors, about: tensors.pop(name)


CHECKPOINT, WEIGHTS, HISTORY = "checkpoint.safetensors", "weights.safetensors", "history.csv"
HALF = lambda content: content[: len(content) // 2]  # noqa: E731
FOREIGN = lambda content: b"%PDF-1.7 and so on" * 20  # noqa: E731
GONE = lambda content: None  # noqa: E731

INTERRUPTED = {  # damage to an interrupted run, seen by --resume
    "config_gone": (edit("config.toml", GONE), "config.toml"),
    "config_empty_value": (edit("config.toml", lambda text: text + b"x ="), "config.toml"),
    "config_unknown_key": (
        edit("config.toml", lambda text: b"colour = 3\n" + text),
        "config.toml: colour",
    ),
    "config_other_size": (
        edit("config.toml", lambda t: t.replace(b"n_neurons = 12", b"n_neurons = 13")),
        CHECKPOINT,
    ),
    "config_other_dtype": (
        edit("config.toml", lambda t: t.replace(b"float32", b"float64")),
        CHECKPOINT,
    ),
    "config_fewer_steps": (
        edit("config.toml", lambda t: t.replace(b"\nsteps = 20", b"\nsteps = 7")),
        CHECKPOINT,
    ),
    "checkpoint_truncated": (edit(CHECKPOINT, HALF), CHECKPOINT),
    "checkpoint_empty": (edit(CHECKPOINT, lambda content: b""), CHECKPOINT),
    "checkpoint_foreign": (edit(CHECKPOINT, FOREIGN), CHECKPOINT),
    "checkpoint_header_huge": (
        edit(CHECKPOINT, lambda content: b"\xff" * 8 + content[8:]),
        CHECKPOINT,
    ),
    "checkpoint_of_something_else": (
        edit_tensors(CHECKPOINT, lambda t, a: (t.clear(), t.update(a=torch.ones(3)))),
        CHECKPOINT,
    ),
    "checkpoint_without_step": (edit_tensors(CHECKPOINT, without("step")), CHECKPOINT),
    "checkpoint_without_moment": (edit_tensors(CHECKPOINT, without("weight.exp_avg")), CHECKPOINT),
    "checkpoint_weights_grown": (edit_tensors(CHECKPOINT, grown("weight")), CHECKPOINT),
    "checkpoint_bias_short": (
        edit_tensors(CHECKPOINT, lambda t, a: t.update(bias=t["bias"][:, 1:].clone())),
        CHECKPOINT,
    ),
    "checkpoint_ids_out_of_range": (
        edit_tensors(CHECKPOINT, lambda t, a: t["ids"].add_(1)),
        CHECKPOINT,
    ),
    "checkpoint_ids_repeated": (
        edit_tensors(CHECKPOINT, lambda t, a: t["ids"][:, 4].sub_(1)),
        CHECKPOINT,
    ),
    "checkpoint_member_out_of_range": (
        edit_tensors(CHECKPOINT, lambda t, a: t["members"].add_(1)),
        CHECKPOINT,
    ),
    "checkpoint_step_negative": (
        edit_tensors(CHECKPOINT, lambda t, a: t["step"].fill_(-1)),
        CHECKPOINT,
    ),
    "checkpoint_weights_nan": (
        edit_tensors(CHECKPOINT, lambda t, a: t["weight"].fill_(torch.nan)),
        CHECKPOINT,
    ),
    "weights_truncated": (edit(WEIGHTS, HALF), WEIGHTS),
    "snapshot_truncated": (
        edit("snapshots/step_00000010.safetensors", HALF),
        "snapshots/step_00000010.safetensors: not a readable",
    ),
    "snapshot_empty": (
        edit("snapshots/step_00000010.safetensors", lambda content: b""),
        "snapshots/step_00000010",
    ),
    "snapshots_a_file": (
        lambda run: (shutil.rmtree(run / "snapshots"), (run / "snapshots").write_text("")),
        "snapshots: not a folder",
    ),
    "history_gone": (edit(HISTORY, GONE), HISTORY),
    "history_foreign": (edit(HISTORY, FOREIGN), HISTORY),
    "history_of_something_else": (edit(HISTORY, lambda content: b"a,b\n1,2\n"), HISTORY),
    "history_ragged": (edit(HISTORY, lambda content: content + b"3,4\n"), HISTORY),
    "history_text": (edit(HISTORY, lambda content: content.replace(b"\n10,", b"\nten,")), HISTORY),
    "history_binary": (edit(HISTORY, lambda content: content + b"\xff\xfe\n"), HISTORY),
    "history_column_gone": (
        edit(HISTORY, lambda content: content.replace(b"R_depth", b"R_dearth")),
        HISTORY,
    ),
    "history_other_layers": (
        edit(HISTORY, lambda content: content.replace(b"living_2", b"living_7")),
        HISTORY,
    ),
}


@cases(INTERRUPTED)
def test_resume_of_a_damaged_run(refused, interrupted_run, given, culprit):
    given(interrupted_run)
    refused(["train", "--resume", "run"], str(Path("run") / culprit))


# Damage to a finished run: load_run sees it, and so does --resume, which has nothing else to do.
FINISHED = {
    "config_gone": (edit("config.toml", GONE), "config.toml"),
    "config_other_size": (
        edit("config.toml", lambda t: t.replace(b"n_neurons = 12", b"n_neurons = 13")),
        WEIGHTS,
    ),
    "weights_truncated": (edit(WEIGHTS, HALF), WEIGHTS),
    "weights_foreign": (edit(WEIGHTS, FOREIGN), WEIGHTS),
    "weights_of_a_snapshot": (
        lambda run: next((run / "snapshots").iterdir()).replace(run / WEIGHTS),
        WEIGHTS,
    ),
    "weights_without_biases": (edit_tensors(WEIGHTS, without("biases")), WEIGHTS),
    "weights_grown": (edit_tensors(WEIGHTS, grown("weights")), WEIGHTS),
    "weights_whole_numbers": (
        edit_tensors(WEIGHTS, lambda t, a: t.update(weights=t["weights"].long())),
        WEIGHTS,
    ),
    "weights_nan": (edit_tensors(WEIGHTS, lambda t, a: t["weights"].fill_(torch.nan)), WEIGHTS),
    "kept_short": (
        edit_tensors(WEIGHTS, lambda t, a: t.update(kept=t["kept"][1:].clone())),
        WEIGHTS,
    ),
    "positions_short": (
        edit_tensors(WEIGHTS, lambda t, a: t.update(positions=torch.zeros(3, 2))),
        WEIGHTS,
    ),
    "accuracy_text": (edit_tensors(WEIGHTS, lambda t, a: a.update(test_accuracy="good")), WEIGHTS),
    "accuracy_above_one": (
        edit_tensors(WEIGHTS, lambda t, a: a.update(test_accuracy="17.0")),
        f"{WEIGHTS}: does not fit config.toml: test_accuracy",
    ),
    "accuracy_infinite": (
        edit_tensors(WEIGHTS, lambda t, a: a.update(test_accuracy="inf")),
        WEIGHTS,
    ),
    "status_of_something_else": (
        edit_tensors(WEIGHTS, lambda t, a: a.update(status="splendid")),
        WEIGHTS,
    ),
    "steps_negative": (edit_tensors(WEIGHTS, lambda t, a: a.update(steps_done="-1")), WEIGHTS),
    "steps_beyond_the_end": (
        edit_tensors(WEIGHTS, lambda t, a: a.update(steps_done="21")),
        f"{WEIGHTS}: does not fit config.toml: steps_done",
    ),
    "mode_unknown": (edit_tensors(WEIGHTS, lambda t, a: a.update(input_mode="telepathy")), WEIGHTS),
    "mode_of_another_run": (
        edit_tensors(WEIGHTS, lambda t, a: a.update(input_mode="elman")),
        f"{WEIGHTS}: does not fit config.toml: input_mode",
    ),
    "inputs_text": (edit_tensors(WEIGHTS, lambda t, a: a.update(n_inputs="two")), WEIGHTS),
    "positions_a_number": (
        edit_tensors(WEIGHTS, lambda t, a: t.update(positions=torch.tensor(1.0))),
        WEIGHTS,
    ),
    "steps_gone": (edit_tensors(WEIGHTS, lambda t, a: a.pop("steps_done")), WEIGHTS),
    "history_foreign": (edit(HISTORY, FOREIGN), HISTORY),
    "history_of_something_else": (edit(HISTORY, lambda content: b"a,b\n1,2\n"), HISTORY),
    "snapshot_truncated": (
        edit("snapshots/step_00000010.safetensors", HALF),
        "snapshots/step_00000010",
    ),
    "snapshot_empty": (
        edit("snapshots/step_00000010.safetensors", lambda content: b""),
        "snapshots/step_00000010",
    ),
    "snapshot_without_ids": (
        edit_tensors("snapshots/*10.safetensors", without("ids")),
        "snapshots/step_00000010",
    ),
    "snapshot_of_another_size": (
        edit_tensors("snapshots/*10.safetensors", lambda t, a: a.update(n_neurons="13")),
        "snapshots/step_00000010",
    ),
    "snapshot_ids_negative": (
        edit_tensors("snapshots/*10.safetensors", lambda t, a: t["ids"].sub_(1)),
        "snapshots/step_00000010",
    ),
    "snapshot_of_a_later_step": (
        edit_tensors("snapshots/*10.safetensors", lambda t, a: a.update(step="21")),
        "snapshots/step_00000010",
    ),
    "snapshot_of_another_dtype": (
        edit_tensors(
            "snapshots/*10.safetensors",
            lambda t, a: t.update(weights=t["weights"].double(), biases=t["biases"].double()),
        ),
        "snapshots/step_00000010",
    ),
    "snapshot_nan": (
        edit_tensors("snapshots/*10.safetensors", lambda t, a: t["weights"].fill_(torch.nan)),
        "snapshots/step_00000010",
    ),
    "snapshot_positions_a_number": (
        edit_tensors(
            "snapshots/*10.safetensors", lambda t, a: t.update(positions=torch.tensor(1.0))
        ),
        "snapshots/step_00000010",
    ),
    "snapshot_grown": (
        edit_tensors("snapshots/*10.safetensors", grown("weights")),
        "snapshots/step_00000010",
    ),
}


@cases(FINISHED)
def test_a_damaged_finished_run(refused, finished_run, given, culprit):
    given(finished_run)
    refused(["train", "--resume", "run", "--quiet"], str(Path("run") / culprit))
    with pytest.raises(InputError, match=culprit):
        load_run("run")


def test_resume_of_a_file(refused, cwd):
    (cwd / "run").write_text("not a folder")
    refused(["train", "--resume", "run"], "run: no such run folder")


def test_resume_of_an_empty_folder(refused, cwd):
    (cwd / "run").mkdir()
    refused(["train", "--resume", "run"], "run/config.toml")


SEALED = ("checkpoint.safetensors", "history.csv", "config.toml", "weights.safetensors")


@pytest.mark.parametrize("name", SEALED)
def test_random_damage(interrupted_run, name):
    """Bytes changed, cut, doubled or moved: a line that names the run, or a run.

    Never another exception, never a warning.
    """
    path, chance = interrupted_run / name, random.Random(5)
    whole, run = path.read_bytes(), listing(interrupted_run)
    refusals = []
    for _ in range(150):
        damaged, at = bytearray(whole), chance.randrange(min(len(whole), 2000))
        match chance.randrange(4):
            case 0:
                damaged[at] = chance.randrange(256)
            case 1:
                del damaged[at : at + chance.randrange(1, 40)]
            case 2:
                damaged[at:at] = damaged[at : at + chance.randrange(1, 40)]
            case 3:
                damaged[at : at + 1] = chance.choice(
                    [b"-", b"9", b"e9", b'"', b"\n", b",", b"nan", b"[", b"\0"]
                )
        path.write_bytes(damaged)
        try:
            store = RunFolder(interrupted_run)
            trainer = Trainer([store.config()])
            if not store.finished():
                store.restore(trainer)
                trainer.run()
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > 50
    assert all(
        str(interrupted_run) in line and "\n" not in line
        for line in refusals
        if name != "config.toml"
    )
    path.write_bytes(whole)
    assert listing(interrupted_run) == run


# ---- where a run cannot be written

SHORT = ["train", "--task", "shells", "--steps", "2", "--n-neurons", "12", "--quiet", "--out"]


def test_out_is_a_run(refused, finished_run):
    refused([*SHORT, "run"], "run: already exists")


def test_out_is_a_file(refused, cwd):
    (cwd / "run").write_text("precious")
    refused([*SHORT, "run"], "run: already exists")


def test_out_lies_below_a_file(refused, cwd):
    (cwd / "file").write_text("precious")
    refused([*SHORT, "file/run"], "file/run")


def test_out_lies_where_nobody_can_write(refused):
    refused([*SHORT, "/proc/urn/run"], "/proc/urn/run")


def test_folders_above_go_too_when_the_run_cannot_be_made(refused, monkeypatch):
    monkeypatch.setattr(Path, "rename", fails_with(errno.ENOSPC))
    refused([*SHORT, "a/b/run"], "a/b/run", os.strerror(errno.ENOSPC))


def test_out_has_a_name_too_long(refused):
    refused([*SHORT, "r" * 5000], "rrr")


def fails_with(number: int):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("call", ["mkdir", "rename", "write_text"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_no_folder_where_it_cannot_be_made(refused, monkeypatch, call, number):
    monkeypatch.setattr(Path, call, fails_with(number))
    refused([*SHORT, "run"], "run", os.strerror(number))


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_what_was_saved_stays_when_the_disk_is_full(
    interrupted_run, monkeypatch, capsys, call, number
):
    """The write fails at its last moment, as when a quota is met; the files there are whole."""
    before = listing(interrupted_run)
    monkeypatch.setattr(
        *((os, "fsync") if call == "fsync" else (Path, "replace")), fails_with(number)
    )
    assert main(["train", "--resume", "run", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("urn: run/")
    assert os.strerror(number) in error
    assert error.count("\n") == 1
    assert listing(interrupted_run) == before
    monkeypatch.undo()
    os.chdir(interrupted_run.parent)
    assert main(["train", "--resume", "run", "--quiet"]) == 0


TENSORBOARDS = {
    "below_a_file": ("small.toml/x", "small.toml/x cannot be written"),
    "a_file": ("small.toml", "small.toml cannot be written"),
    "where_nobody_can_write": ("/proc/x", "/proc/x cannot be written"),
    "dangling_link": ("link", "link cannot be written"),
    "not_text": ("odd\udcff", "must be UTF-8"),
    "null": ("odd\0", "cannot be written"),
    "too_long": ("x" * 4000, "cannot be written"),
}


@cases(TENSORBOARDS)
def test_tensorboard_that_cannot_be_written(refused, cwd, given, culprit):
    """Found before any folder is made, of a new run as of one that goes on."""
    pytest.importorskip("tensorboard")
    (cwd / "small.toml").write_text(SMALL.to_toml())
    (cwd / "link").symlink_to(cwd / "nothing" / "there")
    train(SMALL, cwd / "half", stop=after(12))
    for command in (["small.toml", "--out", "out"], ["--resume", "half"]):
        refused(["train", *command, "--quiet", "--tensorboard", given], "tensorboard: ", culprit)


def test_nothing_of_tensorboard_is_left_of_a_refused_command(refused, finished_run):
    pytest.importorskip("tensorboard")
    refused([*SHORT, "run", "--tensorboard", "logs/of/it"], "run: already exists")


def test_tensorboard_within_the_run(cwd):
    pytest.importorskip("tensorboard")
    (cwd / "small.toml").write_text(SMALL.to_toml())
    argv = ["train", "small.toml", "--out", "run", "--quiet", "--tensorboard", "run/logs"]
    assert main(argv) == 0
    assert list((cwd / "run" / "logs").iterdir())


DEEP = "/".join(["x" * 99] * 60)
"""Longer than a path may be; its first 4,070 characters are not, but with a snapshot's file are."""


@pytest.mark.parametrize("name", ["x" * 4000, DEEP[:4070], DEEP, "a\0b"])
def test_a_path_that_cannot_be(refused, cwd, name):
    """4,000 characters: one line for every use of it, on the command line as in Python."""
    for argv in ([*SHORT, name], ["train", "--resume", name], [*SHORT, "run", "--start", name]):
        refused([*argv, "--quiet"])
    uses = (
        lambda: train(SMALL, name),
        lambda: resume(name),
        lambda: load_run(name),
        lambda: save_run(train(SMALL.replace(steps=1)), name),
    )
    for use in uses:
        with pytest.raises(InputError):
            use()


# ---- the same through a real process

REAL = {
    "flag": (["train", "--steps", "many"], "steps"),
    "file": (["train", "nowhere.toml"], "nowhere.toml"),
    "run": (["train", "--resume", "nowhere"], "nowhere"),
    "device": (["train", "--device", "cuda:7"], "device"),
    "name_that_is_not_text": (["train", b"\xff\xfe.toml"], "no such file"),
    "out_that_is_not_text": ([*SHORT, b"r\xff"], "must be UTF-8"),
}


@cases(REAL)
def test_real_process(cwd, given, culprit):
    done = urn(given, cwd)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("urn: ")
    assert culprit in done.stderr
    assert done.stderr.count("\n") == 1
    assert listing(cwd) == {}


def test_output_that_cannot_be_written(cwd):
    """By then the run is safe."""
    with Path("/dev/full").open("w") as full:
        done = urn([*SHORT, "run"], cwd, stdout=full)
    assert done.stderr.startswith("urn: output: No space left on device")
    assert "Traceback" not in done.stderr
    assert load_run("run").status in ("ok", "disconnected")


def urn(arguments: list, folder: Path, stdout=subprocess.PIPE) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "urn", *arguments],
        cwd=folder,
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )


# ---- the Python API


def dataset(**changes) -> Dataset:
    """A data set of 16 points with two inputs and two classes, with some fields changed."""
    part = (torch.rand(16, 2), torch.arange(16) % 2)
    return Dataset(**({"train": part, "validation": part, "test": part, "n_outputs": 2} | changes))


SQUARE = torch.rand(16, 2)
NET = URN(6, 2, 2, 3)

API = {
    "config_unknown_field": (lambda: TrainConfig(stepz=3), "stepz"),
    "config_wrong_type": (lambda: TrainConfig(strengths=[1]), "strengths"),
    "config_replace": (lambda: TrainConfig().replace(steps=-1), "steps"),
    "urn_no_inputs": (lambda: URN(10, 0, 2, 3), "n_inputs"),
    "urn_too_small": (lambda: URN(3, 2, 2, 3), "n_neurons"),
    "urn_fraction": (lambda: URN(10.5, 2, 2, 3), "n_neurons"),
    "urn_text": (lambda: URN(10, "two", 2, 3), "n_inputs"),
    "urn_none": (lambda: URN(10, 2, None, 3), "n_outputs"),
    "urn_no_iterations": (lambda: URN(10, 2, 2, 0), "n_iterations"),
    "urn_no_population": (lambda: URN(10, 2, 2, 3, population=0), "population"),
    "urn_activation": (lambda: URN(10, 2, 2, 3, activation="gelu"), "activation"),
    "urn_input_mode": (lambda: URN(10, 2, 2, 3, input_mode="drip"), "input_mode"),
    "urn_generators": (
        lambda: URN(10, 2, 2, 3, population=3, generator=[torch.Generator()]),
        "generator",
    ),
    "urn_seed_for_generator": (lambda: URN(10, 2, 2, 3, generator=3), "generator"),
    "urn_dtype": (lambda: URN(10, 2, 2, 3, dtype=torch.int64), "dtype"),
    "x_width": (lambda: NET(torch.rand(4, 3)), "x:"),
    "x_vector": (lambda: NET(torch.rand(2)), "x:"),
    "x_dtype": (lambda: NET(torch.rand(4, 2).double()), "x:"),
    "x_numpy": (lambda: NET(np.zeros((4, 2))), "x:"),
    "x_population": (lambda: NET(torch.rand(3, 4, 2)), "x:"),
    "state_without_stream": (lambda: NET.unroll(torch.rand(4, 2), torch.rand(1, 4, 6)), "state"),
    "state_shape": (
        lambda: URN(6, 2, 2, 3, input_mode="stream").unroll(
            torch.rand(4, 3, 2), torch.rand(1, 4, 5)
        ),
        "state",
    ),
    "penalty_unknown": (lambda: Penalties({"wait": 1.0}), "strengths.wait"),
    "penalty_text": (lambda: Penalties({"weight": "strong"}), "strengths.weight"),
    "penalty_negative": (lambda: Penalties({"weight": -1.0}), "strengths.weight"),
    "penalty_nan": (lambda: Penalties({"weight": float("nan")}), "strengths.weight"),
    "penalty_tensor_negative": (
        lambda: Penalties({"weight": torch.tensor([1.0, -1.0])}),
        "strengths.weight",
    ),
    "penalty_wrong_population": (lambda: prices({"weight": torch.ones(3)}), "strengths.weight"),
    "penalty_matrix": (lambda: Penalties({"weight": torch.ones(6, 6)}), "strengths.weight"),
    "penalty_needs_positions": (lambda: prices({"locality": 1.0}), "strengths.locality"),
    "penalty_needs_lattice": (lambda: prices({"symmetry": 1.0}), "strengths.symmetry"),
    "register_shrinks": (lambda: register("mine", shrinks="activity"), "shrinks"),
    "register_name": (lambda: register(""), "name"),
    "register_price_without_shrinks": (
        lambda: register("mine", price=lambda net, settings: net.weight),
        "price",
    ),
    "register_no_function": (lambda: register("mine")(3), "mine"),
    "register_taken": (
        lambda: register("weight")(lambda net, activity, settings: net.bias.sum(1)),
        "weight",
    ),
    "train_not_a_configuration": (lambda: train({"task": "shells"}), "config"),
    "train_population_empty": (lambda: train_population([]), "configs"),
    "train_population_mixed": (
        lambda: train_population([SMALL, SMALL.replace(batch_size=3)]),
        "batch_size",
    ),
    "data_foreign": (lambda: train(SMALL, data=(SQUARE, SQUARE)), "data"),
    "data_nan": (lambda: dataset(train=(SQUARE * torch.nan, torch.arange(16) % 2)), "train"),
    "data_label_out_of_range": (lambda: dataset(test=(SQUARE, torch.arange(16) % 3)), "test"),
    "data_label_negative": (lambda: dataset(test=(SQUARE, torch.arange(16) % 2 - 1)), "test"),
    "data_labels_fractions": (lambda: dataset(train=(SQUARE, torch.rand(16))), "train"),
    "data_empty": (lambda: dataset(validation=(SQUARE[:0], torch.arange(0))), "validation"),
    "data_lengths": (lambda: dataset(train=(SQUARE, torch.arange(15) % 2)), "train"),
    "data_widths": (lambda: dataset(test=(torch.rand(16, 3), torch.arange(16) % 2)), "test"),
    "data_targets_width": (
        lambda: dataset(train=(SQUARE, torch.rand(16, 3)), kind="regression"),
        "train",
    ),
    "data_kind": (lambda: dataset(kind="ranking"), "kind"),
    "data_positions": (lambda: dataset(positions=torch.rand(3, 2)), "positions"),
    "data_sites": (lambda: dataset(sites=(3,)), "sites"),
    "load_nothing": (lambda: load_run("nowhere"), "nowhere"),
    "resume_nothing": (lambda: resume("nowhere"), "nowhere"),
}


def prices(strengths: dict) -> torch.Tensor:
    return Penalties(strengths)(NET, NET.unroll(torch.rand(4, 2))[1])


@cases(API)
def test_python(cwd, given, culprit):
    with pytest.raises(InputError, match=culprit) as caught:
        given()
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


TERM = {
    "number": lambda net, activity, settings: 3.0,
    "one_number_for_all": lambda net, activity, settings: net.weight.sum(),
    "matrix": lambda net, activity, settings: net.weight[0],
    "nothing": lambda net, activity, settings: None,
}


@pytest.mark.parametrize("value", TERM.values(), ids=TERM)
def test_a_term_of_the_users_own_that_returns_something_else(monkeypatch, value):
    monkeypatch.delitem(TERMS, "mine", raising=False)
    register("mine")(value)
    with pytest.raises(InputError, match=r"strengths.mine: .*\(K,\)"):
        prices({"mine": 1.0})
    TERMS.pop("mine")


def test_a_price_of_the_users_own_of_another_shape():
    register("mine", shrinks="weight", price=lambda net, settings: torch.ones(5))(
        lambda net, activity, settings: net.bias.sum(1)
    )
    try:
        with pytest.raises(InputError, match=r"strengths.mine: .*price"):
            Penalties({"mine": 1.0}).price("weight", NET)
    finally:
        TERMS.pop("mine")


def test_drafts_are_not_left_behind(finished_run):
    assert not list(finished_run.rglob(".*"))
    assert RunFolder(finished_run).finished()
