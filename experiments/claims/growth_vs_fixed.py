"""Is a network that finds its size better than any fixed size? On the hard grammar, with the
paper's training, all else alike.

The outcome is bimodal, so whole distributions are compared: for each fixed size a one-sided rank
test (Mann & Whitney 1947) that variable size reaches lower losses, p-values times the number of
sizes (Bonferroni). Refuted when one does not reject.
"""

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import mannwhitneyu

from analysis.plots import distributions, growth_curves
from experiments import symbols
from experiments.claims import Check, Measured, Row, column, spread
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

# The claim.
CLAIM = (
    "On the hard grammar a network of variable size reaches a lower loss than networks of any "
    "fixed size"
)
SOURCE = "Miconi 2016 (arXiv 1606.06216)"  # Where it is from.
# What the paper reports.
PAPER = (
    "lower than fixed 10, 30, 37, 50, 100; read off its figure at 100,000 updates: variable 10.4, "
    "fixed 37 13.1, 100 15.3"
)
SEEDS = {"paper": 20}  # As in the paper.

VARIABLE = "variable"  # The arm that finds its size.
LEVEL = 0.05  # p below which a test rejects, after correction: the usual one.
LEAST_FOR_A_TEST = 4  # Seeds: with three and three no rank test can reject at LEVEL.
# Fixed sizes: around the paper's.
SIZES = {"paper": (10, 20, 37, 50, 75, 100), "quick": (5, 20, 60)}
STEPS = {"paper": 100_000, "quick": 6_000}  # Updates: the paper's, or what minutes allow.


def arms(scale: str) -> dict[str, TrainConfig]:
    """Variable size, and each fixed size: all neurons from the start, none born, none dying."""
    steps = STEPS[scale]
    second_moment = symbols.PAPERS_RULE["newborn_second_moment"]
    configs = {VARIABLE: symbols.papers("hard", steps)}
    for size in SIZES[scale]:
        growth = {"start": size, "newborn_second_moment": second_moment, **symbols.FIXED}
        # Four inputs and four outputs beside the hidden neurons.
        config = symbols.papers("hard", steps, n_neurons=size + 8, growth=growth)
        configs[f"fixed {size}"] = config
    return configs


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Size and loss."""
    return symbols.measure(run, data)


def checks(measured: Measured, scale: str) -> list[Check]:
    """A rank test against every fixed size.

    With one seed the losses alone are compared, which proves nothing.
    """
    losses = {arm: column(rows, "loss of a stretch") for arm, rows in measured.items()}
    variable = losses.pop(VARIABLE)

    listed = []
    for arm, fixed in losses.items():
        both = f"{spread(variable)} against {spread(fixed)}"
        if len(fixed) < LEAST_FOR_A_TEST:
            passed = bool(np.median(variable) < np.median(fixed))
            asked = f"lower (no test with fewer than {LEAST_FOR_A_TEST} seeds)"
        else:
            p = min(1.0, len(losses) * mannwhitneyu(variable, fixed, alternative="less").pvalue)
            passed = p < LEVEL
            asked = f"p < {LEVEL:g}, corrected"
            both = f"{both}, p = {p:.2g}"
        listed.append(Check(f"loss of variable size against {arm}", both, asked, passed))
    return listed


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Every seed's loss, and medians over training: variable, smallest, a middle, largest size."""
    losses = {arm: column(rows, "loss of a stretch") for arm, rows in measured.items()}
    floors = {"floor": symbols.floor("hard"), "no memory of flips": symbols.NO_MEMORY_OF_FLIPS}

    fixed = [arm for arm in runs if arm != VARIABLE]
    shown = (VARIABLE, fixed[0], fixed[len(fixed) // 2], fixed[-1])
    curves = {arm: [row["losses"] for row in measured[arm]] for arm in shown}
    steps = {arm: column(runs[arm][0].history, "step") for arm in shown}
    return {
        "distributions": distributions(losses, label="loss of a stretch, nats", lines=floors),
        "over-training": growth_curves(steps, {"loss of a stretch, nats": curves}, floors=floors),
    }
