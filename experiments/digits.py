"""The main job: one URN on real handwritten digits, trained twice; only the strengths differ.

Claim: with the depth and self terms priced, the flat matrix becomes a layered network of three
hidden layers (at least 97.5 % test accuracy in the median of 5 seeds, at most 3 neurons shared
between layers); with both off and connections dearer, the same network re-uses its neurons at every
iteration. Refuted by a lower median, by shared neurons in the first, or by layers in the second.
Run by `make run`; writes tables and figures to results/digits/."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from analysis import StructureReport
from analysis.plots import layered_graph, sorted_matrix
from experiments.commands.judging import activity, judge, shared_neurons
from urn import Run, TrainConfig, train_population
from urn.data.tasks import Dataset, Digits
from urn.training.progress import progress

# What both networks share; steps are what the layered one needs to settle.
COMMON = {
    "task": "digits",
    "n_neurons": 300,
    "n_iterations": 4,
    "batch_size": 128,
    "steps": 4000,
    "snapshots": 0,
}
# Warmed up, or layers die before they form; dearer in the second half, so that none is shared.
DEPTH = {"value": 0.1, "warmup": 1000, "milestones": [0.5], "factor": 5}
SETTINGS = {
    "layered": {"weight": 2e-4, "activity": 3e-3, "bias": 1e-3, "self": 1.0, "depth": DEPTH},
    "recurrent": {"weight": 1e-3, "activity": 1e-4},
}
"""Chosen on the validation set with seeds 0-4; results are reported on seeds from 100 on."""
FIRST_SEED = 100
"""Of those that results are reported on."""


@dataclass(frozen=True)
class Result:
    """One trained network, what was found in it, and how many neurons fire usefully at several
    iterations."""

    run: Run
    report: StructureReport
    shared: int


def judged(run: Run, data: Dataset) -> Result:
    """What was found in a run, on the validation images."""
    return Result(
        run,
        judge(run, data),
        shared_neurons(run.weights.numpy(), activity(run, data), data.n_outputs),
    )


def main(argv: list[str] | None = None) -> None:
    """Train both, print both tables, save a figure of every kind."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.digits", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--seeds", type=int, default=5, help="networks of each kind, trained together"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results/digits"), help="folder for the figures"
    )
    given = parser.parse_args(argv)
    given.out.mkdir(parents=True, exist_ok=True)
    console = Console()
    data = Digits().load()

    for name, strengths in SETTINGS.items():
        configs = [
            TrainConfig(**COMMON, strengths=strengths, seed=FIRST_SEED + k)
            for k in range(given.seeds)
        ]
        # All seeds are members of one population: they differ in nothing but the seed.
        with progress(name) as report:
            runs = train_population(configs, data=data, observer=report)
        results = [judged(run, data) for run in runs]
        console.print(table(name, results))
        console.print(verdicts(results))
        for path in figures(name, results[0], given.out):
            print(f"figure {path}", file=sys.stderr)
        console.print()


def table(name: str, results: list[Result]) -> Table:
    """A row for each seed, and the median."""
    priced = ", ".join(
        f"{term} {config.value:g}" for term, config in results[0].run.config.strengths.items()
    )
    shown = Table(
        "seed",
        "what emerged",
        "re-used",
        "shared",
        "connections",
        "test accuracy",
        title=f"{name}: {priced}",
    )

    for result in results:
        recurrent = result.report.verdicts["recurrent"].evidence
        shown.add_row(
            str(result.run.config.seed),
            result.report.summary,
            f"{_n_reused(result)} of {recurrent['n_computing']}",
            str(result.shared),
            f"{result.report.n_used_weights:,}",
            f"{result.run.test_accuracy:.1%}",
        )

    # Claims are held against medians, so that one lucky seed proves nothing.
    shown.add_section()
    shown.add_row(
        "median",
        "",
        f"{median(_n_reused(result) for result in results):g}",
        f"{median(result.shared for result in results):g}",
        f"{median(result.report.n_used_weights for result in results):,g}",
        f"{median(result.run.test_accuracy for result in results):.1%}",
    )
    return shown


def _n_reused(result: Result) -> int:
    """Neurons that compute at several iterations."""
    return result.report.verdicts["recurrent"].evidence["n_reused"]


def verdicts(results: list[Result]) -> Table:
    """How many seeds each verdict is present in, with the median effect."""
    shown = Table("verdict", "seeds", "median effect", "effect is")
    for name in results[0].report.verdicts:
        seeds = [result.report.verdicts[name] for result in results]
        shown.add_row(
            name,
            f"{sum(verdict.present for verdict in seeds)} of {len(seeds)}",
            f"{median(verdict.effect for verdict in seeds):.2f}",
            seeds[0].evidence["effect_is"],
        )
    return shown


def figures(name: str, result: Result, out: Path) -> list[Path]:
    """Save |W| sorted by layer and the effective graph of one network."""
    run = result.run
    report = result.report
    title = f"{name}: {report.summary}, {run.test_accuracy:.1%} of unseen digits"
    sizes = {"n_inputs": 64, "n_outputs": 10}
    drawn = {
        f"{name}_W.png": sorted_matrix(run.weights.numpy(), report.layer_of, **sizes, title=title),
        f"{name}_graph.png": layered_graph(
            report.graph.edges(data="weight"), dict(report.graph.nodes(data="layer")), title=title
        ),
    }

    for file, figure in drawn.items():
        figure.savefig(out / file, dpi=150)

    return [out / file for file in drawn]


if __name__ == "__main__":
    main()
