"""Claim: the analysis names the structure of networks that are known by construction, 99 % of
verdicts right, depth and widths exact on the noise-free feed-forward ones. Prints the confusion
table and every miss.

`python -m experiments.benchmarks planted [--fast]`
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from analysis import StructureReport, analyse
from experiments.planted import FAMILIES, VERDICTS, planted
from experiments.planting import Planted


def judge(network: Planted, n_null: int = 1000) -> tuple[list[tuple], StructureReport]:
    """Misses of one network as a list of (what, truth, found), and its report."""
    report = analyse(network.weights, network.biases, n_null=n_null, **network.arguments)
    misses = [
        (name, name in network.true, verdict.present)
        for name, verdict in report.verdicts.items()
        if verdict.present != (name in network.true)
    ]

    if report.status != network.status:
        misses.append(("status", network.status, report.status))

    exact = (
        []
        if network.noisy or network.depth is None
        else [("depth", network.depth, report.depth), ("widths", network.widths, report.widths)]
    )
    return misses + [entry for entry in exact if entry[1] != entry[2]], report


def run(n_each: int = 5, n_null: int = 1000, seed: int = 0, show: bool = True) -> dict[str, Any]:
    """Judge n_each networks a family, with and without noise. Returns counts, accuracy, and the
    misses as (network name, S, misses)."""
    counts = {name: Counter() for name in VERDICTS}
    misses = []
    n_networks = 0
    start = time.perf_counter()
    networks = planted(n_each, seed)

    for network in (
        track(networks, "judging", total=2 * n_each * len(FAMILIES)) if show else networks
    ):
        missed, report = judge(network, n_null)
        n_networks += 1
        for name, verdict in report.verdicts.items():
            counts[name][name in network.true, verdict.present] += 1
        if missed:
            misses.append((network.name, len(network.weights), missed, report))

    wrong = sum(
        count
        for table in counts.values()
        for (truth, present), count in table.items()
        if truth != present
    )
    n_exact = sum(
        any(fact in ("depth", "widths") for fact, _, _ in missed) for _, _, missed, _ in misses
    )
    return {
        "n_networks": n_networks,
        "accuracy": 1 - wrong / (n_networks * len(VERDICTS)),
        "wrong_verdicts": wrong,
        "inexact_layers": n_exact,
        "counts": counts,
        "misses": misses,
        "seconds": time.perf_counter() - start,
    }


def main(arguments: Sequence[str] = ()) -> int:
    """Print the confusion table and the misses; exit status 1 where the claim fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="one network a family, 200 null draws")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    result = run(1 if options.fast else 5, 200 if options.fast else 1000, options.seed)
    console = Console()
    table = Table(title=f"{result['n_networks']} planted networks, {result['seconds']:.0f} s")

    for column in (
        "structure",
        "there, found",
        "there, missed",
        "absent, found",
        "absent, not found",
    ):
        table.add_column(column, justify="left" if column == "structure" else "right")

    for name, count in result["counts"].items():
        table.add_row(
            name,
            *(
                str(count[key])
                for key in ((True, True), (True, False), (False, True), (False, False))
            ),
        )

    console.print(table)
    console.print(
        f"verdicts right: {100 * result['accuracy']:.2f} %; "
        "noise-free networks with inexact depth or widths: "
        f"{result['inexact_layers']}"
    )

    for name, n_neurons, missed, report in result["misses"]:
        details = "; ".join(f"{fact}: is {truth}, found {got}" for fact, truth, got in missed)
        console.print(f"  {name} (S = {n_neurons}): {details} [{report.summary}]", markup=False)

    return 0 if result["accuracy"] >= 0.99 and result["inexact_layers"] == 0 else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
