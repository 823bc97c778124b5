"""The strengths set the width: the prices of connections and of activity, turned over a 1000-fold range together.

Refuted when the living neurons span less than a 5-fold range among the settings whose accuracy is within 0.5 points of the
best, or when their median over seeds rises anywhere along the dial.
"""

import numpy as np
from matplotlib.figure import Figure

from analysis.plots import dial as dial_plot
from experiments.claims import Check, column
from experiments.commands.judging import judge
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

CLAIM = "The prices of connections and activity set the width: a dearer network is narrower, as accurate, and never wider"
SOURCE = "Golkar 2019 (arXiv 1911.11691): networks of different widths"
PAPER = "widths follow the strengths; numbers not at hand"

STRONGEST = {"weight": 1e-3, "activity": 1e-2}
SAME_ACCURACY, LEAST_RANGE = 0.005, 5.0


def dial(scale: str) -> np.ndarray:
    """What the strongest prices are multiplied by."""
    return np.logspace(-3, 0, 7 if scale == "paper" else 3)


def arms(scale: str) -> dict[str, TrainConfig]:
    """One arm a setting of the dial."""
    S, steps = (400, 4000) if scale == "paper" else (200, 2000)
    rest = {"bias": 3e-3, "self": 1.0, "depth": {"value": 1e-2, "warmup": steps // 4}}
    return {
        f"prices x {factor:.3g}": TrainConfig(
            task="shells",
            n_neurons=S,
            steps=steps,
            snapshots=0,
            strengths=rest
            | {name: float(f"{price * factor:.4g}") for name, price in STRONGEST.items()},
        )
        for factor in dial(scale)
    }


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """Living hidden neurons (those on a path from inputs to outputs), accuracy, widths."""
    report = judge(run, data, n_null=200)
    return {
        "c_w": run.config.strengths["weight"].value,
        "hidden neurons used": int(np.sum(report.widths)),
        "living hidden neurons": run.history[-1]["living_neurons"],
        "weights used": report.n_used_weights,
        "test accuracy": run.test_accuracy,
        "widths": list(report.widths),
        "summary": report.summary,
    }


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """The range of widths at unchanged accuracy, and that it falls all the way."""
    living, accuracy = (
        [float(np.median(column(rows, name))) for rows in measured.values()]
        for name in ("living hidden neurons", "test accuracy")
    )
    alike = [
        n
        for n, score in zip(living, accuracy, strict=True)
        if score >= max(accuracy) - SAME_ACCURACY
    ]
    ratio = max(alike) / max(min(alike), 1)
    along = ", ".join(f"{n:g}" for n in living)
    how_wide = f"{ratio:.1f}-fold ({max(alike):g} to {min(alike):g}, {len(alike)} of {len(living)} settings)"
    return [
        Check(
            "range of living neurons at accuracy within 0.5 points",
            how_wide,
            ">= 5-fold",
            ratio >= LEAST_RANGE,
        ),
        Check(
            "median of living neurons along the dial",
            along,
            "never rises",
            all(np.diff(living) <= 0),
        ),
    ]


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """Living neurons and accuracy along the dial."""
    names = ("living hidden neurons", "weights used", "test accuracy")
    values = {name: [column(rows, name) for rows in measured.values()] for name in names}
    prices = [rows[0]["c_w"] for rows in measured.values()]
    return {
        "dial": dial_plot(prices, values, label="c_w, with c_n = 10 c_w", logarithmic=names[:2])
    }
