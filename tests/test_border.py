"""The border around every command: one line, a status, and never a traceback."""

import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import SMALL, cases
from urn import URNClassifier, load_run, resume, train, train_population
from urn.border import guarded
from urn.cli import main
from urn.errors import LONGEST_MESSAGE, InputError, bounded
from urn.memory import available_memory

TINY = ["--task", "shells", "--n-neurons", "20", "--steps", "20"]
HUGE = "9" * 400
DOTS = ".".join("a" * 3000)


def urn(*words: str, **options) -> subprocess.Popen:
    """The command line as a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([sys.executable, "-m", "urn", *words], **pipes)


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    """Status, output and errors of a process."""
    out, err = process.communicate(timeout=120)
    return process.returncode, (out or b"").decode(), (err or b"").decode()


def said_by(capsys, error: BaseException, words: list[str] | None = None) -> tuple[int, str]:
    """Status and errors of a command that raises."""

    def command() -> int:
        raise error

    status = guarded(command, words or [])
    return status, capsys.readouterr().err


# ---- what a command raises


def test_bad_input_is_one_line(capsys):
    assert said_by(capsys, InputError("steps: must be few")) == (2, "urn: steps: must be few\n")


def test_what_the_system_refuses_is_one_line(capsys):
    refused = OSError(28, "No space left on device", "here/weights.safetensors")
    status, err = said_by(capsys, refused)
    assert (status, err) == (2, "urn: here/weights.safetensors: No space left on device\n")
    assert said_by(capsys, OSError(28, "No space left on device"))[1].startswith("urn: output: ")


def test_a_fault_of_ours_leaves_a_log(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    status, err = said_by(capsys, TypeError("not a\nlist\x07"), ["train", "--steps", "3"])
    assert status == 1
    assert err.count("\n") == 1
    assert "internal error (TypeError: not a list\\x07)" in err
    (log,) = tmp_path.iterdir()
    assert str(log) in err
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert "['train', '--steps', '3']" in text


def test_a_log_that_cannot_be_written_is_no_second_fault(capsys, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    status, err = said_by(capsys, TypeError("x" * 10_000))
    assert status == 1
    assert err.count("\n") == 1
    assert len(err) < 500
    assert "no log was written" in err


def test_a_library_that_is_missing_leaves_a_log_too(capsys, tmp_path, monkeypatch):
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("importlib.metadata.version", version)
    status, err = said_by(capsys, ModuleNotFoundError("No module named 'torch'"))
    assert (status, err.count("\n")) == (1, 1)
    (log,) = tmp_path.iterdir()
    assert "torch missing" in log.read_text()


def test_debug_shows_the_traceback(capsys):
    _, err = said_by(capsys, InputError("steps: must be few"), ["train", "--debug"])
    assert "Traceback (most recent call last)" in err
    assert err.endswith("urn: steps: must be few\n")


@pytest.mark.parametrize("command", ["train", "export", "inspect", "prune", "reproduce", "sweep"])
def test_every_command_takes_debug(command, capsys):
    assert main([command, "--help"]) == 0
    assert "--debug" in capsys.readouterr().out


ENDS = {
    "interrupt": (KeyboardInterrupt(), 130, "urn: interrupted\n"),
    "memory": (MemoryError(), 2, "out of memory"),
    "torch_memory": (
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        2,
        "out of memory",
    ),
    "recursion": (RecursionError("maximum recursion depth exceeded"), 2, "nested too deep"),
    "null_byte": (ValueError("embedded null byte"), 2, "null byte"),
    "encoding": (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "no"), 2, "'\\udcff'"),
}


@pytest.mark.parametrize(("error", "status", "culprit"), ENDS.values(), ids=ENDS)
def test_other_ends(capsys, error, status, culprit):
    ended_with, err = said_by(capsys, error)
    assert ended_with == status
    assert culprit in err
    assert err.count("\n") == 1


def test_an_import_that_an_interrupt_cut_short_is_an_interrupt(capsys):
    """Extension modules turn what they meet on the way into an ImportError."""
    error = ImportError("numpy failed")
    error.__cause__ = KeyboardInterrupt()
    assert said_by(capsys, error) == (130, "urn: interrupted\n")


def test_a_command_that_cannot_be_loaded_takes_no_other_along(capsys, refused, monkeypatch):
    broken = importlib.metadata.EntryPoint("broken", "no.such.module:add", "urn.commands")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [broken])
    refused(["broken"], "urn: broken: cannot be loaded (No module named 'no')")
    assert main(["--help"]) == 0
    assert "train" in capsys.readouterr().out


# ---- messages


def test_messages_are_bounded_and_cannot_command_a_terminal():
    text = bounded("begin " + "\x1b[31m\u202e\udcff" * 200_000 + " end")
    assert len(text) <= LONGEST_MESSAGE
    assert text.isprintable()
    assert text.startswith("begin ")
    assert text.endswith(" end")
    assert bounded("a\n b\t c") == "a b c"
    assert str(InputError("x" * 10**6)).count("x") < LONGEST_MESSAGE


FLAGS = {
    "name_of_a_megabyte": (["--task", "x" * 10**6], "task: no task 'xxx"),
    "name_with_escapes": (["--task", "\x1b[31m\u202e"], "\\x1b[31m\\u202e"),
    "flag_of_3000_dots": (["--" + "a." * 3000, "1"], "unrecognized"),
    "table_of_3000_dots": (["--strengths.weight", f"{{{DOTS} = 1}}"], "strengths.weight"),
    "growth_of_3000_dots": (["--growth", f"{{{DOTS} = 1}}"], "growth"),
    "3000_braces": (["--strengths.weight", "{a=" * 3000], "strengths.weight"),
    "brackets": (["--betas", "[" * 400 + "1" + "]" * 400], "betas"),
    "seed_of_31_digits": (["--seed", "9" * 31], "seed"),
    "data_seed_of_31_digits": (["--task-options.data-seed", "9" * 31], "data_seed"),
    "rate_of_400_digits": (["--learning-rate", HUGE], "learning_rate"),
    "strength_of_400_digits": (["--strengths.weight", f"{{value = {HUGE}}}"], "strengths.weight"),
    "betas_of_400_digits": (["--betas", f"[{HUGE}, {HUGE}]"], "betas.0"),
    "radius_of_400_digits": (
        ["--task", "shells", "--task-options.radii", f"[1, {HUGE}]"],
        "radii.1",
    ),
    "configuration_of_odd_bytes": (["\udcff.toml"], "\\udcff.toml"),
    "folder_of_odd_bytes": (["--out", "\udcff"], "must be UTF-8"),
    "data_of_odd_bytes": (["--data", "\udcff.csv", "--out", "run"], "path: must be UTF-8"),
    "target_of_odd_bytes": (["--data", "a.csv", "--target", "\udcff"], "target: must be UTF-8"),
    "folder_with_a_null_byte": (["--out", "a\0b"], "null character"),
    "tensorboard_below_a_file": (["--tensorboard", "/dev/null/x"], "/dev/null is not a folder"),
}


@cases(FLAGS)
def test_flags_that_once_ended_in_a_traceback(refused, given, culprit):
    assert len(refused(["train", *given], culprit)) <= 500


# ---- memory

LIMITS = (250, 850, 1300, 2500)
"""Mebibytes of address space: from too little for Python's libraries to plenty."""

TOO_LARGE = {
    "easy": (["miconi_easy", "--task-options.length", "1e9"], "length: needs about 80"),
    "hard": (["miconi_hard", "--task-options.n-streams", "1e9"], "n_streams"),
    "switch": (["miconi_switch", "--task-options.length", "1e9"], "length"),
    "shells": (["shells", "--task-options.dimension", "1e9"], "dimension"),
    "carry": (["carry", "--task-options.dimension", "1e9"], "dimension"),
    "adding": (["adding", "--task-options.n-train", "1e9"], "n_train"),
}


@cases(TOO_LARGE)
def test_data_that_do_not_fit_are_refused_before_they_are_made(refused, given, culprit):
    begun = time.monotonic()
    message = refused(["train", "--task", *given], culprit)
    assert "bytes" in message
    assert "available" in message
    assert time.monotonic() - begun < 10


def test_one_estimate_refuses_wherever_a_network_is_trained(
    interrupted_run, refused, cwd, monkeypatch
):
    """On the command line and from Python, alone and in a population, from the start or on."""
    available = 300 << 20
    monkeypatch.setattr("urn.memory.available_memory", lambda: available)
    large = SMALL.replace(n_neurons=2000, snapshots=10)
    culprit = "n_neurons and snapshots: needs about 48"
    for training in (train, lambda config: train_population([config])):
        with pytest.raises(InputError, match=culprit):
            training(large)

    several = [SMALL.replace(n_neurons=600, seed=seed) for seed in range(16)]
    with pytest.raises(InputError, match="n_neurons and snapshots: needs about 4"):
        train_population(several)

    (cwd / "large.toml").write_text(large.to_toml())
    refused(["train", "large.toml", "--out", "r"], culprit)
    base = '[base]\ntask = "shells"\nn_neurons = 2000\n'
    (cwd / "q.toml").write_text(f"seeds = 1\n{base}[grid]\nn_iterations = [2]\n")
    refused(["sweep", "run", "q.toml", "--out", "s", "--workers", "1"], f"point 0: {culprit}")

    available = 1000
    refused(["train", "--resume", "run"], "n_neurons and snapshots", "1000 bytes")
    with pytest.raises(InputError, match="n_neurons and snapshots"):
        resume("run")
    with pytest.raises(InputError, match="n_neurons and snapshots"):
        URNClassifier(steps=1).fit([[0.0, 1.0], [1.0, 0.0]] * 20, [0, 1] * 20)


def test_files_that_a_container_has_read_are_no_use_of_its_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("urn.memory.CGROUPS", ((tmp_path, "max", "current"),))
    (tmp_path / "max").write_text("1000000\n")
    (tmp_path / "current").write_text("999000\n")
    (tmp_path / "memory.stat").write_text("anon 9000\nactive_file 60000\ninactive_file 930000\n")
    assert available_memory() == 991_000
    (tmp_path / "max").write_text("max\n")
    assert available_memory() > 2**20


def test_a_run_that_could_not_be_read_back_is_refused_before_it_is_trained(tmp_path):
    """Ten snapshots of 2,000 neurons are held at the end, beside what training needs."""
    script = (
        "import resource, sys; from pathlib import Path;"
        "import urn.commands; from urn.cli import main;"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (320 << 20),) * 2);"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["train", "--task", "shells", "--n-neurons", "2000", "--steps", "20", "--out", "run"]
    process = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert process.returncode == 2, process.stderr
    assert process.stderr.startswith("urn: n_neurons and snapshots: needs about 48")
    assert "bytes" in process.stderr
    assert "available" in process.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mebibytes", LIMITS)
def test_under_a_limit_of_memory_a_run_is_refused_or_comes_to_its_end(tmp_path, mebibytes):
    """Refused before a folder is there, or complete; it does not die in the middle."""
    words = "train --task shells --n-neurons 2000 --steps 20 --quiet --out run"
    command = f'ulimit -v {mebibytes * 1024}; exec "{sys.executable}" -m urn {words}'
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    if done.returncode:
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("urn: ")
        assert done.stderr.count("\n") == 1
        assert "memory" in done.stderr
        assert list(tmp_path.iterdir()) == []
    else:
        assert load_run(tmp_path / "run").status in ("ok", "disconnected")


# ---- processes: interrupts, pipes, encodings


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.4, 1.0])
def test_an_interrupt_at_the_start_is_quiet(tmp_path, delay):
    """While libraries are loaded, and after."""
    process = urn("train", *TINY, "--steps", "1000000", cwd=tmp_path)
    libraries = Path(f"/proc/{process.pid}/maps")
    while "numpy" not in libraries.read_text():
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert status == 130
    assert "Traceback" not in err
    assert "Error" not in err


def test_a_second_interrupt_is_quiet(tmp_path):
    process = urn("train", *TINY, "--steps", "100000000", cwd=tmp_path)
    while not list(tmp_path.glob("runs/*/config.toml")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert status == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["train", "--help"], ["train", *TINY, "--quiet"]])
def test_a_reader_that_leaves_is_met_with_silence(tmp_path, words):
    """What is left in the buffer when the interpreter ends counts too."""
    read, write = os.pipe()
    os.close(read)
    process = urn(*words, stdout=write, cwd=tmp_path)
    os.close(write)
    status, _, err = ended(process)
    assert status in (0, 1)
    assert err == ""


def test_a_closed_or_full_output_is_no_traceback(tmp_path):
    with open("/dev/full", "w") as full:
        status, _, err = ended(urn("train", *TINY, "--quiet", stdout=full, cwd=tmp_path))
    assert (status, err) == (2, "urn: output: No space left on device\n")
    closed = f'exec "{sys.executable}" -m urn train --task nope >&- 2>&-'
    assert subprocess.run(["sh", "-c", closed], cwd=tmp_path).returncode == 2


def test_a_name_that_the_output_cannot_encode_is_escaped_after_the_work(tmp_path):
    """A locale without UTF-8: the run is done and saved, and its name printed as it can be."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    process = urn("train", *TINY, "--quiet", "--out", "größe", cwd=tmp_path, env=environment)
    status, out, err = ended(process)
    assert (status, err) == (0, "")
    assert "gr\\xf6\\xdfe" in out
    assert (tmp_path / "größe" / "weights.safetensors").is_file()


def test_in_one_process_signals_are_left_alone(capsys):
    before = signal.getsignal(signal.SIGINT)
    assert main(["train", "--task", "nope"]) == 2
    assert signal.getsignal(signal.SIGINT) is before


def test_importing_the_package_loads_neither_torch_nor_pydantic():
    script = (
        "import sys, urn, urn.cli; heavy = {'torch', 'pydantic', 'sklearn'} & set(sys.modules);"
        "assert not heavy, heavy; assert set(urn.__all__) <= set(dir(urn));"
        "from urn import URN, Dataset, InputError, task; assert URN.__name__ == 'URN'"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_interrupt_while_python_ends_does_not_hide_how_the_command_ended():
    """What is registered first is called last: by then an interrupt is ignored."""
    script = """
import atexit, os, signal
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
from urn.border import set_up_process
set_up_process()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("given", [None, "ACTIVE"])
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(given):
    """As OpenMP itself says, in a program that loads torch behind the border."""
    script = "from urn.border import set_up_process; set_up_process(); import torch; torch.ones(2)"
    environment = {name: value for name, value in os.environ.items() if "OMP_WAIT" not in name}
    environment |= {"OMP_DISPLAY_ENV": "true"} | ({"OMP_WAIT_POLICY": given} if given else {})
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert f"OMP_WAIT_POLICY = '{given or 'PASSIVE'}'" in done.stderr
