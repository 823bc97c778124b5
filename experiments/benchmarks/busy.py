"""What a busy machine does to a command: whole `urn train`, `urn sweep` and `urn inspect`, each
beside processes that keep a core busy, against the same command with nothing of ours beside it.

Claims (two cores, medians of five pairs): at most 1.5 times as long beside one such process, and
2.5 times beside two.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from urn.provenance import provenance

CLAIMS = {1: 1.5, 2: 2.5}
"""Most times as long, by the number of busy processes."""

SWEEP = """
seeds = 2
[base]
task = "shells"
n_neurons = 120
steps = 300
snapshots = 0
task_options = {n_train = 5000}
[grid]
strengths.weight = [1e-4, 3e-4, 1e-3, 3e-3]
"""
"""Eight small networks."""

TRAIN = "train --task shells --task-options.n-train 5000 --n-neurons 300 --steps 500 --quiet"
"""A network of the size that tables need."""

console = Console()


@contextmanager
def busy(n: int) -> Iterator[None]:
    """Keep n cores busy."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def seconds_of(words: list[str]) -> float:
    """Wall time of a whole command."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "urn", *words], check=True, capture_output=True)
    return time.perf_counter() - start


def commands(folder: Path, number: int) -> dict[str, list[str]]:
    """The commands to time, each with an output of its own."""
    plan = folder / "busy.toml"
    plan.write_text(SWEEP)
    return {
        "train": [*TRAIN.split(), "--out", str(folder / f"run-{number}")],
        "inspect": ["inspect", str(folder / "run-0")],
        "sweep": ["sweep", "run", str(plan), "--out", str(folder / f"sweep-{number}")],
    }


def main(arguments: list[str]) -> None:
    """Run the parts named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks busy", description=__doc__
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="train, inspect, sweep")
    parser.add_argument("--pairs", type=int, default=5, help="repetitions (default: 5)")
    given = parser.parse_args(arguments)
    made_by = provenance()
    console.print(f"{made_by['processor']}, torch {made_by['torch']}")

    table = Table(
        "command", "quiet, s", "beside one, s", "ratio (<= 1.5)", "beside two, s", "ratio"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds_of(commands(folder, 0)["train"])  # compiles, and is what is inspected
        for part in given.parts or ("train", "inspect", "sweep"):
            table.add_row(part, *_row(folder, part, given.pairs))
    console.print(table)


def _row(folder: Path, part: str, n_pairs: int) -> list[str]:
    """Median times and median ratios of one command, each pair one after the other."""
    # Quiet, beside one and beside two in turn, so that a noisy hour disturbs all alike.
    times: dict[int, list[float]] = {0: [], **{n: [] for n in CLAIMS}}
    for pair in range(n_pairs):
        for n, taken in times.items():
            with busy(n):
                number = 1 + n + len(times) * pair
                taken.append(seconds_of(commands(folder, number)[part]))
            console.print(f"{part}, beside {n}: {taken[-1]:.1f} s", style="dim", highlight=False)

    cells = [f"{statistics.median(times[0]):.1f}"]
    for n in CLAIMS:
        ratios = [a / b for a, b in zip(times[n], times[0], strict=True)]
        cells += [f"{statistics.median(times[n]):.1f}", f"{statistics.median(ratios):.2f}"]
    return cells
