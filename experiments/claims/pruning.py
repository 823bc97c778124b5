"""Classical pruning of trained URNs: at equal sparsity, which criterion keeps the function, with and without retraining?

Networks with a weak price on weights, so that there is something left to prune, on digits and MNIST-1D: magnitude, a higher
L1 price, Optimal Brain Damage (diagonal of H), Optimal Brain Surgeon (whole H, weights corrected) and chance take the same
share of weights away. Refuted when a criterion does not keep more than chance, when the diagonal of H (OBD, at a quarter of
the weights) or the whole of it (OBS, at half) keeps less than magnitude, or when 300 updates of retraining do not halve what
lies between magnitude and OBD. OBS is held against magnitude at half of the weights only: its corrections follow a quadratic
that holds near the trained network, and when few weights are left they have led it astray: at a quarter it keeps less than
magnitude. The L1 price trains by itself; it is drawn beside the others and held against none.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import sparsity_curves
from experiments.claims import Check, column, spread
from experiments.commands.prune import curves, network
from urn import Run, TrainConfig
from urn.data.tasks import Dataset
from urn.pruning import CRITERIA

CLAIM = (
    "At equal sparsity magnitude and curvature keep far more of a trained URN than chance; curvature keeps at least what "
    "magnitude does, its diagonal down to a quarter of the weights, the whole of it down to half"
)
SOURCE = "LeCun, Denker & Solla 1990; Hassibi & Stork 1993"
PAPER = (
    "OBS takes away more weights at the same error than OBD, and OBD more than magnitude; no URNs"
)

SEEDS = {"paper": 20}
KEEPS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1)
NEAR, HELD, RETRAIN = 0.5, 0.25, 300
"""The shares of weights at which criteria are held against each other; updates of retraining."""
CLOSE, FAR = 0.02, 0.2


def arms(scale: str) -> dict[str, TrainConfig]:
    """One network on each task, under prices that leave it one to three thousand weights."""
    rate = {"value": 2e-3, "milestones": [0.7], "factor": 0.2}
    common = TrainConfig(n_neurons=120, n_iterations=4, steps=3000, learning_rate=rate, snapshots=0)
    priced = {"activity": 3e-3, "bias": 1e-3, "self": 1.0, "depth": {"value": 1e-2, "warmup": 500}}
    found = {"digits": common.replace(task="digits", strengths=priced | {"weight": 6e-4})}
    if scale == "paper":
        cheaper = {"activity": 1e-3, "depth": {"value": 1e-3, "warmup": 500}, "weight": 2e-3}
        found["MNIST-1D"] = common.replace(task="mnist1d", strengths=priced | cheaper)
    return found


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """Test accuracy at every sparsity by every criterion, `curves`; and at HELD as numbers."""
    rows = curves(run, data, KEEPS, RETRAIN, run.config.seed)
    found = {"weights": len(network(run).theta), "test accuracy": run.test_accuracy}
    for row in rows:
        if row["keep"] in (NEAR, HELD):
            name = f"{row['criterion']} {row['keep']:.0%}"
            found |= {
                f"{name}, {state}": row[f"test, {state}"] for state in ("pruned", "retrained")
            }
    return found | {"curves": rows}


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """Criteria against chance, curvature against magnitude, and what retraining leaves of it; differences within a seed."""
    found = []
    for task, rows in measured.items():

        def gain(better: str, worse: str, keep: float, state: str, rows=rows) -> list[float]:
            a, b = (
                column(rows, f"{criterion} {keep:.0%}, {state}") for criterion in (better, worse)
            )
            return [x - y for x, y in zip(a, b, strict=True)]

        for better, worse, keep, least in (
            ("magnitude", "random", NEAR, FAR),
            ("obd", "random", NEAR, FAR),
            ("obs", "random", NEAR, FAR),
            ("obs", "magnitude", NEAR, -CLOSE),
            ("obd", "magnitude", HELD, -CLOSE),
        ):
            values = gain(better, worse, keep, "pruned")
            said = f"{task}: accuracy at {keep:.0%} of the weights, {better} over {worse}"
            found.append(
                Check(said, spread(values), f"median >= {least:g}", np.median(values) >= least)
            )
        before, after = (
            float(np.median(gain("obd", "magnitude", HELD, state)))
            for state in ("pruned", "retrained")
        )
        said = f"{task}: what is left of obd over magnitude at {HELD:.0%} after retraining"
        asked = f"half of {before:.3f} or less, or {CLOSE:g}"
        found.append(Check(said, f"{after:.3f}", asked, after <= max(before / 2, CLOSE)))
    return found


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """Accuracy against the share of weights that is left: a row a task, without and with retraining."""
    panels = {}
    for task, rows in measured.items():
        for state in ("pruned", "retrained"):
            panels[f"{task}, {state}"] = {
                criterion: [
                    [
                        point[f"test, {state}"]
                        for point in row["curves"]
                        if point["criterion"] == criterion
                    ]
                    for row in rows
                ]
                for criterion in CRITERIA
            }
    return {"curves": sparsity_curves(KEEPS, panels)}
