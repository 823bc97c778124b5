"""Classical pruning of trained URNs: at equal sparsity, which criterion keeps the function, with and without retraining?

Networks with a weak price on weights, so that there is something left to prune, on digits and MNIST-1D: magnitude, a higher
L1 price, Optimal Brain Damage (diagonal of H), Optimal Brain Surgeon (whole H, weights corrected) and chance take the same
share of weights away. Refuted when, without retraining, the surgeon does not keep more accuracy than magnitude, magnitude
not more than chance, or when 300 updates of retraining do not bring magnitude to within 2 points of the surgeon. The L1
price trains by itself, so it is held against the others with retraining only.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import sparsity_curves
from experiments.claims import Check, column, spread
from experiments.prune import curves, network
from urn import Run, TrainConfig
from urn.pruning import CRITERIA
from urn.tasks import Dataset

CLAIM = "At equal sparsity the whole Hessian keeps more of a trained URN's accuracy than magnitude, until both are retrained"
SOURCE = "LeCun, Denker & Solla 1990; Hassibi & Stork 1993"
PAPER = "OBS takes away more weights at the same error than OBD, and OBD more than magnitude; no URNs"

KEEPS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1)
HELD, RETRAIN = 0.25, 300
"""The share of weights at which the criteria are held against each other; updates of retraining."""
CLOSE, BETTER = 0.02, 0.02


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
        if row["keep"] == HELD:
            found |= {f"{row['criterion']}, {state}": row[f"test, {state}"] for state in ("pruned", "retrained")}
    return found | {"curves": rows}


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """Surgeon against magnitude against chance, and what retraining leaves of it; medians of differences within a seed."""
    found = []
    for task, rows in measured.items():
        for better, worse, what, least in (
            ("obs, pruned", "magnitude, pruned", "surgeon over magnitude", BETTER),
            ("magnitude, pruned", "random, pruned", "magnitude over chance", BETTER),
            ("magnitude, retrained", "obs, retrained", "magnitude over surgeon, retrained", -CLOSE),
        ):
            gain = [a - b for a, b in zip(column(rows, better), column(rows, worse), strict=True)]
            said = f"{task}: accuracy at {HELD:.0%} of the weights, {what}"
            found.append(Check(said, spread(gain), f"median >= {least:g}", np.median(gain) >= least))
    return found


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """Accuracy against the share of weights that is left: a row a task, without and with retraining."""
    panels = {}
    for task, rows in measured.items():
        for state in ("pruned", "retrained"):
            panels[f"{task}, {state}"] = {
                criterion: [
                    [point[f"test, {state}"] for point in row["curves"] if point["criterion"] == criterion] for row in rows
                ]
                for criterion in CRITERIA
            }
    return {"curves": sparsity_curves(KEEPS, panels)}
