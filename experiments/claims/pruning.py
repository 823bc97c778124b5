"""Classical pruning of trained URNs: at equal sparsity, which criterion keeps the function, with
and without retraining?

Networks with a weak price on weights, so that there is something left to prune, on digits and
MNIST-1D: magnitude, a higher L1 price, Optimal Brain Damage (diagonal of H), Optimal Brain Surgeon
(whole H, weights corrected) and chance take the same share of weights away. Refuted when a
criterion does not keep more than chance, when the diagonal of H (OBD, at a quarter of the weights)
or the whole of it (OBS, at half) keeps less than magnitude, or when 300 updates of retraining do
not halve what lies between magnitude and OBD. OBS is held against magnitude at half of the weights
only: its corrections follow a quadratic that holds near the trained network, and when few weights
are left they have led it astray: at a quarter it keeps less than magnitude. The L1 price trains by
itself; it is drawn beside the others and held against none.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import sparsity_curves
from experiments.claims import Check, Measured, Row, column, spread
from experiments.commands.prune import curves, network
from urn import Run, TrainConfig
from urn.data.tasks import Dataset
from urn.pruning import CRITERIA

# The claim.
CLAIM = (
    "At equal sparsity magnitude and curvature keep far more of a trained URN than chance; "
    "curvature keeps at least what magnitude does, its diagonal down to a quarter of the weights, "
    "the whole of it down to half"
)
SOURCE = "LeCun, Denker & Solla 1990; Hassibi & Stork 1993"  # Where it is from.
# What the papers report.
PAPER = (
    "OBS takes away more weights at the same error than OBD, and OBD more than magnitude; no URNs"
)
# Differences between criteria spread too much over five seeds (docs/experiments.md).
SEEDS = {"paper": 20}

# Shares of weights that are kept. By judgement: from all of them to a tenth.
KEEPS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1)
# The share at which the whole of H is held against magnitude: its quadratic holds there.
NEAR = 0.5
FEW = 0.25  # The share at which the diagonal of H is held against magnitude.
RETRAIN = 300  # Updates of retraining. By judgement: a tenth of training.
CLOSE = 0.02  # Accuracy up to which criteria are as good as each other. By judgement.
FAR = 0.2  # Accuracy by which a criterion must beat chance. By judgement.

# (better, worse, share of weights, least gain in accuracy) of every comparison before retraining.
GAINS = (
    ("magnitude", "random", NEAR, FAR),
    ("obd", "random", NEAR, FAR),
    ("obs", "random", NEAR, FAR),
    ("obs", "magnitude", NEAR, -CLOSE),
    ("obd", "magnitude", FEW, -CLOSE),
)


def arms(scale: str) -> dict[str, TrainConfig]:
    """One network on each task, under prices that leave it one to three thousand weights."""
    rate = {"value": 2e-3, "milestones": [0.7], "factor": 0.2}
    common = TrainConfig(n_neurons=120, n_iterations=4, steps=3000, learning_rate=rate, snapshots=0)
    priced = {"activity": 3e-3, "bias": 1e-3, "self": 1.0, "depth": {"value": 1e-2, "warmup": 500}}

    configs = {"digits": common.replace(task="digits", strengths=priced | {"weight": 6e-4})}
    if scale == "paper":
        cheaper = {"activity": 1e-3, "depth": {"value": 1e-3, "warmup": 500}, "weight": 2e-3}
        configs["MNIST-1D"] = common.replace(task="mnist1d", strengths=priced | cheaper)
    return configs


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Test accuracy at every sparsity by every criterion, `curves`; and at NEAR and FEW alone."""
    rows = curves(run, data, KEEPS, RETRAIN, run.config.seed)
    numbers = {"weights": len(network(run).theta), "test accuracy": run.test_accuracy}
    for row in rows:
        if row["keep"] in (NEAR, FEW):
            for state in ("pruned", "retrained"):
                name = _number(row["criterion"], row["keep"], state)
                numbers[name] = row[f"test, {state}"]
    return numbers | {"curves": rows}


def _number(criterion: str, keep: float, state: str) -> str:
    """The name of an accuracy."""
    return f"{criterion} {keep:.0%}, {state}"


def checks(measured: Measured, scale: str) -> list[Check]:
    """Criteria against chance, curvature against magnitude, and what retraining leaves of it."""
    return [check for task, rows in measured.items() for check in _of_task(task, rows)]


def _of_task(task: str, rows: list[Row]) -> list[Check]:
    """The checks of one task."""
    listed = []
    for better, worse, keep, least in GAINS:
        values = _gains(rows, better, worse, keep, "pruned")
        title = f"{task}: accuracy at {keep:.0%} of the weights, {better} over {worse}"
        passed = bool(np.median(values) >= least)
        listed.append(Check(title, spread(values), f"median >= {least:g}", passed))

    before, after = (
        float(np.median(_gains(rows, "obd", "magnitude", FEW, state)))
        for state in ("pruned", "retrained")
    )
    title = f"{task}: what is left of obd over magnitude at {FEW:.0%} after retraining"
    asked = f"half of {before:.3f} or less, or {CLOSE:g}"
    return [*listed, Check(title, f"{after:.3f}", asked, after <= max(before / 2, CLOSE))]


def _gains(rows: list[Row], better: str, worse: str, keep: float, state: str) -> list[float]:
    """Differences in accuracy between two criteria, within each seed."""
    pair = [column(rows, _number(criterion, keep, state)) for criterion in (better, worse)]
    return [x - y for x, y in zip(*pair, strict=True)]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Accuracy against the share of weights left: a row a task, without and with retraining."""
    panels = {
        f"{task}, {state}": {
            criterion: [_curve(row, criterion, state) for row in rows] for criterion in CRITERIA
        }
        for task, rows in measured.items()
        for state in ("pruned", "retrained")
    }
    return {"curves": sparsity_curves(KEEPS, panels)}


def _curve(row: Row, criterion: str, state: str) -> list[float]:
    """Accuracy of one seed at each of KEEPS."""
    return [p[f"test, {state}"] for p in row["curves"] if p["criterion"] == criterion]
