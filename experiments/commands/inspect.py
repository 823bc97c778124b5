"""`urn inspect`: what structure emerged in a run, with evidence, in the terminal, as JSON and as figures."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis import StructureReport
from analysis.causal import Lesion, lesions
from analysis.measures import density_by_block, modularity, reciprocity, self_loops
from analysis.plots import (
    activity,
    block_density,
    layered_graph,
    path_depths,
    receptive_fields,
    sorted_matrix,
    structure_over_training,
)
from analysis.spatial import distance_correlation
from analysis.trophic import trophic_incoherence
from experiments.baselines import train_masked
from experiments.commands import judging
from experiments.commands.judging import arrays, judge, samples, task_data
from experiments.report import AT_CHANCE, page
from urn import InputError, Run, load_run
from urn.data.tasks import Dataset
from urn.provenance import changes
from urn.runs.folders import STRUCTURE, RunFolder

FIGURES, PAGE = "figures", "report.html"


class Inspection:
    """A run with its data, its report and what was measured beside it."""

    def __init__(self, run: Run, n_null: int = 1000, seed: int = 0):
        self.run, self.seed = run, seed
        self.data: Dataset = task_data(run)
        self.W, self.b, self.positions = arrays(run)
        self.inputs, self.targets = samples(self.data)
        self.sizes = {"n_inputs": self.data.n_inputs, "n_outputs": self.data.n_outputs}
        self.report: StructureReport = judge(run, self.data, n_null, seed)

    def lesions(self) -> tuple[float, list[Lesion]]:
        """The validation score, and what is lost of it when each structure is cut."""
        if self.inputs is None or self.report.status != "ok":
            return float("nan"), []
        rng = np.random.default_rng(self.seed)
        return lesions(
            self.W,
            self.b,
            self.inputs,
            self.targets,
            self.report,
            positions=self.positions,
            rng=rng,
        )

    @property
    def learned(self) -> bool:
        """Whether the run ended better than chance on validation data."""
        history = self.run.history
        return bool(history) and judging.learned(history[-1]["validation_accuracy"], self.data)

    @property
    def score_name(self) -> str:
        """What the task is scored by."""
        return "R2" if self.data.kind == "regression" else "accuracy"

    def measures(self) -> dict[str, float]:
        """Measures of the living weights that no verdict rests on."""
        used = list(self.report.layer_of)
        living = self.W[np.ix_(used, used)]
        return {
            "trophic_incoherence": float(trophic_incoherence(living)),
            "modularity": float(modularity(living, self.seed)[0]),
            "reciprocity": float(reciprocity(living, weighted=True)),
            "self_loops": float(self_loops(living)["share"]),
            "nonlinear_nodes_per_path": self.report.effective_depth,
        } | self._spatial()

    def _spatial(self) -> dict[str, float]:
        if self.positions is None:
            return {}
        return {"weight_distance_correlation": float(distance_correlation(self.W, self.positions))}

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """(name, Figure) of everything that can be drawn of this run."""
        report, run, layer_of = self.report, self.run, self.report.layer_of
        title = report.summary
        yield (
            "W",
            sorted_matrix(self.W, layer_of, **self.sizes, positions=self.positions, title=title),
        )
        yield (
            "graph",
            layered_graph(
                report.graph.edges(data="weight"),
                dict(report.graph.nodes(data="layer")),
                title=title,
            ),
        )
        yield "path_depths", path_depths(report.path_depths, title=title)
        groups = [
            [i for i, layer in layer_of.items() if layer == k] for k in range(report.depth + 2)
        ]
        blocks = density_by_block(self.W, groups)
        names = ["inputs", *(f"layer {k}" for k in range(1, report.depth + 1)), "outputs"]
        yield (
            "blocks",
            block_density(blocks["density"], names, mass_share=blocks["mass_share"], title=title),
        )
        if self.inputs is not None:
            loudness = np.abs(judging.activity(run, self.data)).mean(1)
            yield "activity", activity(loudness, layer_of, **self.sizes, title=title)
        if self.data.positions is not None:
            first = [i for i, layer in layer_of.items() if layer == 1]
            if first:
                fields = self.W[first, : self.data.n_inputs]
                yield (
                    "receptive_fields",
                    receptive_fields(
                        fields, self.data.positions.numpy(), labels=[str(i) for i in first]
                    ),
                )
        if len(run.snapshots) > 1:
            moments = [(moment.step, moment.weights.numpy()) for moment in run.snapshots]
            yield (
                "over_training",
                structure_over_training(moments, layer_of, **self.sizes, positions=self.positions),
            )


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Judge the structure of a trained run. Prints the verdicts with their evidence, and writes structure.json."""
    parser.set_defaults(run=_inspect)
    parser.add_argument("folder", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--json", action="store_true", help="print structure.json and nothing else")
    parser.add_argument("--figures", action="store_true", help="also write figures/*.png")
    parser.add_argument(
        "--html", action="store_true", help="also write report.html, a page to look around in"
    )
    parser.add_argument(
        "--baseline",
        action="store_true",
        help="also train a random mask of equal density the same way",
    )
    parser.add_argument(
        "--nulls",
        type=int,
        default=1000,
        metavar="N",
        help="draws from each null model (default: 1000)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default: 0)")


def write_structure(seen: Inspection, *, baseline: bool = False) -> dict:
    """Write structure.json of an inspected run; what it holds is returned too."""
    run = seen.run
    found = {
        "run": str(run.folder),
        "task": run.config.task,
        **seen.report.to_dict(),
        "test_accuracy": run.test_accuracy,
    }
    if seen.report.status == "ok":
        score, cuts = seen.lesions()
        found |= {
            "measures": seen.measures(),
            "lesions": {"score": score, "cuts": [cut.to_dict() for cut in cuts]},
        }
    if baseline:
        found["random_mask"] = {"test_accuracy": train_masked(run, seen.data, seen.seed)[1]}
    RunFolder(run.folder).write(STRUCTURE, _json(found).encode())
    return found


def write_report(seen: Inspection, found: dict) -> Path:
    """Write report.html of an inspected run, given what is in its structure.json; returns the path."""
    RunFolder(seen.run.folder).write(PAGE, page(seen, found).encode(errors="replace"))
    return seen.run.folder / PAGE


def _inspect(arguments: argparse.Namespace) -> int:
    run = load_run(arguments.folder)
    try:
        seen = Inspection(run, arguments.nulls, arguments.seed)
    except ValueError as error:
        raise InputError(
            str(error).replace("n_null", "--nulls").replace("seed must", "--seed must")
        ) from None
    found = write_structure(seen, baseline=arguments.baseline)
    if arguments.json:
        print(_json(found))
    else:
        _print(seen, found)
    if arguments.figures and seen.report.status == "ok":
        (arguments.folder / FIGURES).mkdir(exist_ok=True)
        for name, figure in seen.figures():
            path = arguments.folder / FIGURES / f"{name}.png"
            figure.savefig(path, dpi=150)
            print(f"figure {path}", file=sys.stderr)
    if arguments.html:
        print(f"page {write_report(seen, found)}", file=sys.stderr)
    return 0


def _print(seen: Inspection, found: dict) -> None:
    console, report = Console(), seen.report
    console.print(Text(f"{report.summary}", style="bold"))
    if seen.run.status != "ok":
        console.print(
            Text(
                f"status {seen.run.status} after {seen.run.steps_done:,} of {seen.run.config.steps:,} steps"
            )
        )
    if report.status == "ok" and not seen.learned:
        console.print(Text(AT_CHANCE))
    for line in changes(seen.run.folder):
        console.print(Text(line))
    score = f"test {seen.score_name} {seen.run.test_accuracy:.4f}"
    console.print(
        Text(f"depth {report.depth}, {report.n_used_weights:,} weights used, {score}")
        if report.status == "ok"
        else Text("no path of weights leads from an input to an output in the iterations there are")
    )
    if report.threshold.dropped:
        cut = report.threshold
        console.print(
            Text(
                f"weights up to {cut.value:.3g} count as zero: {cut.dropped:,} weights, {cut.dropped_mass:.0%} of sum |W|"
            )
        )
    verdicts = Table("verdict", "present", "effect", "p", "effect is")
    for name, verdict in report.verdicts.items():
        p = "" if verdict.p_value is None else f"{verdict.p_value:.3g}"
        effect = f"{verdict.effect:.3f}" if judging.judged(verdict) else "not judged"
        verdicts.add_row(
            name, "yes" if verdict.present else "no", effect, p, verdict.evidence["effect_is"]
        )
    console.print(verdicts)
    if report.status != "ok":
        return
    cuts = found["lesions"]["cuts"]
    if cuts:
        table = Table(
            "cut",
            "how many",
            "score lost",
            "lost by random cuts",
            title=f"lesions, of {found['lesions']['score']:.3f}",
        )
        for cut in cuts:
            random_loss = (
                found["lesions"]["score"] - float(np.median(cut["random_scores"]))
                if cut["random_scores"]
                else None
            )
            table.add_row(
                cut["name"],
                f"{cut['count']} {cut['kind']}",
                f"{cut['lost']:.3f}",
                "" if random_loss is None else f"{random_loss:.3f}",
            )
        console.print(table)
    console.print(
        Text("  ".join(f"{name} {value:.3f}" for name, value in found["measures"].items()))
    )
    if "random_mask" in found:
        accuracy = found["random_mask"]["test_accuracy"]
        console.print(
            Text(
                f"random mask of equal density, trained for the task alone: test {seen.score_name} {accuracy:.4f}"
            )
        )


def _json(found: dict) -> str:
    return json.dumps(_plain(found), indent=2, allow_nan=False)


def _plain(value: object) -> object:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
