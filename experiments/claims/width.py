"""The strengths set the width: the prices of connections and of activity, turned over a 1000-fold
range together.

Refuted when the hidden neurons that are held span less than a 5-fold range among the settings whose
accuracy is within 0.5 points of the best, or when their median over seeds rises anywhere along the
dial.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import dial as dial_plot
from experiments.claims import Check, Measured, Row, column
from experiments.commands.judging import judge
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

# The claim.
CLAIM = (
    "The prices of connections and activity set the width: a dearer network is narrower, as "
    "accurate, and never wider"
)
SOURCE = "Golkar 2019 (arXiv 1911.11691): networks of different widths"  # Where it is from.
PAPER = "widths follow the strengths; numbers not at hand"  # What the paper reports.

# Prices at the end of the dial, as first written down (docs/experiments.md).
STRONGEST = {"weight": 1e-3, "activity": 1e-2}
SAME_ACCURACY = 0.005  # Test accuracy below the best up to which a setting counts. By judgement.
LEAST_RANGE = 5.0  # Of widths, largest over least. By judgement.
N_DRAWS = 200  # Of a null model, for a summary.


def dial(scale: str) -> np.ndarray:
    """Factors by which the strongest prices are multiplied."""
    return np.logspace(-3, 0, 7 if scale == "paper" else 3)


def arms(scale: str) -> dict[str, TrainConfig]:
    """One arm a setting of the dial."""
    S, steps = (400, 4000) if scale == "paper" else (200, 2000)
    rest = {"bias": 3e-3, "self": 1.0, "depth": {"value": 1e-2, "warmup": steps // 4}}

    configs = {}
    for factor in dial(scale):
        # Four digits, so that the configuration in a run folder can be read.
        prices = {name: float(f"{price * factor:.4g}") for name, price in STRONGEST.items()}
        configs[f"prices x {factor:.3g}"] = TrainConfig(
            task="shells", n_neurons=S, steps=steps, snapshots=0, strengths=rest | prices
        )
    return configs


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Hidden neurons (used, and held), accuracy, widths."""
    report = judge(run, data, n_null=N_DRAWS)
    return {
        "c_w": run.config.strengths["weight"].value,
        "hidden neurons used": int(np.sum(report.widths)),
        "living hidden neurons": run.history[-1]["living_neurons"],
        "weights used": report.n_used_weights,
        "test accuracy": run.test_accuracy,
        "widths": list(report.widths),
        "summary": report.summary,
    }


def checks(measured: Measured, scale: str) -> list[Check]:
    """The range of widths at unchanged accuracy, and that it falls all the way."""
    # Accuracy must be alike where widths are compared: a network that fails may be narrow for that.
    held = [float(np.median(column(rows, "living hidden neurons"))) for rows in measured.values()]
    accuracy = [float(np.median(column(rows, "test accuracy"))) for rows in measured.values()]
    good = max(accuracy) - SAME_ACCURACY
    alike = [n for n, score in zip(held, accuracy, strict=True) if score >= good]
    ratio = max(alike) / max(min(alike), 1)

    settings = f"{len(alike)} of {len(held)} settings"
    return [
        Check(
            "range of living neurons at accuracy within 0.5 points",
            f"{ratio:.1f}-fold ({max(alike):g} to {min(alike):g}, {settings})",
            ">= 5-fold",
            ratio >= LEAST_RANGE,
        ),
        Check(
            "median of living neurons along the dial",
            ", ".join(f"{n:g}" for n in held),
            "never rises",
            all(np.diff(held) <= 0),
        ),
    ]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Hidden neurons and accuracy along the dial."""
    names = ("living hidden neurons", "weights used", "test accuracy")
    values = {name: [column(rows, name) for rows in measured.values()] for name in names}
    prices = [rows[0]["c_w"] for rows in measured.values()]
    return {
        "dial": dial_plot(prices, values, label="c_w, with c_n = 10 c_w", logarithmic=names[:2])
    }
