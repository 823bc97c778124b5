"""`python -m tests.fuzz.kills --n 120 --seed 1`: commands killed at random moments.

After each kill: no process is left, nothing is said but one line, nothing that was there is lost.
Then the command, given again (or resumed), comes to the end that an unbroken one comes to: the same
numbers, nothing twice, and no draft lies about.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from experiments.sweeps.store import DONE, Store
from tests.fuzz.sandbox import SWEEP, bad_line, listing, numbers, one_thread
from urn import TrainConfig, train

LONG = TrainConfig(
    task="shells",
    task_options={"dimension": 4, "n_train": 500, "n_validation": 50, "n_test": 50},
    n_neurons=40,
    n_iterations=3,
    steps=1200,
    batch_size=32,
    check_every=10,
    log_every=10,
    snapshots=20,
    checkpoint_seconds=0.05,
    strengths={"weight": 1e-3, "depth": 1e-2},
)
"""Some seconds of training, with a checkpoint every twentieth of one."""

LONGER_SWEEP = SWEEP.replace("steps = 4", "steps = 500").replace("seeds = 2", "seeds = 3")

SIGNALS = {
    "KILL": [signal.SIGKILL],
    "TERM": [signal.SIGTERM],
    "INT": [signal.SIGINT],
    "INT twice": [signal.SIGINT, signal.SIGINT],
}
"""An interrupt goes to the whole group of processes, as from a keyboard; the others to one."""

SELDOM = {"reproduce": 4}
"""Jobs that take minutes: of so many rounds in which each has its turn they have one."""

EARLIEST = 0.15
"""Seconds after the start of a process. Before, Python itself is not ready to be interrupted, and
what it then prints is its own; see `urn.border`."""

PAUSE = 0.05
"""Seconds between two interrupts: as fast as fingers are."""


@dataclass(frozen=True)
class Job:
    """A command that is killed.

    Attributes
    ----------
    argv : list of str
        What follows `urn`.
    again : list of str
        The command that goes on with it once `begun` is there; before, `argv` does.
    begun : str
        The path that it makes first.
    fault : callable
        Says what is wrong with what came out, held against the folder of an unbroken command.
    changes : tuple of str
        Paths that were there before and that it may change.
    """

    argv: list[str]
    again: list[str]
    begun: str
    fault: Callable[[Path, Path], str | None]
    changes: tuple[str, ...] = ()


# ---- what must come out


def _same_run(name: str) -> Callable[[Path, Path], str | None]:
    def fault(here: Path, unbroken: Path) -> str | None:
        same = numbers(here / name) == numbers(unbroken / name)
        return None if same else "other numbers than those of an unbroken run"

    return fault


def _same_files(*names: str) -> Callable[[Path, Path], str | None]:
    def fault(here: Path, unbroken: Path) -> str | None:
        there = listing(here)
        wanted = listing(unbroken)
        wrong = [name for name in names if name not in there or there[name] != wanted[name]]
        return f"other files than those of an unbroken command: {wrong}" if wrong else None

    return fault


def _whole_sweep(here: Path, unbroken: Path) -> str | None:
    """Every point is there once, done, with its network, and nothing else is."""
    with Store(here / "out") as store:
        points = store.rows(["number", "status"])
        n = store.count().total()
        owners = store.db.execute("SELECT count(*) FROM owners").fetchone()[0]
    with Store(unbroken / "out") as store:
        wanted = store.count().total()

    folders = sorted(path.name for path in (here / "out" / "runs").iterdir())
    if not len(points) == n == wanted or any(status not in DONE for _, status in points):
        return f"{len(points)} of {n} points done, of {wanted}"
    if folders != [f"{number:06d}" for number, _ in points]:
        return f"networks of other points: {folders}"
    return f"{owners} owners are left" if owners else None


def _same_claims(here: Path, unbroken: Path) -> str | None:
    ours, theirs = (
        json.loads((folder / "out" / "claims.json").read_text(), object_hook=_without_times)
        for folder in (here, unbroken)
    )
    return None if ours == theirs else "other claims than those of an unbroken command"


def _without_times(entry: dict) -> dict:
    """What an entry holds but for how long it took, and when."""
    return {name: value for name, value in entry.items() if name not in ("seconds", "provenance")}


def _has_report(here: Path, unbroken: Path) -> str | None:
    new = {name for name in listing(here) if name.startswith("run/")}
    lacks = {name for name in listing(unbroken) if name.startswith("run/")} - new
    return f"lacks {sorted(lacks)}" if lacks else None


_PRUNE = ["prune", "run", "--criterion", "magnitude", "--keep", "0.5", "--retrain", "200"]
_SWEEP = ["--workers", "2", "--quiet"]
_EXPORT = ["export", "run", "--to", "torch", "--out", "out.py"]
_REPRODUCE = ["reproduce", "width", "--scale", "quick", "--seeds", "1", "--out", "out"]
_INSPECT = ["inspect", "run", "--html", "--figures"]
_RESUME = ["train", "--resume", "half", "--quiet"]

JOBS = {
    "train": Job(
        ["train", "long.toml", "--out", "out", "--quiet"],
        ["train", "--resume", "out", "--quiet"],
        "out",
        _same_run("out"),
    ),
    "resume": Job(_RESUME, _RESUME, "half", _same_run("half"), ("half",)),
    "sweep": Job(
        ["sweep", "run", "sweep.toml", "--out", "out", *_SWEEP],
        ["sweep", "resume", "out", *_SWEEP],
        "out",
        _whole_sweep,
    ),
    "reproduce": Job(_REPRODUCE, _REPRODUCE, "out", _same_claims),
    "export": Job(_EXPORT, [*_EXPORT, "--force"], "run", _same_files("out.py", "out.safetensors")),
    "inspect": Job(_INSPECT, _INSPECT, "run", _has_report),
    "prune": Job([*_PRUNE, "--out", "out"], [*_PRUNE, "--out", "out"], "out", _same_run("out")),
}


# ---- the kills


def main() -> int:
    """Kill, look, go on, compare; status 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.kills", description=__doc__)
    parser.add_argument("--n", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--job", choices=JOBS)
    arguments = parser.parse_args()

    rng = random.Random(arguments.seed)
    faults = 0
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template"
        _furnish(template)
        names = [arguments.job] if arguments.job else list(JOBS)
        unbroken = {name: _unbroken(template, Path(folder) / name, name) for name in names}

        for number in range(arguments.n):
            name = names[number % len(names)]
            if name in SELDOM and number // len(names) % SELDOM[name]:
                name = rng.choice([other for other in names if other not in SELDOM] or names)
            how = rng.choice(list(SIGNALS))
            moment = rng.uniform(EARLIEST, unbroken[name])
            cwd = Path(folder) / f"cwd{number}"
            shutil.copytree(template, cwd)

            complaint, hit = _killed(cwd, JOBS[name], how, moment)
            complaint = complaint or _gone_on(cwd, JOBS[name], Path(folder) / name)
            counts[f"{name}, {how}{'' if hit else ', too late'}"] += 1
            if complaint:
                faults += 1
                print(f"{number} {name} {how} after {moment:.2f} s: {complaint}", flush=True)
            shutil.rmtree(cwd)

    hits = sum(n for kind, n in counts.items() if "too late" not in kind)
    print(f"seed {arguments.seed}: {arguments.n} kills, {hits} in time, {faults} faults")
    print(dict(sorted(counts.items())))
    return int(faults > 0)


def _furnish(template: Path) -> None:
    """The folder that every command begins in."""
    template.mkdir()
    (template / "long.toml").write_text(LONG.to_toml())
    (template / "sweep.toml").write_text(LONGER_SWEEP)
    train(LONG.replace(steps=50), template / "run")
    asked = iter(range(100))
    train(LONG, template / "half", stop=lambda: next(asked, None) is None)


def _unbroken(template: Path, cwd: Path, name: str) -> float:
    """Run a command to its end; returns how long that takes."""
    shutil.copytree(template, cwd)
    begun = time.monotonic()
    done = _urn(cwd, JOBS[name].argv)
    if done.returncode:
        raise RuntimeError(f"{name} does not work at all: {done.stderr}")
    return time.monotonic() - begun


def _urn(cwd: Path, argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "urn", *argv],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _killed(cwd: Path, job: Job, how: str, moment: float) -> tuple[str | None, bool]:
    """Start a command and kill it; which promise that breaks, and whether it was in time."""
    before = listing(cwd)
    process = subprocess.Popen(
        [sys.executable, "-m", "urn", *job.argv],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, err = process.communicate(timeout=moment)
        hit = False
    except subprocess.TimeoutExpired:
        _send(process, how)
        _, err = process.communicate(timeout=120)
        hit = process.returncode != 0

    if complaint := _wrong_end(process.returncode, err, how, hit):
        return complaint, hit
    if alive := _session(process.pid, wait=20):
        return f"orphans: {alive}", hit

    after = listing(cwd)
    kept = [name for name in before if name.split("/")[0] not in job.changes]
    if lost := [name for name in kept if after.get(name) != before[name]]:
        return f"lost or changed: {lost}", hit
    return None, hit


def _send(process: subprocess.Popen[str], how: str) -> None:
    """Send the signals, unless the process has just ended."""
    for number in SIGNALS[how]:
        with suppress(ProcessLookupError):
            if number == signal.SIGINT:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        time.sleep(PAUSE)


def _wrong_end(status: int, err: str, how: str, hit: bool) -> str | None:
    """What is wrong with how a process ended, or None."""
    if "Traceback" in err or "Error" in err:
        return f"a traceback: {err[-400:]}"
    statuses = (0,) if not hit else (130,) if "INT" in how else (130, -SIGNALS[how][0])
    if status not in statuses:
        return f"status {status}: {err[-300:]}"
    last = "".join(err.splitlines(keepends=True)[-1:])  # after lines of progress
    # Training that stops between two steps says on stdout how to go on, and nothing here.
    return bad_line(last) if status == 130 and last else None


def _session(leader: int, wait: float) -> list[str]:
    """Processes of a session that do not end within `wait` seconds."""
    end = time.monotonic() + wait
    while True:
        alive = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                alive.append(folder.name)
        if not alive or time.monotonic() > end:
            return alive
        time.sleep(0.2)


def _gone_on(cwd: Path, job: Job, unbroken: Path) -> str | None:
    """Go on with the command; it must come to its end, and leave no drafts."""
    done = _urn(cwd, job.again if (cwd / job.begun).exists() else job.argv)
    refused = done.returncode == 2 and "already exists" in done.stderr
    if done.returncode and not refused:
        return f"does not go on: status {done.returncode}, {done.stderr[-300:]}"

    drafts = [name for name in listing(cwd) if name.rsplit("/", 1)[-1].startswith(".")]
    return f"drafts left: {drafts}" if drafts else job.fault(cwd, unbroken)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # for the commands, and the same here: equal sums
    one_thread()
    sys.exit(main())
