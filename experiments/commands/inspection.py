"""A run that is inspected: its verdicts, and what is measured beside them."""

from typing import Any

import numpy as np

from analysis import StructureReport
from analysis.causal import Lesion, lesions
from analysis.census import TRIADS, triad_test
from analysis.faithful import Faithfulness, faithfulness
from analysis.measures import modularity, reciprocity, self_loops
from analysis.spatial import distance_correlation
from analysis.threshold import cut as cut_off
from analysis.trophic import trophic_incoherence
from experiments.commands import judging
from experiments.commands.judging import arrays, judge, of_the_run, samples, task_data
from urn import Run
from urn.data.tasks import Dataset

N_DRAWS = 1000
"""Draws from each null model: a p-value is then known to 0.007 or better (binomial, at 0.05)."""


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
