"""Where cases run, and the oracle: what must hold after any command line whatever."""

import contextlib
import errno
import hashlib
import io
import itertools
import os
import shutil
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from experiments.sweeps import engine
from experiments.sweeps.plan import read_plan
from experiments.sweeps.store import Store
from urn import TrainConfig, load_run, train
from urn.cli import main

SECONDS = 60
"""By judgement: what a case asks for is done in one second, also on a busy machine in ten."""
LONGEST_LINE = 500
STATUSES = (0, 1, 2, 130)

SMALL = TrainConfig(
    task="shells",
    task_options={"dimension": 2, "n_train": 64, "n_validation": 16, "n_test": 16},
    n_neurons=12,
    n_iterations=3,
    steps=4,
    batch_size=16,
    check_every=2,
    log_every=2,
    snapshots=2,
    strengths={"weight": 1e-3, "depth": 1e-2},
)

SWEEP = """seeds = 2
[base]
task = "shells"
task_options = {dimension = 2, n_train = 64, n_validation = 16, n_test = 16}
n_neurons = 12
steps = 4
batch_size = 16
check_every = 2
log_every = 2
snapshots = 0
[grid]
strengths.weight = [1e-4, 1e-3]
"""

TABLE = "\n".join(["a,b,y", *(f"{k % 7},{k / 3:.3f},{'ny'[k % 2]}" for k in range(40))]) + "\n"
"""40 rows, two numeric columns, two classes."""


@dataclass(frozen=True)
class Fault:
    """A call of the system that fails once.

    Attributes
    ----------
    call : str
        The name of a function of `os`.
    nth : int
        Which call of it, from 1.
    error : str
        A key of ERRORS.
    again : list of str
        The command line that goes on where something was begun; the same one where nothing was.
    begun : str
        The path that says whether something was begun.
    equals : str
        The run folder that has the same numbers as `begun` in the end; none where it is empty.
    """

    call: str
    nth: int
    error: str
    again: list[str]
    begun: str = "out"
    equals: str = ""


ERRORS: dict[str, Callable[[], BaseException]] = {
    "full disk": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "broken disk": lambda: OSError(errno.EIO, os.strerror(errno.EIO)),
    "no memory": MemoryError,
    "interrupt": KeyboardInterrupt,
}
"""What the system may answer at any time, and the user at the keyboard."""


@dataclass(frozen=True)
class Case:
    """One command line and what lies around it.

    Attributes
    ----------
    kind : str
        The generator it comes from.
    argv : list of str
        What follows `urn`.
    files : dict
        Path below the sandbox to what is put there first: bytes, or None for nothing at all.
    links : dict
        Path below the sandbox to the target of a symbolic link.
    may_write : tuple of str
        Paths below which a command that is not refused may change or create files.
    environment : dict or None
        With one, the command is a process of its own with these variables.
    stdin : bytes
        What such a process reads.
    protected : tuple of str
        Paths below which nothing may change or be created, whatever is asked for.
    forced : bool
        Whether files that were there may be overwritten, where `may_write` names them.
    must_refuse : bool
        Whether the input is known to be wrong, so that status 0 would be a lie.
    fault : Fault or None
        What fails in the middle of the command.
    """

    kind: str
    argv: list[str]
    files: dict[str, bytes | None] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    may_write: tuple[str, ...] = ("out",)
    environment: dict[str, str] | None = None
    stdin: bytes = b""
    protected: tuple[str, ...] = ()
    forced: bool = False
    must_refuse: bool = False
    fault: Fault | None = None


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int | None
    out: str
    err: str


class Sandbox:
    """A folder with a finished run, an interrupted one, a sweep, tables and files that are nobody's
    business."""

    def __init__(self, folder: Path) -> None:
        self.template = folder / "template"
        self.cwd = folder / "cwd"
        self.template.mkdir(parents=True)
        _furnish(self.template)
        self.whole = listing(self.template)
        self._restore()

    def broken(self, case: Case) -> str | None:
        """Run a case; say in words which promise it breaks, or None."""
        try:
            for name, target in case.links.items():
                (self.cwd / name).symlink_to(target)

            for name, content in case.files.items():
                _put(self.cwd / name, content)

            # The tests beside us may have children of their own, such as a browser.
            there = _children()
            before = listing(self.cwd)
            outcome = self._run(case)
            after = listing(self.cwd)
            broken = complaint(case, outcome, before, after) or self._unreadable()
            if broken is None and (left := _children() - there):
                broken = f"left processes {sorted(left)}"
            if broken is None and case.fault is not None:
                broken = self._not_resumed(case, case.fault)
            return broken
        finally:
            self._restore()

    def _run(self, case: Case) -> Outcome:
        with contextlib.chdir(self.cwd):
            if case.environment is not None:
                return _in_a_process(case)
            with _failing(case.fault):
                return _here(case.argv)

    def _unreadable(self) -> str | None:
        """Why a run that was written cannot be loaded, or None."""
        folder = self.cwd / "out"
        if not (folder / "weights.safetensors").is_file():
            return None
        try:
            run = load_run(folder)
        except Exception as error:
            return f"wrote a run that cannot be loaded: {error}"
        finite = bool(run.weights.isfinite().all() and run.biases.isfinite().all())
        return None if finite else "wrote a run that is not finite"

    def _not_resumed(self, case: Case, fault: Fault) -> str | None:
        """Go on after a fault: it must come to the end that an unbroken command comes to."""
        begun = self.cwd / fault.begun
        with contextlib.chdir(self.cwd):
            outcome = _here(fault.again if begun.exists() else case.argv)

        is_done = outcome.status == 2 and "already exists" in outcome.err
        if outcome.status != 0 and not is_done:
            return f"does not go on: status {outcome.status}, {outcome.err[-300:]}"
        if fault.equals and numbers(begun) != numbers(self.cwd / fault.equals):
            return "other numbers than those of an unbroken run"
        return None

    def _restore(self) -> None:
        """Make the cwd what it was: only what differs is copied again."""
        self.cwd.mkdir(exist_ok=True)
        with contextlib.chdir(self.cwd):
            now = _listing_here()
            wrong = {name for name, digest in now.items() if self.whole.get(name) != digest}
            for name in sorted(wrong, reverse=True):  # what lies in a folder before the folder
                if now[name] == "folder":
                    os.rmdir(name)
                else:
                    os.remove(name)

            for name in sorted(self.whole.keys() - (now.keys() - wrong)):
                if self.whole[name] == "folder":
                    os.mkdir(name)
                else:
                    shutil.copy2(self.template / name, name, follow_symlinks=False)


def _furnish(folder: Path) -> None:
    train(SMALL, folder / "run")
    asked = iter(range(2))
    train(SMALL, folder / "half", stop=lambda: next(asked, None) is None)

    (folder / "sweep.toml").write_text(SWEEP)
    plan = read_plan(folder / "sweep.toml")
    with Store.create(folder / "sweep", plan) as store:
        engine.Engine(store, plan, 1, lambda *_: None, lambda: False).run()

    (folder / "table.csv").write_text(TABLE)
    rng = np.random.default_rng(0)
    np.savez(folder / "table.npz", X=rng.normal(size=(40, 3)), y=np.arange(40) % 2)
    (folder / "config.toml").write_text(SMALL.to_toml())
    (folder / "precious.txt").write_text("nobody may touch this\n")
    (folder / "precious").mkdir()
    (folder / "precious" / "weights.safetensors").write_bytes(b"not a network")


def _put(path: Path, content: bytes | None) -> None:
    """Make a file, or make sure that nothing is there."""
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _failing(fault: Fault | None) -> Iterator[None]:
    """Let a call of the system fail once."""
    if fault is None:
        yield
        return

    real = getattr(os, fault.call)
    calls = itertools.count(1)

    def failing(*arguments: object, **options: object) -> object:
        if next(calls) == fault.nth:
            raise ERRORS[fault.error]()
        return real(*arguments, **options)

    setattr(os, fault.call, failing)
    try:
        yield
    finally:
        setattr(os, fault.call, real)


@contextlib.contextmanager
def _no_longer_than(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _here(argv: list[str]) -> Outcome:
    """The command in this process. What leaves `main` as an exception is written to stderr as
    Python would."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict", write_through=True)
    err = io.StringIO()
    status: int | None = None

    def warned(message: Warning | str, kind: type[Warning], *where: object) -> None:
        if issubclass(kind, RuntimeWarning):  # others are those of libraries
            err.write(f"{kind.__name__}: {message}\n")

    # Also under pytest, which keeps warnings to itself.
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.showwarning = warned  # type: ignore[assignment]
        try:
            with _no_longer_than(SECONDS):
                status = main(list(argv))
        except BaseException:  # SystemExit is as wrong as any other: `main` returns its status
            err.write(traceback.format_exc())

    assert isinstance(out.buffer, io.BytesIO)
    return Outcome(status, out.buffer.getvalue().decode(), err.getvalue())


def _in_a_process(case: Case) -> Outcome:
    assert case.environment is not None
    done = subprocess.run(
        [sys.executable, "-m", "urn", *case.argv],
        input=case.stdin,
        capture_output=True,
        timeout=10 * SECONDS,
        env={**os.environ, **case.environment},
        check=False,
    )
    out, err = (text.decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr))
    return Outcome(done.returncode, out, err)


def listing(folder: Path) -> dict[str, str]:
    """Every path below a folder, with a digest of what it holds; links are not followed."""
    with contextlib.chdir(folder):  # from within: a path may be as long as the system takes
        return _listing_here()


def _listing_here() -> dict[str, str]:
    digests = {}
    for path in Path().rglob("*"):
        name = str(path)
        if path.is_symlink():
            digests[name] = f"link to {os.readlink(path)}"
        elif path.is_dir():
            digests[name] = "folder"
        else:
            digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return digests


def complaint(
    case: Case, outcome: Outcome, before: dict[str, str], after: dict[str, str]
) -> str | None:
    """The oracle: which promise an outcome breaks, or None."""
    status, err = outcome.status, outcome.err
    if "Traceback" in err + outcome.out:
        return f"a traceback: {err.strip().splitlines()[-1][:300]}"
    if status not in STATUSES:
        return f"status {status}"
    if "crash" in err:
        return f"not foreseen: {err.strip()[:300]}"

    changed = {name for name in before | after if before.get(name) != after.get(name)}
    if case.fault:
        return _after_fault(case, outcome, changed)
    if case.must_refuse and status != 2:
        return f"took what is wrong, status {status}"
    if case.kind == "network" and "Warning" in err:
        return f"a warning of Python's: {err.strip()[:300]}"
    if status == 2:
        if changed:
            return f"refused, yet changed {sorted(changed)[:5]}: {err[:200]}"
        if (line := bad_line(err)) or outcome.out:
            return line or f"refused, yet printed {outcome.out[:200]!r}"

    stray = {name for name in changed if not _below(name, case.may_write)}
    stray |= {name for name in changed if _below(name, case.protected)}
    if case.kind == "outputs" and not case.forced:  # what was there may not change
        stray |= changed & set(before)
    if stray:
        return f"status {status}, and changed {sorted(stray)[:5]}"
    return None


def _after_fault(case: Case, outcome: Outcome, changed: set[str]) -> str | None:
    """Which promise is broken by a command that failed in its middle, or None."""
    if outcome.status and (line := bad_line(outcome.err)):
        return line
    if drafts := [name for name in changed if name.rsplit("/", 1)[-1].startswith(".")]:
        return f"left drafts {sorted(drafts)[:3]}"
    stray = [name for name in changed if not _below(name, case.may_write)]
    return f"changed {sorted(stray)[:5]}" if stray else None


def numbers(run: Path) -> dict[str, bytes]:
    """What a run folder holds of numbers: history, snapshots and the network as bytes."""
    held = {str(path.relative_to(run)): path for path in run.rglob("*") if path.is_file()}
    return {
        name: b"".join(tensor.numpy().tobytes() for _, tensor in sorted(load_file(path).items()))
        if name.endswith(".safetensors")
        else path.read_bytes()
        for name, path in held.items()
        if name != "provenance.json"
    }


def bad_line(err: str) -> str | None:
    """What is wrong with the one line of a refusal, or None."""
    if not err.startswith("urn: ") or err.count("\n") != 1 or not err.endswith("\n"):
        return f"not one line: {err[:300]!r}"
    if len(err) > LONGEST_LINE + 1:
        return f"a line of {len(err)} characters: {err[:200]!r}"
    if not err[:-1].isprintable() and any(ord(c) < 32 or 127 <= ord(c) < 160 for c in err[:-1]):
        return f"control characters: {err[:300]!r}"
    return None


def _below(name: str, folders: tuple[str, ...]) -> bool:
    return any(name == folder or name.startswith(f"{folder}/") for folder in folders)


def _children() -> set[int]:
    """Processes started by this one that have not ended; those of a pool that is kept are none of
    ours."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    if not path.exists():
        return set()
    alive = set()
    for word in path.read_text().split():
        try:
            name = Path(f"/proc/{word}/cmdline").read_bytes()
        except OSError:
            continue
        if b"resource_tracker" not in name and b"forkserver" not in name and name:
            alive.add(int(word))
    return alive


def one_thread() -> None:
    """Small networks on one thread, as all tests."""
    torch.set_num_threads(1)
