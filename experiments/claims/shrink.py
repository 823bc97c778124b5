"""A network that has lived through the hard grammar forgets it: back on the easy one it is as small as if it knew no other.

Refuted when its size stays 30 % above that of a network that saw only the easy grammar for as long, or its loss 1 % worse. The
abstract of the paper's first version says that shrinking after simplification "is not evident". Control: the paper's own rule,
for which a neuron once grown is lost slowly, because what it says costs little and nothing hurries its end.
"""

import numpy as np
from matplotlib.figure import Figure

from experiments import symbols
from experiments.claims import Check, column
from experiments.symbols import at
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

CLAIM = "After hard becomes easy, a network shrinks to within 30 % of one that saw only easy, without loss of performance"
SOURCE = "Miconi 2016 (arXiv 1606.06216), and what its abstract says could not be shown"
PAPER = "shrinking after simplification 'is not evident' (first version); 19 neurons after easy-hard-easy against 14 to 16"
SEEDS = {"paper": 20}

ONLY, AFTER_HARD, PAPERS_ONLY, PAPERS_AFTER = (
    "only easy",
    "hard, easy, easy",
    "only easy, the paper's rule",
    "hard, easy, easy, the paper's rule",
)
STEPS = {"paper": 60_000, "quick": 9_000}
POLICY = {
    "strengths": {"outgoing": 3e-4},
    "growth": symbols.PAPERS_RULE | {"delete_probability": 0.2, "spare": "old"},
}
"""Speech is three times as dear, and those beyond the reserve go soon, the youngest first."""


def arms(scale: str) -> dict[str, TrainConfig]:
    """Two thirds of training are easy for all; the first third differs. With our policy and with the paper's rule."""
    first = {ONLY: ("easy", "easy", "easy"), AFTER_HARD: ("hard", "easy", "easy")}
    found = {arm: symbols.switching(parts, STEPS[scale], **POLICY) for arm, parts in first.items()}
    names = {ONLY: PAPERS_ONLY, AFTER_HARD: PAPERS_AFTER}
    return found | {
        names[arm]: symbols.switching(parts, STEPS[scale]) for arm, parts in first.items()
    }


def measure(arm: str, run: Run, data: Dataset) -> dict:
    """Size and loss."""
    return symbols.measure(run, data)


def checks(measured: dict[str, list[dict]], scale: str) -> list[Check]:
    """Size before, after, and against the network that saw only easy; loss."""
    before, as_old = (
        float(np.median([at(sizes, 1 / 3) for sizes in column(measured[arm], "sizes")]))
        for arm in (AFTER_HARD, ONLY)
    )
    after, only, papers_after, papers_only = (
        float(np.median(column(measured[arm], "neurons")))
        for arm in (AFTER_HARD, ONLY, PAPERS_AFTER, PAPERS_ONLY)
    )
    losses = [
        float(np.median(column(measured[arm], "loss of a stretch"))) for arm in (AFTER_HARD, ONLY)
    ]
    return [
        Check(
            "neurons after the hard time",
            f"{before:g} against {as_old:g} at that age",
            "more",
            before > as_old,
        ),
        Check(
            "neurons at the end, over those of only easy",
            f"{after:g} / {only:g}",
            "<= 1.3",
            after <= 1.3 * only,
        ),
        Check(
            "loss, against only easy",
            f"{losses[0]:.3f} against {losses[1]:.3f}",
            "<= 1 % worse",
            losses[0] <= 1.01 * losses[1],
        ),
        Check(
            "the paper's rule leaves more",
            f"{papers_after:g} / {papers_only:g}",
            "a larger ratio",
            papers_after / papers_only > after / only,
        ),
    ]


def figures(runs: dict[str, list[Run]], measured: dict[str, list[dict]]) -> dict[str, Figure]:
    """Loss and size over training."""
    return {
        "sizes": symbols.curves(
            runs, {"floor, easy": symbols.floor("easy"), "floor, hard": symbols.floor("hard")}
        )
    }
