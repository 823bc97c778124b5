"""Bad input: one line that names the culprit, status 2, nothing written.

Never a traceback, and never a wrong run instead.
"""

import gzip
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import cases
from urn.cli import main

HUGE = "9" * 400


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
    "warmup_huge": (
        ["train", "--strengths.weight", f"{{value = 1, warmup = {HUGE}}}"],
        "strengths.weight.warmup",
    ),
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
    "strengths_not_a_table_then_dotted": (
        ["train", "--strengths", "3", "--strengths.weight", "1"],
        "strengths",
    ),
    "strength_negative": (["train", "--strengths.weight=-1"], "strengths.weight"),
    "strength_nan": (["train", "--strengths.weight", "nan"], "strengths.weight"),
    "strength_text": (["train", "--strengths.weight", "strong"], "strengths.weight"),
    "strength_true": (["train", "--strengths.weight", "true"], "strengths.weight"),
    "strength_empty": (["train", "--strengths.weight", ""], "strengths.weight"),
    "schedule_unknown_key": (
        ["train", "--strengths.weight", "{value = 1, warm_up = 3}"],
        "strengths.weight.warm_up",
    ),
    "schedule_without_value": (
        ["train", "--strengths.weight", "{warmup = 3}"],
        "strengths.weight.value",
    ),
    "schedule_milestone_outside": (
        ["train", "--strengths.weight", "{value = 1, milestones = [1.5]}"],
        "milestones.0",
    ),
    "schedule_factor_zero": (
        ["train", "--strengths.weight", "{value = 1, factor = 0}"],
        "strengths.weight.factor",
    ),
    "schedule_overflows": (
        ["train", "--strengths.weight", "{value = 1, factor = 1e300, milestones = [0.2, 0.4]}"],
        "strengths.weight",
    ),
    "schedule_warmup_negative": (
        ["train", "--learning-rate", "{value = 1, warmup = -1}"],
        "learning_rate.warmup",
    ),
    "locality_without_positions": (["train", "--strengths.locality", "1"], "strengths.locality"),
    "symmetry_without_lattice": (
        ["train", "--strengths.symmetry", "1", "--hidden-positions", "learned"],
        "strengths.symmetry",
    ),
    "channels_without_lattice": (["train", "--channels", "3"], "channels"),
    "lattice_without_channels": (["train", "--hidden-positions", "lattice"], "channels"),
    "lattice_of_another_size": (
        ["train", "--hidden-positions", "lattice", "--channels", "2"],
        "n_neurons",
    ),
    "positions_without_geometry": (
        ["train", "--task", "shells", "--hidden-positions", "learned"],
        "hidden_positions",
    ),
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
    "shells_negative_radius": (
        ["train", "--task", "shells", "--task-options.radii", "[1, -2]"],
        "radii.1",
    ),
    "shells_nan_radius": (
        ["train", "--task", "shells", "--task-options.radii", "[1, nan]"],
        "radii.1",
    ),
    "shells_radius_beyond_float32": (
        ["train", "--task", "shells", "--task-options.radii", "[1, 1e300]"],
        "radii",
    ),
    "shells_dimension_zero": (
        ["train", "--task", "shells", "--task-options.dimension", "0"],
        "dimension",
    ),
    "shells_more_than_memory": (
        ["train", "--task", "shells", "--task-options.n-train", "1e15"],
        "n_train",
    ),
    "shells_label_unknown": (
        ["train", "--task", "shells", "--task-options.label", "colour"],
        "label",
    ),
    "carry_correction_huge": (
        ["train", "--task", "carry", "--task-options.correction", "1e300"],
        "correction",
    ),
    "miconi_p_one": (["train", "--task", "miconi_easy", "--task-options.p", "1"], "p:"),
    "miconi_stream_shorter_than_an_update": (
        ["train", "--task", "miconi_easy", "--task-options.length", "3", "--n-iterations", "4"],
        "n_iterations",
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
}


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
    "not_utf8": (b'task = "\xff\xfe"', "a.toml"),
    "nul_in_a_path": ('task = "file"\n[task_options]\npath = "a\\u0000b.npz"', "no such file"),
    "path_too_long": (f'task = "file"\n[task_options]\npath = "{"a" * 5000}.npz"', "aaa"),
    "folder_too_long": (f'task = "idx"\n[task_options]\nfolder = "{"a" * 5000}"', "aaa"),
}


@cases(TOML)
def test_configuration_files(refused, cwd, given, culprit):
    (cwd / "a.toml").write_bytes(given if isinstance(given, bytes) else given.encode())
    refused(["train", "a.toml"], culprit)


def test_configuration_file_that_is_not_there(refused):
    refused(["train", "nowhere.toml"], "nowhere.toml", "no such file")


def test_configuration_file_that_is_a_folder(refused, cwd):
    (cwd / "a.toml").mkdir()
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
    "X_nan": ({"X": spoilt(X, 4, 1, value=np.nan), "y": Y}, "X, row 4, column 1: nan is not"),
    "X_inf": ({"X": spoilt(X, 4, 1, value=np.inf), "y": Y}, "X, row 4, column 1: inf is not"),
    "X_beyond_float32": (
        {"X": spoilt(X, 4, 1, value=1e300), "y": Y},
        "X, row 4, column 1: 1e+300 is not",
    ),
    "X_text": ({"X": X.astype(str), "y": Y}, "X must hold real numbers"),
    "X_complex": ({"X": X * 1j, "y": Y}, "X must hold real numbers"),
    "X_objects": ({"X": X.astype(object), "y": Y}, "a.npz"),
    "X_timedelta": ({"X": X.astype("m8[s]"), "y": Y}, "X must hold real numbers, not timedelta64"),
    "X_dates": ({"X": X.astype("M8[s]"), "y": Y}, "X must hold real numbers, not datetime64"),
    "X_booleans": ({"X": X > 0, "y": Y}, "X must hold real numbers, not bool"),
    "X_vanishes": ({"X": X * 1e-200, "y": Y}, "X, column 0: its values differ by too little"),
    "X_vector": ({"X": X[:, 0], "y": Y}, "X must be"),
    "X_scalar": ({"X": np.array(3.0), "y": Y}, "X must be"),
    "X_without_columns": ({"X": X[:, :0], "y": Y}, "X must be"),
    "X_empty": ({"X": X[:0], "y": Y[:0]}, "0 samples"),
    "X_too_few": ({"X": X[:7], "y": Y[:7]}, "7 samples"),
    "y_scalar": ({"X": X, "y": np.array(1)}, "y of shape ()"),
    "y_short": ({"X": X, "y": Y[:-1]}, "y of shape (39,)"),
    "y_three_axes": ({"X": X, "y": np.zeros((40, 2, 2))}, "y of shape"),
    "y_without_columns": ({"X": X, "y": np.zeros((40, 0))}, "y of shape"),
    "y_nan": ({"X": X, "y": spoilt(Y, 3, value=np.nan)}, "y, row 3: nan is not"),
    "y_inf": ({"X": X, "y": spoilt(Y, 3, value=-np.inf)}, "y, row 3: -inf is not"),
    "y_beyond_float32": ({"X": X, "y": np.linspace(1, 1e300, 40)}, "y, row 1: "),
    "y_complex": ({"X": X, "y": Y * 1j}, "y must hold"),
    "y_timedelta": ({"X": X, "y": Y.astype("m8[s]")}, "y must hold real numbers or text"),
    "y_dates": ({"X": X, "y": Y.astype("M8[D]")}, "y must hold real numbers or text"),
    "y_not_a_time": ({"X": X, "y": np.full(40, "NaT", "M8[s]")}, "y must hold real numbers"),
    "y_text_missing": ({"X": X, "y": np.where(Y, "", "cat")}, "y, row 1: '' is missing"),
    "y_text_not_available": ({"X": X, "y": np.where(Y, "NA", "cat")}, "y, row 1: 'NA' is missing"),
    "y_text_all_different": ({"X": X, "y": X[:, 0].astype(str)}, "40 different texts"),
    "y_square_overflows": ({"X": X, "y": X[:, 0] * 1e25}, "its square overflows float32"),
    "y_one_class": ({"X": X, "y": np.ones(40, int)}, "y holds one class only"),
    "y_constant": ({"X": X, "y": np.full((40, 1), 0.5)}, "y holds one value only"),
    "y_objects": ({"X": X, "y": np.array([{}] * 40)}, "a.npz"),
    "positions_short": ({"X": X, "y": Y, "positions": np.zeros((2, 2))}, "positions must be"),
    "positions_vector": ({"X": X, "y": Y, "positions": np.zeros(3)}, "positions must be"),
    "positions_nan": ({"X": X, "y": Y, "positions": np.full((3, 2), np.nan)}, "positions must be"),
    "positions_text": ({"X": X, "y": Y, "positions": np.full((3, 2), "left")}, "positions must be"),
    "positions_complex": ({"X": X, "y": Y, "positions": np.full((3, 2), 1j)}, "positions must be"),
    "positions_beyond_float32": (
        {"X": X, "y": Y, "positions": np.full((3, 2), 1e300)},
        "positions must be",
    ),
}
FILE = ["train", "--n-neurons", "12", "--steps", "2", "--task", "file", "--task-options.path"]


@cases(NPZ)
def test_arrays(refused, cwd, given, culprit):
    np.savez(cwd / "a.npz", **given)
    refused([*FILE, "a.npz"], "a.npz", culprit)


def test_names_of_classes_may_be_any_bytes(cwd):
    np.savez(cwd / "a.npz", X=X, y=np.array([b"a", b"\xff"] * 20))
    assert main([*FILE, "a.npz", "--quiet"]) == 0


def test_fractions_as_classes(refused, cwd):
    np.savez(cwd / "a.npz", X=X, y=Y + 0.5)
    refused(
        [*FILE, "a.npz", "--task-options.kind", "classification"],
        "a.npz",
        "y must hold one whole number",
    )


def test_text_as_regression(refused, cwd):
    np.savez(cwd / "a.npz", X=X, y=np.where(Y, "yes", "no"))
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
def test_damaged_npz(refused, cwd, damage):
    path = cwd / "a.npz"
    np.savez(path, X=X, y=Y)
    path.write_bytes(damage(path.read_bytes()))
    refused([*FILE, "a.npz"], "a.npz", "not a readable .npz")


ROWS = "".join(f"{i},{i * i},{i % 2}\n" for i in range(40))
WORDS = "".join(f"{i},{i * i},{'ab'[i % 2]}\n" for i in range(40))
DATES = "".join(f"{i},{i * i},2024-01-{i % 3 + 1:02}\n" for i in range(40))
UNDERSCORES = "".join(f"{i},{i * i},{i % 3 + 1}_000\n" for i in range(40))
NAMES_OF_ROWS = "".join(f"{i},{i * i},row{i}\n" for i in range(40))
TINY = "".join(f"{i},{i}e-200,{i % 2}\n" for i in range(40))
NUMBERS = "".join(f"{i},{i * i},{i / 7}\n" for i in range(60))
CSV = {
    "empty": ("", "a.csv"),
    "header_only": ("a,b,y\n", "a.csv"),
    "no_target": ("a,b,c\n" + ROWS, "no column 'y'"),
    "only_the_target": ("y\n" + "1\n0\n" * 20, "X must be"),
    "column_twice": ("a,y,y\n" + ROWS, "column 'y' is there 2 times"),
    "ragged": ("a,b,y\n" + ROWS + "1,2\n", "line 42 has 2 fields"),
    "ragged_after_empty_lines": ("a,b,y\n\n\n" + ROWS + "1,2\n", "line 44 has 2 fields"),
    "text": ("a,b,y\n" + ROWS + "1,blue,0\n", "line 42, column b: 'blue'"),
    "missing_value": ("a,b,y\n" + ROWS + ",2,0\n", "line 42, column a: '' is missing"),
    "not_available": ("a,b,y\n" + ROWS + "NA,2,0\n", "line 42, column a: 'NA' is missing"),
    "nan": ("a,b,y\n" + ROWS + "1,nan,0\n", "line 42, column b: 'nan' is missing"),
    "infinite": ("a,b,y\n" + ROWS + "1,inf,0\n", "line 42, column b: 'inf' is not a number"),
    "overflow": ("a,b,y\n" + ROWS + "1,1e999,0\n", "line 42, column b: '1e999' is too large"),
    "beyond_float32": ("a,b,y\n" + ROWS + "1,1e39,0\n", "line 42, column b: '1e39' is too large"),
    "digits_without_end": (f"a,b,y\n{ROWS}1,{HUGE},0\n", "line 42, column b: '999"),
    "date": ("a,b,y\n" + ROWS + "1,2024-02-30,0\n", "column b: '2024-02-30' is not a number"),
    "boolean": ("a,b,y\n" + ROWS + "1,true,0\n", "column b: 'true' is not a number; write 0 and 1"),
    "underscore": ("a,b,y\n" + ROWS + "1,1_000,0\n", "column b: '1_000' is not a number"),
    "full_width": ("a,b,y\n" + ROWS + "1,１２,0\n", "line 42, column b: '１２' is not a number"),
    "decimal_comma": ("a,b,y\n" + ROWS + '1,"1,5",0\n', "line 42, column b: '1,5' is not a number"),
    "target_missing": ("a,b,y\n" + ROWS + "1,1,\n", "line 42, column y: '' is missing"),
    "target_not_available": ("a,b,y\n" + ROWS + "1,1,NA\n", "line 42, column y: 'NA' is missing"),
    "target_nan": ("a,b,y\n" + ROWS + "1,1,nan\n", "line 42, column y: 'nan' is missing"),
    "target_infinite": ("a,b,y\n" + ROWS + "1,1,inf\n", "line 42, column y: 'inf' is not a number"),
    "target_overflow": ("a,b,y\n" + ROWS + "1,1,1e99\n", "line 42, column y: 1e+99 is not"),
    "target_mostly_numbers": (
        "a,b,y\n" + ROWS + "1,1,much\n",
        "line 42, column y: 'much' is not a number, most others are",
    ),
    "target_mostly_text": ("a,b,y\n1,1,7\n" + WORDS, "line 2, column y: '7' is a number"),
    "target_of_dates": ("a,b,y\n" + DATES, "line 2, column y: '2024-01-01' is neither"),
    "target_with_underscores": ("a,b,y\n" + UNDERSCORES, "line 2, column y: '1_000' is neither"),
    "target_of_names": ("a,b,y\n" + NAMES_OF_ROWS, "y holds 40 different texts in 40 samples"),
    "vanishes_when_standardised": ("a,b,y\n" + TINY, "column b: its values differ by too little"),
    "open_quote": ('a,b,y\n"1,2,0\n' + ROWS, "not a CSV"),
    "not_utf8": (b"a,b,y\n\xff\xfe,1,0\n", "not a CSV"),
    "too_few": ("a,b,y\n1,2,0\n2,3,1\n", "2 samples"),
}


@cases(CSV)
def test_tables(refused, cwd, given, culprit):
    (cwd / "a.csv").write_bytes(given if isinstance(given, bytes) else given.encode())
    refused([*FILE, "a.csv"], "a.csv", culprit)


def test_one_missing_value_does_not_turn_a_regression_into_a_classification(refused, cwd):
    """Sixty numbers and a blank are not sixty-one classes."""
    for blank in ("", "NA", "unknown"):
        (cwd / "a.csv").write_text("a,b,y\n" + NUMBERS + f"1,2,{blank}\n")
        refused([*FILE, "a.csv"], "a.csv: line 62, column y")


@pytest.mark.parametrize("rows", [DATES, UNDERSCORES, NAMES_OF_ROWS, "1,1,7\n" + WORDS])
def test_what_is_said_to_be_names_is_taken_as_names(cwd, rows):
    (cwd / "a.csv").write_text("a,b,y\n" + rows)
    options = ["--task-options.kind", "classification", "--n-neurons", "60", "--quiet"]
    assert main([*FILE, "a.csv", *options]) == 0


def test_inputs_that_float32_cannot_tell_apart_are_refused_unless_standardised(refused, cwd):
    """Seconds since 1970, and numbers too small for float32."""
    late = "".join(f"{1.7e9 + i % 2},{i * i},{i % 2}\n" for i in range(40))
    small = "".join(f"{i}e-60,{i * i},{i % 2}\n" for i in range(40))
    raw = ["--task-options.standardise", "false"]
    for rows in (late, small):
        (cwd / "a.csv").write_text("a,b,y\n" + rows)
        refused([*FILE, "a.csv", *raw], "a.csv: column a: its values are all the same in float32")
        assert main([*FILE, "a.csv", "--quiet", "--out", f"run{len(rows)}"]) == 0


def test_inputs_whose_square_overflows_are_refused_unless_standardised(refused, cwd):
    rows = "".join(f"{i}e25,{i * i},{i % 2}\n" for i in range(40))
    (cwd / "a.csv").write_text("a,b,y\n" + rows)
    refused(
        [*FILE, "a.csv", "--task-options.standardise", "false"], "column a: 3.9e+26 is too large"
    )
    assert main([*FILE, "a.csv", "--quiet"]) == 0


def test_a_member_of_an_npz_that_is_no_array(refused, cwd):
    np.savez(cwd / "a.npz", y=Y)
    with zipfile.ZipFile(cwd / "a.npz", "a") as members:
        members.writestr("X", b"not an array")
    refused([*FILE, "a.npz"], "a.npz: X is not an array")


def test_a_table_as_spreadsheets_write_it_is_read(cwd):
    (cwd / "a.csv").write_bytes(b"\xef\xbb\xbf" + ("y,b,a\n" + ROWS).replace("\n", "\r\n").encode())
    assert main([*FILE, "a.csv", "--task-options.kind", "regression", "--quiet"]) == 0


@pytest.mark.parametrize("name", ["nowhere.npz", "a.txt", "folder.npz"])
def test_a_file_that_is_none(refused, cwd, name):
    (cwd / "a.txt").write_text("1,2,3\n")
    (cwd / "folder.npz").mkdir()
    refused([*FILE, name], name)


# ---- IDX files


def idx(array: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes."""
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.astype(np.uint8).tobytes()
    )


IMAGES, LABELS = np.random.default_rng(0).integers(0, 256, (30, 4, 4)), np.arange(30) % 3
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
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
    "gzip_corrupt": (
        {NAMES[0]: None, NAMES[0] + ".gz": ZIPPED[:40] + b"\xff" * 40 + ZIPPED[80:]},
        NAMES[0] + ".gz",
    ),
    "gzip_foreign": ({NAMES[0]: None, NAMES[0] + ".gz": idx(IMAGES)}, NAMES[0] + ".gz"),
}


@cases(IDX)
def test_images(refused, cwd, given, culprit):
    files = dict(zip(NAMES, map(idx, (IMAGES, LABELS, IMAGES, LABELS)), strict=True)) | given
    (cwd / "images").mkdir()
    for name, content in files.items():
        if content is not None:
            (cwd / "images" / name).write_bytes(content)
    refused(
        ["train", "--task", "idx", "--task-options.folder", "images", "--n-neurons", "25"],
        "images",
        culprit,
    )


def test_images_in_a_folder_that_is_none(refused):
    refused(["train", "--task", "idx", "--task-options.folder", "nowhere"], "nowhere", NAMES[0])


def test_no_pickle_is_loaded(cwd):
    """An .npz whose X, once unpickled, would leave a mark."""

    class Mark:
        def __reduce__(self):
            return (Path.touch, (cwd / "mark",))

    np.savez(cwd / "a.npz", X=np.array([[Mark()]] * 40), y=Y)
    assert main([*FILE, "a.npz"]) == 2
    assert not (cwd / "mark").exists()
