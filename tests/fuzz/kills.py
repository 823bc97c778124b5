"""`python -m tests.fuzz.kills --n 120 --seed 1`: commands killed at random moments.

After each kill: no process is left, no draft lies about, nothing that was there is lost, and the
command, given again (or resumed), comes to the end that an unbroken one comes to.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file

from tests.fuzz.sandbox import SWEEP, listing, one_thread
from urn import TrainConfig, train

LONG = TrainConfig(
    task="shells",
    task_options={"dimension": 4, "n_train": 500, "n_validation": 50, "n_test": 50},
    n_neurons=40,
    n_iterations=3,
    steps=6000,
    batch_size=32,
    check_every=10,
    log_every=10,
    snapshots=20,
    checkpoint_seconds=0.05,
    strengths={"weight": 1e-3, "depth": 1e-2},
)
"""Some seconds of training, with a checkpoint every twentieth of one."""

LONGER_SWEEP = SWEEP.replace("steps = 4", "steps = 3000").replace("seeds = 2", "seeds = 4")
SIGNALS = {"KILL": [signal.SIGKILL], "INT": [signal.SIGINT], "INT twice": [signal.SIGINT] * 2}
START_SECONDS = 3.0
"""By judgement: about what Python and torch take to start; kills fall before and after it."""


@dataclass(frozen=True)
class Job:
    """A command, and the one that goes on with it after a kill."""

    argv: list[str]
    again: list[str]
    seconds: float


JOBS = {
    "train": Job(
        ["train", "long.toml", "--out", "out", "--quiet"],
        ["train", "--resume", "out", "--quiet"],
        10,
    ),
    "sweep": Job(
        ["sweep", "run", "sweep.toml", "--out", "out", "--workers", "2", "--quiet"],
        ["sweep", "resume", "out", "--workers", "2", "--quiet"],
        20,
    ),
    "export": Job(*[["export", "run", "--to", "torch", "--out", "out.py"]] * 2, 5),
    "inspect": Job(*[["inspect", "run", "--html", "--figures"]] * 2, 12),
    "prune": Job(*[["prune", "run", "--out", "out"]] * 2, 10),
    "reproduce": Job(
        *[["reproduce", "width", "--scale", "quick", "--seeds", "1", "--out", "out"]] * 2, 25
    ),
}


def main() -> int:
    """Kill, look, go on, compare; status 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.kills", description=__doc__)
    parser.add_argument("--n", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--job", choices=JOBS)
    arguments = parser.parse_args()

    rng = random.Random(arguments.seed)
    faults, counts = 0, Counter()
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template"
        template.mkdir()
        (template / "long.toml").write_text(LONG.to_toml())
        (template / "sweep.toml").write_text(LONGER_SWEEP)
        train(LONG.replace(steps=50), template / "run")
        unbroken = train(LONG).weights

        for number in range(arguments.n):
            name = arguments.job or list(JOBS)[number % len(JOBS)]
            how = rng.choice(list(SIGNALS))
            moment = rng.uniform(0.1, START_SECONDS + JOBS[name].seconds)
            cwd = Path(folder) / f"cwd{number}"
            shutil.copytree(template, cwd)

            complaint = _killed(cwd, JOBS[name], SIGNALS[how], moment)
            complaint = complaint or _ended(cwd, name, unbroken)
            counts[name, how] += 1
            if complaint:
                faults += 1
                print(f"{number} {name} {how} after {moment:.2f} s: {complaint}", flush=True)
            shutil.rmtree(cwd)

    print(f"{arguments.n} kills, {faults} faults; {dict(counts)}")
    return int(faults > 0)


def _killed(cwd: Path, job: Job, signals: list[signal.Signals], moment: float) -> str | None:
    """Start a job, send it the signals, and see what is left of it."""
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
        out, err = process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        for number in signals:
            process.send_signal(number)
            time.sleep(0.05)
        out, err = process.communicate(timeout=120)

    if "Traceback" in out + err:
        return f"a traceback: {err[-400:]}"
    if alive := _session(process.pid, wait=20):
        return f"orphans: {alive}"

    after = listing(cwd)
    if lost := [name for name in before if after.get(name) != before[name]]:
        return f"lost or changed: {lost}"
    return None


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


def _ended(cwd: Path, name: str, unbroken: object) -> str | None:
    """Go on with the job; it must come to its end and leave no drafts."""
    job = JOBS[name]
    begun = (cwd / "out").exists()
    argv = job.again if begun or name not in ("train", "sweep") else job.argv
    done = subprocess.run(
        [sys.executable, "-m", "urn", *argv],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    refused = done.returncode == 2 and ("exist" in done.stderr or "there already" in done.stderr)
    complete = (cwd / "out.py").exists() or (cwd / "out").exists()
    if done.returncode and not (refused and complete):
        return f"does not go on: status {done.returncode}, {done.stderr[-300:]}"

    if name == "train":
        weights = load_file(cwd / "out" / "weights.safetensors")["weights"]
        if not weights.equal(unbroken):
            return "other weights than those of an unbroken run"

    drafts = [path for path in listing(cwd) if _is_draft(path)]
    return f"drafts left: {drafts}" if drafts else None


def _is_draft(path: str) -> bool:
    last = path.rsplit("/", 1)[-1]
    return last.startswith(".") and not last.endswith("lock") and not path.endswith(".lock")


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # for the commands, and the same here: equal sums
    one_thread()
    sys.exit(main())
