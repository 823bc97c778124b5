"""Claim: the analysis names the structure of trained networks that were not made for it, 98 % of
verdicts right, depth and widths exact where they are defined. Prints right and wrong by kind and by
half of the kinds, and every miss.

`python -m experiments.benchmarks reference [--seeds 5] [--kinds NAME ...] [--half NAME]`
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from analysis import StructureReport, analyse
from experiments.planted import VERDICTS
from experiments.reference_kinds import HALVES, KINDS
from experiments.reference_networks import Reference, references

FOLDER = Path("results/reference")
"""Where trained networks are kept; judging again trains nothing."""

PASSES = 0.98
"""Share of verdicts that must be right (the claim)."""


@dataclass(frozen=True)
class Judged:
    """A network with its report and what is wrong in it.

    Attributes
    ----------
    right, wrong : int
        Verdicts.
    misses : tuple of str
        Each wrong verdict, and depth or widths that are not exact.
    inexact : bool
        Whether depth or widths are not exact where they are defined.
    seconds : float
    """

    network: Reference
    report: StructureReport
    right: int
    wrong: int
    misses: tuple[str, ...]
    inexact: bool
    seconds: float


def judge(network: Reference, n_draws: int = 1000, *, with_data: bool = True) -> Judged:
    """Judge a network, with or without its data, and hold the report against its truth."""
    start = time.perf_counter()
    inputs = network.inputs if with_data else None
    report = analyse(**network.parts, inputs=inputs, n_null=n_draws)
    seconds = time.perf_counter() - start

    scored = [name for name in VERDICTS if name not in network.undefined]
    misses = []
    # A verdict is wrong where it is missed, and where it is given without reason.
    for name in scored:
        present = report.verdicts[name].present
        if present != (name in network.true):
            misses.append(f"{name}: is {name in network.true}, found {present}")
    wrong = len(misses)

    misses += [f"word: {word}" for word in network.words if not _says(report, word)]
    if report.status != "ok":
        misses.append(f"status {report.status}")
    # Wiring that never carries a signal counts without data, so widths are then another question.
    is_exact = not with_data or _fits(network, report.widths)
    if not is_exact:
        true = f"{network.least_widths} to {network.widths}"
        misses.append(f"widths: are {true}, found {report.widths}")
    return Judged(network, report, len(scored) - wrong, wrong, tuple(misses), not is_exact, seconds)


def _fits(network: Reference, widths: tuple[int, ...]) -> bool:
    """Whether widths count every neuron that matters and none that does not; all of the depth."""
    if network.widths is None or network.least_widths is None:
        return True
    between = zip(network.least_widths, widths, network.widths, strict=False)
    return len(widths) == len(network.widths) and all(a <= b <= c for a, b, c in between)


def _says(report: StructureReport, word: str) -> bool:
    """Whether the evidence of a report says what a word of the truth does."""
    # A word is a kind of evidence, with a number where there is one: "stride 2".
    name, _, number = word.partition(" ")
    if name in ("dilation", "stride"):
        layers = report.verdicts["convolutional"].evidence["layers"]
        return any(int(number) in layer[name] for layer in layers if layer["present"])
    if name == "leaky":
        return bool(report.verdicts["recurrent"].evidence["leaky"])
    if name in ("adds", "concatenates"):
        return report.verdicts["residual"].evidence["kind"] == name
    raise ValueError(f"no evidence says {word!r}")


def run(
    kinds: Sequence[str],
    seeds: int = 5,
    n_draws: int = 1000,
    *,
    with_data: bool = True,
    folder: Path | None = FOLDER,
) -> Iterator[Judged]:
    """Train (or load) networks of some kinds and judge each."""
    torch.set_num_threads(1)
    for network in references(kinds, range(seeds), folder):
        yield judge(network, n_draws, with_data=with_data)


def main(arguments: Sequence[str] = ()) -> int:
    """Print the tables and the misses; exit status 1 where the claim fails."""
    options = _options(arguments)
    halves = HALVES if options.half == "both" else {options.half: HALVES[options.half]}
    chosen = options.kinds or list(KINDS)
    console = Console()
    passes = True

    for half, names in halves.items():
        kinds = [name for name in names if name in chosen]
        if not kinds:
            continue
        total = options.seeds * sum(len(KINDS[name].tasks) for name in kinds)
        networks = run(kinds, options.seeds, options.nulls, with_data=not options.wiring)
        results = list(track(networks, half, total=total))
        console.print(_table(half, results))
        for line in _misses(results):
            console.print(f"  {line}", markup=False, highlight=False)
        passes &= _share(results) >= PASSES and not any(r.inexact for r in results)
    return 0 if passes else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks reference", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=5, help="networks of each kind and task (5)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, metavar="KIND", help="only these")
    parser.add_argument("--half", choices=[*HALVES, "both"], default="both")
    parser.add_argument("--nulls", type=int, default=1000, help="draws from each null model (1000)")
    parser.add_argument("--wiring", action="store_true", help="judge without data")
    return parser.parse_args(arguments)


def _share(results: Sequence[Judged]) -> float:
    """Share of verdicts that are right."""
    right = sum(result.right for result in results)
    return right / max(1, right + sum(result.wrong for result in results))


def _table(half: str, results: Sequence[Judged]) -> Table:
    """A row for each kind and task, and one for all."""
    table = Table(title=f"{half}: {100 * _share(results):.2f} % of verdicts right")
    for column in ("kind", "task", "accuracy", "S", "right", "wrong", "layers exact", "seconds"):
        table.add_column(column, justify="left" if column in ("kind", "task") else "right")

    for kind, task in dict.fromkeys((r.network.kind, r.network.task) for r in results):
        part = [r for r in results if (r.network.kind, r.network.task) == (kind, task)]
        table.add_row(kind, task, *_row(part))
    table.add_section()
    table.add_row("all", "", *_row(results))
    return table


def _row(part: Sequence[Judged]) -> tuple[str, ...]:
    """Means and sums over some networks."""
    n = len(part)
    defined = [result for result in part if result.network.widths is not None]
    exact = sum(not result.inexact for result in defined)
    return (
        f"{sum(r.network.accuracy for r in part) / n:.3f}",
        f"{sum(len(r.network.parts['biases']) for r in part) / n:.0f}",
        str(sum(r.right for r in part)),
        str(sum(r.wrong for r in part)),
        f"{exact}/{len(defined)}" if defined else "",
        f"{sum(r.seconds for r in part) / n:.2f}",
    )


def _misses(results: Sequence[Judged]) -> Iterator[str]:
    """A line for each network with something wrong."""
    for result in results:
        network = result.network
        if result.misses:
            name = f"{network.kind} {network.task} {network.seed}"
            yield f"{name}: {'; '.join(result.misses)} [{result.report.summary}]"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
