"""Is a network that finds its size better than any fixed size? On the hard grammar, with the paper's training, all else alike.

The outcome is bimodal, so whole distributions are compared: for each fixed size a one-sided rank test (Mann & Whitney 1947)
that variable size reaches lower losses, p-values times the number of sizes (Bonferroni). Refuted when one does not reject.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import mannwhitneyu

from analysis.plots import distributions, growth_curves
from experiments import symbols
from experiments.claims import Check, column, spread
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

CLAIM = "On the hard grammar a network of variable size reaches a lower loss than networks of any fixed size"
SOURCE = "Miconi 2016 (arXiv 1606.06216)"
PAPER = "lower than fixed 10, 30, 37, 50, 100; read off its figure at 100,000 updates: variable 10.4, fixed 37 13.1, 100 15.3"
SEEDS = {"paper": 20}

VARIABLE, LEVEL = "variable", 0.05
SIZES = {"paper": (10, 20, 37, 50, 75, 100), "quick": (5, 20, 60)}
STEPS = {"paper": 100_000, "quick": 6_000}


def arms(scale: str) -> dict[str, TrainConfig]:
    """Variable size, and each fixed size: as many neurons from the start, none born, none dying."""
    found = {VARIABLE: symbols.papers("hard", STEPS[scale])}
    for size in SIZES[scale]:
        growth = {
            "start": size,
            "newborn_second_moment": symbols.PAPERS_RULE["newborn_second_moment"],
            **symbols.FIXED,
        }
        found[f"fixed {size}"] = symbols.papers(
            "hard", STEPS[scale], n_neurons=size + 8, growth=growth
        )
    return found


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """Size and loss."""
    return symbols.measure(run, data)


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """A rank test against every fixed size; with one seed the losses alone are compared, which proves nothing."""
    variable, found = column(measured[VARIABLE], "loss of a stretch"), []
    fixed = {
        arm: column(rows, "loss of a stretch") for arm, rows in measured.items() if arm != VARIABLE
    }
    for arm, losses in fixed.items():
        if len(losses) < 4:
            passed, verdict = (
                np.median(variable) < np.median(losses),
                "lower (no test with fewer than 4 seeds)",
            )
            said = f"{spread(variable)} against {spread(losses)}"
        else:
            p = min(1.0, len(fixed) * mannwhitneyu(variable, losses, alternative="less").pvalue)
            passed, verdict = p < LEVEL, f"p < {LEVEL:g}, corrected"
            said = f"{spread(variable)} against {spread(losses)}, p = {p:.2g}"
        found.append(Check(f"loss of variable size against {arm}", said, verdict, passed))
    return found


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """Every seed's loss, and over training the medians of variable size, the smallest, a middle and the largest."""
    losses = {arm: column(rows, "loss of a stretch") for arm, rows in measured.items()}
    floors = {"floor": symbols.floor("hard"), "no memory of flips": symbols.NO_MEMORY_OF_FLIPS}
    fixed = [arm for arm in runs if arm != VARIABLE]
    shown = (VARIABLE, fixed[0], fixed[len(fixed) // 2], fixed[-1])
    curves = {arm: [row["losses"] for row in measured[arm]] for arm in shown}
    steps = {arm: [row["step"] for row in runs[arm][0].history] for arm in shown}
    return {
        "distributions": distributions(losses, label="loss of a stretch, nats", lines=floors),
        "over-training": growth_curves(steps, {"loss of a stretch, nats": curves}, floors=floors),
    }
