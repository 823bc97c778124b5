"""`urn judge`: the structure of a network in a file, whoever made it."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from analysis import StructureReport, analyse
from analysis.page import network_page
from analysis.page.network import NO_PATH
from experiments.commands.judging import verdict_table
from experiments.network_files import FileNetwork, read_network
from experiments.network_readers import Settings
from urn import InputError
from urn.io import atomic_write, to_json
from urn.outputs import check_file

N_DRAWS = 1000
"""Draws from each null model: a p-value is then known to 0.007 or better (binomial, at 0.05)."""

MOST_DRAWS = 1_000_000
"""By judgement: it resolves p-values of 1e-6, and takes hours."""

LISTED = ("input_nodes", "output_nodes")
"""Flags that take names, separated by commas."""

ON_WIRING = "judged by its wiring alone: without inputs, weights that never carry a signal count"
"""What is said where no samples were given."""


def add_judge(parser: argparse.ArgumentParser) -> None:
    """Judge the structure of a network in a file. That is arrays (.npz, .safetensors), a table of
    weights or an edge list (.csv, .tsv), or a graph (.graphml). How it is applied stands in the
    file, in a TOML file of the same name beside it, or in flags."""
    parser.set_defaults(run=_judge)
    parser.add_argument("file", type=Path, metavar="FILE", help="the network")
    numbers = {"n_inputs": int, "n_outputs": int, "n_iterations": int, "threshold": float}
    for name, field in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        metavar = "A,B,..." if name in LISTED else None
        kind: Any = _names if name in LISTED else numbers.get(name, str)
        text = f"{field.description}".replace("%", "%%")
        parser.add_argument(flag, dest=name, type=kind, metavar=metavar, help=text)

    parser.add_argument(
        "--json", action="store_true", help="print the report as JSON, nothing else"
    )
    parser.add_argument(
        "--html", type=Path, metavar="PAGE", help="also write a page to look around in"
    )
    parser.add_argument("--force", action="store_true", help="write over a page that is there")
    nulls = f"draws from each null model (default: {N_DRAWS})"
    parser.add_argument("--nulls", type=int, default=N_DRAWS, metavar="N", help=nulls)
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default: 0)")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _judge(arguments: argparse.Namespace) -> int:
    if arguments.nulls > MOST_DRAWS:
        raise InputError(f"--nulls: must be at most {MOST_DRAWS:,}")
    if arguments.html is not None:
        check_file(arguments.html, force=arguments.force, flag="--html")
    flags = {name: getattr(arguments, name) for name in Settings.model_fields}
    known = read_network(arguments.file, flags)
    report = judge_network(known, arguments.nulls, arguments.seed, str(arguments.file))

    if arguments.json:
        print(to_json({"file": str(arguments.file), **report.to_dict()}, indent=2))
    else:
        _print(known, report)
    if arguments.html is not None:
        text = network_page(known.network, report, name=str(arguments.file), inputs=known.inputs)
        atomic_write(arguments.html, text.encode(errors="replace"))
        print(f"page {arguments.html}", file=sys.stderr)
    return 0


def judge_network(known: FileNetwork, n_draws: int, seed: int, source: str) -> StructureReport:
    """The report of a network from a file; InputError names the file."""
    net = known.network
    try:
        return analyse(
            net.weights,
            net.biases,
            n_inputs=net.n_inputs,
            n_outputs=net.n_outputs,
            n_iterations=net.n_iterations,
            positions=net.positions,
            inputs=known.inputs,
            input_mode=net.input_mode,
            n_null=n_draws,
            seed=seed,
            threshold=net.threshold,
            activation=net.activation,
        )
    except ValueError as error:
        message = str(error).replace("n_null", "--nulls").replace("seed must", "--seed must")
        raise InputError(message if message.startswith("--") else f"{source}: {message}") from None


def _print(known: FileNetwork, report: StructureReport) -> None:
    """Print the verdicts with what they rest on."""
    console = Console()
    console.print(Text(report.summary, style="bold"))
    net = known.network
    console.print(Text(f"{net.n_neurons:,} neurons, {net.n_iterations} iterations"))
    if report.status != "ok":
        console.print(Text(NO_PATH))
    else:
        console.print(Text(f"depth {report.depth}, {report.n_used_weights:,} weights used"))

    noise = report.threshold
    if noise.dropped:
        share = f"{noise.dropped_mass:.0%} of sum |W|"
        size = f"weights up to {noise.value:.3g} count as zero"
        console.print(Text(f"{size}: {noise.dropped:,} weights, {share}"))
    if known.inputs is None:
        console.print(Text(ON_WIRING))
    console.print(verdict_table(report))
    for remark in report.remarks:
        console.print(Text(remark))
