"""Claim: the analysis names the structure of networks that are known by construction.

99 % of verdicts right, depth and widths exact on the noise-free feed-forward ones. Prints the
confusion table and every miss.

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

LEAST_ACCURACY = 0.99  # Share of verdicts that are right, of the claim.

N_EACH = {"whole": 5, "fast": 1}  # Networks a family, and as many with noise.

N_DRAWS = {"whole": 1000, "fast": 200}  # Of each null model.

Miss = tuple[str, Any, Any]  # The name of what was missed, the truth, the answer.


def judge(network: Planted, n_draws: int = 1000) -> tuple[list[Miss], StructureReport]:
    """Judge one network.

    Parameters
    ----------
    network : Planted
        The network and its truth.
    n_draws : int
        Of each null model.

    Returns
    -------
    misses : list of tuple
        (name, truth, answer).
    report : StructureReport
    """
    report = analyse(network.weights, network.biases, n_null=n_draws, **network.arguments)
    pairs: list[Miss] = [
        (name, name in network.true, verdict.present) for name, verdict in report.verdicts.items()
    ]
    pairs.append(("status", network.status, report.status))
    if not network.noisy and network.depth is not None:
        pairs.append(("depth", network.depth, report.depth))
        pairs.append(("widths", network.widths, report.widths))
    return [(name, truth, answer) for name, truth, answer in pairs if truth != answer], report


def run(
    n_each: int = 5, n_draws: int = 1000, seed: int = 0, is_shown: bool = True
) -> dict[str, Any]:
    """Judge `n_each` networks a family, with and without noise.

    Parameters
    ----------
    n_each, n_draws, seed : int
        Networks a family, draws of each null model, and the seed of the networks.
    is_shown : bool
        Whether to show progress.

    Returns
    -------
    dict
        Counts {verdict: {(truth, answer): n}}, accuracy, misses as (network name, S, misses,
        report), and seconds.
    """
    counts: dict[str, Counter] = {name: Counter() for name in VERDICTS}
    misses = []
    n_networks = 0
    start = time.perf_counter()
    networks = planted(n_each, seed)
    if is_shown:
        networks = track(networks, "judging", total=2 * n_each * len(FAMILIES))

    for network in networks:
        missed, report = judge(network, n_draws)
        n_networks += 1
        for name, verdict in report.verdicts.items():
            counts[name][name in network.true, verdict.present] += 1
        if missed:
            misses.append((network.name, len(network.weights), missed, report))

    wrong = sum(count[True, False] + count[False, True] for count in counts.values())
    is_inexact = [
        any(name in ("depth", "widths") for name, _, _ in missed) for _, _, missed, _ in misses
    ]
    return {
        "n_networks": n_networks,
        "accuracy": 1 - wrong / (n_networks * len(VERDICTS)),
        "wrong_verdicts": wrong,
        "inexact_layers": sum(is_inexact),
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
    size = "fast" if options.fast else "whole"
    result = run(N_EACH[size], N_DRAWS[size], options.seed)

    console = Console()
    console.print(confusion(result))
    console.print(
        f"verdicts right: {100 * result['accuracy']:.2f} %; noise-free networks with inexact depth "
        f"or widths: {result['inexact_layers']}"
    )
    for name, n_neurons, missed, report in result["misses"]:
        details = "; ".join(f"{key}: is {truth}, found {answer}" for key, truth, answer in missed)
        console.print(f"  {name} (S = {n_neurons}): {details} [{report.summary}]", markup=False)

    holds = result["accuracy"] >= LEAST_ACCURACY and result["inexact_layers"] == 0
    return 0 if holds else 1


def confusion(result: dict[str, Any]) -> Table:
    """The table of right and wrong verdicts."""
    title = f"{result['n_networks']} planted networks, {result['seconds']:.0f} s"
    cells = {
        "there, found": (True, True),
        "there, missed": (True, False),
        "absent, found": (False, True),
        "absent, not found": (False, False),
    }

    table = Table("structure", title=title)
    for name in cells:
        table.add_column(name, justify="right")
    for name, count in result["counts"].items():
        table.add_row(name, *(str(count[key]) for key in cells.values()))
    return table


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
