"""A network that has lived through a hard time is as small afterwards as if there had been none.

It never learns the hard grammar: kept small, it is still far from what a network reaches that
knows whether its flip was used, and the notes say how far. So what is shown is that nothing of the
hard time is kept, and not that a mastered grammar is unlearned.

Refuted when there is no more of it after the hard time than of a network that saw only the easy
grammar for as long; when its size at the end may be 30 % above that of the other, or its loss 1 %
worse (the interval over seeds must lie below); or when the paper's own rule leaves no more. The
abstract of the paper's first version says that shrinking after simplification "is not evident".
Control: that rule, for which a neuron once grown is lost slowly, because its outgoing weights cost
little and nothing hurries its end.
"""

import numpy as np
from matplotlib.figure import Figure

from experiments import symbols
from experiments.claims import Check, Measured, Row, column, spread
from experiments.symbols import at
from experiments.twins import difference, differs
from urn import Run, TrainConfig
from urn.data.tasks import Dataset

# The claim.
CLAIM = (
    "After a hard time whose grammar it does not learn, a network shrinks to within 30 % of one "
    "that saw only the easy one, without loss of performance"
)
# Where it is from.
SOURCE = "Miconi 2016 (arXiv 1606.06216), and what its abstract says could not be shown"
# What the paper reports.
PAPER = (
    "shrinking after simplification 'is not evident' (first version); 19 neurons after "
    "easy-hard-easy against 14 to 16"
)
SEEDS = {"paper": 20}  # As in the paper.
FIRST_SEED = 300  # No setting was chosen on these seeds,
DATA_SEED = 1  # nor on these data.

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
HARD_TIME = 1 / 3  # The part of training that is hard.
LEARNED = 11.0  # The loss below which a network knows whether a flip was used, as in `growth`.
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
        ONLY: symbols.switching(easy, steps, data_seed=DATA_SEED, **POLICY),
        AFTER_HARD: symbols.switching(hard, steps, data_seed=DATA_SEED, **POLICY),
        PAPERS_ONLY: symbols.switching(easy, steps, data_seed=DATA_SEED),
        PAPERS_AFTER: symbols.switching(hard, steps, data_seed=DATA_SEED),
    }


def measure(arm: str, run: Run, data: Dataset) -> Row:
    """Size and loss."""
    return symbols.measure(run, data)


def checks(measured: Measured, scale: str) -> list[Check]:
    """Size before, after, and against the network that saw only easy; loss."""
    early = [
        [at(sizes, HARD_TIME) for sizes in column(measured[arm], "sizes")]
        for arm in (AFTER_HARD, ONLY)
    ]
    ours = _logarithms(measured, "neurons", AFTER_HARD, ONLY)
    papers = _logarithms(measured, "neurons", PAPERS_AFTER, PAPERS_ONLY)
    losses = _logarithms(measured, "loss of a stretch", AFTER_HARD, ONLY)

    return [
        differs("neurons after the hard time, less those of only easy at that age", *early, 0.0),
        _at_most("neurons at the end, over those of only easy", ours, MAX_RATIO),
        _at_most("loss, over that of only easy", losses, MAX_LOSS_RATIO),
        differs(
            "logarithm of that ratio of neurons, the paper's rule less ours", papers, ours, 0.0
        ),
    ]


def _logarithms(measured: Measured, name: str, arm: str, other: str) -> list[float]:
    """The logarithm of the ratio of a number in two arms, for each seed."""
    pair = [np.array(column(measured[of], name), float) for of in (arm, other)]
    return np.log(np.maximum(pair[0], 1) / np.maximum(pair[1], 1)).tolist()


def _at_most(title: str, logarithms: list[float], bound: float) -> Check:
    """A ratio whose interval over seeds must lie below a bound."""
    d = difference(logarithms, [0.0] * len(logarithms))
    low, mean, high = np.exp([d.low, d.mean, d.high])
    shown = f"{mean:.3g}" if d.n == 1 else f"{mean:.3g} ({low:.3g} to {high:.3g})"
    return Check(title, shown, f"interval below {bound:g}", bool(high <= bound))


def notes(measured: Measured, scale: str) -> list[str]:
    """What the network had learned of the hard grammar when the hard time ended."""
    said = []
    for arm in (AFTER_HARD, PAPERS_AFTER):
        losses = [at(row, HARD_TIME) for row in column(measured[arm], "losses")]
        learned = [loss < LEARNED for loss in losses]
        said.append(f"{arm}: {spread(losses)}, under {LEARNED:g} in {spread(learned)}")
    return [
        "Loss of a stretch at the end of the hard time: " + "; ".join(said) + ". Reversing a group "
        f"without knowing whether its flip was used leaves {symbols.NO_MEMORY_OF_FLIPS:.1f}, the "
        f"floor is {symbols.floor('hard'):.1f}."
    ]


def figures(runs: dict[str, list[Run]], measured: Measured) -> dict[str, Figure]:
    """Loss and size over training."""
    floors = {"floor, easy": symbols.floor("easy"), "floor, hard": symbols.floor("hard")}
    return {"sizes": symbols.curves(runs, floors)}
