"""Bad input: one line that names the culprit, exit status 2, no traceback, nothing written. Never a wrong run instead."""

import errno
import gzip
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import ROOT, SMALL, listing
from urn import URN, Dataset, InputError, Penalties, TrainConfig, load_run, register, resume, train, train_population
from urn.cli import main
from urn.penalties import TERMS
from urn.runs import RunFolder
from urn.training import Trainer

HUGE = "9" * 400


def cases(table: dict):
    """Turn {name: (input, culprit)} into named parameters."""
    return pytest.mark.parametrize(("given", "culprit"), table.values(), ids=table.keys())


# ---- flags

FLAGS = {
    "no_command": ([], "COMMAND"),
    "unknown_command": (["trian"], "trian"),
    "unknown_flag": (["train", "--stepz", "3"], "--stepz"),
    "abbreviated_flag": (["train", "--step", "3"], "--step"),
    "missing_value": (["train", "--steps"], "--steps"),
    "value_for_a_switch": (["train", "--quiet=3"], "--quiet"),
    "two_configurations": (["train", "a.toml", "b.toml"], "b.toml"),
    "steps_text": (["train", "--steps", "many"], "steps"),
    "steps_fraction": (["train", "--steps", "1.5"], "steps"),
    "steps_negative": (["train", "--steps", "-1"], "steps"),
    "steps_empty": (["train", "--steps", ""], "steps"),
    "steps_list": (["train", "--steps", "[1, 2]"], "steps"),
    "steps_true": (["train", "--steps", "true"], "steps"),
    "steps_huge": (["train", "--steps", HUGE], "steps"),
    "steps_longer_than_python_reads": (["train", "--steps", "9" * 5000], "steps"),
    "warmup_huge": (["train", "--strengths.weight", f"{{value = 1, warmup = {HUGE}}}"], "strengths.weight.warmup"),
    "value_nested_too_deep": (["train", "--steps", "[" * 100_000], "steps"),
    "neurons_zero": (["train", "--n-neurons", "0"], "n_neurons"),
    "neurons_too_few_for_the_task": (["train", "--n-neurons", "20"], "n_neurons"),
    "neurons_huge": (["train", "--n-neurons", "1e9"], "n_neurons"),
    "neurons_more_than_memory": (["train", "--n-neurons", "100000"], "n_neurons"),
    "iterations_zero": (["train", "--n-iterations", "0"], "n_iterations"),
    "batch_size_zero": (["train", "--batch-size", "0"], "batch_size"),
    "check_every_zero": (["train", "--check-every", "0"], "check_every"),
    "log_every_zero": (["train", "--log-every", "0"], "log_every"),
    "snapshots_negative": (["train", "--snapshots", "-3"], "snapshots"),
    "seed_negative": (["train", "--seed", "-1"], "seed"),
    "seed_huge": (["train", "--seed", str(2**63)], "seed"),
    "learning_rate_text": (["train", "--learning-rate", "fast"], "learning_rate"),
    "learning_rate_negative": (["train", "--learning-rate=-1e-3"], "learning_rate"),
    "learning_rate_nan": (["train", "--learning-rate", "nan"], "learning_rate"),
    "learning_rate_inf": (["train", "--learning-rate", "inf"], "learning_rate"),
    "learning_rate_overflow": (["train", "--learning-rate", "1e400"], "learning_rate"),
    "learning_rate_beyond_float32": (["train", "--learning-rate", "1e300"], "learning_rate"),
    "epsilon_zero": (["train", "--epsilon", "0"], "epsilon"),
    "epsilon_beyond_float32": (["train", "--epsilon", "1e300"], "epsilon"),
    "betas_one_number": (["train", "--betas", "0.9"], "betas"),
    "betas_three": (["train", "--betas", "[0.9, 0.9, 0.9]"], "betas"),
    "betas_one": (["train", "--betas", "[1.0, 0.999]"], "betas.0"),
    "betas_swapped": (["train", "--betas", "[0.999, 0.9]"], "betas"),
    "activation_unknown": (["train", "--activation", "gelu"], "activation"),
    "input_mode_stream": (["train", "--input-mode", "stream"], "input_mode"),
    "dtype_unknown": (["train", "--dtype", "float16"], "dtype"),
    "remove_dead_number": (["train", "--remove-dead", "7"], "remove_dead"),
    "checkpoint_seconds_nan": (["train", "--checkpoint-seconds", "nan"], "checkpoint_seconds"),
    "self_target_negative": (["train", "--self-target=-1"], "self_target"),
    "locality_power_huge": (["train", "--locality-power", "1e300"], "locality_power"),
    "locality_floor_huge": (["train", "--locality-floor", "1e300"], "locality_floor"),
    # strengths and schedules
    "strength_unknown": (["train", "--strengths.wait", "1"], "--strengths.wait"),
    "strengths_not_a_table": (["train", "--strengths", "3"], "strengths"),
    "strengths_not_a_table_then_dotted": (["train", "--strengths", "3", "--strengths.weight", "1"], "strengths"),
    "strength_negative": (["train", "--strengths.weight=-1"], "strengths.weight"),
    "strength_nan": (["train", "--strengths.weight", "nan"], "strengths.weight"),
    "strength_text": (["train", "--strengths.weight", "strong"], "strengths.weight"),
    "strength_true": (["train", "--strengths.weight", "true"], "strengths.weight"),
    "strength_empty": (["train", "--strengths.weight", ""], "strengths.weight"),
    "schedule_unknown_key": (["train", "--strengths.weight", "{value = 1, warm_up = 3}"], "strengths.weight.warm_up"),
    "schedule_without_value": (["train", "--strengths.weight", "{warmup = 3}"], "strengths.weight.value"),
    "schedule_milestone_outside": (["train", "--strengths.weight", "{value = 1, milestones = [1.5]}"], "milestones.0"),
    "schedule_factor_zero": (["train", "--strengths.weight", "{value = 1, factor = 0}"], "strengths.weight.factor"),
    "schedule_overflows": (
        ["train", "--strengths.weight", "{value = 1, factor = 1e300, milestones = [0.2, 0.4]}"], "strengths.weight"
    ),
    "schedule_warmup_negative": (["train", "--learning-rate", "{value = 1, warmup = -1}"], "learning_rate.warmup"),
    "locality_without_positions": (["train", "--strengths.locality", "1"], "strengths.locality"),
    "symmetry_without_lattice": (["train", "--strengths.symmetry", "1", "--hidden-positions", "learned"], "strengths.symmetry"),
    "channels_without_lattice": (["train", "--channels", "3"], "channels"),
    "lattice_without_channels": (["train", "--hidden-positions", "lattice"], "channels"),
    "lattice_of_another_size": (["train", "--hidden-positions", "lattice", "--channels", "2"], "n_neurons"),
    "positions_without_geometry": (["train", "--task", "shells", "--hidden-positions", "learned"], "hidden_positions"),
    # tasks
    "task_unknown": (["train", "--task", "cifar"], "cifar"),
    "task_empty": (["train", "--task", ""], "task"),
    "task_number": (["train", "--task", "3"], "task"),
    "task_option_unknown": (["train", "--task-options.colour", "red"], "--task-options.colour"),
    "task_option_of_another_task": (["train", "--task-options.radii", "[1, 2]"], "radii"),
    "task_options_not_a_table": (["train", "--task-options", "7"], "task_options"),
    "data_seed_negative": (["train", "--task-options.data-seed=-1"], "data_seed"),
    "data_seed_huge": (["train", "--task-options.data-seed", str(2**40)], "data_seed"),
    "shells_one_radius": (["train", "--task", "shells", "--task-options.radii", "[1]"], "radii"),
    "shells_negative_radius": (["train", "--task", "shells", "--task-options.radii", "[1, -2]"], "radii.1"),
    "shells_nan_radius": (["train", "--task", "shells", "--task-options.radii", "[1, nan]"], "radii.1"),
    "shells_radius_beyond_float32": (["train", "--task", "shells", "--task-options.radii", "[1, 1e300]"], "radii"),
    "shells_dimension_zero": (["train", "--task", "shells", "--task-options.dimension", "0"], "dimension"),
    "shells_more_than_memory": (["train", "--task", "shells", "--task-options.n-train", "1e15"], "n_train"),
    "shells_label_unknown": (["train", "--task", "shells", "--task-options.label", "colour"], "label"),
    "carry_correction_huge": (["train", "--task", "carry", "--task-options.correction", "1e300"], "correction"),
    "miconi_p_one": (["train", "--task", "miconi_easy", "--task-options.p", "1"], "p:"),
    "miconi_stream_shorter_than_an_update": (
        ["train", "--task", "miconi_easy", "--task-options.length", "3", "--n-iterations", "4"], "n_iterations"
    ),
    "file_without_path": (["train", "--task", "file"], "path"),
    "idx_without_folder": (["train", "--task", "idx"], "folder"),
    # devices
    "device_empty": (["train", "--device", ""], "device"),
    "device_unknown": (["train", "--device", "abacus"], "device"),
    "device_that_computes_nothing": (["train", "--device", "meta"], "device"),
    "device_not_there": (["train", "--device", "cuda:7"], "device"),
    # run folders that are not there
    "resume_nothing": (["train", "--resume", "nowhere"], "nowhere"),
    "resume_empty": (["train", "--resume", ""], "config.toml"),
    "resume_name_too_long": (["train", "--resume", "r" * 5000], "rrr"),
    "resume_with_flags": (["train", "--resume", "nowhere", "--steps", "3"], "--resume"),
    "resume_with_configuration": (["train", "a.toml", "--resume", "nowhere"], "--resume"),
    "resume_with_out": (["train", "--resume", "nowhere", "--out", "b"], "--resume"),
}  # fmt: skip


@cases(FLAGS)
def test_flags(refused, given, culprit):
    refused(given, culprit)


# ---- configuration files

TOML = {
    "syntax": ("steps = = 3", "not TOML"),
    "unterminated": ('task = "shells', "not TOML"),
    "key_twice": ("steps = 1\nsteps = 2", "not TOML"),
    "nested_too_deep": ("steps = " + "[" * 100_000, "a.toml"),
    "number_longer_than_python_reads": ("steps = " + "9" * 5000, "a.toml"),
    "unknown_key": ("stepz = 3", "stepz"),
    "two_unknown_keys": ("stepz = 3\nlr = 1", "lr"),
    "unknown_nested_key": ("[strengths.depth]\nvalue = 1\nwarm = 2", "strengths.depth.warm"),
    "unknown_term": ("[strengths]\nwait = 1", "strengths.wait"),
    "unknown_task_option": ('task = "shells"\n[task_options]\nradius = 3', "radius"),
    "wrong_type": ('n_neurons = "plenty"', "n_neurons"),
    "boolean_for_a_number": ("n_iterations = true", "n_iterations"),
    "table_for_a_number": ("[n_neurons]\nvalue = 3", "n_neurons"),
    "date_for_a_number": ("n_neurons = 2020-01-01", "n_neurons"),
    "nan": ("learning_rate = nan", "learning_rate"),
    "impossible_combination": ("[strengths]\nlocality = 1", "strengths.locality"),
    "impossible_numbers": ("n_neurons = 10", "n_neurons"),
    "not_utf8": (b"task = \"\xff\xfe\"", "a.toml"),
    "nul_in_a_path": ('task = "file"\n[task_options]\npath = "a\\u0000b.npz"', "no such file"),
    "path_too_long": (f'task = "file"\n[task_options]\npath = "{"a" * 5000}.npz"', "aaa"),
    "folder_too_long": (f'task = "idx"\n[task_options]\nfolder = "{"a" * 5000}"', "aaa"),
}  # fmt: skip


@cases(TOML)
def test_configuration_files(refused, place, given, culprit):
    (place / "a.toml").write_bytes(given if isinstance(given, bytes) else given.encode())
    refused(["train", "a.toml"], culprit)


def test_configuration_file_that_is_not_there(refused):
    refused(["train", "nowhere.toml"], "nowhere.toml", "no such file")


def test_configuration_file_that_is_a_folder(refused, place):
    (place / "a.toml").mkdir()
    refused(["train", "a.toml"], "a.toml")


# ---- a user's own arrays

X, Y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2


def spoilt(array: np.ndarray, *index: int, value: float) -> np.ndarray:
    """A copy with one entry replaced."""
    copy = array.astype(float)
    copy[index] = value
    return copy


NPZ = {
    "nothing": ({}, "nothing"),
    "X_missing": ({"y": Y}, "X"),
    "y_missing": ({"X": X}, "y"),
    "X_nan": ({"X": spoilt(X, 4, 1, value=np.nan), "y": Y}, "X holds nan at row 4, column 1"),
    "X_inf": ({"X": spoilt(X, 4, 1, value=np.inf), "y": Y}, "X holds inf at row 4, column 1"),
    "X_beyond_float32": ({"X": spoilt(X, 4, 1, value=1e300), "y": Y}, "X holds 1e+300 at row 4, column 1"),
    "X_text": ({"X": X.astype(str), "y": Y}, "X must hold real numbers"),
    "X_complex": ({"X": X * 1j, "y": Y}, "X must hold real numbers"),
    "X_objects": ({"X": X.astype(object), "y": Y}, "a.npz"),
    "X_vector": ({"X": X[:, 0], "y": Y}, "X must be"),
    "X_scalar": ({"X": np.array(3.0), "y": Y}, "X must be"),
    "X_without_columns": ({"X": X[:, :0], "y": Y}, "X must be"),
    "X_empty": ({"X": X[:0], "y": Y[:0]}, "0 samples"),
    "X_too_few": ({"X": X[:7], "y": Y[:7]}, "7 samples"),
    "y_scalar": ({"X": X, "y": np.array(1)}, "y of shape ()"),
    "y_short": ({"X": X, "y": Y[:-1]}, "y of shape (39,)"),
    "y_three_axes": ({"X": X, "y": np.zeros((40, 2, 2))}, "y of shape"),
    "y_without_columns": ({"X": X, "y": np.zeros((40, 0))}, "y of shape"),
    "y_nan": ({"X": X, "y": spoilt(Y, 3, value=np.nan)}, "y holds nan"),
    "y_inf": ({"X": X, "y": spoilt(Y, 3, value=-np.inf)}, "y holds -inf"),
    "y_beyond_float32": ({"X": X, "y": np.linspace(1, 1e300, 40)}, "y holds"),
    "y_complex": ({"X": X, "y": Y * 1j}, "y must hold"),
    "y_one_class": ({"X": X, "y": np.ones(40, int)}, "y holds one class only"),
    "y_constant": ({"X": X, "y": np.full((40, 1), 0.5)}, "y holds one value only"),
    "y_objects": ({"X": X, "y": np.array([{}] * 40)}, "a.npz"),
    "positions_short": ({"X": X, "y": Y, "positions": np.zeros((2, 2))}, "positions must be"),
    "positions_vector": ({"X": X, "y": Y, "positions": np.zeros(3)}, "positions must be"),
    "positions_nan": ({"X": X, "y": Y, "positions": np.full((3, 2), np.nan)}, "positions must be"),
    "positions_text": ({"X": X, "y": Y, "positions": np.full((3, 2), "left")}, "positions must be"),
    "positions_complex": ({"X": X, "y": Y, "positions": np.full((3, 2), 1j)}, "positions must be"),
    "positions_beyond_float32": ({"X": X, "y": Y, "positions": np.full((3, 2), 1e300)}, "positions must be"),
}
FILE = ["train", "--n-neurons", "12", "--steps", "2", "--task", "file", "--task-options.path"]


@cases(NPZ)
def test_arrays(refused, place, given, culprit):
    np.savez(place / "a.npz", **given)
    refused([*FILE, "a.npz"], "a.npz", culprit)


def test_fractions_as_classes(refused, place):
    np.savez(place / "a.npz", X=X, y=Y + 0.5)
    refused([*FILE, "a.npz", "--task-options.kind", "classification"], "a.npz", "y must hold one whole number")


def test_text_as_regression(refused, place):
    np.savez(place / "a.npz", X=X, y=np.where(Y, "yes", "no"))
    refused([*FILE, "a.npz", "--task-options.kind", "regression"], "a.npz", "y must hold numbers")


DAMAGE = {
    "truncated": lambda whole: whole[: len(whole) // 2],
    "header_only": lambda whole: whole[:30],
    "empty": lambda whole: b"",
    "bit_flipped": lambda whole: whole[:400] + bytes([whole[400] ^ 255]) + whole[401:],
    "foreign": lambda whole: b"%PDF-1.7 and so on" * 20,
    "pickle": lambda whole: b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_npz(refused, place, damage):
    path = place / "a.npz"
    np.savez(path, X=X, y=Y)
    path.write_bytes(damage(path.read_bytes()))
    refused([*FILE, "a.npz"], "a.npz", "not a readable .npz")


ROWS = "".join(f"{i},{i * i},{i % 2}\n" for i in range(40))
CSV = {
    "empty": ("", "a.csv"),
    "header_only": ("a,b,y\n", "a.csv"),
    "no_target": ("a,b,c\n" + ROWS, "no column 'y'"),
    "only_the_target": ("y\n" + "1\n0\n" * 20, "X must be"),
    "column_twice": ("a,y,y\n" + ROWS, "column y"),
    "ragged": ("a,b,y\n" + ROWS + "1,2\n", "line 42 has 2 fields"),
    "ragged_after_empty_lines": ("a,b,y\n\n\n" + ROWS + "1,2\n", "line 44 has 2 fields"),
    "text": ("a,b,y\n" + ROWS + "1,blue,0\n", "line 42, column b: 'blue'"),
    "missing_value": ("a,b,y\n" + ROWS + ",2,0\n", "line 42, column a: ''"),
    "nan": ("a,b,y\n" + ROWS + "1,nan,0\n", "X holds nan"),
    "nan_target": ("a,b,y\n" + ROWS + "1,1,nan\n", "y holds nan"),
    "infinite": ("a,b,y\n" + ROWS + "1,1e999,0\n", "X holds inf"),
    "open_quote": ('a,b,y\n"1,2,0\n' + ROWS, "not a CSV"),
    "not_utf8": (b"a,b,y\n\xff\xfe,1,0\n", "not a CSV"),
    "too_few": ("a,b,y\n1,2,0\n2,3,1\n", "2 samples"),
}  # fmt: skip


@cases(CSV)
def test_tables(refused, place, given, culprit):
    (place / "a.csv").write_bytes(given if isinstance(given, bytes) else given.encode())
    refused([*FILE, "a.csv"], "a.csv", culprit)


def test_a_table_as_spreadsheets_write_it_is_read(place):
    (place / "a.csv").write_bytes(b"\xef\xbb\xbf" + ("y,b,a\n" + ROWS).replace("\n", "\r\n").encode())
    assert main([*FILE, "a.csv", "--task-options.kind", "regression", "--quiet"]) == 0


@pytest.mark.parametrize("name", ["nowhere.npz", "a.txt", "folder.npz"])
def test_a_file_that_is_none(refused, place, name):
    (place / "a.txt").write_text("1,2,3\n")
    (place / "folder.npz").mkdir()
    refused([*FILE, name], name)


# ---- IDX files


def idx(array: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()


IMAGES, LABELS = np.random.default_rng(0).integers(0, 256, (30, 4, 4)), np.arange(30) % 3
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
ZIPPED = gzip.compress(idx(IMAGES))

IDX = {
    "missing": ({NAMES[0]: None}, NAMES[0]),
    "labels_missing": ({NAMES[3]: None}, NAMES[3]),
    "empty": ({NAMES[0]: b""}, NAMES[0]),
    "truncated": ({NAMES[0]: idx(IMAGES)[:-7]}, NAMES[0]),
    "truncated_header": ({NAMES[0]: idx(IMAGES)[:9]}, NAMES[0]),
    "longer_than_promised": ({NAMES[1]: idx(LABELS) + b"1"}, NAMES[1]),
    "wrong_magic": ({NAMES[0]: b"\1" + idx(IMAGES)[1:]}, NAMES[0]),
    "of_floats": ({NAMES[0]: bytes([0, 0, 13, 3]) + idx(IMAGES)[4:]}, NAMES[0]),
    "labels_for_images": ({NAMES[0]: idx(LABELS)}, NAMES[0]),
    "size_overflows": ({NAMES[0]: bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"1"}, NAMES[0]),
    "count_mismatch": ({NAMES[1]: idx(LABELS[:-1])}, "30 train images but 29 labels"),
    "no_images": ({NAMES[0]: idx(IMAGES[:0]), NAMES[1]: idx(LABELS[:0])}, "no train images"),
    "too_few_images": ({NAMES[0]: idx(IMAGES[:5]), NAMES[1]: idx(LABELS[:5])}, "5 training images"),
    "images_of_two_sizes": ({NAMES[2]: idx(IMAGES[:, :2])}, "test images"),
    "one_class": ({NAMES[1]: idx(LABELS * 0)}, "one class"),
    "gzip_truncated": ({NAMES[0]: None, NAMES[0] + ".gz": ZIPPED[:-20]}, NAMES[0] + ".gz"),
    "gzip_corrupt": ({NAMES[0]: None, NAMES[0] + ".gz": ZIPPED[:40] + b"\xff" * 40 + ZIPPED[80:]}, NAMES[0] + ".gz"),
    "gzip_foreign": ({NAMES[0]: None, NAMES[0] + ".gz": idx(IMAGES)}, NAMES[0] + ".gz"),
}


@cases(IDX)
def test_images(refused, place, given, culprit):
    files = dict(zip(NAMES, map(idx, (IMAGES, LABELS, IMAGES, LABELS)), strict=True)) | given
    (place / "images").mkdir()
    for name, content in files.items():
        if content is not None:
            (place / "images" / name).write_bytes(content)
    refused(["train", "--task", "idx", "--task-options.folder", "images", "--n-neurons", "25"], "images", culprit)


def test_images_in_a_folder_that_is_none(refused):
    refused(["train", "--task", "idx", "--task-options.folder", "nowhere"], "nowhere", NAMES[0])


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
    return lambda tensors, about: tensors.update({name: torch.cat([tensors[name], tensors[name][:1]])})


def without(name: str):
    return lambda tensors, about: tensors.pop(name)


CHECKPOINT, WEIGHTS, HISTORY = "checkpoint.safetensors", "weights.safetensors", "history.csv"
HALF = lambda content: content[: len(content) // 2]  # noqa: E731
FOREIGN = lambda content: b"%PDF-1.7 and so on" * 20  # noqa: E731
GONE = lambda content: None  # noqa: E731

INTERRUPTED = {  # damage to an interrupted run, seen by --resume
    "config_gone": (edit("config.toml", GONE), "config.toml"),
    "config_empty_value": (edit("config.toml", lambda text: text + b"x ="), "config.toml"),
    "config_unknown_key": (edit("config.toml", lambda text: b"colour = 3\n" + text), "config.toml: colour"),
    "config_other_size": (edit("config.toml", lambda t: t.replace(b"n_neurons = 12", b"n_neurons = 13")), CHECKPOINT),
    "config_other_dtype": (edit("config.toml", lambda t: t.replace(b"float32", b"float64")), CHECKPOINT),
    "config_fewer_steps": (edit("config.toml", lambda t: t.replace(b"\nsteps = 20", b"\nsteps = 7")), CHECKPOINT),
    "checkpoint_truncated": (edit(CHECKPOINT, HALF), CHECKPOINT),
    "checkpoint_empty": (edit(CHECKPOINT, lambda content: b""), CHECKPOINT),
    "checkpoint_foreign": (edit(CHECKPOINT, FOREIGN), CHECKPOINT),
    "checkpoint_header_huge": (edit(CHECKPOINT, lambda content: b"\xff" * 8 + content[8:]), CHECKPOINT),
    "checkpoint_of_something_else": (edit_tensors(CHECKPOINT, lambda t, a: (t.clear(), t.update(a=torch.ones(3)))), CHECKPOINT),
    "checkpoint_without_step": (edit_tensors(CHECKPOINT, without("step")), CHECKPOINT),
    "checkpoint_without_moment": (edit_tensors(CHECKPOINT, without("weight.exp_avg")), CHECKPOINT),
    "checkpoint_weights_grown": (edit_tensors(CHECKPOINT, grown("weight")), CHECKPOINT),
    "checkpoint_bias_short": (edit_tensors(CHECKPOINT, lambda t, a: t.update(bias=t["bias"][:, 1:].clone())), CHECKPOINT),
    "checkpoint_ids_out_of_range": (edit_tensors(CHECKPOINT, lambda t, a: t["ids"].add_(1)), CHECKPOINT),
    "checkpoint_ids_repeated": (edit_tensors(CHECKPOINT, lambda t, a: t["ids"][:, 4].sub_(1)), CHECKPOINT),
    "checkpoint_member_out_of_range": (edit_tensors(CHECKPOINT, lambda t, a: t["members"].add_(1)), CHECKPOINT),
    "checkpoint_step_negative": (edit_tensors(CHECKPOINT, lambda t, a: t["step"].fill_(-1)), CHECKPOINT),
    "checkpoint_weights_nan": (edit_tensors(CHECKPOINT, lambda t, a: t["weight"].fill_(torch.nan)), CHECKPOINT),
    "weights_truncated": (edit(WEIGHTS, HALF), WEIGHTS),
    "history_gone": (edit(HISTORY, GONE), HISTORY),
    "history_foreign": (edit(HISTORY, FOREIGN), HISTORY),
    "history_of_something_else": (edit(HISTORY, lambda content: b"a,b\n1,2\n"), HISTORY),
    "history_ragged": (edit(HISTORY, lambda content: content + b"3,4\n"), HISTORY),
    "history_text": (edit(HISTORY, lambda content: content.replace(b"\n10,", b"\nten,")), HISTORY),
    "history_binary": (edit(HISTORY, lambda content: content + b"\xff\xfe\n"), HISTORY),
    "history_column_gone": (edit(HISTORY, lambda content: content.replace(b"R_depth", b"R_dearth")), HISTORY),
    "history_other_layers": (edit(HISTORY, lambda content: content.replace(b"living_2", b"living_7")), HISTORY),
}


@cases(INTERRUPTED)
def test_resume_of_a_damaged_run(refused, interrupted_run, given, culprit):
    given(interrupted_run)
    refused(["train", "--resume", "run"], str(Path("run") / culprit))


FINISHED = {  # damage to a finished run, seen by load_run and by --resume, which has nothing else to do
    "config_gone": (edit("config.toml", GONE), "config.toml"),
    "config_other_size": (edit("config.toml", lambda t: t.replace(b"n_neurons = 12", b"n_neurons = 13")), WEIGHTS),
    "weights_truncated": (edit(WEIGHTS, HALF), WEIGHTS),
    "weights_foreign": (edit(WEIGHTS, FOREIGN), WEIGHTS),
    "weights_of_a_snapshot": (lambda run: next((run / "snapshots").iterdir()).replace(run / WEIGHTS), WEIGHTS),
    "weights_without_biases": (edit_tensors(WEIGHTS, without("biases")), WEIGHTS),
    "weights_grown": (edit_tensors(WEIGHTS, grown("weights")), WEIGHTS),
    "weights_whole_numbers": (edit_tensors(WEIGHTS, lambda t, a: t.update(weights=t["weights"].long())), WEIGHTS),
    "weights_nan": (edit_tensors(WEIGHTS, lambda t, a: t["weights"].fill_(torch.nan)), WEIGHTS),
    "kept_short": (edit_tensors(WEIGHTS, lambda t, a: t.update(kept=t["kept"][1:].clone())), WEIGHTS),
    "positions_short": (edit_tensors(WEIGHTS, lambda t, a: t.update(positions=torch.zeros(3, 2))), WEIGHTS),
    "accuracy_text": (edit_tensors(WEIGHTS, lambda t, a: a.update(test_accuracy="good")), WEIGHTS),
    "steps_gone": (edit_tensors(WEIGHTS, lambda t, a: a.pop("steps_done")), WEIGHTS),
    "history_foreign": (edit(HISTORY, FOREIGN), HISTORY),
    "history_of_something_else": (edit(HISTORY, lambda content: b"a,b\n1,2\n"), HISTORY),
    "snapshot_truncated": (edit("snapshots/step_00000010.safetensors", HALF), "snapshots/step_00000010"),
    "snapshot_empty": (edit("snapshots/step_00000010.safetensors", lambda content: b""), "snapshots/step_00000010"),
    "snapshot_without_ids": (edit_tensors("snapshots/*10.safetensors", without("ids")), "snapshots/step_00000010"),
    "snapshot_of_another_size": (
        edit_tensors("snapshots/*10.safetensors", lambda t, a: a.update(n_neurons="13")), "snapshots/step_00000010"
    ),
    "snapshot_ids_negative": (
        edit_tensors("snapshots/*10.safetensors", lambda t, a: t["ids"].sub_(1)), "snapshots/step_00000010"
    ),
    "snapshot_grown": (edit_tensors("snapshots/*10.safetensors", grown("weights")), "snapshots/step_00000010"),
}  # fmt: skip


@cases(FINISHED)
def test_a_damaged_finished_run(refused, finished_run, given, culprit):
    given(finished_run)
    refused(["train", "--resume", "run", "--quiet"], str(Path("run") / culprit))
    with pytest.raises(InputError, match=culprit):
        load_run("run")


def test_resume_of_a_file(refused, place):
    (place / "run").write_text("not a folder")
    refused(["train", "--resume", "run"], "run: no such run folder")


def test_resume_of_an_empty_folder(refused, place):
    (place / "run").mkdir()
    refused(["train", "--resume", "run"], "run/config.toml")


SEALED = ("checkpoint.safetensors", "history.csv", "config.toml", "weights.safetensors")


@pytest.mark.parametrize("name", SEALED)
def test_random_damage(interrupted_run, name):
    """Bytes changed, cut, doubled or moved: a line that names the run, or a run. Never another exception, never a warning."""
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
                damaged[at : at + 1] = chance.choice([b"-", b"9", b"e9", b'"', b"\n", b",", b"nan", b"[", b"\0"])
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
    assert all(str(interrupted_run) in line and "\n" not in line for line in refusals if name != "config.toml")
    path.write_bytes(whole)
    assert listing(interrupted_run) == run


# ---- where a run cannot be written

SHORT = ["train", "--task", "shells", "--steps", "2", "--n-neurons", "12", "--quiet", "--out"]


def test_out_is_a_run(refused, finished_run):
    refused([*SHORT, "run"], "run: already exists")


def test_out_is_a_file(refused, place):
    (place / "run").write_text("precious")
    refused([*SHORT, "run"], "run: already exists")


def test_out_lies_below_a_file(refused, place):
    (place / "file").write_text("precious")
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
def test_what_was_saved_stays_when_the_disk_is_full(interrupted_run, monkeypatch, capsys, call, number):
    """The write fails at its last moment, as it does when a quota is met; every file that was there is still whole."""
    before = listing(interrupted_run)
    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), fails_with(number))
    assert main(["train", "--resume", "run", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("urn: run/")
    assert os.strerror(number) in error
    assert error.count("\n") == 1
    assert listing(interrupted_run) == before
    monkeypatch.undo()
    os.chdir(interrupted_run.parent)
    assert main(["train", "--resume", "run", "--quiet"]) == 0


def test_snapshots_is_a_file(interrupted_run, capsys):
    for path in (interrupted_run / "snapshots").iterdir():
        path.unlink()
    (interrupted_run / "snapshots").rmdir()
    (interrupted_run / "snapshots").write_text("not a folder")
    assert main(["train", "--resume", "run", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("urn: run/snapshots")
    assert error.count("\n") == 1


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
def test_real_process(place, given, culprit):
    done = urn(given, place)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("urn: ")
    assert culprit in done.stderr
    assert done.stderr.count("\n") == 1
    assert listing(place) == {}


def test_output_that_cannot_be_written(place):
    """By then the run is safe."""
    with Path("/dev/full").open("w") as full:
        done = urn([*SHORT, "run"], place, stdout=full)
    assert done.stderr.startswith("urn: output: No space left on device")
    assert "Traceback" not in done.stderr
    assert load_run("run").status in ("ok", "disconnected")


def urn(arguments: list, folder: Path, stdout=subprocess.PIPE) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "urn", *arguments], cwd=folder, env=environment, stdout=stdout, stderr=subprocess.PIPE,
        text=True, timeout=120, check=False,
    )  # fmt: skip


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
    "urn_generators": (lambda: URN(10, 2, 2, 3, population=3, generator=[torch.Generator()]), "generator"),
    "urn_seed_for_generator": (lambda: URN(10, 2, 2, 3, generator=3), "generator"),
    "urn_dtype": (lambda: URN(10, 2, 2, 3, dtype=torch.int64), "dtype"),
    "x_width": (lambda: NET(torch.rand(4, 3)), "x:"),
    "x_vector": (lambda: NET(torch.rand(2)), "x:"),
    "x_dtype": (lambda: NET(torch.rand(4, 2).double()), "x:"),
    "x_numpy": (lambda: NET(np.zeros((4, 2))), "x:"),
    "x_population": (lambda: NET(torch.rand(3, 4, 2)), "x:"),
    "state_without_stream": (lambda: NET.unroll(torch.rand(4, 2), torch.rand(1, 4, 6)), "state"),
    "state_shape": (
        lambda: URN(6, 2, 2, 3, input_mode="stream").unroll(torch.rand(4, 3, 2), torch.rand(1, 4, 5)), "state"
    ),
    "penalty_unknown": (lambda: Penalties({"wait": 1.0}), "strengths.wait"),
    "penalty_text": (lambda: Penalties({"weight": "strong"}), "strengths.weight"),
    "penalty_negative": (lambda: Penalties({"weight": -1.0}), "strengths.weight"),
    "penalty_nan": (lambda: Penalties({"weight": float("nan")}), "strengths.weight"),
    "penalty_tensor_negative": (lambda: Penalties({"weight": torch.tensor([1.0, -1.0])}), "strengths.weight"),
    "penalty_wrong_population": (lambda: prices({"weight": torch.ones(3)}), "strengths.weight"),
    "penalty_matrix": (lambda: Penalties({"weight": torch.ones(6, 6)}), "strengths.weight"),
    "penalty_needs_positions": (lambda: prices({"locality": 1.0}), "strengths.locality"),
    "penalty_needs_lattice": (lambda: prices({"symmetry": 1.0}), "strengths.symmetry"),
    "register_shrinks": (lambda: register("mine", shrinks="activity"), "shrinks"),
    "register_name": (lambda: register(""), "name"),
    "register_cost_without_shrinks": (lambda: register("mine", cost=lambda net, settings: net.weight), "cost"),
    "register_no_function": (lambda: register("mine")(3), "mine"),
    "register_taken": (lambda: register("weight")(lambda net, activity, settings: net.bias.sum(1)), "weight"),
    "train_not_a_configuration": (lambda: train({"task": "shells"}), "config"),
    "train_population_empty": (lambda: train_population([]), "configs"),
    "train_population_mixed": (lambda: train_population([SMALL, SMALL.replace(steps=3)]), "steps"),
    "data_foreign": (lambda: train(SMALL, data=(SQUARE, SQUARE)), "data"),
    "data_nan": (lambda: dataset(train=(SQUARE * torch.nan, torch.arange(16) % 2)), "train"),
    "data_label_out_of_range": (lambda: dataset(test=(SQUARE, torch.arange(16) % 3)), "test"),
    "data_label_negative": (lambda: dataset(test=(SQUARE, torch.arange(16) % 2 - 1)), "test"),
    "data_labels_fractions": (lambda: dataset(train=(SQUARE, torch.rand(16))), "train"),
    "data_empty": (lambda: dataset(validation=(SQUARE[:0], torch.arange(0))), "validation"),
    "data_lengths": (lambda: dataset(train=(SQUARE, torch.arange(15) % 2)), "train"),
    "data_widths": (lambda: dataset(test=(torch.rand(16, 3), torch.arange(16) % 2)), "test"),
    "data_targets_width": (
        lambda: dataset(train=(SQUARE, torch.rand(16, 3)), kind="regression"), "train"
    ),
    "data_kind": (lambda: dataset(kind="ranking"), "kind"),
    "data_positions": (lambda: dataset(positions=torch.rand(3, 2)), "positions"),
    "data_sites": (lambda: dataset(sites=(3,)), "sites"),
    "load_nothing": (lambda: load_run("nowhere"), "nowhere"),
    "resume_nothing": (lambda: resume("nowhere"), "nowhere"),
}  # fmt: skip


def prices(strengths: dict) -> torch.Tensor:
    return Penalties(strengths)(NET, NET.unroll(torch.rand(4, 2))[1])


@cases(API)
def test_python(place, given, culprit):
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


def test_a_cost_of_the_users_own_of_another_shape():
    register("mine", shrinks="weight", cost=lambda net, settings: torch.ones(5))(
        lambda net, activity, settings: net.bias.sum(1)
    )
    try:
        with pytest.raises(InputError, match=r"strengths.mine: .*cost"):
            Penalties({"mine": 1.0}).l1("weight", NET)
    finally:
        TERMS.pop("mine")


def test_no_pickle_is_loaded(place):
    """An .npz whose X, once unpickled, would leave a mark."""

    class Mark:
        def __reduce__(self):
            return (Path.touch, (place / "mark",))

    np.savez(place / "a.npz", X=np.array([[Mark()]] * 40), y=Y)
    assert main([*FILE, "a.npz"]) == 2
    assert not (place / "mark").exists()


def test_drafts_are_not_left_behind(finished_run):
    assert not list(finished_run.rglob(".*"))
    assert RunFolder(finished_run).finished()
