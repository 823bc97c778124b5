"""What a newcomer types first: `urn train --data TABLE.csv` as a whole process, against a process
that fits scikit-learn's `MLPClassifier` on the same samples. Wine, breast cancer and digits.

Claims (medians of five pairs, each pair with a split of its own): at most 3 times as long; accuracy
within one standard error of a mean of that many test samples, or better; at most twice as many
hidden neurons held at the end as are used. What is compiled once on a machine is compiled before.
"""

import argparse
import csv
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sklearn import datasets

from analysis import analyse
from urn import load_run
from urn.provenance import provenance

TABLES = {
    "wine": datasets.load_wine,
    "cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}
"""What is written as CSV."""

YARDSTICK = """
import sys, warnings
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

warnings.simplefilter("ignore")
path, seed = sys.argv[1], int(sys.argv[2])
table = np.loadtxt(path, delimiter=",", skiprows=1)
X, y = table[:, :-1], table[:, -1].astype(int)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.15, random_state=seed, stratify=y)
X, _, y, _ = train_test_split(X, y, test_size=0.15 / 0.85, random_state=seed, stratify=y)
mean, scale = X.mean(0), np.where(np.ptp(X, 0) > 0, X.std(0, ddof=1), 1)
model = MLPClassifier(random_state=seed).fit((X - mean) / scale, y)
print(model.score((X_test - mean) / scale, y_test), len(y_test))
"""
"""The same three parts of the samples as a file task has, and all defaults."""

COLUMNS = ("table", "MLP, s", "urn, s", "ratio", "of cpu", "MLP", "urn", "error", "held", "used")
"""Seconds of both, their ratio (claim: <= 3) and that of processor time, which a busy machine
disturbs less; accuracies of both and a standard error; hidden neurons of ours."""

console = Console(width=100)


@dataclass
class Pair:
    """Both commands on one split: (seconds, seconds of processors), accuracies, neurons of ours."""

    ours: tuple[float, float]
    theirs: tuple[float, float]
    accuracy: float
    their_accuracy: float
    n_test: int
    held: int
    used: int


def measure(path: Path, folder: Path, seed: int) -> Pair:
    """One pair."""
    # Theirs first, then ours, so that a noisy hour disturbs both.
    start = now()
    words = ["-c", YARDSTICK, str(path), str(seed)]
    said = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    theirs = since(start)
    their_accuracy, n_test = said.stdout.split()

    start = now()
    out = folder / f"{path.stem}-{seed}"
    train(path, out, seed)
    ours = since(start)

    # Inputs and outputs are held in any case: hidden neurons are what can be too many.
    run = load_run(out)
    held = int(run.kept.sum()) - run.n_inputs - run.n_outputs
    used = used_hidden(out)
    pair = Pair(ours, theirs, run.test_accuracy, float(their_accuracy), int(n_test), held, used)
    console.print(f"{path.stem} {seed}: {pair}", style="dim", highlight=False, soft_wrap=True)
    return pair


def now() -> tuple[float, float]:
    """Time that has passed, and time that processors worked for processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def since(start: tuple[float, float]) -> tuple[float, float]:
    """Both times since then."""
    wall, worked = now()
    return wall - start[0], worked - start[1]


def train(path: Path, out: Path, seed: int) -> None:
    """`urn train --data`, with nothing said but where, and which split and seed."""
    words = ["train", "--data", str(path), "--out", str(out), "--quiet", "--seed", str(seed)]
    words += ["--task-options.data-seed", str(seed)]
    subprocess.run([sys.executable, "-m", "urn", *words], check=True, capture_output=True)


def used_hidden(folder: Path) -> int:
    """Hidden neurons on a path from an input to an output."""
    run = load_run(folder)
    used = analyse(**run.flat()).effective.used.any(0)
    return int(used[run.n_inputs : len(used) - run.n_outputs].sum())


def write_table(path: Path) -> None:
    """One of the tables, with a header and the target as `y`."""
    X, y = TABLES[path.stem](return_X_y=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{j}" for j in range(X.shape[1])), "y"])
        writer.writerows([*map(float, x), int(label)] for x, label in zip(X, y, strict=True))


def main(arguments: list[str]) -> None:
    """Run the tables named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks first", description=__doc__
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--pairs", type=int, default=5, help="repetitions (default: 5)")
    given = parser.parse_args(arguments)
    if unknown := set(given.tables) - set(TABLES):
        raise SystemExit(f"no table {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    made_by = provenance()
    console.print(f"{made_by['processor']}, torch {made_by['torch']}")

    table = Table(*COLUMNS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stem in given.tables or TABLES:
            path = folder / f"{stem}.csv"
            write_table(path)
            # Compiles what this machine has not compiled yet.
            train(path, folder / f"{stem}-warm", seed=0)
            pairs = [measure(path, folder, seed) for seed in range(given.pairs)]
            table.add_row(stem, *_cells(pairs))
    console.print(table)


def _cells(pairs: list[Pair]) -> list[str]:
    """A row: medians of times and neurons, means of accuracies with their standard error."""
    theirs = statistics.mean(pair.their_accuracy for pair in pairs)
    ours = statistics.mean(pair.accuracy for pair in pairs)
    error = (theirs * (1 - theirs) / pairs[0].n_test) ** 0.5
    return [
        f"{statistics.median(pair.theirs[0] for pair in pairs):.1f}",
        f"{statistics.median(pair.ours[0] for pair in pairs):.1f}",
        f"{statistics.median(pair.ours[0] / pair.theirs[0] for pair in pairs):.2f}",
        f"{statistics.median(pair.ours[1] / pair.theirs[1] for pair in pairs):.2f}",
        f"{theirs:.4f}",
        f"{ours:.4f}",
        f"{error:.4f}",
        f"{statistics.median(pair.held for pair in pairs):g}",
        f"{statistics.median(pair.used for pair in pairs):g}",
    ]
