"""How large networks are and how long they train: what the time that is given allows.

Time is measured as it goes. A few timed steps set the first rung of the search, and what all
batches so far took sets the next: a machine that is busy elsewhere gets fewer steps, not more time.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.discover.dials import Arm, n_sites
from urn.data.tasks import Dataset
from urn.errors import InputError
from urn.io import atomic_write, to_json

FILE = "sizes.json"
"""What was made of the time, in the folder of a discovery."""

HIDDEN = 100
"""Hidden neurons. By judgement: enough for the tasks of the claims, and a tenth of a dense step of
the sizes there."""

LATTICE = 320
"""Hidden neurons on a lattice, at most: MOST_CHANNELS where that is fewer, and two channels at
least."""

MOST_CHANNELS = 8
"""Measured on MNIST-1D, shared weights, three seeds each: after 600 steps 64 to 75 % of unseen
samples with 6 channels and 81 to 82 % with 8; with 3 channels some seeds never learn."""

RUNGS = (0.25, 0.5)
"""Of the search: its trainings, at most, as shares of MOST_STEPS. By judgement."""

FEWEST_STEPS = 200
"""Of training. By judgement: below it nothing is learned, whatever the time."""

MOST_STEPS = 3000
"""By judgement: as many as the longest of the claims on these tasks."""

FEWEST_SEEDS = 5
"""Of the confirmation. By judgement: with fewer no corrected p is below 0.01."""

MOST_SEEDS = 10
"""By judgement: from there on test data, not seeds, limit what can be said."""

SHARES = (0.1, 0.15)
"""Of the time, what the two rungs of the search may take. By judgement: most of it belongs to the
confirmation."""

LAST = 0.2
"""Of the time, what the last stage may take, in which the kind that was chosen is trained for
longer. By judgement."""

MOST_LAST = 20_000
"""Its steps, at most. By judgement: of 64 samples, hundreds of passes over the tables that most
people have."""

PLANNED = 0.9
"""Of the time, what training may take; the rest is for judging. By judgement."""

SHARE_OF_TWINS = 0.6
"""Of the arms, those that are expected to be trained on a twin too. By judgement."""

DEARER = 1.5
"""Time of a step with places or shared weights over that of a plain one. Measured on MNIST-1D, four
networks together: 1.5 with learned places, 1.2 with shared weights."""

BATCH = 64
"""Samples in an update. By judgement."""

WARM_UP = 0.1
"""Of the steps, those over which the learning rate rises. By judgement: shared weights diverge at
high rates without it."""

ROUND = 10
"""Steps are a multiple of it, by judgement: easier to read."""


@dataclass(frozen=True)
class Sizes:
    """What is the same in every network, but for its kind. Zero where it is not known yet.

    Attributes
    ----------
    hidden, channels : int
        Hidden neurons; on a lattice, channels of them.
    rungs : tuple of int
        Steps of the rungs of the search.
    steps, seeds : int
        Of the confirmation.
    last : int
        Steps of the last stage.
    """

    hidden: int = HIDDEN
    channels: int = 0
    rungs: tuple[int, ...] = (0, 0)
    steps: int = 0
    seeds: int = 0
    last: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def neurons(arm: Arm, data: Dataset, sizes: Sizes) -> int:
    """S of a kind of network; a linear one has no hidden neurons."""
    hidden = 0 if arm.n_iterations == 1 else sizes.hidden
    if arm.is_lattice:
        hidden = sizes.channels * n_sites(data)
    return data.n_inputs + hidden + data.n_outputs


def work(arm: Arm, data: Dataset, sizes: Sizes) -> float:
    """Time of a step of a network of a kind, or of its patience of them, in units that cancel.

    I S^1.5 fits the times measured on MNIST-1D for S from 150 to 370 within a quarter.
    """
    dearer = DEARER if "hidden_positions" in arm.fields else 1.0
    return arm.patience * dearer * arm.n_iterations * neurons(arm, data, sizes) ** 1.5


class Sizing:
    """Sets sizes from the time, one stage after the other, and keeps them for a run that goes on.

    Parameters
    ----------
    folder : path
        Of the discovery.
    seconds : float
        Given for all of it.
    arms : iterable of Arm
        All kinds that are tried.
    data : Dataset
    given : Sizes, optional
        In place of what the time allows, in a folder that has none yet.

    Attributes
    ----------
    sizes : Sizes
        Those that are known.

    Raises
    ------
    InputError
        When the folder's file of sizes is damaged.
    """

    def __init__(
        self,
        folder: Path,
        seconds: float,
        arms: Iterable[Arm],
        data: Dataset,
        given: Sizes | None = None,
    ) -> None:
        self.path = folder / FILE
        self.seconds = PLANNED * seconds
        self.arms = list(arms)
        self.data = data
        self.sizes = self._read() or given or Sizes(channels=_channels(data))
        self._set()

    def rung(self, k: int, per_work: Callable[[], float], spent: float) -> int:
        """Steps of a rung of the search.

        Parameters
        ----------
        k : int
        per_work : callable
            Measures the seconds of a unit of work, if it is needed.
        spent : float
            Seconds that training took so far.
        """
        if not self.sizes.rungs[k]:
            # Each rung has half of the strengths of the one before.
            units = sum(self._work(arm) * math.ceil(len(arm.strengths) / 2**k) for arm in self.arms)
            # What earlier rungs did not take is left over for this one.
            budget = sum(SHARES[: k + 1]) * self.seconds - spent
            steps = _bounded(budget / (units * per_work()), RUNGS[k])
            rungs = [*self.sizes.rungs[:k], steps, *self.sizes.rungs[k + 1 :]]
            self._set(rungs=tuple(rungs))
        return self.sizes.rungs[k]

    def confirmation(self, per_work: Callable[[], float], spent: float) -> Sizes:
        """Steps and seeds of the confirmation; the arguments are those of `rung`."""
        if not self.sizes.steps:
            # One network of each kind on the data, and most of them on a twin.
            units = sum(self._work(arm) for arm in self.arms) * (1 + SHARE_OF_TWINS) * per_work()
            budget = (1 - LAST) * self.seconds - spent
            steps = _bounded(budget / (units * FEWEST_SEEDS), 1.0)
            # More steps than that teach nothing new: time that is over goes into seeds.
            seeds = min(max(int(budget / (units * steps)), FEWEST_SEEDS), MOST_SEEDS)
            self._set(steps=steps, seeds=seeds)
        return self.sizes

    def last(self, arm: Arm, n_rounds: int, per_work: float, spent: float) -> int:
        """Steps of the last stage: no fewer than in the confirmation.

        Parameters
        ----------
        arm : Arm
            The kind that was chosen.
        n_rounds : int
            Networks that are trained one after the other.
        per_work, spent : float
            As in `rung`, but a network trains on its own.
        """
        if not self.sizes.last:
            steps = (self.seconds - spent) / (n_rounds * self._work(arm) * per_work)
            steps = round(min(steps, MOST_LAST / arm.patience) / ROUND) * ROUND
            self._set(last=max(steps, self.sizes.steps))
        return self.sizes.last

    def _work(self, arm: Arm) -> float:
        return work(arm, self.data, self.sizes)

    def _set(self, **fields: Any) -> None:
        """Keep what is known now, for a run that goes on."""
        self.sizes = replace(self.sizes, **fields)
        atomic_write(self.path, to_json(self.sizes.to_dict()))

    def _read(self) -> Sizes | None:
        """What was set before."""
        if not self.path.exists():
            return None
        try:
            fields = json.loads(self.path.read_text(encoding="utf-8"))
            return Sizes(**fields | {"rungs": tuple(map(int, fields["rungs"]))})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InputError(f"{self.path}: cannot be read ({error})") from None


def _bounded(steps: float, share: float) -> int:
    """Steps within the share of what is sensible, and round."""
    least = share * FEWEST_STEPS
    most = share * MOST_STEPS
    return max(1, round(min(max(steps, least), most) / ROUND)) * ROUND


def _channels(data: Dataset) -> int:
    """Channels of a lattice, 0 where the inputs fill none."""
    n = n_sites(data)
    return min(max(2, LATTICE // n), MOST_CHANNELS) if n else 0
