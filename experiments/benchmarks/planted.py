"""Claim: the analysis names the structure of networks that are known by construction, 99 % of
verdicts right without and with data and under noise of three levels, depth and widths exact on the
noise-free feed-forward ones without data. Prints the confusion table and every miss.

`python -m experiments.benchmarks planted [--fast]`
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from analysis import StructureReport, analyse
from experiments.planted import VERDICTS
from experiments.planted_harder import EVERY, planted
from experiments.planting import Planted

N_SAMPLES = 200
"""Random samples to judge on. By judgement: a few hundred, as `analyse` asks for."""


def judge(
    network: Planted, n_null: int = 1000, inputs: np.ndarray | None = None
) -> tuple[list[tuple], StructureReport]:
    """Misses of one network as a list of (what, truth, found), and its report."""
    report = analyse(
        network.weights, network.biases, inputs=inputs, n_null=n_null, **network.arguments
    )
    misses = [
        (name, name in network.true, verdict.present)
        for name, verdict in report.verdicts.items()
        if name not in network.free and verdict.present != (name in network.true)
    ]
    misses += [miss for miss in _facts(network, report) if miss[1] != miss[2]]

    if report.status != network.status:
        misses.append(("status", network.status, report.status))

    # On data, neurons that no sample reaches are not there.
    exact = (
        []
        if network.noisy or network.depth is None or inputs is not None
        else [("depth", network.depth, report.depth), ("widths", network.widths, report.widths)]
    )
    return misses + [entry for entry in exact if entry[1] != entry[2]], report


def _facts(network: Planted, report: StructureReport) -> list[tuple]:
    """(what, truth, found) of what the evidence must say."""
    evidence = {
        "leaky": report.verdicts["recurrent"].evidence.get("leaky"),
        "kind": report.verdicts["residual"].evidence.get("kind"),
    }
    misses = [
        (name, fact, evidence[name]) for name, fact in network.facts.items() if name in evidence
    ]
    if "nearly" in network.facts:
        misses.append(("nearly", True, report.verdicts[network.facts["nearly"]].nearly))
    return misses


def run(n_each: int = 5, n_null: int = 1000, seed: int = 0, show: bool = True) -> dict[str, Any]:
    """Judge n_each networks a family: as they are, on data, and with noise.

    Returns
    -------
    dict
        Counts, accuracy, and the misses as (network name, S, misses, report).
    """
    # (truth, verdict) of every network, for each kind of verdict.
    counts = {name: Counter() for name in VERDICTS}
    misses = []
    n_judged = 0
    start = time.perf_counter()
    networks = planted(n_each, seed)

    # Noise-free networks are judged twice: for their wiring, and on data.
    for network in track(networks, "judging", total=2 * n_each * len(EVERY)) if show else networks:
        for inputs in _inputs(network, seed):
            missed, report = judge(network, n_null, inputs)
            n_judged += 1
            for name in set(VERDICTS) - network.free:
                counts[name][name in network.true, report.verdicts[name].present] += 1
            if missed:
                name = network.name if inputs is None else f"{network.name} on data"
                misses.append((name, len(network.weights), missed, report))

    n_verdicts = sum(sum(table.values()) for table in counts.values())
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
        "n_networks": n_judged,
        "accuracy": 1 - wrong / n_verdicts,
        "wrong_verdicts": wrong,
        "inexact_layers": n_exact,
        "counts": counts,
        "misses": misses,
        "seconds": time.perf_counter() - start,
    }


def _inputs(network: Planted, seed: int) -> list[np.ndarray | None]:
    """What a network is judged on: nothing, and where it has no noise also random samples."""
    if network.noisy:
        return [None]
    rng = np.random.default_rng([seed, len(network.weights)])
    return [None, rng.normal(size=(N_SAMPLES, network.arguments["n_inputs"]))]


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
