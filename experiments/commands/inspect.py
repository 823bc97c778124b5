"""`urn inspect`: what structure emerged in a run.

With evidence, in the terminal, as JSON, as figures and as a page.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis import StructureReport
from analysis.causal import Lesion, lesions
from analysis.census import TRIADS, triad_test
from analysis.faithful import Faithfulness, faithfulness
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
from analysis.threshold import cut as cut_off
from analysis.trophic import trophic_incoherence
from experiments.commands import judging
from experiments.commands.judging import arrays, judge, of_the_run, samples, task_data
from experiments.commands.printing import print_inspection
from experiments.report import page, page_of_two
from urn import InputError, Run, load_run
from urn.data.tasks import Dataset
from urn.io import atomic_write, to_json
from urn.outputs import check_file, check_folder
from urn.runs.folders import STRUCTURE

FIGURES = "figures"
"""Folder of the figures of a run, beside its weights."""

PAGE = "report.html"
"""Page of a run, beside its weights."""

PAIR = "report-with-{}.html"
"""Page of a run beside another one, by the name of the other's folder."""

OWN_PAGE = ""
"""What `--html` holds where no file is named after it."""

N_DRAWS = 1000
"""Draws from each null model: a p-value is then known to 0.007 or better (binomial, at 0.05)."""

MOST_DRAWS = 1_000_000
"""By judgement: it resolves p-values of 1e-6, and takes hours."""

SEEDS = 2**32
"""One more than the largest seed that NumPy's and networkx's generators both take."""


class Inspection:
    """A run with its data, its report and what was measured beside it.

    Parameters
    ----------
    run : Run
        A trained network.
    n_draws : int
        From each null model.
    seed : int
        Of the draws, and of whatever else is random.
    data : Dataset, optional
        That the run was trained on; by default those of its task are loaded.

    Attributes
    ----------
    W, b, positions : arrays of shape (S, S), (S,) and (S, dim), or None
        The network.
    inputs, targets : arrays, or None
        Validation samples that it is judged on.
    sizes : dict
        `n_inputs` and `n_outputs`.
    report : StructureReport
        The verdicts.
    """

    def __init__(
        self, run: Run, n_draws: int = N_DRAWS, seed: int = 0, data: Dataset | None = None
    ) -> None:
        self.run = run
        self.seed = seed
        self.data: Dataset = task_data(run) if data is None else of_the_run(data, run)
        self.W, self.b, self.positions = arrays(run)
        self.inputs, self.targets = samples(self.data)
        self.sizes = {"n_inputs": self.data.n_inputs, "n_outputs": self.data.n_outputs}
        self.report: StructureReport = judge(run, self.data, n_draws, seed)

    def lesions(self) -> tuple[float, list[Lesion]]:
        """The validation score, and what is lost of it when each structure is cut."""
        if self.inputs is None or self.report.status != "ok":
            return float("nan"), []

        return lesions(
            self.W,
            self.b,
            self.inputs,
            self.targets,
            self.report,
            positions=self.positions,
            rng=np.random.default_rng(self.seed),
        )

    def faithfulness(self) -> Faithfulness | None:
        """The validation score with only the effective graph intact; None where there is none."""
        if self.inputs is None or self.report.status != "ok":
            return None

        rng = np.random.default_rng(self.seed)
        return faithfulness(self.W, self.b, self.inputs, self.targets, self.report, rng=rng)

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
        """Measures of the used weights that no verdict rests on."""
        used = list(self.report.layer_of)
        weights = self.W[np.ix_(used, used)]
        measures = {
            "trophic_incoherence": float(trophic_incoherence(weights)),
            "modularity": float(modularity(weights, self.seed)[0]),
            "reciprocity": float(reciprocity(weights, weighted=True)),
            "self_loops": float(self_loops(weights)["share"]),
            "nonlinear_nodes_per_path": self.report.effective_depth,
        }

        if self.positions is not None:
            correlation = distance_correlation(self.W, self.positions)
            measures["weight_distance_correlation"] = float(correlation)
        return measures

    def triads(self, n_draws: int) -> dict[str, Any]:
        """The triad census of the used neurons, beside its null models.

        Parameters
        ----------
        n_draws : int
            From each null model.

        Returns
        -------
        dict
            "triads" by name and their "counts", "draws", and "nulls": of each null model its "mean"
            counts and "p", two-sided, for each triad.
        """
        layer_of = self.report.layer_of
        used = list(layer_of)
        weights = cut_off(self.W, self.report.threshold.value)[np.ix_(used, used)]
        tested = triad_test(
            weights,
            rng=np.random.default_rng(self.seed),
            layers=np.array([layer_of[i] for i in used]),
            n_draws=n_draws,
        )

        nulls = {}
        for name, result in tested.items():
            smaller = np.minimum(result["p_more"], result["p_fewer"])
            nulls[name] = {"mean": result["mean"], "p": np.minimum(1.0, 2 * smaller)}
        counts = next(iter(tested.values()))["counts"].tolist()
        return {"triads": list(TRIADS), "counts": counts, "draws": n_draws, "nulls": nulls}

    # ---- figures

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """(name, Figure) of everything that can be drawn of this run."""
        report = self.report
        title = report.summary
        matrix: dict[str, Any] = {**self.sizes, "positions": self.positions}

        yield "W", sorted_matrix(self.W, report.layer_of, **matrix, title=title)
        yield "graph", self._graph()
        yield "path_depths", path_depths(report.path_depths, title=title)
        yield "blocks", self._blocks()

        if self.inputs is not None:
            loudness = np.abs(judging.activity(self.run, self.data)).mean(1)
            yield "activity", activity(loudness, report.layer_of, **self.sizes, title=title)
        first = [i for i, layer in report.layer_of.items() if layer == 1]
        if self.data.positions is not None and first:
            yield "receptive_fields", self._fields(first)
        if len(self.run.snapshots) > 1:
            steps = [(snapshot.step, snapshot.weights.numpy()) for snapshot in self.run.snapshots]
            yield "over_training", structure_over_training(steps, report.layer_of, **matrix)

    def _graph(self) -> Figure:
        graph = self.report.graph
        edges = graph.edges(data="weight")
        return layered_graph(edges, dict(graph.nodes(data="layer")), title=self.report.summary)

    def _blocks(self) -> Figure:
        depth = self.report.depth
        layer_of = self.report.layer_of
        groups = [[i for i, layer in layer_of.items() if layer == k] for k in range(depth + 2)]
        names = ["inputs", *(f"layer {k}" for k in range(1, depth + 1)), "outputs"]

        blocks = density_by_block(self.W, groups)
        return block_density(
            blocks["density"], names, mass_share=blocks["mass_share"], title=self.report.summary
        )

    def _fields(self, neurons: list[int]) -> Figure:
        fields = self.W[neurons, : self.data.n_inputs]
        places = self.data.positions.numpy()
        return receptive_fields(fields, places, labels=[str(i) for i in neurons])


# ---- files


def structure_of(
    inspection: Inspection, *, baseline: bool = False, n_triads: int | None = None
) -> dict:
    """What structure.json of an inspected run holds.

    Parameters
    ----------
    inspection : Inspection
    baseline : bool
        Whether to train a random mask of equal density too.
    n_triads : int, optional
        Draws from each null model of a triad census; without it, there is none.
    """
    run = inspection.run
    structure = {
        "run": str(run.folder or run.config.task),
        "task": run.config.task,
        **inspection.report.to_dict(),
        "test_accuracy": run.test_accuracy,
    }

    if inspection.report.status == "ok":
        score, cuts = inspection.lesions()
        structure["measures"] = inspection.measures()
        faithful = inspection.faithfulness()
        structure["lesions"] = {
            "score": score,
            "cuts": [lesion.to_dict() for lesion in cuts],
            "faithfulness": None if faithful is None else faithful.to_dict(),
        }
        if n_triads is not None:
            structure["triads"] = inspection.triads(n_triads)
    if baseline:
        from experiments.baselines import train_masked  # training takes its time to load

        accuracy = train_masked(run, inspection.data, inspection.seed)[1]
        structure["random_mask"] = {"test_accuracy": accuracy}
    return structure


def write_structure(inspection: Inspection, **options: Any) -> dict:
    """Write structure.json of an inspected run that lies in a folder, and return what it holds.

    Options are those of `structure_of`.
    """
    structure = structure_of(inspection, **options)
    atomic_write(_folder(inspection.run) / STRUCTURE, to_json(structure, indent=2))
    return structure


def write_report(inspection: Inspection, structure: dict) -> Path:
    """Write report.html of an inspected run, given its structure.json; returns the path."""
    path = _folder(inspection.run) / PAGE
    atomic_write(path, page(inspection, structure).encode(errors="replace"))
    return path


def write_figures(inspection: Inspection) -> Iterator[Path]:
    """Write every figure of an inspected run as PNG; the path of each."""
    for name, figure in inspection.figures():
        path = _folder(inspection.run) / FIGURES / f"{name}.png"
        atomic_write(path, partial(_save, figure))
        yield path


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=150, format="png")


def _folder(run: Run) -> Path:
    if run.folder is None:
        raise InputError("run: was trained in memory; save it first")
    return run.folder


# ---- the command


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Judge the structure of a trained run. Prints the verdicts with their evidence, and writes
    structure.json."""
    parser.set_defaults(run=_inspect)
    runs = "run folder; two of them with --html are shown side by side"
    parser.add_argument("folders", type=Path, nargs="*", metavar="RUN", help=runs)
    parser.add_argument("--json", action="store_true", help="print structure.json and nothing else")
    parser.add_argument("--figures", action="store_true", help="also write figures/*.png")
    parser.add_argument(
        "--html",
        nargs="?",
        const=OWN_PAGE,
        metavar="FILE",
        help="also write a page to look around in (default: report.html in the folder; of two "
        "runs report-with-NAME.html in the first)",
    )
    parser.add_argument("--force", action="store_true", help="write over a FILE that is there")
    parser.add_argument(
        "--baseline",
        action="store_true",
        help="also train a random mask of equal density in the same manner",
    )
    parser.add_argument(
        "--triads",
        action="store_true",
        help="also count the three-neuron patterns, beside three null models",
    )
    parser.add_argument(
        "--nulls",
        type=int,
        default=N_DRAWS,
        metavar="N",
        help=f"draws from each null model (default: {N_DRAWS})",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default: 0)")


def _inspect(arguments: argparse.Namespace) -> int:
    if arguments.nulls > MOST_DRAWS:
        raise InputError(f"--nulls: must be at most {MOST_DRAWS:,}")
    if not 0 <= arguments.seed < SEEDS:
        raise InputError(f"--seed: must be from 0 to {SEEDS - 1}")

    # All that can be refused is refused before anything is computed or written.
    folders, target = _asked(arguments)
    runs = [load_run(folder) for folder in folders]
    for folder in folders:
        check_folder(folder, new=False, flag="RUN")
        if arguments.figures:
            check_folder(folder / FIGURES, new=False, flag="--figures")
    if target is not None:
        check_file(target, force=arguments.force, flag="--html")

    inspected = [_inspect_run(run, arguments) for run in runs]
    if arguments.html is not None:
        print(f"page {_write_page(inspected, target)}", file=sys.stderr)
    return 0


def _asked(arguments: argparse.Namespace) -> tuple[list[Path], Path | None]:
    """The runs, and the file that a page was asked for in; None for one in the folder of a run."""
    folders = list(arguments.folders)
    target = None if arguments.html in (None, OWN_PAGE) else Path(arguments.html)
    # `--html RUN`: what follows the flag is the run where nothing else is.
    if target is not None and not folders:
        folders = [target]
        target = None

    if not folders:
        raise InputError("RUN: name a run folder")
    if len(folders) > 2:
        raise InputError(f"RUN: one run, or two for a page of both, not {len(folders)}")
    if len(folders) == 2 and arguments.html is None:
        raise InputError("RUN: two runs are shown on a page; add --html")
    if len(folders) == 2 and arguments.json:
        raise InputError("--json: prints one run, not two")
    return folders, target


Inspected = tuple[Inspection, dict[str, Any]]
"""A run that was inspected, and what its structure.json holds."""


def _inspect_run(run: Run, arguments: argparse.Namespace) -> Inspected:
    """Inspect a run: print it, write its structure.json and, if asked for, its figures."""
    try:
        inspection = Inspection(run, arguments.nulls, arguments.seed)
    except ValueError as error:
        message = str(error).replace("n_null", "--nulls").replace("seed must", "--seed must")
        raise InputError(message) from None

    n_triads = arguments.nulls if arguments.triads else None
    structure = write_structure(inspection, baseline=arguments.baseline, n_triads=n_triads)
    if arguments.json:
        print(to_json(structure, indent=2))
    else:
        print_inspection(inspection, structure)

    if arguments.figures and inspection.report.status == "ok":
        for path in write_figures(inspection):
            print(f"figure {path}", file=sys.stderr)
    return inspection, structure


def _write_page(inspected: list[Inspected], target: Path | None) -> Path:
    """Write the page of a run, or of two; the path."""
    if target is None and len(inspected) == 1:
        return write_report(*inspected[0])

    text = page(*inspected[0]) if len(inspected) == 1 else page_of_two(*inspected)
    if target is None:
        first, second = (_folder(inspection.run) for inspection, _ in inspected)
        target = first / PAIR.format(second.resolve().name)
    atomic_write(target, text.encode(errors="replace"))
    return target
