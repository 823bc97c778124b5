"""Claim: faint weights change no verdict. Weak weights are put on entries of W that were zero; a
curve for each verdict shows how strong and how many they may be.

`python -m experiments.benchmarks faint [--n 5] [--seed 0] [--figure FILE.png]`

Added weights are normal, their standard deviation relative to the largest planted weight. Many weak
weights are strong together, and the network is then another one: so the claim is about those that
hold less than a thousandth of the squared weights between the neurons in use.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from analysis import StructureReport, analyse
from analysis.plots.style import FONT, new_figure, plain_axes
from experiments.planted_harder import EVERY
from experiments.planting import Planted
from urn import InputError
from urn.outputs import check_file

FAMILIES = {
    "fully_connected": "mlp 3",
    "locally_connected": "local 1d",
    "convolutional": "conv 1d",
    "residual": "residual 3",
    "recurrent": "rnn pulse",
    "modular": "two towers",
}
"""A family of planted networks for each verdict."""
SIZES = tuple(float(size) for size in np.logspace(-6, -1, 11))
"""Standard deviations of the faint weights, relative to the largest planted one (the issue's)."""
SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Of the entries that are zero."""
FAINT = 1e-3
"""Share of the squared weights up to which added ones are faint together. By judgement: a
thousandth of a typical signal's variance."""
PASSES = 0.99
"""Share of the networks with faint weights whose verdicts must be what they were (the claim)."""


WHAT = {"same_verdict": "its verdict", "same_verdicts": "all verdicts", "same_layers": "layers"}
"""What may stay as it was, as the table says it."""


class Point(NamedTuple):
    """What faint weights of one size on one share of the entries did to a network."""

    verdict: str
    size: float
    share: float
    network: int
    held: float
    """Share of the squared weights into used neurons that the added ones hold."""
    same_verdict: bool
    """Whether the verdict that the network was planted for is what it was."""
    same_verdicts: bool
    """Whether all verdicts are whose truth is not left open."""
    same_layers: bool
    """Whether depth and widths are."""


def points(n_each: int, seed: int) -> Iterator[Point]:
    """Every network of every verdict, with faint weights of every size on every share."""
    for index, (verdict, family) in enumerate(FAMILIES.items()):
        least, plant = EVERY[family]
        for k in range(n_each):
            rng = np.random.default_rng([seed, index, k])
            network = plant(least, rng)
            whole = _judged(network, network.weights)
            for share in SHARES:
                for size in SIZES:
                    yield _point(verdict, k, network, whole, share, size, rng)


def _judged(network: Planted, weights: np.ndarray) -> StructureReport:
    return analyse(weights, network.biases, n_null=200, sweep=False, **network.arguments)


def _point(
    verdict: str,
    number: int,
    network: Planted,
    whole: StructureReport,
    share: float,
    size: float,
    rng: np.random.Generator,
) -> Point:
    """Add faint weights to a network, judge it, and compare with the report of the network."""
    weights = network.weights
    chosen = (rng.random(weights.shape) < share) & (weights == 0)
    faint = np.where(chosen, size * np.abs(weights).max() * rng.normal(size=weights.shape), 0.0)
    report = _judged(network, weights + faint)

    used = np.array(sorted(whole.layer_of))
    among = np.ix_(used, used)
    added, planted = (faint[among] ** 2).sum(), (weights[among] ** 2).sum()

    was, now = (
        {name: verdict.present for name, verdict in of.verdicts.items() if name not in network.free}
        for of in (whole, report)
    )
    return Point(
        verdict,
        size,
        share,
        number,
        held=float(added / (added + planted)),
        same_verdict=was[verdict] == now[verdict],
        same_verdicts=was == now,
        same_layers=report.widths == whole.widths,
    )


def figure(all_points: Sequence[Point]) -> Figure:
    """For each verdict: networks whose verdicts and whose layers stay, a curve for each share."""
    result = new_figure(13, 4.6)
    panels = result.subplots(2, len(FAMILIES), sharex=True, sharey=True)
    for column, verdict in zip(panels.T, FAMILIES, strict=True):
        column[0].set_title(verdict.replace("_", " "), fontsize=FONT + 2)
        for panel, question in zip(column, ("same_verdicts", "same_layers"), strict=True):
            _curves(panel, [point for point in all_points if point.verdict == verdict], question)

    panels[0, 0].set_ylabel("verdicts stay")
    panels[1, 0].set_ylabel("layers stay")
    result.supxlabel("standard deviation of added weights / largest weight", fontsize=FONT + 1)
    title = "on this share of the zeros"
    lines, labels = panels[0, 0].get_legend_handles_labels()
    result.legend(lines, labels, title=title, loc="outside right", frameon=False, fontsize=FONT)
    return result


def _curves(panel: Axes, all_points: Sequence[Point], question: str) -> None:
    """Share of the networks of which the question holds, over size; dotted: FAINT."""
    colours = colormaps["viridis"](np.linspace(0, 0.85, len(SHARES)))
    for share, colour in zip(SHARES, colours, strict=True):
        here = [point for point in all_points if point.share == share]
        kept = [np.mean([getattr(p, question) for p in here if p.size == size]) for size in SIZES]
        panel.plot(SIZES, kept, "o-", color=colour, markersize=3, label=f"{share:.0%}")
        panel.axvline(_faint_up_to(here), color=colour, linestyle=":", linewidth=1)
    panel.set_xscale("log")
    panel.set_xticks([1e-6, 1e-4, 1e-2])
    plain_axes(panel)


def _faint_up_to(all_points: Sequence[Point]) -> float:
    """Size up to which the added weights of these networks are faint together, in the median."""
    # What they hold, relative to the rest, grows with the square of their size.
    relative = np.array([point.held / (1 - point.held) for point in all_points])
    size = np.array([point.size for point in all_points])
    at = np.sqrt(FAINT / (1 - FAINT)) * size / np.sqrt(np.maximum(relative, np.finfo(float).tiny))
    return float(np.median(at))


def _table(all_points: Sequence[Point]) -> Table:
    """A row for each verdict: right ones where added weights are faint together, and beyond."""
    table = Table(title="What stays when weak weights are added")
    table.add_column("verdict")
    for which in ("faint", "more"):
        for question in WHAT.values():
            table.add_column(f"{which}: {question}", justify="right")
    for verdict in (*FAMILIES, "all"):
        here = [point for point in all_points if verdict in ("all", point.verdict)]
        cells = []
        for part in (
            [point for point in here if point.held < FAINT],
            [point for point in here if point.held >= FAINT],
        ):
            cells += [
                f"{sum(getattr(p, question) for p in part)} of {len(part)}" for question in WHAT
            ]
        table.add_row(verdict, *cells)
    return table


def main(arguments: Sequence[str] = ()) -> int:
    """Print the table; exit status 1 where the claim fails."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.benchmarks faint", description=__doc__
    )
    parser.add_argument("--n", type=int, default=5, help="networks of each verdict (5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="draw the curves to this file")
    options = parser.parse_args(arguments)
    if options.figure is not None:
        try:
            check_file(options.figure, force=True, flag="--figure")
        except InputError as error:
            parser.error(str(error))

    total = options.n * len(FAMILIES) * len(SHARES) * len(SIZES)
    all_points = list(track(points(options.n, options.seed), "adding weights", total=total))
    Console().print(_table(all_points))
    if options.figure is not None:
        figure(all_points).savefig(options.figure)

    faint = [point.same_verdicts for point in all_points if point.held < FAINT]
    return 0 if np.mean(faint) >= PASSES else 1
