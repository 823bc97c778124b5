"""How large networks are and how long they train: what the time that is given allows."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from experiments.discover.dials import Arm, n_sites
from urn.data.tasks import Dataset

HIDDEN = 100
"""Hidden neurons. By judgement: enough for the tasks of the claims, and a tenth of a dense step of
the sizes there."""

FEWEST_STEPS = 200
"""Of training. By judgement: below it nothing is learned, whatever the time."""

MOST_STEPS = 3000
"""By judgement: as many as the longest of the claims on these tasks."""

FEWEST_SEEDS = 5
"""Of the confirmation. By judgement: with fewer no corrected p is below 0.01."""

MOST_SEEDS = 10
"""By judgement: from there on test data, not seeds, limit what can be said."""

RUNGS = (0.25, 0.5)
"""Of the search: its trainings, as shares of the steps of the confirmation. By judgement."""

SHARE_OF_TWINS = 0.6
"""Of the arms, those that are expected to be trained on a twin too. By judgement."""

DEARER = 1.5
"""Time of a step with places or shared weights over that of a plain one. Measured on MNIST-1D, four
networks together: 1.5 with learned places, 1.2 with shared weights."""

BATCH = 64
"""Samples in an update. By judgement."""

PLANNED = 0.9
"""Of the time, what training may take; the rest is for judging. By judgement."""

WARM_UP = 0.1
"""Of the steps, those over which the learning rate rises. By judgement: shared weights diverge at
high rates without it."""


@dataclass(frozen=True)
class Sizes:
    """What is the same in every network, but for its kind.

    Attributes
    ----------
    hidden, channels : int
        Hidden neurons; on a lattice, channels of them.
    steps, seeds : int
        Of the confirmation.
    """

    hidden: int = HIDDEN
    channels: int = 4
    steps: int = 1000
    seeds: int = FEWEST_SEEDS

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def channels_for(data: Dataset) -> int:
    """Channels of a lattice: about as many hidden neurons as elsewhere, but two at least."""
    n = n_sites(data)
    return max(2, math.ceil(HIDDEN / n)) if n else 0


def neurons(arm: Arm, data: Dataset, sizes: Sizes) -> int:
    """S of a kind of network; a linear one has no hidden neurons."""
    hidden = 0 if arm.n_iterations == 1 else sizes.hidden
    if arm.is_lattice:
        hidden = sizes.channels * n_sites(data)
    return data.n_inputs + hidden + data.n_outputs


def work(arm: Arm, data: Dataset, sizes: Sizes) -> float:
    """Time of a step of a network of a kind, in units that cancel.

    I S^1.5 fits the times measured on MNIST-1D for S from 150 to 370 within a quarter.
    """
    dearer = DEARER if "hidden_positions" in arm.fields else 1.0
    return dearer * arm.n_iterations * neurons(arm, data, sizes) ** 1.5


def sizes_for(arms: Iterable[Arm], data: Dataset, seconds: float, per_work: float) -> Sizes:
    """Steps and seeds that fit into the time.

    Parameters
    ----------
    arms : iterable of Arm
        All kinds that will be tried.
    data : Dataset
    seconds : float
        That are left.
    per_work : float
        Seconds of a unit of work, as measured.
    """
    arms = list(arms)
    base = Sizes(channels=channels_for(data))
    searched = 0.0
    confirmed = 0.0
    for arm in arms:
        unit = work(arm, data, base) * per_work
        n = len(arm.strengths)
        # Half of the strengths go on to the second rung, one of each kind to the confirmation.
        searched += unit * (n * RUNGS[0] + math.ceil(n / 2) * RUNGS[1])
        confirmed += unit * (1 + SHARE_OF_TWINS)

    budget = PLANNED * seconds
    steps = int(budget / (searched + FEWEST_SEEDS * confirmed))
    steps = min(max(steps, FEWEST_STEPS), MOST_STEPS) // 50 * 50
    seeds = int((budget / steps - searched) / confirmed)
    seeds = min(max(seeds, FEWEST_SEEDS), MOST_SEEDS)
    return Sizes(base.hidden, base.channels, steps, seeds)
