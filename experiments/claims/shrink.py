"""A network that has lived through the hard grammar forgets it: back on the easy one it is as small
as if it knew no other.

Refuted when its size stays 30 % above that of a network that saw only the easy grammar for as long,
or its loss 1 % worse. The abstract of the paper's first version says that shrinking after
simplification "is not evident". Control: the paper's own rule, for which a neuron once grown is
lost slowly, because its outgoing weights cost little and nothing hurries its end.
"""

import numpy as np
from matplotlib.figure import Figure

from experiments import symbols
from experiments.claims import Check, Measured, Row, column
from experiments.symbols import at
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

# The claim.
CLAIM = (
    "After hard becomes easy, a network shrinks to within 30 % of one that saw only easy, without "
    "loss of performance"
)
# Where it is from.
SOURCE = "Miconi 2016 (arXiv 1606.06216), and what its abstract says could not be shown"
# What the paper reports.
PAPER = (
    "shrinking after simplification 'is not evident' (first version); 19 neurons after "
    "easy-hard-easy against 14 to 16"
)
SEEDS = {"paper": 20}  # As in the paper.

ONLY = "only easy"  # The arm that the claim is held against.
AFTER_HARD = "hard, easy, easy"  # The arm that is to shrink.
PAPERS_ONLY = "only easy, the paper's rule"  # The control of ONLY.
PAPERS_AFTER = "hard, easy, easy, the paper's rule"  # The control of AFTER_HARD.

# Updates. By judgement: 40,000 of them after the hard time, or what minutes allow.
STEPS = {"paper": 60_000, "quick": 9_000}
# Outgoing weights are three times as dear; neurons beyond the reserve go soon, the youngest first.
# Chosen on validation seeds.
POLICY = {
    "strengths": {"outgoing": 3e-4},
    "growth": symbols.PAPERS_RULE | {"delete_probability": 0.2, "spare": "old"},
}
MAX_RATIO = 1.3  # Of the sizes at the end: the claim's 30 %.
MAX_LOSS_RATIO = 1.01  # Of the losses at the end. By judgement.


def arms(scale: str) -> dict[str, TrainConfig]:
    """Two thirds of training are easy for all; the first third differs.

    With our policy and with the paper's rule.
    """
    steps = STEPS[scale]
    easy = ("easy", "easy", "easy")
    hard = ("hard", "easy", "easy")
    return {
        ONLY: symbols.switching(easy, steps, **POLICY),
        AFTER_HARD: symbols.switching(hard, steps, **POLICY),
        PAPERS_ONLY: symbols.switching(easy, steps),
        PAPERS_AFTER: symbols.switching(hard, steps),
    }


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Size and loss."""
    return symbols.measure(run, data)


def checks(measured: Measured, scale: str) -> list[Check]:
    """Size before, after, and against the network that saw only easy; loss."""
    early = {
        arm: float(np.median([at(sizes, 1 / 3) for sizes in column(measured[arm], "sizes")]))
        for arm in (AFTER_HARD, ONLY)
    }
    size = {arm: float(np.median(column(rows, "neurons"))) for arm, rows in measured.items()}
    loss = {
        arm: float(np.median(column(measured[arm], "loss of a stretch")))
        for arm in (AFTER_HARD, ONLY)
    }

    return [
        Check(
            "neurons after the hard time",
            f"{early[AFTER_HARD]:g} against {early[ONLY]:g} at that age",
            "more",
            early[AFTER_HARD] > early[ONLY],
        ),
        Check(
            "neurons at the end, over those of only easy",
            f"{size[AFTER_HARD]:g} / {size[ONLY]:g}",
            f"<= {MAX_RATIO}",
            size[AFTER_HARD] <= MAX_RATIO * size[ONLY],
        ),
        Check(
            "loss, against only easy",
            f"{loss[AFTER_HARD]:.3f} against {loss[ONLY]:.3f}",
            "<= 1 % worse",
            loss[AFTER_HARD] <= MAX_LOSS_RATIO * loss[ONLY],
        ),
        Check(
            "the paper's rule leaves more",
            f"{size[PAPERS_AFTER]:g} / {size[PAPERS_ONLY]:g}",
            "a larger ratio",
            size[PAPERS_AFTER] / size[PAPERS_ONLY] > size[AFTER_HARD] / size[ONLY],
        ),
    ]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Loss and size over training."""
    floors = {"floor, easy": symbols.floor("easy"), "floor, hard": symbols.floor("hard")}
    return {"sizes": symbols.curves(runs, floors)}
